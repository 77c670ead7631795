package caddymfa_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestNavigationIsLedToChallenge(t *testing.T) {
	s := open(t, "")
	got := s.person("alice").get("/reports?year=2026").wantStatus(t, http.StatusSeeOther)
	location := got.Header.Get("Location")
	if !strings.HasPrefix(location, "/.mfa/?c=") {
		t.Errorf("Location = %q, want a path below /.mfa/", location)
	}
	if strings.Contains(location, "alice") || strings.Contains(location, "reports") {
		t.Errorf("Location %q can be read", location)
	}
	if cache := got.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", cache)
	}
	if cookies := got.Header.Values("Set-Cookie"); len(cookies) != 0 {
		t.Errorf("an unverified GET set cookies %q", cookies)
	}
	s.app.wantCount(t, 0)
}

func TestProgramsLearnWhereToVerify(t *testing.T) {
	s := open(t, "max_age 2h")
	for name, header := range map[string]http.Header{
		"json":           {"Accept": {"application/json"}},
		"curl":           {"Accept": {"*/*"}},
		"fetch":          {"Accept": {"text/html"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}},
		"image":          {"Accept": {"image/avif,*/*"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}},
		"frame":          {"Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}},
		"old ajax":       {"Accept": {"text/html"}, "X-Requested-With": {"XMLHttpRequest"}},
		"web socket":     {"Accept": {"text/html"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
		"cors preflight": {"Accept": {"*/*"}, "Origin": {"https://other.example"}, "Access-Control-Request-Method": {"PUT"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.browser("alice", header).get("/api/orders").wantStatus(t, http.StatusUnauthorized)
			const want = `Bearer error="insufficient_user_authentication"`
			if hint := got.Header.Get("WWW-Authenticate"); !strings.HasPrefix(hint, want) || !strings.HasSuffix(hint, `max_age="7200"`) {
				t.Errorf("WWW-Authenticate = %q, want %s … max_age", hint, want)
			}
			if kind := got.Header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("Content-Type = %q", kind)
			}
			if c := got.json(t); !strings.HasPrefix(c.ChallengeURL, "/.mfa/?c=") || c.Status != 401 || c.MaxAge != 7200 {
				t.Errorf("problem = %+v", c)
			}
		})
	}
	s.app.wantCount(t, 0)
}

func TestUnverifiedGetsSendNothingToAnybody(t *testing.T) {
	s := open(t, "")
	alice := s.person("alice")
	for range 10 {
		location := alice.get("/").wantStatus(t, http.StatusSeeOther).Header.Get("Location")
		alice.get(location).wantStatus(t, http.StatusOK)
		alice.do(http.MethodHead, location, nil, nil).wantStatus(t, http.StatusOK)
	}
	if sent := s.sim.Sent(); len(sent) != 0 {
		t.Errorf("unverified GETs sent %v", sent)
	}
	if n := s.sim.Calls("activate"); n != 0 {
		t.Errorf("unverified GETs activated %d factors", n)
	}
	s.app.wantCount(t, 0)
}

func TestRequestWithoutUserIsRefused(t *testing.T) {
	s := open(t, "")
	s.person("").get("/").wantStatus(t, http.StatusForbidden)
	if c := s.program("").get("/").wantStatus(t, http.StatusForbidden).json(t); c.Code != "no_user" || c.Reference == "" {
		t.Errorf("problem = %+v, want no_user with a reference", c)
	}
	s.program("").get("/.mfa/").wantStatus(t, http.StatusForbidden)
	s.app.wantCount(t, 0)
}

func TestSessionIsForItsUserAndRouteAlone(t *testing.T) {
	s := open(t, `require /admin/* {
			factors totp
		}`)
	alice := s.program("alice")
	alice.verifyBy(simulator.SMS, "/home")
	alice.get("/home").wantStatus(t, http.StatusOK)
	s.app.wantCount(t, 1)

	alice.get("/admin/users").wantStatus(t, http.StatusUnauthorized) // SMS does not count here
	thief := *alice
	thief.user = "bob"
	thief.get("/home").wantStatus(t, http.StatusUnauthorized) // alice's cookie, bob's login
	s.app.wantCount(t, 1)
}

func TestBrokenCookiesNeverPass(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	good := alice.client.Jar.Cookies(mustParse(t, s.url))[0]
	stranger := s.program("alice")
	for name, cookies := range map[string]string{
		"none":            "",
		"empty":           "mfa=",
		"garbage":         "mfa=%%%",
		"cut":             "mfa=" + good.Value[:42],
		"longer":          "mfa=" + good.Value + "A",
		"other case":      "mfa=" + strings.ToUpper(good.Value),
		"padded":          "mfa=" + good.Value + "=",
		"other name":      "Mfa=" + good.Value,
		"two, good first": "mfa=" + good.Value + "; mfa=" + strings.Repeat("A", 43),
		"two, good last":  "mfa=" + strings.Repeat("A", 43) + "; mfa=" + good.Value,
	} {
		t.Run(name, func(t *testing.T) {
			stranger.do(http.MethodGet, "/", nil, http.Header{"Cookie": {cookies}}).wantStatus(t, http.StatusUnauthorized)
		})
	}
	s.app.wantCount(t, 0)
	stranger.do(http.MethodGet, "/", nil, http.Header{"Cookie": {"a=b; mfa=" + good.Value + "; c=d"}}).wantStatus(t, http.StatusOK)
	if got := s.app.requests()[0].Header.Get("Cookie"); got != "a=b; c=d" {
		t.Errorf("the app got the cookies %q, want its own alone", got)
	}
}

func TestAppLearnsTheUserFromUsAlone(t *testing.T) {
	s := open(t, "exempt /public/*")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	forged := http.Header{
		"X-Mfa-User":   {"root"},
		"x-mfa-factor": {"yubikey"},
		"X_Mfa_User":   {"root"},
		"X-Mfa-Level":  {"9"},
		"Connection":   {"close, X-Mfa-User"},
	}
	alice.do(http.MethodGet, "/", nil, forged).wantStatus(t, http.StatusOK)
	alice.do(http.MethodGet, "/public/a", nil, forged).wantStatus(t, http.StatusOK)
	s.program("").do(http.MethodGet, "/public/b", nil, forged).wantStatus(t, http.StatusOK)

	seen := s.app.requests()
	if got := seen[0].Header; got.Get("X-Mfa-User") != "alice" || got.Get("X-Mfa-Factor") != "totp" || got.Get("X-Mfa-Auth-Time") == "" {
		t.Errorf("verified request reached the app with %v", got)
	}
	for _, r := range seen {
		for name, values := range r.Header {
			folded := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			if strings.HasPrefix(folded, "x-mfa-") && (strings.Contains(fmt.Sprint(values), "root") || strings.HasSuffix(folded, "level")) {
				t.Errorf("%s: the app got %s: %v", r.URL.Path, name, values)
			}
		}
	}
	for _, r := range seen[1:] {
		if r.Header.Get("X-Mfa-User") != "" {
			t.Errorf("exempt request reached the app with X-Mfa-User %q", r.Header.Get("X-Mfa-User"))
		}
	}
}

func TestForgedTrailerDoesNotReachTheApp(t *testing.T) {
	s := open(t, "exempt /public/*")
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "POST /public/x HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mfa-User\r\nConnection: close\r\n\r\n"+
		"2\r\nhi\r\n0\r\nX-Mfa-User: root\r\n\r\n", strings.TrimPrefix(s.url, "http://"))
	if _, err := http.ReadResponse(bufio.NewReader(connection), nil); err != nil {
		t.Fatal(err)
	}
	s.app.wantCount(t, 1)
	if got := s.app.requests()[0]; got.Header.Get("X-Mfa-User") != "" || got.Trailer.Get("X-Mfa-User") != "" {
		t.Errorf("the app got header %v, trailer %v", got.Header, got.Trailer)
	}
}

func TestPlaceholdersDescribeTheDecision(t *testing.T) {
	file := strings.Replace(siteFile("exempt /public"), "reverse_proxy APP",
		"respond \"{http.mfa.decision} {http.mfa.user} {http.mfa.factor} {http.mfa.age}\"", 1)
	s := openFile(t, file)
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	if got := alice.get("/").body; got != "verified alice totp 0" && got != "verified alice totp 1" {
		t.Errorf("verified placeholders = %q", got)
	}
	if got := alice.get("/public").body; got != "exempt   " {
		t.Errorf("exempt placeholders = %q", got)
	}
}

func TestMatcherGuardsWhatItSelects(t *testing.T) {
	file := strings.Replace(siteFile(""), " MATCHER", " /admin/*", 1)
	s := openFile(t, file)
	alice := s.program("alice")
	alice.get("/home").wantStatus(t, http.StatusOK)
	s.app.wantCount(t, 1)
	alice.get("/admin/users").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 1)
	alice.verifyBy(simulator.TOTP, "/admin/users") // the own prefix works although the matcher does not select it
	alice.get("/admin/users").wantStatus(t, http.StatusOK)
}

func TestTwoGuardsInOneSite(t *testing.T) {
	block := `
	mfa /pay/* {
		user {http.request.header.Remote-User}
		insecure_http
	}
	reverse_proxy APP`
	file := strings.Replace(siteFile(""), " MATCHER", " /admin/*", 1)
	s := openFile(t, strings.Replace(file, "\n\treverse_proxy APP", block, 1))
	alice := s.program("alice")
	alice.get("/admin/a").wantStatus(t, http.StatusUnauthorized)
	alice.get("/pay/a").wantStatus(t, http.StatusUnauthorized)
	alice.verifyBy(simulator.TOTP, "/pay/a")
	alice.get("/pay/a").wantStatus(t, http.StatusOK)
	alice.get("/admin/a").wantStatus(t, http.StatusOK)
	for _, r := range s.app.requests() {
		if r.Header.Get("X-Mfa-User") != "alice" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s reached the app with %v", r.URL.Path, r.Header)
		}
	}
}

func TestConnectAndTraceAreRefused(t *testing.T) {
	s := open(t, "exempt /public")
	for _, method := range []string{"TRACE", "CONNECT"} {
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		host := strings.TrimPrefix(s.url, "http://")
		target := map[string]string{"TRACE": "/public", "CONNECT": host}[method]
		fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, target, host)
		got, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s = %s, want 405", method, got.Status)
		}
	}
	s.app.wantCount(t, 0)
}

func TestOddSpellingsOfOurPrefixNeverReachTheApp(t *testing.T) {
	s := open(t, "exempt /public/*")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	for _, path := range []string{
		"/.mfa", "/.mfa/nothing", "/.mfa/start/", "/.mfa//start", "/.MFA/", "/%2emfa/", "/.mfa/%73tart", "//.mfa/", "/./.mfa/",
		"/.mfa;x/start", "/public/../.mfa/start", "/public/..%2f.mfa/start", `/.mfa\start`, "/.mfa/start%00", "/%252emfa/",
	} {
		if got := alice.get(path); got.StatusCode == http.StatusOK {
			t.Errorf("GET %s = %s", path, got.Response.Status)
		}
	}
	s.app.wantCount(t, 0)
	alice.get("/admin/.mfa/start").wantStatus(t, http.StatusOK) // below another path it is the app's
	s.app.wantCount(t, 1)
}

func TestPlainHTTPGetsNoSession(t *testing.T) {
	file := strings.Replace(siteFile(""), "insecure_http", "", 1)
	s := openFile(t, file)
	s.person("alice").get("/").wantStatus(t, http.StatusForbidden)
	for _, header := range []http.Header{nil, {"X-Forwarded-Proto": {"https"}}} {
		if c := s.program("alice").do(http.MethodGet, "/", nil, header).wantStatus(t, http.StatusForbidden).json(t); c.Code != "insecure" {
			t.Errorf("problem = %+v, want insecure", c)
		}
	}
	s.app.wantCount(t, 0)
}
