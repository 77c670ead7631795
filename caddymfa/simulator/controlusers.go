package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// controlUser is a person in the control API.
type controlUser struct {
	ID       int64           `json:"id"`
	Username string          `json:"username"`
	Email    string          `json:"email"`
	Phone    string          `json:"phone"`
	Status   int             `json:"status"`
	State    int             `json:"state"`
	Devices  []controlDevice `json:"devices"`
	Pushes   []Push          `json:"pushes"`

	// VoiceCode is what the site shows for the call that rings.
	VoiceCode      string          `json:"voice_code,omitempty"`
	Registrations  []Registration  `json:"registrations"`
	TemporaryCodes []TemporaryCode `json:"temporary_codes"`
	PortalSessions int             `json:"portal_sessions"`
}

// controlDevice is a device with the code that would be typed now.
type controlDevice struct {
	ID      int64  `json:"id"`
	Factor  Factor `json:"factor"`
	Name    string `json:"name"`
	Default bool   `json:"default"`
	Code    string `json:"code,omitempty"`
}

// addUserControl adds what concerns one person, or all.
func (s *Simulator) addUserControl(mux *http.ServeMux) {
	const user = "/_sim/users/{name}"
	mux.HandleFunc("GET /_sim/users", s.controlUsers)
	mux.HandleFunc("POST /_sim/users", s.controlAddUser)
	mux.HandleFunc("GET "+user, s.controlUser)
	mux.HandleFunc("POST "+user+"/status", s.controlStatus)
	mux.HandleFunc("POST "+user+"/approve", s.controlAnswer(s.Approve))
	mux.HandleFunc("POST "+user+"/deny", s.controlAnswer(s.Deny))
	mux.HandleFunc("POST "+user+"/key-in", s.controlKeyIn)
	mux.HandleFunc("POST "+user+"/open-link", s.controlOpenLink)
	mux.HandleFunc("POST "+user+"/approve-registration", s.controlAnswer(s.ApproveRegistration))
	mux.HandleFunc("POST "+user+"/deny-registration", s.controlAnswer(s.DenyRegistration))
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
		ID: u.ID, Username: u.Username, Email: u.Email, Phone: u.Phone, Status: u.Status, State: u.State,
		Devices: []controlDevice{}, Pushes: s.Pushes(u.Username), VoiceCode: s.VoiceCode(u.Username),
		Registrations: s.Registrations(u.Username), TemporaryCodes: s.TemporaryCodes(u.Username),
		PortalSessions: s.PortalSessions(u.Username),
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

// controlAnswer lets the person answer what waits; 409 says that nothing does, so
// that a script that is too early notices.
func (s *Simulator) controlAnswer(answer func(username string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, ok := s.named(w, r)
		if !ok {
			return
		}
		if !answer(u.Username) {
			writeProblem(w, http.StatusConflict, errNothingPending)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

var errNothingPending = errors.New("nothing is pending on this phone")

// controlKeyIn keys digits into the newest call.
func (s *Simulator) controlKeyIn(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Digits string `json:"digits"`
	}
	if readJSON(w, r, &wanted) {
		s.controlAnswer(func(username string) bool { return s.KeyIn(username, wanted.Digits) })(w, r)
	}
}

// controlOpenLink opens the newest magic link and says where it leads.
func (s *Simulator) controlOpenLink(w http.ResponseWriter, r *http.Request) {
	u, ok := s.named(w, r)
	if !ok {
		return
	}
	leadsTo, ok := s.OpenLink(u.Username)
	if !ok {
		writeProblem(w, http.StatusConflict, errNothingPending)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"redirect_to": leadsTo})
}

// controlAddUser adds a person, or replaces the one of that name.
func (s *Simulator) controlAddUser(w http.ResponseWriter, r *http.Request) {
	var u User
	if !readJSON(w, r, &u) {
		return
	}
	if err := u.validate(); err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	s.AddUser(u)
	for _, added := range s.Users() {
		if added.Username == u.Username {
			writeJSON(w, http.StatusCreated, s.describe(added))
		}
	}
}

// validate returns an error for a person whom no hook could name or whose
// factors nobody knows.
func (u User) validate() error {
	if u.Username == "" {
		return errors.New("username is missing")
	}
	factors := slices.Clone(u.MayEnrol)
	for _, d := range u.Devices {
		factors = append(factors, d.Factor)
	}
	for _, f := range factors {
		if !slices.Contains(allFactors(), f) {
			return fmt.Errorf("factor %q is none of %v", f, allFactors())
		}
	}
	return nil
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
