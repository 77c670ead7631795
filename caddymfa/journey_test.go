package caddymfa_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWrongCodeThenRight(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/orders")
	if c.State != "choosing" || c.User != "alice" || c.Site == "" || len(c.Factors) != 4 {
		t.Fatalf("challenge = %+v", c)
	}
	pending := alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK).json(t)
	if pending.State != "pending" || !*pending.NeedsCode || pending.ExpiresIn < 60 || *pending.TriesLeft != 5 || pending.Factor != c.factor(t, "sms") {
		t.Fatalf("after start: %+v", pending)
	}
	wrong := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}).wantStatus(t, http.StatusUnprocessableEntity).json(t)
	if wrong.State != "pending" || wrong.Error != "wrong_code" || *wrong.TriesLeft != 4 {
		t.Fatalf("after a wrong code: %+v", wrong)
	}
	alice.get("/orders").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	right := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.SMS)}).wantStatus(t, http.StatusOK).json(t)
	if right.State != "verified" || right.ReturnTo != "/orders" {
		t.Fatalf("after the right code: %+v", right)
	}
	for range 3 {
		alice.get("/orders").wantStatus(t, http.StatusOK)
	}
	s.app.wantCount(t, 3)
}

func TestVerifiedRequestsNeverAskOneLogin(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	before := len(s.sim.Requests())
	for range 20 {
		alice.get("/").wantStatus(t, http.StatusOK)
	}
	if after := len(s.sim.Requests()); after != before {
		t.Errorf("20 verified requests made %d calls to OneLogin", after-before)
	}
}

func TestPushIsSentOnceAndApproved(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/")
	start := map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}
	alice.post("start", start).wantStatus(t, http.StatusOK)
	for range 5 {
		alice.get(address).wantStatus(t, http.StatusOK)
		alice.post("start", start).wantStatus(t, http.StatusOK)
	}
	if sent := s.sim.Sent(); len(sent) != 1 {
		t.Fatalf("five reloads and repeated starts sent %v, want one push", sent)
	}
	if !s.sim.Approve("alice") {
		t.Fatal("no push to approve")
	}
	alice.waitFor(address, "verified")
	if got := alice.get(status(address)).json(t); got.State != "verified" || got.ReturnTo != "/" {
		t.Errorf("status = %+v, want verified", got)
	}
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestDeniedPushIsFinal(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	s.sim.Deny("alice")
	alice.waitFor(address, "denied")
	got := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusForbidden)
	if c := got.json(t); c.State != "denied" {
		t.Errorf("a code after a denial: %+v", c)
	}
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

func status(address string) string { return strings.Replace(address, "/.mfa/?", "/.mfa/status?", 1) }

// waitFor follows the challenge's event stream until it says something else
// than pending, which has to be state. A stream that a reload ended is opened
// again, as an EventSource does.
func (b *browser) waitFor(address, state string) {
	b.t.Helper()
	last := "pending"
	for range 20 {
		if last = b.follow(address); last != "pending" {
			break
		}
	}
	if last != state {
		b.t.Fatalf("event stream ended with %q, want state %s", last, state)
	}
}

// follow returns the last state that one event stream tells.
func (b *browser) follow(address string) string {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.url+status(address), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Host = b.host
	if b.user != "" {
		r.Header.Set("Remote-User", b.user)
	}
	response, err := b.send(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	var event struct{ State string }
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(text), &event) != nil {
			b.t.Fatalf("event %q is no JSON", text)
		}
	}
	return event.State
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	start := map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}
	bob := s.program("bob")
	foreign, _ := bob.begin("/")
	for name, refused := range map[string]func() answer{
		"no csrf": func() answer { return alice.post("start", map[string]string{"factor": start["factor"]}) },
		"foreign csrf": func() answer {
			return alice.post("start", map[string]string{"csrf": foreign.CSRF, "factor": start["factor"]})
		},
		"challenge url": func() answer {
			return alice.post("start", map[string]string{"csrf": urlTicket(alice), "factor": start["factor"]})
		},
		"cross site":   func() answer { return with(alice, http.Header{"Sec-Fetch-Site": {"cross-site"}}).post("start", start) },
		"sibling site": func() answer { return with(alice, http.Header{"Sec-Fetch-Site": {"same-site"}}).post("start", start) },
		"other origin": func() answer {
			return with(alice, http.Header{"Origin": {"https://evil.example"}}).post("start", start)
		},
		"other scheme": func() answer {
			return with(alice, http.Header{"Origin": {strings.Replace(s.url, "http:", "https:", 1)}}).post("start", start)
		},
		"other user": func() answer { return bob.post("start", start) },
		"logout":     func() answer { return alice.post("logout", map[string]string{"csrf": c.CSRF}) },
	} {
		t.Run(name, func(t *testing.T) { refused().wantStatus(t, http.StatusForbidden) })
	}
	if sent := s.sim.Sent(); len(sent) != 0 {
		t.Errorf("refused forms sent %v", sent)
	}
	alice.post("start", start).wantStatus(t, http.StatusOK)
}

func urlTicket(b *browser) string {
	address := b.get("/").json(b.t).ChallengeURL
	return mustParse(b.t, address).Query().Get("c")
}

func with(b *browser, header http.Header) *browser {
	other := *b
	other.header = b.header.Clone()
	for name, values := range header {
		other.header[name] = values
	}
	return &other
}

func TestOddBodiesAreRefused(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	for name, test := range map[string]struct {
		kind, body string
		want       int
	}{
		"text":               {"text/plain", `{"csrf":"` + c.CSRF + `"}`, http.StatusUnsupportedMediaType},
		"no type":            {"", "csrf=" + c.CSRF, http.StatusUnsupportedMediaType},
		"multipart":          {"multipart/form-data; boundary=x", "--x--", http.StatusUnsupportedMediaType},
		"too large":          {"application/json", strings.Repeat(" ", 9000), http.StatusRequestEntityTooLarge},
		"repeated field":     {"application/x-www-form-urlencoded", "csrf=a&csrf=b", http.StatusBadRequest},
		"repeated JSON name": {"application/json", `{"csrf":"a","csrf":"b"}`, http.StatusBadRequest},
		"number":             {"application/json", `{"csrf":"a","code":123456}`, http.StatusBadRequest},
		"nested":             {"application/json", `{"csrf":{"a":"b"}}`, http.StatusBadRequest},
		"array":              {"application/json", `["csrf"]`, http.StatusBadRequest},
		"two values":         {"application/json", `{"csrf":"a"} {}`, http.StatusBadRequest},
		"cut":                {"application/json", `{"csrf":"a"`, http.StatusBadRequest},
		"bad escape":         {"application/x-www-form-urlencoded", "csrf=%zz", http.StatusBadRequest},
		"many fields":        {"application/x-www-form-urlencoded", strings.Repeat("a=b&", 100), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Content-Type": {test.kind}}
			alice.do(http.MethodPost, "/.mfa/start", strings.NewReader(test.body), header).wantStatus(t, test.want)
		})
	}
}

func TestMethodsOfEndpoints(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	for path, allow := range map[string]string{
		"/.mfa/": "GET, HEAD", "/.mfa/status": "GET, HEAD",
		"/.mfa/start": "POST", "/.mfa/verify": "POST", "/.mfa/cancel": "POST", "/.mfa/logout": "POST",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "FOO"} {
			if strings.Contains(allow, method) {
				continue
			}
			got := alice.do(method, path, nil, nil).wantStatus(t, http.StatusMethodNotAllowed)
			if got.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow = %q, want %q", method, path, got.Header.Get("Allow"), allow)
			}
		}
	}
}

func TestTamperedChallengeURLLeadsNowhere(t *testing.T) {
	s := open(t, "")
	alice := s.person("alice")
	location := alice.get("/reports").Header.Get("Location")
	flipped := location[:len(location)-1] + string(location[len(location)-1]^1)
	for _, odd := range []string{flipped, "/.mfa/?c=AAAA", location + "A", location + "&c=x"} {
		got := alice.get(odd)
		if got.StatusCode != http.StatusSeeOther && odd != location+"&c=x" {
			t.Errorf("GET tampered = %s", got.Response.Status)
		}
		if to := got.Header.Get("Location"); to != "" && to != "/.mfa/" {
			t.Errorf("tampered challenge leads to %q", to)
		}
	}
}

func TestReturnURLNeverLeavesTheSite(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	for _, target := range []string{"//evil.example/x", `/\evil.example`, "/%09/evil.example", "/%5cevil.example", "/.//evil.example"} {
		address := alice.get(s.url + target)
		if address.StatusCode != http.StatusUnauthorized {
			continue // refused before
		}
		c := alice.get(address.json(t).ChallengeURL).json(t)
		alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
		s.sim.Advance(30e9) // a fresh code for each
		done := alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).json(t)
		if done.State != "verified" || done.ReturnTo != "/" {
			t.Errorf("%s: %+v, want return to /", target, done)
		}
		alice = s.program("alice")
	}
}

func TestTwoTabsFinishInReverseOrder(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	first, _ := alice.begin("/first")
	second, _ := alice.begin("/second")
	alice.post("start", map[string]string{"csrf": first.CSRF, "factor": first.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	alice.post("start", map[string]string{"csrf": second.CSRF, "factor": second.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	two := alice.post("verify", map[string]string{"csrf": second.CSRF, "code": s.sim.Code("alice", simulator.SMS)}).json(t)
	one := alice.post("verify", map[string]string{"csrf": first.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).json(t)
	if one.ReturnTo != "/first" || two.ReturnTo != "/second" {
		t.Errorf("tabs ended at %+v and %+v", one, two)
	}
	alice.get("/first").wantStatus(t, http.StatusOK)
}

func TestChallengeStaysInItsBrowser(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	elsewhere := s.program("alice")
	elsewhere.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusGone)
	elsewhere.get(address).wantStatus(t, http.StatusGone)
	if n := s.sim.Calls("verify"); n != 0 {
		t.Errorf("a code from another browser reached OneLogin")
	}
	s.app.wantCount(t, 0)
}

func TestParallelRightCodesGiveOneSession(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	verify := map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}
	var group sync.WaitGroup
	sessions := make(chan string, 10)
	for range cap(sessions) {
		group.Go(func() {
			for _, cookie := range alice.post("verify", verify).Cookies() {
				if cookie.Name == "mfa" && cookie.Value != "" {
					sessions <- cookie.Value
				}
			}
		})
	}
	group.Wait()
	if len(sessions) != 1 || s.sim.Calls("verify") != 1 {
		t.Errorf("ten equal right codes gave %d sessions and %d calls, want one each", len(sessions), s.sim.Calls("verify"))
	}
}

func TestSignOutEndsTheSession(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	value := alice.client.Jar.Cookies(mustParse(t, s.url))[0].Value
	home := alice.get("/.mfa/").wantStatus(t, http.StatusOK).json(t)
	if home.State != "verified" || home.Factor != "totp" {
		t.Fatalf("home = %+v", home)
	}
	alice.post("logout", map[string]string{"csrf": home.CSRF}).wantStatus(t, http.StatusNoContent)
	alice.do(http.MethodGet, "/", nil, http.Header{"Cookie": {"mfa=" + value}}).wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

func TestNewProofGivesNewCookieAndEndsTheOld(t *testing.T) {
	s := open(t, `require /admin/* {
			factors totp
		}`)
	alice := s.program("alice")
	alice.verifyBy(simulator.SMS, "/")
	old := alice.client.Jar.Cookies(mustParse(t, s.url))[0].Value
	alice.verifyBy(simulator.TOTP, "/admin/")
	if now := alice.client.Jar.Cookies(mustParse(t, s.url))[0].Value; now == old {
		t.Error("the cookie value did not change")
	}
	s.program("alice").do(http.MethodGet, "/", nil, http.Header{"Cookie": {"mfa=" + old}}).wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	alice.get("/admin/").wantStatus(t, http.StatusOK)
}

func TestUserWithoutDeviceIsRefusedWithHelp(t *testing.T) {
	s := open(t, `brand {
			help "Call 4357."
		}`)
	carol := s.person("carol")
	got := carol.get(carol.get("/").Header.Get("Location")).wantStatus(t, http.StatusForbidden)
	if !strings.Contains(got.body, "Call 4357.") {
		t.Errorf("the page has no help text:\n%s", got.body)
	}
	s.app.wantCount(t, 0)
}

func TestFailingOneLoginLetsNobodyPass(t *testing.T) {
	s := open(t, "")
	verified := s.program("bob")
	verified.verifyBy(simulator.SMS, "/")
	s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	alice := s.program("alice")
	address := alice.get("/").wantStatus(t, http.StatusUnauthorized).json(t).ChallengeURL
	got := alice.get(address).wantStatus(t, http.StatusServiceUnavailable)
	if c := got.json(t); c.Reference == "" || c.Code != "unavailable" {
		t.Errorf("problem = %+v, want a reference", c)
	}
	if got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.person("alice").get(address).wantStatus(t, http.StatusServiceUnavailable)
	s.app.wantCount(t, 0)
	verified.get("/").wantStatus(t, http.StatusOK)
}

func TestLockedUserIsToldForHowLong(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	var last answer
	for i := range 5 {
		last = alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "00000" + string(rune('0'+i))})
	}
	last.wantStatus(t, http.StatusTooManyRequests)
	if last.json(t).State != "locked" || last.Header.Get("Retry-After") == "" {
		t.Errorf("after five wrong codes: %s, Retry-After %q", last.body, last.Header.Get("Retry-After"))
	}
	fresh, _ := s.program("alice").begin("/")
	s.program("alice").post("start", map[string]string{"csrf": fresh.CSRF, "factor": fresh.factor(t, "totp")}).wantStatus(t, http.StatusTooManyRequests)
	if n := s.sim.Calls("verify"); n != 5 {
		t.Errorf("OneLogin was asked %d times, want 5", n)
	}
	s.app.wantCount(t, 0)
}

func TestPostedDataIsNotSentByItself(t *testing.T) {
	s := open(t, "")
	alice := s.person("alice")
	got := alice.do(http.MethodPost, "/transfer", strings.NewReader("amount=5"), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	page := alice.get(got.wantStatus(t, http.StatusSeeOther).Header.Get("Location")).wantStatus(t, http.StatusOK)
	if strings.Contains(page.body, "amount") {
		t.Error("the page holds what was posted")
	}
	program := s.program("alice")
	program.verifyBy(simulator.TOTP, "/")
	s.app.wantCount(t, 0)
}

func TestPageHasItsOwnHeaders(t *testing.T) {
	file := strings.Replace(siteFile(""), "reverse_proxy APP", "header Content-Security-Policy \"default-src *\"\n\treverse_proxy APP", 1)
	s := openFile(t, file)
	alice := s.person("alice")
	page := alice.get(alice.get("/").Header.Get("Location")).wantStatus(t, http.StatusOK)
	for name, want := range map[string]string{
		"Content-Security-Policy":    "frame-ancestors 'none'",
		"Cache-Control":              "no-store",
		"X-Frame-Options":            "DENY",
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Content-Type":               "text/html; charset=utf-8",
		"Content-Language":           "en",
	} {
		if got := page.Header.Get(name); !strings.Contains(got, want) {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if n := len(page.Header.Values("Content-Security-Policy")); n != 1 {
		t.Errorf("%d Content-Security-Policy headers", n)
	}
	if len(page.body) > 30<<10 {
		t.Errorf("the page has %d bytes", len(page.body))
	}
}

func TestLanguageSwitchIsRemembered(t *testing.T) {
	s := open(t, "")
	alice := s.person("alice")
	location := alice.get("/").Header.Get("Location")
	back := alice.get(location+"&lang=de").wantStatus(t, http.StatusSeeOther).Header.Get("Location")
	if got := alice.get(back).wantStatus(t, http.StatusOK).Header.Get("Content-Language"); got != "de" {
		t.Errorf("Content-Language = %q, want de", got)
	}
	if got := alice.get(location + `&lang="><script>`); len(got.Cookies()) != 0 {
		t.Errorf("an unknown language set %v", got.Cookies())
	}
}

func TestCancelEndsTheChallenge(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	alice.post("cancel", map[string]string{"csrf": c.CSRF})
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)})
	if n := s.sim.Calls("verify"); n != 0 {
		t.Errorf("a cancelled challenge asked OneLogin %d times", n)
	}
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

func TestMalformedCodesSayWhatIsWrong(t *testing.T) {
	s := open(t, "")
	alice := s.person("alice")
	location := alice.get("/").Header.Get("Location")
	page := alice.get(location).wantStatus(t, http.StatusOK)
	program := with(alice, http.Header{"Accept": {"application/json"}})
	c := program.get(location).json(t)
	alice.form("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusSeeOther)
	seen := map[string]bool{page.body: true}
	for _, code := range []string{"", "12", "1234567890123", "12#456"} {
		got := alice.form("verify", map[string]string{"csrf": c.CSRF, "code": code}).wantStatus(t, http.StatusUnprocessableEntity)
		summary := between(got.body, `role="alert"`, "</div>")
		if summary == "" || seen[summary] {
			t.Errorf("code %q: summary %q is missing or not its own", code, summary)
		}
		seen[summary] = true
		if !strings.Contains(got.body, "<title>Error: ") {
			t.Errorf("code %q: the title does not begin with Error", code)
		}
	}
	if n := s.sim.Calls("verify"); n != 0 {
		t.Errorf("malformed codes reached OneLogin %d times", n)
	}
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}
