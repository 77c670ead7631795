package simulator

import (
	"encoding/json"
	"net/url"
	"time"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

// maxHistory bounds the requests and messages that are kept.
const maxHistory = 1000

// Request is one answered request to the API. Secrets are replaced by
// "[redacted]".
type Request struct {
	At     time.Time `json:"at"`
	Op     string    `json:"op"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query,omitempty"`
	// Authorization shows the form of the header, such as "Bearer [redacted]".
	Authorization string `json:"authorization,omitempty"`
	// Body is the JSON body with its keys in alphabetical order; empty for
	// other bodies.
	Body   string `json:"body,omitempty"`
	Status int    `json:"status"`
}

// Requests returns the last thousand answered requests, oldest first. A call
// whose caller left before the answer is not among them.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request{}, s.history...)
}

// Calls returns how many requests of one kind arrived since the start or the
// last Reset, answered or not. op is one of the Op constants.
func (s *Simulator) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

func (s *Simulator) record(c *call, status int) {
	s.history = appendBounded(s.history, Request{
		At: c.now, Op: c.op, Method: c.method, Path: c.request.URL.Path,
		Query:         redactedQuery(c.request.URL.Query()),
		Authorization: redactedAuthorization(authorization(c.request.Header)),
		Body:          redactedBody(c.body),
		Status:        status,
	})
}

// appendBounded keeps a simulator that runs for weeks from growing: it drops the oldest entry when the list is full.
func appendBounded[T any](list []T, entry T) []T {
	if len(list) >= maxHistory {
		list = append(list[:0:0], list[1:]...)
	}
	return append(list, entry)
}

// secretNames are the fields, in bodies and queries, that hold a secret or a
// phone number anywhere in OneLogin's API.
func secretNames() []string {
	return []string{"otp", "otp_token", "client_secret", "access_token", "refresh_token", "password",
		"state_token", "session_token", "phone", "number"}
}

func redactedQuery(query url.Values) string {
	for _, name := range secretNames() {
		if query.Has(name) {
			query.Set(name, redacted)
		}
	}
	return query.Encode()
}

// redactedBody hides secrets at the top level, which is where the API has them.
func redactedBody(body []byte) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		return ""
	}
	for _, name := range secretNames() {
		if _, exists := object[name]; exists {
			object[name] = json.RawMessage(`"` + redacted + `"`)
		}
	}
	text, _ := json.Marshal(object)
	return string(text)
}
