package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	tokenPath  = "/auth/oauth2/v2/token"
	grant      = `{"grant_type":"client_credentials"}`
	clientForm = "client_id:demo-client, client_secret:demo-secret"
	basicForm  = "Basic ZGVtby1jbGllbnQ6ZGVtby1zZWNyZXQ="

	noRoute        = `{"status":{"error":true,"code":404,"type":"not found","message":"No Route Exists"}}`
	authFailure    = `{"status":{"error":true,"code":401,"type":"Unauthorized","message":"Authentication Failure"}}`
	noCredential   = `{"status":{"error":true,"code":400,"type":"bad request","message":"The authorization information is missing"}}`
	badGrant       = `{"status":{"error":true,"code":400,"type":"bad request","message":"grant_type is incorrect/absent"}}`
	badContentType = `{"status":{"error":true,"code":400,"type":"bad request","message":"Content Type is not specified or specified incorrectly. Content-Type header must be set to application/json"}}`
	successA       = `{"status":{"error":false,"code":200,"type":"success","message":"Success"}}`
	invalidB       = `{"statusCode":401,"name":"InvalidCredentials","message":"Please provide valid credentials"}`
	forbiddenB     = `{"statusCode":403,"name":"ForbiddenAction","message":"You are not authorised to perform this action or access the resource"}`
	notFoundB      = `{"statusCode":404,"name":"NotFoundError","message":"The resource can't be found or the server has not found anything matching the Request-URI"}`
)

func TestTokenRefusals(t *testing.T) {
	for _, test := range []struct {
		name, method, contentType, authorization, body string
		status                                         int
		want                                           string
	}{
		{"wrong method", "GET", "application/json", clientForm, "", 404, noRoute},
		{"no content type", "POST", "", clientForm, grant, 400, badContentType},
		{"text", "POST", "text/plain", clientForm, grant, 400, badContentType},
		{"no credential", "POST", "application/json", "", grant, 400, noCredential},
		{"wrong secret", "POST", "application/json", "client_id:demo-client, client_secret:x", grant, 401, authFailure},
		{"wrong id", "POST", "application/json", "client_id:x, client_secret:demo-secret", grant, 401, authFailure},
		{"bearer", "POST", "application/json", "Bearer T", grant, 401, authFailure},
		{"no grant", "POST", "application/json", clientForm, `{}`, 400, badGrant},
		{"refresh", "POST", "application/json", clientForm, `{"grant_type":"refresh_token"}`, 400, badGrant},
		{"no JSON", "POST", "application/json", clientForm, `{`, 400, badGrant},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &peer{t: t, sim: simulator.New(simulator.Options{})}
			r, _ := http.NewRequestWithContext(t.Context(), test.method, "http://x"+tokenPath, strings.NewReader(test.body))
			r.Header.Set("Authorization", test.authorization)
			if test.authorization == "" {
				r.Header.Del("Authorization")
			}
			r.Header.Set("Content-Type", test.contentType)
			check(t, test.name, p.do(r), test.status, test.want)
		})
	}
}

func TestWrongCredentialIs93Bytes(t *testing.T) {
	if len(authFailure) != 93 {
		t.Errorf("the refusal has %d bytes, want the 93 seen on the wire", len(authFailure))
	}
}

func TestTokenForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		want := `{"access_token":"` + p.accessToken + `","created_at":"2000-01-01T00:00:00.000Z","expires_in":36000,`
		rest := `"token_type":"bearer","account_id":555555}`
		for _, authorization := range []string{clientForm, strings.Replace(clientForm, ", ", ",", 1), basicForm} {
			time.Sleep(time.Hour) // in the bubble: nobody waits
			got := p.send("POST", tokenPath, grant, authorization)
			if got.status != 200 || !strings.HasPrefix(got.body, want) || !strings.HasSuffix(got.body, rest) {
				t.Errorf("token with %q = %d %s, want %s...%s", authorization, got.status, got.body, want, rest)
			}
		}
	})
}

func TestTokenByForm(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://x"+tokenPath,
		strings.NewReader("grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := field(t, p.do(r).body, "access_token"); got != p.accessToken {
		t.Error("the form gives another access token than the header")
	}
}

func TestOlderTokenPathWraps(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	got := p.send("POST", "/auth/oauth2/token", grant, basicForm)
	start := successA[:len(successA)-1] + `,"data":[{"access_token":"` + p.accessToken + `",`
	if got.status != 200 || !strings.HasPrefix(got.body, start) {
		t.Errorf("older path = %d %s, want %s...", got.status, got.body, start)
	}
}

func TestAccessTokenExpiresAfterTenHours(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	first := p.accessToken
	p.sim.Advance(10*time.Hour - time.Second)
	if got := p.call("GET", aliceDevices, ""); got.status != 200 {
		t.Errorf("shortly before the end = %d", got.status)
	}
	p.sim.Advance(time.Second)
	check(t, "at the end", p.call("GET", aliceDevices, ""), 401, invalidB)
	p.login("demo-client", "demo-secret")
	if p.accessToken == first {
		t.Error("an expired access token was given out again")
	}
}

func TestRevoke(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	body := `{"access_token":"` + p.accessToken + `"}`
	check(t, "no credential", p.send("POST", "/auth/oauth2/revoke", body, ""), 400, noCredential)
	check(t, "wrong credential", p.send("POST", "/auth/oauth2/revoke", body, "Basic eDp5"), 401, authFailure)
	check(t, "no access token", p.send("POST", "/auth/oauth2/revoke", `{}`, basicForm), 400,
		`{"status":{"error":true,"code":400,"type":"bad request","message":"Access Token Missing"}}`)
	check(t, "wrong method", p.send("GET", "/auth/oauth2/revoke", "", basicForm), 404, noRoute)
	check(t, "no content type", p.send("POST", "/auth/oauth2/revoke", "", basicForm), 400, badContentType)
	if got := p.call("GET", aliceDevices, ""); got.status != 200 {
		t.Errorf("a refused revocation killed the access token: %d", got.status)
	}
	check(t, "revoke", p.send("POST", "/auth/oauth2/revoke", body, clientForm), 200, successA)
	check(t, "call afterwards", p.call("GET", aliceDevices, ""), 401, invalidB)
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		check(t, "no header", p.send("GET", "/auth/rate_limit", "", ""), 400,
			`{"status":{"error":true,"code":400,"type":"bad request","message":"Authorization Information is incorrect"}}`)
		check(t, "unknown token", p.send("GET", "/auth/rate_limit", "", "Bearer x"), 401, authFailure)
		check(t, "wrong method", p.call("POST", "/auth/rate_limit", ""), 404, noRoute)
		check(t, "rate limit", p.call("GET", "/auth/rate_limit", ""), 200,
			`{"status":{"error":false,"code":200,"type":"success","message":"Success"},"data":{"X-RateLimit-Limit":5000,"X-RateLimit-Remaining":5000,"X-RateLimit-Reset":3600}}`)
	})
}

func TestReadOnlyCredentialMayOnlyLookUsersUp(t *testing.T) {
	p := newPeer(t, simulator.Options{Credentials: []simulator.Credential{{ClientID: "reader", ClientSecret: "r", Scope: simulator.ScopeReadAll}}})
	p.login("reader", "r")
	for path, want := range map[string]int{users: 200, users + "/101": 200, "/auth/rate_limit": 200} {
		if got := p.call("GET", path, ""); got.status != want {
			t.Errorf("GET %s = %d, want %d", path, got.status, want)
		}
	}
	check(t, "devices", p.call("GET", aliceDevices, ""), 403, forbiddenB)
	check(t, "activate", p.call("POST", verifications, `{"device_id":1002}`), 403, forbiddenB)
	check(t, "verify", p.call("PUT", verifications+"/x", `{"otp":"1"}`), 403, forbiddenB)
	check(t, "poll", p.call("GET", verifications+"/x", ""), 403, forbiddenB)
	if got := p.sim.Sent(); len(got) != 0 {
		t.Errorf("a forbidden activation sent %v", got)
	}
}

func TestUnknownPaths(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for path, want := range map[string]string{
		"/apps": noRoute, "/auth/x": noRoute, "/api/1/users": noRoute,
		"/api/2/x": notFoundB, "/api/2/mfa/users/101": notFoundB, "/api/2/mfa/users/101/factor": notFoundB, "/api/2/mfa/users//factors": notFoundB,
		"/api/2/mfa/users/101/verifications": notFoundB, "/api/2/mfa/users/101/devices/1/2": notFoundB,
	} {
		check(t, path, p.call("GET", path, ""), 404, want)
	}
}

func TestHeadersOfEachArea(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct{ path, name, want string }{
		{"/auth/rate_limit", "Content-Type", "application/json; charset=utf-8"},
		{"/auth/rate_limit", "Cache-Control", "no-cache"},
		{"/auth/rate_limit", "X-Ratelimit-Limit", ""},
		{"/auth/rate_limit", "Status", "200 OK"},
		{"/api/1/users", "Content-Type", "application/json; charset=utf-8"},
		{"/api/1/users", "X-Ratelimit-Limit", "5000"},
		{users, "Content-Type", "application/json"},
		{users, "Cache-Control", "no-cache, must-revalidate, no-store"},
		{users, "X-Ratelimit-Limit", ""},
		{users, "Set-Cookie", ""},
	} {
		got := p.call("GET", test.path, "").header
		if got.Get(test.name) != test.want {
			t.Errorf("%s: %s = %q, want %q", test.path, test.name, got.Get(test.name), test.want)
		}
		if len(strings.Split(got.Get("X-Request-Id"), "-")) != 7 {
			t.Errorf("%s: X-Request-Id = %q, want seven groups", test.path, got.Get("X-Request-Id"))
		}
	}
}
