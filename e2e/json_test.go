package e2e_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestProgramProvesWithACode(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")

	refused := p.get("/orders?page=2")
	gate := decode[problem](p, refused, http.StatusUnauthorized)
	if kind := refused.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json", kind)
	}
	challenged := regexp.MustCompile(`^Bearer error="insufficient_user_authentication",.*\bmax_age="28800"$`)
	if got := refused.header.Get("WWW-Authenticate"); !challenged.MatchString(got) {
		t.Errorf("WWW-Authenticate = %q, want %s", got, challenged)
	}

	c := p.look(gate.ChallengeURL)
	if c.State != "choosing" || c.CSRF == "" || c.User != "alice" || "http://"+c.Site != d.gateway || len(c.Factors) != 4 {
		t.Errorf("challenge = %+v, want alice choosing among four factors", c)
	}
	if first := c.Factors[0]; first.Kind != "protect" || !first.Default || first.Name == "" {
		t.Errorf("first factor = %+v, want the default one, protect, with its name", first)
	}

	started := decode[challenge](p, p.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}), http.StatusOK)
	if started.State != "pending" || started.NeedsCode == nil || !*started.NeedsCode ||
		started.ExpiresIn <= 0 || started.TriesLeft == nil || *started.TriesLeft != 5 {
		t.Errorf("started = %+v, want pending, a code needed, 5 tries left", started)
	}

	code := d.code("alice", "totp")
	wrong := decode[challenge](p, p.post("verify", map[string]string{"csrf": started.CSRF, "code": wrongCode(code, 1)}), http.StatusUnprocessableEntity)
	if wrong.State != "pending" || wrong.Error != "wrong_code" || *wrong.TriesLeft != 4 {
		t.Errorf("after a wrong code: %+v, want pending, wrong_code, 4 tries left", wrong)
	}
	d.nothingArrived()

	done := decode[challenge](p, p.post("verify", map[string]string{"csrf": started.CSRF, "code": code}), http.StatusOK)
	if done.State != "verified" || done.ReturnTo != "/orders?page=2" {
		t.Errorf("after the right code: %+v, want verified and a return to /orders?page=2", done)
	}
	if page := p.get(done.ReturnTo); page.status != http.StatusOK || !strings.Contains(page.body, "Order supplies") {
		t.Errorf("the page = %d %.200s", page.status, page.body)
	}
	seen := d.arrivals()
	if len(seen) != 1 || seen[0].User != "alice" || seen[0].Factor != "totp" || len(seen[0].Cookies) > 0 {
		t.Errorf("the app saw %+v, want one request of alice by totp, without our cookies", seen)
	}
}

func TestProgramWaitsForAnApproval(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	challengeURL, started := p.begin("/", "protect")
	if started.State != "pending" || started.NeedsCode == nil || *started.NeedsCode {
		t.Errorf("started = %+v, want pending without a need for a code", started)
	}
	status := strings.Replace(challengeURL, "/.mfa/", "/.mfa/status", 1)
	if now := p.look(status); now.State != "pending" {
		t.Errorf("before the approval: %+v, want pending", now)
	}
	d.nothingArrived()
	d.answer("alice", "approve")
	await(t, "the approval", func() bool { return p.look(status).State == "verified" })
	if page := p.get("/"); page.status != http.StatusOK {
		t.Errorf("the page = %d, want 200", page.status)
	}
	if n := d.sent(); n != 1 {
		t.Errorf("%d pushes went out, want 1", n)
	}
}

func TestProgramLearnsOfADenial(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	challengeURL, started := p.begin("/", "protect")
	d.answer("alice", "deny")
	await(t, "the denial", func() bool { return p.look(challengeURL).State == "denied" })
	// The code of the same device does not count any more.
	late := p.post("verify", map[string]string{"csrf": started.CSRF, "code": d.code("alice", "protect")})
	if late.status == http.StatusOK || p.get("/").status != http.StatusUnauthorized {
		t.Errorf("a code after the denial = %d %s", late.status, late.body)
	}
	d.nothingArrived()
}

func TestProgramIsRefused(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	c := p.look(p.meet("/"))
	start := map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}
	for _, one := range []struct {
		name string
		got  answer
		want int
	}{
		{"no csrf", p.post("start", map[string]string{"factor": start["factor"]}), http.StatusForbidden},
		{"another user's csrf", newProgram(t, d, "bob").post("start", start), http.StatusForbidden},
		{"the challenge's address as csrf", p.post("start", map[string]string{
			"csrf": strings.TrimPrefix(p.meet("/"), "/.mfa/?c="), "factor": start["factor"]}), http.StatusForbidden},
		{"another site", p.post("start", start, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		{"another site's origin", p.post("start", start, "Origin", "http://evil.example"), http.StatusForbidden},
		{"a sibling's origin", p.post("start", start, "Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		{"not a form", p.ask("POST", "/.mfa/start", []byte("{}"), "Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
		{"not JSON", p.ask("POST", "/.mfa/start", []byte("{")), http.StatusBadRequest},
		{"too large", p.ask("POST", "/.mfa/start", []byte(`{"csrf":"`+strings.Repeat("x", 9000)+`"}`)), http.StatusRequestEntityTooLarge},
		{"an unknown factor", p.post("start", map[string]string{"csrf": c.CSRF, "factor": "none"}), http.StatusBadRequest},
		{"a code before a start", p.post("verify", map[string]string{"csrf": c.CSRF, "code": "123456"}), http.StatusConflict},
		{"no endpoint", p.get("/.mfa/nowhere"), http.StatusNotFound},
		{"a ticket that we did not seal", p.get("/.mfa/?c=AAAA"), http.StatusGone},
	} {
		if one.got.status != one.want {
			t.Errorf("%s = %d %.200s, want %d", one.name, one.got.status, one.got.body, one.want)
		}
	}
	if n := d.sent(); n != 0 {
		t.Errorf("%d messages went out, want none", n)
	}
	d.nothingArrived()
}

func TestProgramUsesAWrongMethod(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/.mfa/start", "POST"},
		{"PUT", "/.mfa/verify", "POST"},
		{"HEAD", "/.mfa/cancel", "POST"},
		{"DELETE", "/.mfa/logout", "POST"},
		{"POST", "/.mfa/", "GET, HEAD"},
		{"PUT", "/.mfa/status", "GET, HEAD"},
	} {
		got := p.ask(c.method, c.path, nil)
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s = %d with Allow %q, want 405 with %q", c.method, c.path, got.status, got.header.Get("Allow"), c.allow)
		}
	}
	d.nothingArrived()
}

func TestTooManyWrongCodesLockTheUser(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	_, started := p.begin("/", "totp")
	code := d.code("alice", "totp")
	var last answer
	for n := range 5 {
		last = p.post("verify", map[string]string{"csrf": started.CSRF, "code": wrongCode(code, n+1)})
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
		t.Errorf("the fifth wrong code = %d with Retry-After %q, want 429 with a time", last.status, last.header.Get("Retry-After"))
	}
	if right := p.post("verify", map[string]string{"csrf": started.CSRF, "code": code}); right.status != http.StatusTooManyRequests {
		t.Errorf("the right code after that = %d %s, want 429", right.status, right.body)
	}
	// A new challenge in another browser is the same user.
	other := newProgram(t, d, "alice")
	fresh := other.look(other.meet("/"))
	if len(fresh.Factors) > 0 {
		again := other.post("start", map[string]string{"csrf": fresh.CSRF, "factor": fresh.factor(t, "totp")})
		if again.status != http.StatusTooManyRequests {
			t.Errorf("a start in another browser = %d %s, want 429", again.status, again.body)
		}
	} else if fresh.State != "locked" {
		t.Errorf("in another browser: %+v, want locked", fresh)
	}
	d.nothingArrived()
}

// startPush tries to start a push in a new browser.
func startPush(t *testing.T, d *demo) (*program, challenge, answer) {
	t.Helper()
	p := newProgram(t, d, "alice")
	c := p.look(p.meet("/"))
	return p, c, p.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")})
}

func TestFourthPushIsNotSent(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for range 3 {
		p, c, got := startPush(t, d)
		decode[challenge](p, got, http.StatusOK)
		p.post("cancel", map[string]string{"csrf": c.CSRF}) // or the next one would have to wait for this one
	}
	p, _, got := startPush(t, d)
	if refused := decode[challenge](p, got, http.StatusTooManyRequests); refused.Error != "too_many_sends" || got.header.Get("Retry-After") == "" {
		t.Errorf("the fourth push: %+v with Retry-After %q, want too_many_sends and a time", refused, got.header.Get("Retry-After"))
	}
	if n := d.sent(); n != 3 {
		t.Errorf("%d pushes went out, want 3", n)
	}
	d.nothingArrived()
}

func TestSecondPushIsNotSentWhileOneIsPending(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	first, c, got := startPush(t, d)
	decode[challenge](first, got, http.StatusOK)
	second, _, got := startPush(t, d)
	if refused := decode[challenge](second, got, http.StatusTooManyRequests); refused.Error != "push_pending" || got.header.Get("Retry-After") == "" {
		t.Errorf("the second push: %+v with Retry-After %q, want push_pending and a time", refused, got.header.Get("Retry-After"))
	}
	if n := d.sent(); n != 1 {
		t.Errorf("%d pushes went out, want 1", n)
	}
	first.post("cancel", map[string]string{"csrf": c.CSRF})
	third, _, got := startPush(t, d)
	decode[challenge](third, got, http.StatusOK)
	if n := d.sent(); n != 2 {
		t.Errorf("%d pushes went out, want a second one when the first has ended", n)
	}
	d.nothingArrived()
}

func TestSameStartAgainSendsNothing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	_, started := p.begin("/", "protect")
	start := map[string]string{"csrf": started.CSRF, "factor": started.Factor}
	for range 3 {
		if again := decode[challenge](p, p.post("start", start), http.StatusOK); again.State != "pending" {
			t.Errorf("the same start again: %+v, want pending", again)
		}
	}
	if n := d.sent(); n != 1 {
		t.Errorf("%d pushes went out, want 1", n)
	}
	d.nothingArrived()
}

func TestUsedCodeIsRefused(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	first, second := newProgram(t, d, "alice"), newProgram(t, d, "alice")
	_, one := first.begin("/", "totp")
	_, two := second.begin("/", "totp")
	code := d.code("alice", "totp")
	decode[challenge](first, first.post("verify", map[string]string{"csrf": one.CSRF, "code": code}), http.StatusOK)
	again := decode[challenge](second, second.post("verify", map[string]string{"csrf": two.CSRF, "code": code}), http.StatusUnprocessableEntity)
	if again.Error != "used_code" {
		t.Errorf("the code again: %+v, want used_code", again)
	}
	if n := len(d.calls("verify")); n != 1 {
		t.Errorf("OneLogin was asked %d times, want once", n)
	}
	d.nothingArrived()
}

func TestForgedHeadersNeverReachTheApp(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "bob")
	forged := []string{"X-Mfa-User", "root", "x_mfa_user", "root", "X-MFA-Factor", "protect"}
	if got := p.ask("GET", "/public/notice", nil, forged...); got.status != http.StatusOK {
		t.Fatalf("the public page = %d, want 200", got.status)
	}
	p.prove("/", "sms")
	p.ask("GET", "/orders", nil, append(forged, "Connection", "X-Mfa-User, close")...)
	seen := d.everything()
	if len(seen) != 2 || seen[0].User != "" || seen[0].Factor != "" {
		t.Fatalf("the app saw %+v, want nobody's name on the public page", seen)
	}
	if seen[1].User != "bob" || seen[1].Factor != "sms" {
		t.Errorf("the app saw %+v, want bob by sms", seen[1])
	}
}

func TestReturnAddressStaysOnTheSite(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, path := range []string{"//evil.example/", "/%2f%2fevil.example", `/\evil.example`, "/orders?next=//evil.example"} {
		p := newProgram(t, d, "bob")
		_, started := p.begin(path, "sms")
		done := decode[challenge](p, p.post("verify", map[string]string{"csrf": started.CSRF, "code": d.code("bob", "sms")}), http.StatusOK)
		to, err := url.Parse(done.ReturnTo)
		if err != nil || to.Host != "" || to.Path == "" || to.Path[0] != '/' || strings.ContainsAny(to.Path, `\`) || strings.HasPrefix(to.Path, "//") {
			t.Errorf("GET %s returns to %q, want a path of this site", path, done.ReturnTo)
		}
	}
}
