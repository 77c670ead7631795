package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// addControl adds the JSON mirror of the hooks, for tests in other languages and
// for people with curl. It has no credential of its own: see Phone.
func (s *Simulator) addControl(mux *http.ServeMux) {
	s.addUserControl(mux)
	s.addWebhookControl(mux)
	mux.HandleFunc("POST /_sim/risk", s.controlRisk)
	mux.HandleFunc("GET /_sim/events", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Events()) })
	mux.HandleFunc("GET /_sim/requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Requests()) })
	mux.HandleFunc("GET /_sim/sent", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Sent()) })
	mux.HandleFunc("POST /_sim/advance", s.controlAdvance)
	mux.HandleFunc("GET /_sim/switches", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Switches()) })
	mux.HandleFunc("PUT /_sim/switches", s.controlSwitches)
	mux.HandleFunc("POST /_sim/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Simulator) controlAdvance(w http.ResponseWriter, r *http.Request) {
	var wanted struct{ Seconds float64 }
	if readJSON(w, r, &wanted) {
		s.Advance(time.Duration(wanted.Seconds * float64(time.Second)))
		writeJSON(w, http.StatusOK, map[string]time.Time{"now": s.Now()})
	}
}

// controlRisk sets a score of Smart MFA.
func (s *Simulator) controlRisk(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Key   string `json:"key"`
		Score int    `json:"score"`
	}
	if readJSON(w, r, &wanted) {
		s.SetRisk(wanted.Key, wanted.Score)
		w.WriteHeader(http.StatusNoContent)
	}
}

// controlSwitches replaces all switches; those left out go back to default.
func (s *Simulator) controlSwitches(w http.ResponseWriter, r *http.Request) {
	var next Switches
	if readJSON(w, r, &next) {
		s.SetSwitches(func(current *Switches) { *current = next })
		writeJSON(w, http.StatusOK, next)
	}
}

// readJSON decodes one JSON value from the body, or answers 400.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = errors.New("more than one value")
	}
	if err != nil {
		writeProblem(w, http.StatusBadRequest, fmt.Errorf("read the body: %w", err))
		return false
	}
	return true
}

func writeProblem(w http.ResponseWriter, status int, problem error) {
	writeJSON(w, status, map[string]string{"error": problem.Error()})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(value)
}
