package caddymfa_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Each test here stands for a way in which another gateway once failed.

func TestScar01GateMissingFromTheChain(t *testing.T) {
	s := openFile(t, strings.Replace(strings.Replace(siteFile(""), "\treverse_proxy APP\n", "", 1), "\tmfa MATCHER", "\treverse_proxy APP\n\tmfa MATCHER", 1))
	s.program("alice").get("/").wantStatus(t, http.StatusUnauthorized) // written behind the app, and still in front of it
	s.app.wantCount(t, 0)
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile.Format([]byte("http://x {\n mfa\n}")), nil)
	if err == nil {
		t.Error("a site with mfa and without its global option adapts")
	}
}

func TestScar02GarbageCookieOpens(t *testing.T) {
	s := open(t, "")
	w := s.raw(t)
	for _, garbage := range []string{"mfa", "=", "mfa==", "mfa=\xff\xfe", "mfa=%00", "mfa=" + strings.Repeat("A", 43), "mfa=" + strings.Repeat("A", 9000), ";;;", "mfa=\"", "mfa=null", "mfa=true"} {
		if status, seen := w.send("GET", "/", asAlice+"Cookie: "+garbage+"\r\n"); seen != 0 || status == http.StatusOK {
			t.Errorf("%.30q = %d", garbage, status)
		}
	}
}

func TestScar03PathTricksSkipARule(t *testing.T) {
	s := open(t, "exempt /health\n require /admin/* {\n factors totp\n }")
	w := s.raw(t)
	for _, target := range []string{
		"/admin?x=/health", "//admin/x", "/./admin", "/health/../admin", "/health%2f..%2fadmin", "/health%23/../admin", "/health;x", "/health/",
		"/HEALTH", "/health%3f", "/health#x", "/admin/x?/health", "http://127.0.0.1/admin",
	} {
		for _, header := range []string{"", "X-Forwarded-Uri: /health\r\n", "X-Original-Url: /health\r\n", "User-Agent: GoogleHC/1.0\r\n"} {
			if status, seen := w.send("GET", target, asAlice+header); seen != 0 {
				t.Errorf("%s with %q = %d, and the app saw it", target, header, status)
			}
		}
	}
	if _, seen := w.send("GET", "/health", asAlice); seen != 1 {
		t.Error("the exempt path does not pass")
	}
}

func TestScar04IdentityHeadersOfClients(t *testing.T) {
	s := open(t, "exempt /health")
	for _, name := range []string{"X-Mfa-User", "x_mfa_user", "X.Mfa.User", "X-Mfa_User", "X-MFA-FACTOR", "X-Mfa-Auth-Time", "X-Mfa-Groups"} {
		s.program("alice").do(http.MethodGet, "/health", nil, http.Header{name: {"root", "root"}}).wantStatus(t, http.StatusOK)
	}
	for _, r := range s.app.requests() {
		for name, values := range r.Header {
			if strings.Join(values, "") == "rootroot" {
				t.Errorf("the app got %s: %v", name, values)
			}
		}
	}
	s.app.wantCount(t, 7)
}

func TestScar05ClientAddressOfTheClientsOwn(t *testing.T) {
	s, read := openAudited(t, "enroll {\n from 10.0.0.0/8\n }")
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip"} {
		carol := with(s.program("carol"), http.Header{name: {"10.0.0.1"}})
		if c := carol.get(carol.get("/").json(t).ChallengeURL).wantError(t, http.StatusForbidden, "no_device"); len(c.Enroll) != 0 {
			t.Errorf("%s lets a stranger enrol", name)
		}
		with(s.program("alice"), http.Header{name: {"10.0.0.1"}}).post("cancel", map[string]string{"csrf": "x"})
	}
	lines := read()
	for _, line := range lines {
		if line["address"] != "127.0.0.1" {
			t.Errorf("audit log believes %v", line["address"])
		}
	}
	if len(lines) < 5 {
		t.Errorf("%d lines for five forged addresses", len(lines))
	}
	s.app.wantCount(t, 0)
}

func TestScar06OpenRedirect(t *testing.T) {
	s := open(t, "")
	for _, target := range []string{"//evil.example", `/\evil.example`, "/%5cevil.example", "/%0d%0aLocation:%20https://evil.example", "/%2f/evil.example", "/.//evil.example"} {
		b := s.person("alice")
		location := b.get(s.url + target).Header.Get("Location")
		if location != "" && !strings.HasPrefix(location, "/.mfa/") {
			t.Errorf("%s leads to %q", target, location)
		} else if location != "" {
			if page := b.get(location).body; strings.Contains(page, `href="//`) || strings.Contains(page, `href="https:`) || strings.Contains(page, `href="/\`) {
				t.Errorf("%s: the page leads elsewhere", target)
			}
		}
	}
	s.app.wantCount(t, 0)
}

func TestScar07ScriptRequestIsRedirected(t *testing.T) {
	s := open(t, "")
	for _, header := range []http.Header{
		{"Accept": {"*/*"}, "Sec-Fetch-Mode": {"cors"}}, {"Accept": {"text/html"}, "X-Requested-With": {"XMLHttpRequest"}}, {"Accept": {"application/json"}},
		{"Accept": {"text/event-stream"}}, {"Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}},
	} {
		if got := s.browser("alice", header).get("/api").wantStatus(t, http.StatusUnauthorized); got.Header.Get("Location") != "" {
			t.Errorf("%v is sent to %s", header, got.Header.Get("Location"))
		}
	}
}

func TestScar08PollBecomesTheReturnTarget(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/orders")
	alice.get("/api/poll").wantStatus(t, http.StatusUnauthorized)
	alice.get(status(address)).wantStatus(t, http.StatusOK)
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
	alice.get("/api/poll?n=2").wantStatus(t, http.StatusUnauthorized)
	done := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).json(t)
	if done.ReturnTo != "/orders" {
		t.Errorf("return to %q, want /orders", done.ReturnTo)
	}
}

func TestScar09PostIsLostOrSentAgain(t *testing.T) {
	s := open(t, "")
	for kind, body := range map[string]string{
		"application/x-www-form-urlencoded": "amount=5", "application/json": `{"amount":5}`, "": "",
		"multipart/form-data; boundary=x": "--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\nfile\r\n--x--\r\n", "text/plain": strings.Repeat("x", 1<<20),
	} {
		alice := s.person("alice")
		got := alice.do(http.MethodPost, "/transfer", strings.NewReader(body), http.Header{"Content-Type": {kind}}).wantStatus(t, http.StatusSeeOther)
		if page := alice.get(got.Header.Get("Location")).wantStatus(t, http.StatusOK).body; strings.Contains(page, "amount=") {
			t.Errorf("%s: the page holds the body", kind)
		}
	}
	s.program("alice").verifyBy(simulator.TOTP, "/")
	s.app.wantCount(t, 0) // neither as a POST nor as a GET
}

func TestScar10TabsOverwriteEachOther(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	first, _ := alice.begin("/1")
	second, _ := alice.begin("/2")
	for i, c := range []challenge{second, first} {
		factor := []string{"totp", "sms"}[i]
		alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, factor)}).wantStatus(t, http.StatusOK)
		done := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.Factor(factor))}).json(t)
		if want := []string{"/2", "/1"}[i]; done.ReturnTo != want {
			t.Errorf("tab ended at %+v, want %s", done, want)
		}
	}
	alice.get("/1").wantStatus(t, http.StatusOK)
}

func TestScar12DeniedPushIsSentAgain(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/")
	start := map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}
	alice.post("start", start).wantStatus(t, http.StatusOK)
	s.sim.Deny("alice")
	alice.waitFor(address, "denied")
	for range 3 {
		alice.get(address)
		alice.get(status(address))
		alice.post("start", start)
	}
	if sent := len(s.sim.Sent()); sent != 1 {
		t.Errorf("%d pushes were sent, want 1", sent)
	}
	s.app.wantCount(t, 0)
}

func TestScar14LogoutLeavesTheSession(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	site, _ := url.Parse(s.url)
	stolen := alice.client.Jar.Cookies(site)
	alice.get("/").wantStatus(t, http.StatusOK)
	alice.post("logout", map[string]string{"csrf": alice.get("/.mfa/").json(t).CSRF}).wantStatus(t, http.StatusNoContent)
	alice.client.Jar, _ = cookiejar.New(nil)
	alice.client.Jar.SetCookies(site, stolen)
	for range 3 {
		alice.get("/").wantStatus(t, http.StatusUnauthorized)
	}
	s.app.wantCount(t, 1)
}

func TestScar15ReloadLogsEverybodyOut(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	s.load(s.file)
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestScar16FreshChallengeResetsTheCounter(t *testing.T) {
	s := open(t, "")
	tried := 0
	for _, wrong := range []string{"000001", "000002", "000003", "000004", "000005", "000006", "000007"} {
		alice := s.program("alice") // a new tab, challenge and code each time
		c, _ := alice.begin("/")
		alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
		if alice.post("verify", map[string]string{"csrf": c.CSRF, "code": wrong}).StatusCode == http.StatusUnprocessableEntity {
			tried++
		}
	}
	if n := s.sim.Calls("verify"); n > 5 || tried == 0 {
		t.Errorf("OneLogin saw %d of 7 guesses, want 5 at most", n)
	}
	s.app.wantCount(t, 0)
}

func TestScar17FreshnessLoops(t *testing.T) {
	for _, option := range []string{"max_age 1s", "max_age 0s", "idle 1s", "require /a {\n max_age 2s\n }"} {
		text := strings.NewReplacer("ONELOGIN", "https://x.example", " MATCHER", "", "SITE", "x", "APP", "127.0.0.1:1").Replace(siteFile(option))
		if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil); err == nil {
			t.Errorf("%s adapts", option)
		}
	}
	s := open(t, "max_age 5s") // the least: the page that was asked for is reached
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestScar18WrongDeviceIsChosen(t *testing.T) {
	s := open(t, "")
	s.sim.AddUser(simulator.User{Username: "gus", Phone: "+12025550109", Devices: []simulator.Device{
		{ID: 3001, Factor: simulator.TOTP, Name: "First"}, {ID: 3002, Factor: simulator.TOTP, Name: "Second"}, {ID: 3003, Factor: simulator.SMS, Name: "Third", Default: true}}})
	c, _ := s.program("gus").begin("/")
	names := map[string]bool{}
	for _, f := range c.Factors {
		names[f.Name] = f.Default
	}
	if len(names) != 3 || !names["Third"] || names["First"] || names["Second"] {
		t.Errorf("factors = %+v, want three, and the third by default", c.Factors)
	}
}

func TestScar19FailuresAreNotLogged(t *testing.T) {
	s, read := openAudited(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
	for _, wrong := range []string{"000001", "000002", "000003"} {
		alice.post("verify", map[string]string{"csrf": c.CSRF, "code": wrong})
	}
	failures := 0
	for _, line := range read() {
		if line["event"] == "code_wrong" && line["user"] == "alice" && line["address"] == "127.0.0.1" {
			failures++
		}
	}
	if failures != 3 {
		t.Errorf("%d lines for three wrong codes", failures)
	}
}

func TestScar21LockDuringAPendingPush(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	s.sim.SetStatus("alice", 3, 1)
	s.sim.Approve("alice")
	if state := alice.follow(address); state == "verified" {
		t.Errorf("the push of a locked user = %s", state)
	}
	alice.get(status(address))
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

func TestScar22StepsOutOfOrder(t *testing.T) {
	s := open(t, "")
	alice, bob := s.program("alice"), s.program("bob")
	c, address := alice.begin("/")
	code := s.sim.Code("alice", simulator.TOTP)
	if got := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": code}); got.StatusCode == http.StatusOK {
		t.Errorf("verify before start = %s", got.body)
	}
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	for _, other := range []*browser{bob, s.program("alice"), s.program("")} {
		for _, got := range []answer{other.post("verify", map[string]string{"csrf": c.CSRF, "code": code}), other.get(status(address)), other.get(address)} {
			if got.StatusCode < 400 || strings.Contains(got.body, c.factor(t, "totp")) {
				t.Errorf("another browser got %s\n%s", got.Response.Status, got.body)
			}
		}
	}
	if s.sim.Calls("verify") != 0 {
		t.Error("a code of another browser reached OneLogin")
	}
	s.app.wantCount(t, 0)
}

func TestScar23NoFactorMeansNoneNeeded(t *testing.T) {
	for name, broken := range map[string]func(w *simulator.Switches){
		"502": func(w *simulator.Switches) { w.HTML502 = true }, "none": func(*simulator.Switches) {},
	} {
		s := open(t, "")
		s.sim.SetSwitches(broken)
		for _, user := range []string{"carol", "nobody-at-all"} {
			p := s.program(user)
			got := p.get(p.get("/").wantStatus(t, http.StatusUnauthorized).json(t).ChallengeURL)
			if got.StatusCode < 400 {
				t.Errorf("%s: %s = %s", name, user, got.Response.Status)
			}
			p.get("/").wantStatus(t, http.StatusUnauthorized)
		}
		s.app.wantCount(t, 0)
	}
}

func TestScar24FreshnessCountsFromTheProof(t *testing.T) {
	s := open(t, "")
	before := time.Now().Add(-time.Second)
	for user, factor := range map[string]simulator.Factor{"alice": simulator.TOTP, "bob": simulator.SMS} {
		b := s.program(user)
		b.verifyBy(factor, "/")
		b.get("/").wantStatus(t, http.StatusOK)
	}
	for _, r := range s.app.requests() {
		at, err := time.Parse(time.RFC3339, r.Header.Get("X-Mfa-Auth-Time"))
		if err != nil || at.Before(before.Truncate(time.Second)) || at.After(time.Now()) {
			t.Errorf("auth time %q, want now: %v", r.Header.Get("X-Mfa-Auth-Time"), err)
		}
	}
}

func TestScar20PageIsDeadAfterExpiry(t *testing.T) {
	s := open(t, "")
	page := s.program("alice").get("/api").wantStatus(t, http.StatusUnauthorized)
	if page.Header.Get("WWW-Authenticate") == "" || page.json(t).ChallengeURL == "" {
		t.Error("a script is not told where to verify")
	}
	if text, err := os.ReadFile("../docs/api.md"); err != nil || !strings.Contains(string(text), "challenge_url") {
		t.Errorf("docs/api.md does not say how pages learn of it: %v", err)
	}
}
