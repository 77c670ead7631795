package intranet

import (
	"encoding/json"
	"net/http"
	"sync"
)

// maxHistory bounds the requests that are remembered one by one; the count
// goes on.
const maxHistory = 1000

// Request is one request that reached the app, as GET /-/requests tells it.
// It holds no header value except what the gateway says about the person.
type Request struct {
	Method  string   `json:"method"`
	Path    string   `json:"path"`    // with the query
	User    string   `json:"user"`    // X-Mfa-User; empty if absent
	Factor  string   `json:"factor"`  // X-Mfa-Factor; empty if absent
	Cookies []string `json:"cookies"` // names of the cookies that came along
}

// History is the answer to GET /-/requests.
type History struct {
	Requests []Request `json:"requests"` // the first 1000 since the last reset
	Count    int       `json:"count"`    // all since the last reset
}

// history counts requests. The zero value is empty and ready.
type history struct {
	mu   sync.Mutex
	seen History
}

// add notes one request before it is answered.
func (h *history) add(r *http.Request) {
	seen := Request{
		Method:  r.Method,
		Path:    r.URL.RequestURI(),
		User:    r.Header.Get("X-Mfa-User"),
		Factor:  r.Header.Get("X-Mfa-Factor"),
		Cookies: []string{},
	}
	for _, cookie := range r.Cookies() {
		seen.Cookies = append(seen.Cookies, cookie.Name)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.Count++
	if len(h.seen.Requests) < maxHistory {
		h.seen.Requests = append(h.seen.Requests, seen)
	}
}

// ServeHTTP answers GET /-/requests and POST /-/reset.
func (h *history) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /-/requests":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(h.snapshot())
	case "POST /-/reset":
		h.reset()
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

// snapshot returns a copy whose list is never null in JSON.
func (h *history) snapshot() History {
	h.mu.Lock()
	defer h.mu.Unlock()
	return History{Requests: append([]Request{}, h.seen.Requests...), Count: h.seen.Count}
}

func (h *history) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = History{}
}
