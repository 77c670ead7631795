package caddymfa

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// proof is a verification that OneLogin has accepted.
type proof struct {
	begun
	at    time.Time
	void  bool // of a user who was suspended then
	spent bool // a session came of it
}

// begun is a verification that a browser began on a challenge page.
type begun struct {
	userID, factor string
	browser        int
	site           string
	tab            *tab
}

// held is a session that a browser was given.
type held struct {
	*proof
	created, used time.Time
	ended         bool
	handle        string // once its owner was shown it
}

// truth is what a walk knows of the world without asking the gateway. It sits
// between gateway and OneLogin and learns from OneLogin's answers.
type truth struct {
	sim      *simulator.Simulator
	oneLogin http.RoundTripper

	mu        sync.Mutex // guards what follows: pollers ask in the background
	acting    begun      // who acts now; its user is not known
	begun     map[string]begun
	proofs    []*proof
	accepted  map[string]time.Time // verifications, and codes with their users
	suspended map[string]bool      // by user id
	held      map[string]*held
	wrongs    []string // what must never happen
}

func newTruth(sim *simulator.Simulator) *truth {
	return &truth{sim: sim, oneLogin: sim.Transport(), begun: map[string]begun{}, accepted: map[string]time.Time{},
		suspended: map[string]bool{}, held: map[string]*held{}}
}

// said is all that OneLogin's answers and our questions may hold about a proof.
type said struct {
	ID, Status, DeviceID any
	Data                 []struct {
		Status     string
		User       struct{ ID int64 }
		StateToken string `json:"state_token"`
	}
}

type asked struct {
	DeviceID   any    `json:"device_id"`
	OTP        string `json:"otp"`
	OTPToken   string `json:"otp_token"`
	StateToken string `json:"state_token"`
}

// RoundTrip implements [http.RoundTripper].
func (k *truth) RoundTrip(r *http.Request) (*http.Response, error) {
	verifies, logsIn := strings.Contains(r.URL.Path, "/verifications"), strings.Contains(r.URL.Path, "/login/")
	if !verifies && !logsIn {
		return k.oneLogin.RoundTrip(r)
	}
	var question []byte
	if r.Body != nil {
		question, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(question))
	}
	response, err := k.oneLogin.RoundTrip(r)
	if err != nil {
		return response, err
	}
	answer, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(answer))
	var q asked
	var a said
	if len(question) > 0 {
		_ = json.Unmarshal(question, &q)
	}
	_ = json.Unmarshal(answer, &a)
	k.mu.Lock()
	defer k.mu.Unlock()
	if verifies {
		k.verification(r, q, a, response.StatusCode)
	} else {
		k.login(q, a)
	}
	return response, err
}

// verification learns from a call to /api/2/mfa/users/<id>/verifications.
func (k *truth) verification(r *http.Request, q asked, a said, status int) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	userID, id := "", ""
	for i, part := range parts {
		if part == "users" {
			userID = parts[i+1]
		}
		if part == "verifications" && i+1 < len(parts) {
			id = parts[i+1]
		}
	}
	switch {
	case id != "" && a.Status == "accepted":
		k.accept(id, userID, q.OTP)
	case id != "" || status/100 != 2:
	case q.OTP == "":
		b := k.acting
		b.userID, b.factor = userID, k.factor(plain(q.DeviceID))
		k.begun[plain(a.ID)] = b
	default: // a code without an activation; any success is one
		once := "at once " + strconv.Itoa(len(k.proofs))
		b := k.acting
		b.userID, b.factor = userID, k.factor(plain(q.DeviceID))
		k.begun[once] = b
		k.accept(once, userID, q.OTP)
	}
}

// login learns from a call to /api/1/login/auth or verify_factor.
func (k *truth) login(q asked, a said) {
	if len(a.Data) == 0 {
		return
	}
	userID := strconv.FormatInt(a.Data[0].User.ID, 10)
	if stateToken := a.Data[0].StateToken; stateToken != "" {
		b := k.acting
		b.userID = userID
		k.begun[stateToken] = b
	}
	if a.Data[0].Status == "Authenticated" && q.StateToken != "" {
		b := k.begun[q.StateToken]
		b.factor = k.factor(plain(q.DeviceID))
		k.begun[q.StateToken] = b
		k.accept(q.StateToken, userID, q.OTPToken)
	}
}

// accept notes that OneLogin said yes, for the first time.
func (k *truth) accept(id, userID, code string) {
	now := time.Now()
	if _, twice := k.accepted[id]; twice {
		return
	}
	k.accepted[id] = now
	if at, twice := k.accepted[userID+" "+code]; code != "" && twice && now.Sub(at) < 10*time.Minute {
		k.wrongs = append(k.wrongs, "a code of user "+userID+" was accepted twice")
	}
	k.accepted[userID+" "+code] = now
	b := k.begun[id]
	if b.userID != userID {
		k.wrongs = append(k.wrongs, "a verification of user "+b.userID+" was accepted for user "+userID)
	}
	k.proofs = append(k.proofs, &proof{begun: b, at: now, void: k.suspended[userID]})
}

// plain is an id as it is written, whether it was sent as a number or a string.
func plain(id any) string {
	switch id := id.(type) {
	case string:
		return id
	case float64:
		return strconv.FormatInt(int64(id), 10)
	}
	return ""
}

// factor is the kind of a device.
func (k *truth) factor(deviceID string) string {
	for _, user := range k.sim.Users() {
		for _, d := range user.Devices {
			if strconv.FormatInt(d.ID, 10) == deviceID {
				return string(d.Factor)
			}
		}
	}
	return "of no device"
}

// act says who acts from now on.
func (k *truth) act(by begun) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.acting = by
}

// born notes that the browser that acts got a session, which has to come of
// one proof of its own, given on this very challenge and not used before.
func (k *truth) born(cookieValue string, former []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if len(former) == 1 {
		k.end(k.held[k.acting.site+" "+former[0]])
	}
	s := &held{created: now, used: now}
	k.held[k.acting.site+" "+cookieValue] = s
	for _, p := range k.proofs {
		if !p.spent && !p.void && p.browser == k.acting.browser && p.site == k.acting.site && p.tab == k.acting.tab {
			p.spent, s.proof = true, p
			return
		}
	}
	k.wrongs = append(k.wrongs, "a session was given without a proof")
}

func (k *truth) end(s *held) {
	if s != nil {
		s.ended = true
	}
}

// endWhere ends the sessions that a selection holds for.
func (k *truth) endWhere(selected func(site string, s *held) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, s := range k.held {
		if site, _, _ := strings.Cut(key, " "); s.proof != nil && selected(site, s) {
			s.ended = true
		}
	}
}

// reached notes that a request of a user reached the app, which is wrong unless
// there is a proof behind it.
func (k *truth) reached(site, path string, want route, cookieValues []string, userID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if why := k.judge(site, want, cookieValues, userID); why != "" {
		k.wrongs = append(k.wrongs, "the app was reached at "+path+" though "+why)
	}
}

// judge says why a request must not have reached the app, or "".
func (k *truth) judge(site string, want route, cookieValues []string, userID string) string {
	if want.exempt {
		return ""
	}
	if len(cookieValues) != 1 {
		return "it brought " + strconv.Itoa(len(cookieValues)) + " session cookies"
	}
	s, now := k.held[site+" "+cookieValues[0]], time.Now()
	switch {
	case s == nil || s.proof == nil:
		return "no proof led to its session"
	case s.ended:
		return "its session has ended"
	case s.browser != k.acting.browser:
		return "another browser has proved itself"
	case s.userID != userID:
		return "user " + s.userID + " has proved themselves, and not " + userID
	case now.Sub(s.at) >= want.maxAge:
		return "the proof is " + now.Sub(s.at).String() + " old"
	case want.factors != nil && !slices.Contains(want.factors, s.factor):
		return "the factor is " + s.factor
	case now.Sub(s.used) >= walkIdle:
		return "the session was not used for " + now.Sub(s.used).String()
	case now.Sub(s.created) >= walkLifetime:
		return "the session is " + now.Sub(s.created).String() + " old"
	}
	if !want.background {
		s.used = now
	}
	return ""
}

// told returns what was wrong so far.
func (k *truth) told() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wrongs
}
