package form

import (
	"net/http"
	"strings"
)

// SameOrigin reports whether the request with header h may come from a page of
// origin, such as https://app.example.com, as far as the browser says
// (Fetch Metadata; RFC 6454 section 7).
//
// Sec-Fetch-Site decides where there is one: same-origin passes, and so does
// none if a person navigated. Otherwise Origin has to be origin, scheme and
// port included. It may also be null, which old browsers send for pages that
// hide their address, as ours do; or missing, as from programs. So SameOrigin
// alone proves nothing: a form also needs a secret of its page. What is there
// twice never passes.
func SameOrigin(h http.Header, origin string) bool {
	if site := h["Sec-Fetch-Site"]; len(site) > 0 {
		navigated := len(h["Sec-Fetch-Mode"]) == 1 && h.Get("Sec-Fetch-Mode") == "navigate"
		return len(site) == 1 && (site[0] == "same-origin" || site[0] == "none" && navigated)
	}
	from := h["Origin"]
	return len(from) == 0 || len(from) == 1 && (from[0] == "null" || strings.EqualFold(from[0], origin))
}
