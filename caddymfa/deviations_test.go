package caddymfa_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// flow is one further way of proof, as a program goes through it.
type flow struct {
	name, global, options string
	signIn                bool
	devices               []simulator.Device
	sends                 int // messages that may go out
	// walk returns the fields of the last step but the code, the endpoint of
	// that step, and the right code; or false if the flow stopped before.
	walk func(w walk) (endpoint string, fields map[string]string, code string, ok bool)
}

// walk is one person on their way through a flow.
type walk struct {
	*browser
	t     *testing.T
	name  string
	admin string
}

// step posts to an endpoint, and is false if that was refused.
func (w walk) step(endpoint string, fields map[string]string) (challenge, bool) {
	got := w.post(endpoint, fields)
	if got.StatusCode != http.StatusOK {
		return challenge{}, false
	}
	return got.json(w.t), true
}

// meet asks for the app and looks at the challenge.
func (w walk) meet() (challenge, bool) {
	asked := w.get("/")
	if asked.StatusCode != http.StatusUnauthorized {
		return challenge{}, false
	}
	seen := w.get(asked.json(w.t).ChallengeURL)
	return seen.json(w.t), seen.StatusCode == http.StatusOK
}

// begin activates the factor of a kind, and is false if it is not offered.
func (w walk) begin(c challenge, kind string) bool {
	for _, f := range c.Factors {
		if f.Kind == kind || kind == "" {
			_, ok := w.step("start", map[string]string{"csrf": c.CSRF, "factor": f.ID})
			return ok
		}
	}
	return false
}

func flows() []flow {
	return []flow{
		{
			name: "enrolment", options: "enroll", sends: 2,
			walk: func(w walk) (string, map[string]string, string, bool) {
				c, ok := w.meet()
				if !ok || len(c.Enroll) == 0 {
					return "", nil, "", false
				}
				for _, f := range c.Enroll {
					if f.Kind == "sms" {
						_, ok = w.step("enroll", map[string]string{"csrf": c.CSRF, "factor": f.ID})
					}
				}
				return "confirm", map[string]string{"csrf": c.CSRF}, w.sim.Code(w.name, simulator.SMS), ok
			},
		}, {
			name: "temporary code", global: "help_desk", sends: 1, devices: []simulator.Device{{Factor: simulator.TOTP}},
			walk: func(w walk) (string, map[string]string, string, bool) {
				body, _ := json.Marshal(map[string]string{"user": w.name, "reason": "lost", "by": "desk"})
				status, made := adminCall(w.t, "POST", w.admin+"/mfa/token", string(body))
				c, ok := w.meet()
				if status != http.StatusOK || !ok || !w.begin(c, "temporary") {
					return "", nil, "", false
				}
				return "verify", map[string]string{"csrf": c.CSRF}, made["code"].(string), true
			},
		}, {
			name: "Smart MFA", options: "smart_mfa", sends: 1,
			walk: func(w walk) (string, map[string]string, string, bool) {
				c, ok := w.meet()
				if !ok || !w.begin(c, "") {
					return "", nil, "", false
				}
				return "verify", map[string]string{"csrf": c.CSRF}, w.sim.Code(w.name, simulator.Email), true
			},
		}, {
			name: "password", options: "sign_in password", signIn: true, sends: 1, devices: []simulator.Device{{Factor: simulator.SMS}},
			walk: func(w walk) (string, map[string]string, string, bool) {
				c, ok := w.meet()
				if !ok {
					return "", nil, "", false
				}
				in, ok := w.step("login", map[string]string{"csrf": c.CSRF, "user": w.name, "password": "demo"})
				if !ok || !w.begin(in, "sms") {
					return "", nil, "", false
				}
				return "verify", map[string]string{"csrf": c.CSRF}, w.sim.Code(w.name, simulator.SMS), true
			},
		}, {
			name: "version 1", global: "api", sends: 1, devices: []simulator.Device{{Factor: simulator.SMS}},
			walk: func(w walk) (string, map[string]string, string, bool) {
				c, ok := w.meet()
				if !ok || !w.begin(c, "sms") {
					return "", nil, "", false
				}
				return "verify", map[string]string{"csrf": c.CSRF}, w.sim.Code(w.name, simulator.SMS), true
			},
		},
	}
}

// deviation is how OneLogin differs from what we expect. Where it is harmless
// the right code has to pass.
type deviation struct {
	name     string
	harmless bool
	set      func(*simulator.Switches)
}

func deviations() []deviation {
	return []deviation{
		{"as expected", true, func(*simulator.Switches) {}},
		{"arrays", true, func(w *simulator.Switches) { w.Arrays = true }},
		{"ids as numbers", true, func(w *simulator.Switches) { w.IDsAsNumbers = true }},
		{"wrapped access token", true, func(w *simulator.Switches) { w.TokenWrapped = true }},
		{"killed access token", true, func(w *simulator.Switches) { w.TokenKilledByOtherClient = true }},
		{"lone factor", false, func(w *simulator.Switches) { w.LoneFactor = true }},
		{"enrolment 200", true, func(w *simulator.Switches) { w.EnrolStatus = 200 }},
		{"temporary code 200", true, func(w *simulator.Switches) { w.MFATokenStatus = 200 }},
		{"one-shot temporary codes", true, func(w *simulator.Switches) { w.TemporaryCode = "one_shot" }},
		{"status object", true, func(w *simulator.Switches) { w.VerifyBody = "object" }},
		{"wrong code 401", true, func(w *simulator.Switches) { w.WrongCode = "401_factor" }},
		{"OK in quotes", true, func(w *simulator.Switches) { w.SmartMFAOK = "json" }},
		{"booleans as text", true, func(w *simulator.Switches) { w.SmartMFATextBooleans = true }},
		{"pending is a success", true, func(w *simulator.Switches) { w.LoginPendingType = "success" }},
		{"state token 401", true, func(w *simulator.Switches) { w.StateTokenStatus = 401 }},
		{"letters in codes", true, func(w *simulator.Switches) { w.AlphanumericCodes = true }},
		{"temporary codes not redeemable", false, func(w *simulator.Switches) { w.TemporaryCode = "none" }},
		{"password alone", false, func(w *simulator.Switches) { w.LoginWithoutMFA = true }},
		{"low risk", false, func(w *simulator.Switches) { w.RiskScore = new(int) }},
		{"unknown status", false, func(w *simulator.Switches) { w.ExtraUnknownStatus = "approved" }},
		{"flat status", false, func(w *simulator.Switches) { w.VerifyBody = "flat" }},
		{"wrong code rejected", false, func(w *simulator.Switches) { w.WrongCode = "rejected" }},
		{"cut bodies", false, func(w *simulator.Switches) { w.TruncateBody = true }},
		{"empty bodies", false, func(w *simulator.Switches) { w.Empty200 = true }},
		{"out of order", false, func(w *simulator.Switches) { w.HTML502 = true }},
		{"other ids", false, func(w *simulator.Switches) { w.VerificationIDMismatch, w.DeviceIDMismatch = true, true }},
		{"suspended", false, func(w *simulator.Switches) { w.UserStatus = new(int) }},
		{"two of a name", false, func(w *simulator.Switches) { w.DuplicateUsers = true }},
	}
}

// TestFlowsUnderDeviations goes through every further way of proof with a
// OneLogin that differs: the right code passes or nobody does, a wrong code
// never passes, and nothing is sent twice.
func TestFlowsUnderDeviations(t *testing.T) {
	for _, f := range flows() {
		t.Run(f.name, func(t *testing.T) {
			s, admin := f.open(t)
			for i, d := range deviations() {
				t.Run(d.name, func(t *testing.T) { f.under(t, s, admin, d, int64(5000+10*i)) })
			}
		})
	}
}

func (f flow) open(t *testing.T) (*site, string) {
	admin := freeAddress(t)
	file := strings.Replace(siteFile(f.options), "admin off", "admin "+admin, 1)
	switch f.global {
	case "help_desk":
		file = strings.Replace(file, "\tmfa {\n\t\tonelogin", "\tmfa {\n\t\thelp_desk\n\t\tonelogin", 1)
	case "api":
		file = strings.Replace(file, "client_id", "api v1\n\t\t\tclient_id", 1)
	}
	if f.signIn {
		file = strings.Replace(file, "user {http.request.header.Remote-User}\n", "\n", 1)
	}
	return openFile(t, file), "http://" + admin
}

// under walks a flow twice, for two people: one types a wrong code, the other
// the right one.
func (f flow) under(t *testing.T, s *site, admin string, d deviation, id int64) {
	for n, right := range []bool{false, true} {
		name := fmt.Sprintf("person%d", id+int64(n))
		person := simulator.User{ID: id + int64(n), Username: name, Email: name + "@example.com", Phone: "+15550100", Status: 1, State: 1}
		for _, device := range f.devices {
			device.ID = 10*person.ID + int64(len(person.Devices))
			person.Devices = append(person.Devices, device)
		}
		s.sim.AddUser(person)
		s.sim.Reset()
		s.sim.SetSwitches(func(w *simulator.Switches) { *w = simulator.Switches{}; d.set(w) })
		before := len(s.app.requests())
		user := name
		if f.signIn {
			user = ""
		}
		w := walk{browser: s.program(user), t: t, name: name, admin: admin}
		passed := f.finish(w, right)
		if sent := len(s.sim.Sent()); sent > f.sends {
			t.Errorf("%d messages went out", sent)
		}
		if !right && passed {
			t.Error("a wrong code passed")
		}
		// A password is sent once, so a dead access token is not made up for.
		sentOnce := f.signIn && d.name == "killed access token"
		if right && d.harmless && !passed && !sentOnce {
			t.Error("the right code did not pass")
		}
		if arrived := len(s.app.requests()) - before; passed != (arrived > 0) {
			t.Errorf("passed: %v, and the app saw %d requests", passed, arrived)
		}
	}
}

// finish types a code and tells whether the app can be reached then. A device
// that was enrolled proves nothing yet: it is used for a challenge of its own.
func (f flow) finish(w walk, right bool) bool {
	endpoint, fields, code, ok := f.walk(w)
	if ok {
		if !right {
			code = strings.Repeat("0", max(6, len(code)))
		}
		fields["code"] = code
		c, ok := w.step(endpoint, fields)
		if ok && endpoint == "confirm" && w.begin(c, "sms") {
			w.post("verify", map[string]string{"csrf": c.CSRF, "code": w.sim.Code(w.name, simulator.SMS)})
		}
	}
	return w.get("/").StatusCode == http.StatusOK
}
