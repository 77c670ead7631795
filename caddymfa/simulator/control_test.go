package simulator_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// decode fails the test unless text is JSON for a T.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
	return value
}

func TestControlRefusals(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/_sim/users/nobody", "", 404, "no such user"},
		{"POST", "/_sim/users/nobody/approve", "", 404, "no such user"},
		{"POST", "/_sim/users/alice/approve", "", 409, "nothing is pending"},
		{"POST", "/_sim/users/alice/deny", "", 409, "nothing is pending"},
		{"POST", "/_sim/users/nobody/status", `{}`, 404, "no such user"},
		{"POST", "/_sim/users/alice/status", `{"mood":1}`, 400, "mood"},
		{"POST", "/_sim/advance", `{"seconds":"x"}`, 400, "read the body"},
		{"POST", "/_sim/advance", `{"seconds":1}{}`, 400, "more than one value"},
		{"PUT", "/_sim/switches", `{"nonsense":true}`, 400, "nonsense"},
		{"PUT", "/_sim/switches", `{"only":"polls"}`, 400, "polls"},
		{"POST", "/_sim/users", `{"email":"x@example.com"}`, 400, "username is missing"},
		{"POST", "/_sim/users", `{"username":"dora","mood":1}`, 400, "mood"},
		{"POST", "/_sim/users", `{"username":"dora","devices":[{"factor":"pigeon"}]}`, 400, "pigeon"},
		{"POST", "/_sim/users", `{"username":"dora","may_enrol":["pigeon"]}`, 400, "pigeon"},
		{"POST", "/_sim/users/alice/key-in", `{}`, 409, "nothing is pending"},
		{"POST", "/_sim/users/alice/key-in", `7`, 400, "read the body"},
		{"POST", "/_sim/users/alice/open-link", "", 409, "nothing is pending"},
		{"POST", "/_sim/users/nobody/open-link", "", 404, "no such user"},
		{"POST", "/_sim/users/alice/approve-registration", "", 409, "nothing is pending"},
		{"POST", "/_sim/users/alice/deny-registration", "", 409, "nothing is pending"},
		{"POST", "/_sim/risk", `{"who":"alice"}`, 400, "who"},
		{"GET", "/_sim/nothing", "", 404, ""},
		{"GET", "/_sim/reset", "", 405, ""},
	} {
		got := open(t, sim, test.method, test.path, test.body)
		if got.status != test.status || !strings.Contains(got.body, test.want) {
			t.Errorf("%s %s = %d %s, want %d with %q", test.method, test.path, got.status, got.body, test.status, test.want)
		}
	}
}

func TestControlShowsAndAnswers(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1001")
	p.activate("1002")
	type user struct {
		Username string
		Devices  []struct{ Factor, Code string }
		Pushes   []simulator.Push
	}
	got := decode[user](t, open(t, p.sim, "GET", "/_sim/users/Alice", "").body)
	if len(got.Pushes) != 1 || got.Pushes[0].VerificationID != id || len(got.Devices) != 4 {
		t.Errorf("alice = %+v, want four devices and the push %s", got, id)
	}
	if code := p.sim.Code("alice", simulator.SMS); code == "" || got.Devices[1].Code != code {
		t.Errorf("code of the SMS device = %q, want %q", got.Devices[1].Code, code)
	}
	if everybody := decode[[]user](t, open(t, p.sim, "GET", "/_sim/users", "").body); len(everybody) != 3 {
		t.Errorf("users = %+v, want three", everybody)
	}
	if got := open(t, p.sim, "POST", "/_sim/users/alice/approve", ""); got.status != 204 {
		t.Errorf("approve = %d, want 204", got.status)
	}
	check(t, "poll", p.poll(id), 200, `{"id":"`+id+`","status":"accepted","device_id":"1001"}`)
	if sent := decode[[]simulator.Message](t, open(t, p.sim, "GET", "/_sim/sent", "").body); len(sent) != 2 || sent[1].Factor != simulator.SMS {
		t.Errorf("sent = %+v, want the push and the SMS", sent)
	}
}

func TestControlChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		open(t, p.sim, "POST", "/_sim/users/alice/status", `{"status":2}`)
		if u := p.sim.Users()[0]; u.Status != 2 || u.State != 1 {
			t.Errorf("status, state = %d, %d, want 2, 1", u.Status, u.State)
		}
		open(t, p.sim, "POST", "/_sim/advance", `{"seconds":90}`)
		if got := time.Until(p.sim.Now()); got != 90*time.Second {
			t.Errorf("the clock is ahead by %v, want 90s", got)
		}
		open(t, p.sim, "PUT", "/_sim/switches", `{"slow":"2s","html_502":true}`)
		open(t, p.sim, "PUT", "/_sim/switches", `{"slow":"3s"}`)
		if got := p.sim.Switches(); got != (simulator.Switches{Slow: 3 * time.Second}) {
			t.Errorf("switches = %+v, want only slow", got)
		}
		if got := open(t, p.sim, "GET", "/_sim/switches", "").body; got != "{\n  \"slow\": \"3s\"\n}\n" {
			t.Errorf("GET switches = %q", got)
		}
		open(t, p.sim, "POST", "/_sim/reset", "")
		if len(p.sim.Requests()) != 0 || p.sim.Calls(simulator.OpToken) != 0 {
			t.Error("a reset left requests behind")
		}
	})
}

// A person with a call, a link and an enrolment, made and answered by control
// calls alone.
func TestControlMakesAPerson(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	const dora = `{"id":200,"username":"dora","email":"dora@example.com","phone":"+12025550142","password":"secret","may_enrol":["protect"],` +
		`"devices":[{"id":21,"factor":"voice","name":"Desk"},{"id":22,"factor":"magiclink","name":"Mail"}]}`
	if got := open(t, p.sim, "POST", "/_sim/users", dora); got.status != 201 || strings.Contains(got.body, "secret") {
		t.Fatalf("POST = %d %s", got.status, got.body)
	}
	if sessionState := stateOf(p.call("POST", loginPath, loginBody("dora", "secret"))); sessionState != "" {
		t.Error("calls and links count as factors of a login")
	}
	const path = "/api/2/mfa/users/200/"
	p.call("POST", path+"verifications", `{"device_id":21}`)
	p.call("POST", path+"verifications", `{"device_id":22,"redirect_to":"https://app.example.com/done"}`)
	p.call("POST", path+"registrations", `{"factor_id":58957,"display_name":"New phone"}`)
	p.call("POST", path+"mfa_token", `{}`)
	type user struct {
		Voice         string `json:"voice_code"`
		Registrations []simulator.Registration
		Codes         []simulator.TemporaryCode `json:"temporary_codes"`
		Pushes        []simulator.Push
	}
	got := decode[user](t, open(t, p.sim, "GET", "/_sim/users/dora", "").body)
	if len(got.Registrations) != 1 || got.Registrations[0].Name != "New phone" || len(got.Codes) != 1 || len(got.Pushes) != 2 || got.Voice == "" {
		t.Errorf("dora = %+v", got)
	}
	for _, call := range []struct{ path, body, want string }{
		{"key-in", `{"digits":"` + got.Voice + `"}`, ""},
		{"open-link", "", `"redirect_to": "https://app.example.com/done"`},
		{"approve-registration", "", ""},
	} {
		got := open(t, p.sim, "POST", "/_sim/users/dora/"+call.path, call.body)
		if got.status > 204 || !strings.Contains(got.body, call.want) {
			t.Errorf("%s = %d %s", call.path, got.status, got.body)
		}
	}
	if got := kinds(p.sim.Events()); len(got) != 5 || got[2] != 528 || got[3] != 528 || got[4] != 22 {
		t.Errorf("events = %v, want two verifications and an enrolment at the end", got)
	}
	if got := decode[[]simulator.Event](t, open(t, p.sim, "GET", "/_sim/events", "").body); len(got) != 5 {
		t.Errorf("GET /_sim/events = %+v", got)
	}
	open(t, p.sim, "POST", "/_sim/risk", `{"key":"u1","score":77}`)
	if got := validate(p).body; !strings.Contains(got, `"score":77`) {
		t.Errorf("risk = %s", got)
	}
}
