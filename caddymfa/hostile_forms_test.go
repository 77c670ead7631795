package caddymfa_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// endpointMethods are all endpoints, and what each of them answers.
var endpointMethods = map[string][]string{
	"": {"GET", "HEAD"}, "status": {"GET", "HEAD"}, "sessions": {"GET", "HEAD"}, "jwks.json": {"GET", "HEAD"},
	"start": {"POST"}, "verify": {"POST"}, "name": {"POST"}, "login": {"POST"}, "enroll": {"POST"}, "confirm": {"POST"},
	"cancel": {"POST"}, "logout": {"POST"}, "sessions/end": {"POST"}, "events": {"POST"},
}

func TestEveryEndpointRefusesOtherMethods(t *testing.T) {
	s := openFile(t, withGlobal("webhook "+webhookSecret, "enroll\n\t\tassertion"))
	alice := s.program("alice")
	before := len(s.sim.Requests())
	for name, methods := range endpointMethods {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get", "Post"} {
			if slices.Contains(methods, method) {
				continue
			}
			got := alice.do(method, "/.mfa/"+name, nil, nil).wantStatus(t, http.StatusMethodNotAllowed)
			if allow := got.Header.Get("Allow"); allow != strings.Join(methods, ", ") {
				t.Errorf("%s %s: Allow = %q, want %v", method, name, allow, methods)
			}
		}
	}
	if calls := s.sim.Requests()[before:]; len(calls) != 0 {
		t.Errorf("wrong methods made the calls %v", calls)
	}
	s.app.wantCount(t, 0)
}

// TestEveryFormNeedsItsOwnSealedValue posts to every endpoint of people what
// another page, another user or another form could make a browser post.
func TestEveryFormNeedsItsOwnSealedValue(t *testing.T) {
	s := open(t, "enroll")
	alice, bob := s.program("alice"), s.program("bob")
	alice.verifyBy(simulator.TOTP, "/")
	c, _ := s.program("alice").begin("/")
	foreign, _ := bob.begin("/")
	signOut, sessions := alice.get("/.mfa/").json(t).CSRF, alice.sessions().CSRF
	bob.verifyBy(simulator.SMS, "/")
	bobsSignOut, bobsSessions := bob.get("/.mfa/").json(t).CSRF, bob.sessions().CSRF
	before := len(s.sim.Requests())
	for name, methods := range endpointMethods {
		if methods[0] != "POST" || name == "events" {
			continue
		}
		own, others, elsewhere := c.CSRF, foreign.CSRF, signOut
		switch name {
		case "logout":
			own, others, elsewhere = signOut, bobsSignOut, c.CSRF
		case "sessions/end":
			own, others, elsewhere = sessions, bobsSessions, signOut
		}
		fields := func(csrf string) map[string]string {
			return map[string]string{"csrf": csrf, "factor": c.factor(t, "sms"), "code": "123456", "all": "1", "user": "alice", "password": "demo"}
		}
		for what, refused := range map[string]answer{
			"no value":                   alice.post(name, map[string]string{"factor": c.factor(t, "sms"), "all": "1", "code": "123456"}),
			"another user's value":       alice.post(name, fields(others)),
			"another form's value":       alice.post(name, fields(elsewhere)),
			"the value of another user":  bob.post(name, fields(own)),
			"a challenge's address":      alice.post(name, fields(urlTicket(s.program("alice")))),
			"a changed value":            alice.post(name, fields(own[:len(own)-2]+"xx")),
			"a page of another site":     with(alice, http.Header{"Sec-Fetch-Site": {"cross-site"}}).post(name, fields(own)),
			"a page of a neighbour":      with(alice, http.Header{"Sec-Fetch-Site": {"same-site"}}).post(name, fields(own)),
			"a page of another origin":   with(alice, http.Header{"Origin": {"https://evil.example"}}).post(name, fields(own)),
			"a page in a hidden frame":   with(alice, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}}).form(name, fields(own)),
			"a form from another origin": with(alice, http.Header{"Origin": {"https://evil.example"}}).form(name, fields(own)),
		} {
			if refused.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s = %s, want 403", name, what, refused.Response.Status)
			}
		}
		for kind, status := range map[string]int{"text/plain": 415, "": 415, "multipart/form-data; boundary=x": 415, "application/json": 400} {
			body := strings.NewReader("csrf=" + own + "&all=1&code=123456")
			alice.do(http.MethodPost, "/.mfa/"+name, body, http.Header{"Content-Type": {kind}}).wantStatus(t, status)
		}
		inQuery := strings.NewReader("code=123456")
		alice.do(http.MethodPost, "/.mfa/"+name+"?csrf="+own, inQuery, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}).wantStatus(t, 403)
	}
	if calls := s.sim.Requests()[before:]; len(calls) != 0 {
		t.Errorf("refused forms made the calls %v", calls)
	}
	s.app.wantCount(t, 0)
	alice.get("/").wantStatus(t, http.StatusOK) // nothing was signed out
}
