package simulator_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const aliceAccount = "/api/1/users/101"

// standing returns alice's status, state and lock as the API tells them.
func standing(p *peer) string {
	return p.call("GET", users+"?username=alice&fields=status,state,locked_until", "").body
}

func TestAccountRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	badLock := inA(400, "bad request", `{"attribute":"locked_until","description":"locked_until must be an integer"}`)
	badState := inA(400, "bad request", `{"attribute":"state","description":"state must be an integer from 0 to 3"}`)
	for _, test := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/api/1/users/999/logout", "", 404, nobodyA},
		{"/api/1/users/alice/logout", "", 400, badIDA},
		{"/api/1/users/999/lock_user", `{"locked_until":1}`, 404, nobodyA},
		{aliceAccount + "/lock_user", "", 400, badJSONA},
		{aliceAccount + "/lock_user", `{"locked_until":"soon"}`, 400, badJSONA},
		{aliceAccount + "/lock_user", `{}`, 400, badLock},
		{aliceAccount + "/lock_user", `null`, 400, badLock},
		{aliceAccount + "/lock_user", `{"locked_until":-1}`, 400, badLock},
		{aliceAccount + "/lock_user", `{"locked_until":99999999999}`, 400, badLock},
		{"/api/1/users/999/set_state", `{"state":1}`, 404, nobodyA},
		{aliceAccount + "/set_state", `[]`, 400, badJSONA},
		{aliceAccount + "/set_state", `{}`, 400, badState},
		{aliceAccount + "/set_state", `{"state":4}`, 400, badState},
		{users + "/999", `{"status":2}`, 404, notFoundB},
		{users + "/101", `{`, 400, badJSON},
		{users + "/101", `{"status":"x"}`, 422, invalid("body")},
	} {
		check(t, test.path+" "+test.body, p.call("PUT", test.path, test.body), test.status, test.want)
	}
	if got := standing(p); got != `[{"locked_until":null,"state":1,"status":1}]` {
		t.Errorf("alice = %s, want her unchanged", got)
	}
}

func TestAccountActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		check(t, "set_state", p.call("PUT", aliceAccount+"/set_state", `{"state":3}`), 200, successA)
		check(t, "lock for ever", p.call("PUT", aliceAccount+"/lock_user", `{"locked_until":0}`), 200, successA)
		if got := standing(p); got != `[{"locked_until":null,"state":3,"status":3}]` {
			t.Errorf("locked for ever = %s", got)
		}
		if got := p.call("PUT", users+"/101", `{"status":1,"state":1,"email":"a@example.com","phone":"+12025550111"}`); got.status != 200 ||
			!strings.HasPrefix(got.body, `{"id":101,"username":"alice","email":"a@example.com"`) || !strings.Contains(got.body, `"phone":"+12025550111"`) {
			t.Errorf("update = %d %s", got.status, got.body)
		}
		check(t, "lock", p.call("PUT", aliceAccount+"/lock_user", `{"locked_until":30}`), 200, successA)
		if got := standing(p); got != `[{"locked_until":"2000-01-01T00:30:00Z","state":1,"status":3}]` {
			t.Errorf("locked = %s", got)
		}
		check(t, "a locked user's password", logInAlice(p), 401, badLogin)
		p.sim.Advance(30 * time.Minute)
		if got := logInAlice(p); got.status != 200 {
			t.Errorf("the password after half an hour = %d", got.status)
		}
		check(t, "lock again", p.call("PUT", aliceAccount+"/lock_user", `{"locked_until":30}`), 200, successA)
		p.sim.Advance(30 * time.Minute)
		if got := standing(p); got != `[{"locked_until":null,"state":1,"status":1}]` {
			t.Errorf("after half an hour = %s", got)
		}
	})
}

// Nothing, an empty object and JSON's null: all of them are sent.
func TestLogoutEndsPortalSessions(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, body := range []string{"", "{}", "null"} {
		waiting := sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo")))
		p.postSession(sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo"))))
		check(t, "logout "+body, p.call("PUT", "/api/1/users/103/logout", body), 200, successA)
		if p.sim.PortalSessions("carol") != 0 {
			t.Errorf("carol is still signed in after %q", body)
		}
		if got := p.postSession(waiting); got.status != 401 {
			t.Errorf("a session token from before = %d", got.status)
		}
	}
}

// Who may do what, by the five scopes.
func TestScopes(t *testing.T) {
	all := simulator.Scopes()
	readers := all[1:]
	managers := []simulator.Scope{simulator.ScopeManageUsers, simulator.ScopeManageAll}
	everything := []simulator.Scope{simulator.ScopeManageAll}
	loggers := append([]simulator.Scope{simulator.ScopeAuthenticationOnly}, managers...)
	for _, test := range []struct {
		method, path string
		allowed      []simulator.Scope
	}{
		{"GET", "/auth/rate_limit", readers},
		{"GET", users, readers}, {"GET", users + "/101", readers}, {"PUT", users + "/101", managers},
		{"PUT", aliceAccount + "/set_state", everything}, {"PUT", aliceAccount + "/lock_user", everything}, {"PUT", aliceAccount + "/logout", managers},
		{"GET", carolFactors, everything}, {"POST", carolRegistrations, everything}, {"PUT", carolRegistrations + "/x", everything},
		{"GET", carolRegistrations + "/x", everything}, {"GET", aliceDevices, everything}, {"DELETE", aliceDevices + "/1", everything},
		{"POST", verifications, everything}, {"PUT", verifications + "/x", everything}, {"GET", verifications + "/x", everything},
		{"POST", mfaToken, managers},
		{"POST", smartPath, everything}, {"POST", smartVerify, all},
		{"POST", loginPath, loggers}, {"POST", loginVerify, loggers},
		{"GET", "/api/1/users/101/auth_factors", readers}, {"GET", aliceV1, readers}, {"POST", aliceV1, managers},
		{"DELETE", aliceV1 + "/1", managers}, {"POST", aliceV1 + "/1/trigger", managers}, {"POST", aliceV1 + "/1/verify", managers},
		{"POST", "/api/1/users/101/mfa_token", managers},
		{"GET", eventsPath, readers}, {"GET", eventsPath + "/1", readers}, {"GET", eventsPath + "/types", readers},
	} {
		for _, scope := range all {
			p := newPeer(t, simulator.Options{Credentials: []simulator.Credential{{ClientID: "c", ClientSecret: "s", Scope: scope}}})
			p.login("c", "s")
			got := p.call(test.method, test.path, `x`)
			refused := got.body == forbiddenB || strings.Contains(got.body, "Insufficient Permission") || strings.Contains(got.body, `"code":403`)
			if refused == slices.Contains(test.allowed, scope) {
				t.Errorf("%s %s with %s = %d %s", test.method, test.path, scope, got.status, got.body)
			}
		}
	}
}
