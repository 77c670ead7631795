package simulator_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	loginPath   = "/api/1/login/auth"
	loginVerify = "/api/1/login/verify_factor"

	badLogin = `{"status":{"error":true,"code":401,"type":"Unauthorized","message":"Authentication Failed: Invalid user credentials"}}`
	waitingA = `{"status":{"error":false,"code":200,"type":"pending","message":"Authentication pending on OL Protect"}}`
	sentA    = `{"status":{"error":false,"code":200,"type":"pending","message":"SMS token sent to your mobile device. Authentication pending."}}`
)

func loginBody(name, password string) string {
	return `{"username_or_email":"` + name + `","password":"` + password + `","subdomain":"acme","return_to_url":"https://app.example.com/x"}`
}

func logInAlice(p *peer) answer { return p.call("POST", loginPath, loginBody("alice", "demo")) }

// factor sends a code, or "" to ask or to have something sent.
func (p *peer) factor(stateToken, deviceID, code string, doNotNotify bool) answer {
	p.t.Helper()
	quiet := map[bool]string{true: "true", false: "false"}[doNotNotify]
	return p.call("POST", loginVerify, `{"device_id":"`+deviceID+`","state_token":"`+stateToken+`","otp_token":"`+code+`","do_not_notify":`+quiet+`}`)
}

// sessionTokenOf returns the session token of a login that is done, or "".
func sessionTokenOf(a answer) string {
	match := regexp.MustCompile(`"status":"Authenticated".*"session_token":"([0-9a-f]{40})"}\]}$`).FindStringSubmatch(a.body)
	if a.status != 200 || match == nil {
		return ""
	}
	return match[1]
}

func TestLoginRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.sim.AddUser(simulator.User{Username: "sam", Status: 2, State: 1})
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no JSON", `{`, 400, badJSONA},
		{"no name", `{}`, 400, inA(400, "bad request", `"username is empty"`)},
		{"no password", `{"username_or_email":"alice"}`, 400, inA(400, "bad request", `"password is empty"`)},
		{"no subdomain", `{"username_or_email":"alice","password":"demo"}`, 400, inA(400, "bad request", `"Invalid subdomain"`)},
		{"host as subdomain", `{"username_or_email":"alice","password":"demo","subdomain":"a.b"}`, 400, inA(400, "bad request", `"Invalid subdomain"`)},
		{"nobody", loginBody("nobody", "demo"), 401, badLogin},
		{"wrong password", loginBody("alice", "Demo"), 401, badLogin},
		{"suspended", loginBody("sam", "demo"), 401, badLogin},
	} {
		check(t, test.name, p.call("POST", loginPath, test.body), test.status, test.want)
	}
	check(t, "no token", p.send("POST", loginPath, loginBody("alice", "demo"), "Bearer x"), 401, authFailure)
	if got := p.call("GET", users+"?username=alice&fields=invalid_login_attempts", "").body; got != `[{"invalid_login_attempts":1}]` {
		t.Errorf("attempts = %s", got)
	}
}

func TestLoginWithoutDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		got := p.call("POST", loginPath, loginBody("carol@example.com", "demo"))
		want := `^{"status":{"error":false,"code":200,"type":"success","message":"Success"},"data":\[{"status":"Authenticated",` +
			`"user":{"id":103,"username":"carol","email":"carol@example.com","firstname":"Carol","lastname":"Example"},` +
			`"return_to_url":"https://app.example.com/x","expires_at":"2000/01/01 00:02:00 \+0000","session_token":"[0-9a-f]{40}"}\]}$`
		if got.status != 200 || !regexp.MustCompile(want).MatchString(got.body) {
			t.Errorf("login = %d %s", got.status, got.body)
		}
	})
}

func TestLoginAsksForAFactor(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	got := logInAlice(p)
	want := `^{"status":{"error":false,"code":200,"type":"success","message":"MFA is required for this user"},"data":\[{` +
		`"user":{"id":101,"username":"alice","email":"alice@example.com","firstname":"Alice","lastname":"Example"},"state_token":"[0-9a-f]{40}",` +
		`"callback_url":"https://acme.onelogin.com/api/1/login/verify_factor","devices":\[{"device_type":"OneLogin Protect","device_id":1001},` +
		`{"device_type":"OneLogin SMS","device_id":1002},{"device_type":"OneLogin Email","device_id":1003},{"device_type":"Google Authenticator","device_id":1004}\]}\]}$`
	if got.status != 200 || !regexp.MustCompile(want).MatchString(got.body) || strings.Contains(got.body, "session_token") {
		t.Errorf("login = %d %s", got.status, got.body)
	}
	if len(p.sim.Sent()) != 0 {
		t.Error("something was sent before a device was chosen")
	}
	others := otherFactors(t)
	devices := logInAlice(others).body
	for _, part := range []string{`"devices":[{"device_type":"Yubico YubiKey","device_id":3},`, `"device_type":"Duo Security","device_id":4,"duo_sig_request":"TX|`, `"duo_api_hostname":"`} {
		if !strings.Contains(devices, part) {
			t.Errorf("login = %s, want %s", devices, part)
		}
	}
}

func TestLoginByCode(t *testing.T) {
	for deviceID, factor := range map[string]simulator.Factor{
		"1001": simulator.Protect, "1002": simulator.SMS, "1003": simulator.Email, "1004": simulator.TOTP,
	} {
		t.Run(string(factor), func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			state := stateOf(logInAlice(p))
			check(t, "before anything was sent", p.factor(state, deviceID, "wrong", true), 401, wrongCodeA)
			switch factor {
			case simulator.TOTP:
				check(t, "no code", p.factor(state, deviceID, "", false), 400, blankA)
			case simulator.SMS, simulator.Email:
				check(t, "send", p.factor(state, deviceID, "", false), 200, sentA)
				check(t, "do not send", p.factor(state, deviceID, "", true), 200, sentA)
			}
			got := p.factor(state, deviceID, p.sim.Code("alice", factor), true)
			if sessionTokenOf(got) == "" {
				t.Errorf("right code = %d %s, want a session token", got.status, got.body)
			}
			check(t, "used", p.factor(state, deviceID, p.sim.Code("alice", factor), true), 400, staleStateA)
			if sent := len(p.sim.Sent()); sent > 1 {
				t.Errorf("messages sent = %d, want at most one", sent)
			}
		})
	}
}

func TestLoginFactorRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	state := stateOf(logInAlice(p))
	check(t, "no JSON", p.call("POST", loginVerify, `{`), 400, badJSONA)
	check(t, "unknown state", p.factor("x", "1004", "1", false), 400, staleStateA)
	check(t, "bob's device", p.factor(state, "1005", "1", false), 400, noFactorA)
	check(t, "another login's code", p.factor(stateOf(logInAlice(p)), "1002", "", false), 200, sentA)
	check(t, "here", p.factor(state, "1002", p.sim.Code("alice", simulator.SMS), true), 401, wrongCodeA)
	for range 4 {
		check(t, "guess", p.factor(state, "1004", "wrong", true), 401, wrongCodeA)
	}
	check(t, "after five", p.factor(state, "1004", p.sim.Code("alice", simulator.TOTP), true), 400, staleStateA)
	state = stateOf(logInAlice(p))
	p.sim.Advance(2 * time.Minute)
	check(t, "expired", p.factor(state, "1004", p.sim.Code("alice", simulator.TOTP), true), 400, staleStateA)
}

func TestLoginByPush(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	state := stateOf(logInAlice(p))
	check(t, "quiet question before any push", p.factor(state, "1001", "", true), 200, waitingA)
	if len(p.sim.Sent()) != 0 {
		t.Error("do_not_notify sent a push")
	}
	check(t, "send", p.factor(state, "1001", "", false), 200, waitingA)
	for range 3 {
		check(t, "quiet poll", p.factor(state, "1001", "", true), 200, waitingA)
	}
	if got := len(p.sim.Pushes("alice")); got != 1 {
		t.Errorf("pushes = %d, want 1: polls were quiet", got)
	}
	check(t, "loud poll", p.factor(state, "1001", "", false), 200, waitingA)
	if got := len(p.sim.Pushes("alice")); got != 2 {
		t.Errorf("pushes = %d, want 2: a poll without do_not_notify sends again", got)
	}
	p.sim.Deny("alice")
	check(t, "denied", p.factor(state, "1001", "", true), 401, wrongCodeA)
	p.sim.Approve("alice")
	if got := p.factor(state, "1001", "", true); sessionTokenOf(got) == "" {
		t.Errorf("approved = %d %s, want a session token", got.status, got.body)
	}
	check(t, "used", p.factor(state, "1001", "", true), 400, staleStateA)
}

// browser sends a request as a browser does, without access token.
func (p *peer) browser(method, path, contentType, body string, header map[string]string) answer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "https://acme.onelogin.com"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return p.do(r)
}

const (
	formType  = "application/x-www-form-urlencoded"
	sessionAt = "/session_via_api_token"
)

func (p *peer) postSession(sessionToken string) answer {
	p.t.Helper()
	return p.browser("POST", sessionAt, formType, "session_token="+sessionToken, map[string]string{"Origin": "https://app.example.com"})
}

func TestSessionByForm(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	token := sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo")))
	if got := p.postSession("x"); got.status != 401 || !strings.Contains(got.body, "Simulator, not OneLogin") {
		t.Errorf("an unknown token = %d", got.status)
	}
	got := p.postSession(token)
	cookie := got.header.Get("Set-Cookie")
	if got.status != 303 || got.header.Get("Location") != "https://app.example.com/x" || !strings.Contains(cookie, "HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("session = %d to %q with %q", got.status, got.header.Get("Location"), cookie)
	}
	if p.sim.PortalSessions("Carol") != 1 {
		t.Error("carol is not signed in")
	}
	if got := p.postSession(token); got.status != 401 || p.sim.PortalSessions("carol") != 1 {
		t.Errorf("a used token = %d", got.status)
	}
	shows(t, p.browser("GET", "/portal", "", "", map[string]string{"Cookie": cookie}), `data-signed-in="Carol"`, "Simulator, not OneLogin")
	for _, path := range []string{"/", "/portal", "/login"} {
		shows(t, p.browser("GET", path, "", "", nil), `data-signed-in=""`, "Simulator, not OneLogin")
	}
	late := sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo")))
	p.sim.Advance(2 * time.Minute)
	if got := p.postSession(late); got.status != 401 {
		t.Errorf("a late token = %d", got.status)
	}
}

func TestSessionLandsOnThePortal(t *testing.T) {
	for _, returnTo := range []string{"", "javascript:alert(1)", "/x", "//evil.example"} {
		p := newPeer(t, simulator.Options{})
		token := sessionTokenOf(p.call("POST", loginPath, `{"username_or_email":"carol","password":"demo","subdomain":"acme","return_to_url":"`+returnTo+`"}`))
		if got := p.postSession(token); got.status != 303 || got.header.Get("Location") != "/portal" {
			t.Errorf("%q = %d to %q, want the portal", returnTo, got.status, got.header.Get("Location"))
		}
	}
}

// A script may send the token only from an origin that the login announced.
func TestSessionByScript(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "https://acme.onelogin.com"+loginPath, strings.NewReader(loginBody("carol", "demo")))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+p.accessToken)
	r.Header.Set("Custom-Allowed-Origin-Header-1", "https://one.example, https://two.example:8443")
	r.Header.Set("Custom-Allowed-Origin-Header-2", "https://three.example")
	token := sessionTokenOf(p.do(r))
	body := `{"session_token":"` + token + `"}`
	from := func(method, origin string) answer {
		return p.browser(method, sessionAt, "application/json", body, map[string]string{"Origin": origin})
	}
	for _, method := range []string{"OPTIONS", "POST"} {
		if got := from(method, "https://evil.example"); got.status != 403 || got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s from elsewhere = %d %v", method, got.status, got.header)
		}
	}
	for _, origin := range []string{"https://one.example", "https://two.example:8443", "https://three.example"} {
		got := from("OPTIONS", origin)
		if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != origin || got.header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("preflight from %s = %d %v", origin, got.status, got.header)
		}
	}
	got := from("POST", "https://two.example:8443")
	if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "https://two.example:8443" ||
		got.header.Get("Location") != "" || p.sim.PortalSessions("carol") != 1 {
		t.Errorf("announced origin = %d %s %v", got.status, got.body, got.header)
	}
	if got := from("POST", "https://two.example:8443"); got.status != 403 {
		t.Errorf("again = %d, want 403", got.status)
	}
}

// The second step of a login may announce origins too.
func TestOriginsOfTheSecondStep(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	body := `{"device_id":"1004","state_token":"` + stateOf(logInAlice(p)) + `","otp_token":"` + p.sim.Code("alice", simulator.TOTP) + `"}`
	got := p.browser("POST", loginVerify, "application/json", body, map[string]string{
		"Authorization": "Bearer " + p.accessToken, "Custom-Allowed-Origin-Header-1": "https://app.example.com",
	})
	session := `{"session_token":"` + sessionTokenOf(got) + `"}`
	got = p.browser("POST", sessionAt, "application/json", session, map[string]string{"Origin": "https://app.example.com"})
	if got.status != 200 || p.sim.PortalSessions("alice") != 1 {
		t.Errorf("session = %d %s", got.status, got.body)
	}
}

func TestLoginPage(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	if got := p.browser("POST", "/login", formType, "username=alice&password=x", nil); got.status != 401 {
		t.Errorf("wrong password = %d, want 401", got.status)
	}
	evil := map[string]string{"Origin": "https://evil.example"}
	if got := p.browser("POST", "/login", formType, "username=alice&password=demo", evil); got.status != 403 {
		t.Errorf("from another site = %d, want 403", got.status)
	}
	got := p.browser("POST", "/login", formType, "username=alice&password=demo", nil)
	if got.status != 303 || got.header.Get("Location") != "/portal" {
		t.Errorf("login = %d to %q", got.status, got.header.Get("Location"))
	}
	cookie := map[string]string{"Cookie": got.header.Get("Set-Cookie")}
	if got := p.browser("POST", "/logout", formType, "", nil); got.status != 403 || p.sim.PortalSessions("alice") != 1 {
		t.Errorf("sign out without a session = %d", got.status)
	}
	if got := p.browser("POST", "/logout", formType, "", cookie); got.status != 303 || p.sim.PortalSessions("alice") != 0 {
		t.Errorf("sign out = %d", got.status)
	}
}
