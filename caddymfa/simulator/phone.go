package simulator

import "net/http"

// Phone returns the web pages that are the people's phones, and below /_sim/
// the control API. Whoever reaches it can approve everything: listening on a
// loopback address only is the caller's job. Cross-site requests are refused.
func (s *Simulator) Phone() http.Handler {
	mux := http.NewServeMux()
	s.addControl(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}
