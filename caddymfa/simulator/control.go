package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// controlUser is a person in the control API.
type controlUser struct {
	ID       int64           `json:"id"`
	Username string          `json:"username"`
	Email    string          `json:"email"`
	Status   int             `json:"status"`
	State    int             `json:"state"`
	Devices  []controlDevice `json:"devices"`
	Pushes   []Push          `json:"pushes"`
}

// controlDevice is a device with the code that would be typed now.
type controlDevice struct {
	ID      int64  `json:"id"`
	Factor  Factor `json:"factor"`
	Name    string `json:"name"`
	Default bool   `json:"default"`
	Code    string `json:"code,omitempty"`
}

// addControl adds the JSON mirror of the hooks, for tests in other languages and
// for people with curl. It has no credential of its own: see Phone.
func (s *Simulator) addControl(mux *http.ServeMux) {
	mux.HandleFunc("GET /_sim/users", s.controlUsers)
	mux.HandleFunc("GET /_sim/users/{name}", s.controlUser)
	mux.HandleFunc("POST /_sim/users/{name}/approve", s.controlAnswer(true))
	mux.HandleFunc("POST /_sim/users/{name}/deny", s.controlAnswer(false))
	mux.HandleFunc("POST /_sim/users/{name}/status", s.controlStatus)
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

func (s *Simulator) controlUsers(w http.ResponseWriter, _ *http.Request) {
	list := []controlUser{}
	for _, u := range s.Users() {
		list = append(list, s.describe(u))
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Simulator) controlUser(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.named(w, r); ok {
		writeJSON(w, http.StatusOK, s.describe(u))
	}
}

func (s *Simulator) describe(u User) controlUser {
	c := controlUser{
		ID: u.ID, Username: u.Username, Email: u.Email, Status: u.Status, State: u.State,
		Devices: []controlDevice{}, Pushes: s.Pushes(u.Username),
	}
	for _, d := range u.Devices {
		c.Devices = append(c.Devices, controlDevice{d.ID, d.Factor, d.Name, d.Default, s.Code(u.Username, d.Factor)})
	}
	return c
}

// named returns the user that the path names, or answers 404.
func (s *Simulator) named(w http.ResponseWriter, r *http.Request) (User, bool) {
	for _, u := range s.Users() {
		if strings.EqualFold(u.Username, r.PathValue("name")) {
			return u, true
		}
	}
	writeProblem(w, http.StatusNotFound, errors.New("no such user"))
	return User{}, false
}

// controlAnswer answers the newest push; 409 says that none is pending, so that
// a script that is too early notices.
func (s *Simulator) controlAnswer(approve bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, ok := s.named(w, r)
		if !ok {
			return
		}
		if !s.Answer(u.Username, "", approve) {
			writeProblem(w, http.StatusConflict, errors.New("nothing is pending on this phone"))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Simulator) controlStatus(w http.ResponseWriter, r *http.Request) {
	u, ok := s.named(w, r)
	if !ok {
		return
	}
	wanted := struct{ Status, State int }{u.Status, u.State}
	if readJSON(w, r, &wanted) {
		s.SetStatus(u.Username, wanted.Status, wanted.State)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Simulator) controlAdvance(w http.ResponseWriter, r *http.Request) {
	var wanted struct{ Seconds float64 }
	if readJSON(w, r, &wanted) {
		s.Advance(time.Duration(wanted.Seconds * float64(time.Second)))
		writeJSON(w, http.StatusOK, map[string]time.Time{"now": s.Now()})
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
