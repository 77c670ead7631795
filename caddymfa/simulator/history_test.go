package simulator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestHistoryHidesSecrets(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	rightCode(p)
	state := stateOf(p.call("POST", loginPath, loginBody("alice", "demo")))
	p.factor(state, "1002", "", false)
	session := sessionTokenOf(p.factor(state, "1002", p.sim.Code("alice", simulator.SMS), true))
	p.browser("POST", sessionAt, "application/json", `{"session_token":"`+session+`"}`, nil)
	p.browser("POST", "/login", formType, "username=alice&password=demo", nil)
	p.call("POST", smartPath, `{"user_identifier":"alice","phone":"+12025550101","context":{"user_agent":"x","ip":"a"}}`)
	p.call("POST", aliceV1, `{"factor_id":1,"number":"+12025550101"}`)
	p.send("POST", "/auth/oauth2/revoke", `{"access_token":"`+p.accessToken+`"}`, basicForm)
	text, _ := json.Marshal(p.sim.Requests())
	text = fmt.Append(text, open(t, p.sim, "GET", "/_sim/requests", "").body)
	for _, secret := range []string{"demo-secret", p.accessToken, p.sim.Code("alice", simulator.SMS), basicForm[6:],
		state, session, "+12025550101", `password=`, `:\"demo\"`} {
		if secret == "" || strings.Contains(string(text), secret) {
			t.Errorf("the history shows %q", secret)
		}
	}
}

func TestHistoryTellsWhatHappened(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1002")
	p.verify(id, "1002", "wrong")
	p.call("GET", users+"?username=alice&otp=1", "")
	var got []string
	for _, r := range p.sim.Requests() {
		got = append(got, fmt.Sprint(r.Op, r.Method, r.Path, r.Query, r.Authorization, r.Body, r.Status))
	}
	want := []string{
		`tokenPOST/auth/oauth2/v2/tokenclient_id:demo-client, client_secret:[redacted]{"grant_type":"client_credentials"}200`,
		`activatePOST` + verifications + `Bearer [redacted]{"device_id":1002}201`,
		`verifyPUT` + verifications + `/` + id + `Bearer [redacted]{"device_id":1002,"otp":"[redacted]"}200`,
		`usersGET` + users + `otp=%5Bredacted%5D&username=aliceBearer [redacted]400`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("history:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestHistoryIsBounded(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for range 1005 {
		p.call("GET", "/api/2/x", "")
	}
	requests := p.sim.Requests()
	if len(requests) != 1000 || requests[0].Op != simulator.OpUnknown {
		t.Errorf("%d requests are kept, the first a %s; want the last 1000", len(requests), requests[0].Op)
	}
	if got := p.sim.Calls(simulator.OpUnknown); got != 1005 {
		t.Errorf("calls = %d, want 1005", got)
	}
}

func TestReset(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1001")
	p.sim.SetSwitches(func(w *simulator.Switches) { w.Arrays = true })
	p.sim.Reset()
	if len(p.sim.Pushes("alice"))+len(p.sim.Sent())+len(p.sim.Requests())+p.sim.Calls(simulator.OpActivate) != 0 {
		t.Error("a reset left something behind")
	}
	check(t, "poll with the old access token", p.poll(id), 404, notFoundB)
	if !p.sim.Switches().Arrays || len(p.sim.Users()) != 3 {
		t.Error("a reset changed switches or users")
	}
}

func TestHooksForUnknownPeople(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	if sim.Code("nobody", simulator.TOTP) != "" || sim.Code("bob", simulator.TOTP) != "" || sim.Code("bob", simulator.SMS) != "" {
		t.Error("a code out of nothing")
	}
	if sim.Approve("nobody") || sim.Deny("nobody") || len(sim.Pushes("nobody")) != 0 {
		t.Error("a push out of nothing")
	}
}

// Many people at once: run with -race.
func TestConcurrentUse(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	var wait sync.WaitGroup
	accepted := make(chan string, 20)
	for range 20 {
		wait.Go(func() {
			id := p.activate("1001")
			open(t, p.sim, "GET", "/people/alice", "")
			p.sim.SetSwitches(func(w *simulator.Switches) { w.Tries++ })
			if p.sim.Answer("alice", id, true) && strings.Contains(p.poll(id).body, "accepted") {
				accepted <- id
			}
			p.sim.Requests()
		})
	}
	wait.Wait()
	if len(accepted) != 20 || p.sim.Calls(simulator.OpPoll) != 20 || p.sim.Switches().Tries != 20 {
		t.Errorf("accepted %d, polls %d, switched %d times; want 20 of each",
			len(accepted), p.sim.Calls(simulator.OpPoll), p.sim.Switches().Tries)
	}
}
