package simulator

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// controlWebhook is the webhook as the control API shows it.
type controlWebhook struct {
	URL           string     `json:"url"`
	Authorization string     `json:"authorization,omitempty"`
	Lines         bool       `json:"lines,omitempty"`
	Batch         int        `json:"batch,omitempty"`
	WaitSeconds   float64    `json:"wait_seconds,omitempty"`
	Deliveries    []Delivery `json:"deliveries"`
}

// addWebhookControl adds the webhook, and what an administrator does that a
// webhook tells.
func (s *Simulator) addWebhookControl(mux *http.ServeMux) {
	const user = "/_sim/users/{name}"
	mux.HandleFunc("GET /_sim/webhook", s.controlShowWebhook)
	mux.HandleFunc("PUT /_sim/webhook", s.controlSetWebhook)
	mux.HandleFunc("DELETE "+user, s.controlRemoveUser)
	mux.HandleFunc("POST "+user+"/password", s.controlPassword)
	mux.HandleFunc("DELETE "+user+"/devices/{device}", s.controlRemoveDevice)
}

func (s *Simulator) controlShowWebhook(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	hook := s.webhook
	s.mu.Unlock()
	shown := controlWebhook{
		URL: hook.URL, Lines: hook.Lines, Batch: hook.Batch, WaitSeconds: hook.Wait.Seconds(), Deliveries: s.Deliveries(),
	}
	if hook.Authorization != "" {
		shown.Authorization = redacted
	}
	writeJSON(w, http.StatusOK, shown)
}

// controlSetWebhook replaces the webhook; {} ends it.
func (s *Simulator) controlSetWebhook(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		URL           string  `json:"url"`
		Authorization string  `json:"authorization"`
		Lines         bool    `json:"lines"`
		Batch         int     `json:"batch"`
		WaitSeconds   float64 `json:"wait_seconds"`
	}
	if !readJSON(w, r, &wanted) {
		return
	}
	err := s.SetWebhook(Webhook{
		URL: wanted.URL, Authorization: wanted.Authorization, Lines: wanted.Lines, Batch: wanted.Batch,
		Wait: time.Duration(wanted.WaitSeconds * float64(time.Second)),
	})
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	s.controlShowWebhook(w, r)
}

func (s *Simulator) controlRemoveUser(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.named(w, r); ok {
		s.RemoveUser(u.Username)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Simulator) controlPassword(w http.ResponseWriter, r *http.Request) {
	u, ok := s.named(w, r)
	if !ok {
		return
	}
	var wanted struct {
		Password string `json:"password"`
	}
	switch {
	case !readJSON(w, r, &wanted):
	case wanted.Password == "":
		writeProblem(w, http.StatusBadRequest, errors.New("password is missing"))
	default:
		s.SetPassword(u.Username, wanted.Password)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Simulator) controlRemoveDevice(w http.ResponseWriter, r *http.Request) {
	u, ok := s.named(w, r)
	if !ok {
		return
	}
	deviceID, err := strconv.ParseInt(r.PathValue("device"), 10, 64)
	if err != nil || !s.RemoveDevice(u.Username, deviceID) {
		writeProblem(w, http.StatusNotFound, errors.New("no such device"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
