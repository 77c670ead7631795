package caddymfa_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// TestCookieOverHTTPSIsBoundToItsHost runs a site behind a proxy that ends
// TLS, which is where the cookie's flags matter most.
func TestCookieOverHTTPSIsBoundToItsHost(t *testing.T) {
	file := strings.Replace(siteFile(""), "insecure_http", "", 1)
	file = strings.Replace(file, "\tmfa {\n\t\tonelogin", "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}\n\tmfa {\n\t\tonelogin", 1)
	s := openFile(t, file)
	alice := with(s.program("alice"), http.Header{"X-Forwarded-Proto": {"https"}})
	c, address := alice.begin("/")
	start := alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	wantBound(t, start)
	done := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	wantBound(t, done)
	alice.get("/").wantStatus(t, http.StatusOK)
	alice.get(address).wantStatus(t, http.StatusGone)
	s.app.wantCount(t, 1)
}

// wantBound looks at how each cookie was set.
func wantBound(t *testing.T, a answer) {
	t.Helper()
	if len(a.Cookies()) == 0 {
		t.Error("no cookie was set")
	}
	for _, cookie := range a.Cookies() {
		if !strings.HasPrefix(cookie.Name, "__Host-mfa") || !cookie.Secure || !cookie.HttpOnly ||
			cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s is not bound to its host: %+v", cookie.Name, cookie)
		}
	}
}

// TestPrefixThatWasCutOffIsKeptInAddresses has the app, and so our own prefix,
// below a path that an earlier handler cuts off.
func TestPrefixThatWasCutOffIsKeptInAddresses(t *testing.T) {
	file := strings.Replace(siteFile("exempt /app/public/*"), "\tmfa MATCHER", "\thandle_path /app/* {\n\tmfa", 1)
	s := openFile(t, strings.Replace(file, "reverse_proxy APP\n", "reverse_proxy APP\n\t}\n", 1))
	alice := s.program("alice")
	address := alice.get("/app/reports").wantStatus(t, http.StatusUnauthorized).json(t).ChallengeURL
	if !strings.HasPrefix(address, "/app/.mfa/?c=") {
		t.Fatalf("challenge_url = %q, want it below /app", address)
	}
	c := alice.get(address).wantStatus(t, http.StatusOK).json(t)
	body := func(name, value string) *strings.Reader {
		return strings.NewReader(`{"csrf":"` + c.CSRF + `","` + name + `":"` + value + `"}`)
	}
	sent := http.Header{"Content-Type": {"application/json"}}
	alice.do(http.MethodPost, "/app/.mfa/start", body("factor", c.factor(t, "totp")), sent).wantStatus(t, http.StatusOK)
	done := alice.do(http.MethodPost, "/app/.mfa/verify", body("code", s.sim.Code("alice", simulator.TOTP)), sent).json(t)
	if done.State != "verified" || done.ReturnTo != "/app/reports" {
		t.Fatalf("verify = %+v, want return to /app/reports", done)
	}
	s.app.wantCount(t, 0)
	alice.get("/app/reports").wantStatus(t, http.StatusOK)
	s.program("").get("/app/public/x").wantStatus(t, http.StatusOK)
	s.program("alice").get("/app/public/..%2freports").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 2)
}

func TestRewrittenPathIsJudgedToo(t *testing.T) {
	file := strings.Replace(siteFile("exempt /public/*\n\t\trequire /admin/* {\n\t\t\tfactors totp\n\t\t}"),
		"\tmfa MATCHER", "\trewrite /public/admin /admin/users\n\tmfa", 1)
	s := openFile(t, file)
	alice := s.program("alice")
	alice.verifyBy(simulator.SMS, "/")
	alice.get("/public/admin").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

func TestSiteOfAnotherHostDoesNotTakeTheCookie(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile(""), "http://SITE {", "http://:PORT {", 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	value := alice.client.Jar.Cookies(mustParse(t, s.url))[0].Value
	elsewhere := strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	s.program("alice").do(http.MethodGet, elsewhere+"/", nil, http.Header{"Cookie": {"mfa=" + value}}).wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	alice.get("/").wantStatus(t, http.StatusOK)
}

// TestRightCodeLeadsOnOutsideTheForm is about form-action, which browsers apply
// to every redirect behind a form.
func TestRightCodeLeadsOnOutsideTheForm(t *testing.T) {
	s := open(t, "")
	alice := s.person("alice")
	location := alice.get("/reports?a=1;b=%22x%22").Header.Get("Location")
	c := with(alice, http.Header{"Accept": {"application/json"}}).get(location).json(t)
	alice.form("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusSeeOther)
	done := alice.form("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	if got := done.Header.Get("Refresh"); got != "0; url=/reports?a=1;b=%22x%22" {
		t.Errorf("Refresh = %q, want the return URL", got)
	}
	if done.Header.Get("Location") != "" || !strings.Contains(done.body, `href="/reports?a=1;b=%22x%22"`) {
		t.Errorf("the page has no link to the return URL, or is a redirect to %q", done.Header.Get("Location"))
	}
	s.app.wantCount(t, 0)
	alice.get("/reports").wantStatus(t, http.StatusOK)
}
