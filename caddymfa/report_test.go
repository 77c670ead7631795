package caddymfa_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// reportable is what the pages about sessions tell programs.
type reportable struct {
	CSRF       string
	ReportCSRF string `json:"report_csrf"`
	Reported   bool
	Sessions   []struct{ ID string }
}

func decodeAs[T any](t *testing.T, a answer) T {
	t.Helper()
	var got T
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v\n%s", err, a.body)
	}
	return got
}

// reportForm is the csrf value with which b can report a push.
func (b *browser) reportForm() map[string]string {
	b.t.Helper()
	return map[string]string{"csrf": decodeAs[reportable](b.t, b.get("/.mfa/sessions").wantStatus(b.t, http.StatusOK)).ReportCSRF}
}

// locks are the factors that cannot be started, with the seconds that this
// lasts.
func (b *browser) locks(address string) map[string]int {
	b.t.Helper()
	challenge := decodeAs[struct {
		Factors []struct {
			Kind        string
			LockedUntil time.Time `json:"locked_until"`
			LockedIn    int       `json:"locked_in"`
		}
	}](b.t, b.get(address).wantStatus(b.t, http.StatusOK))
	locked := map[string]int{}
	for _, f := range challenge.Factors {
		if f.LockedUntil.IsZero() != (f.LockedIn == 0) {
			b.t.Errorf("factor %+v is half locked", f)
		}
		if f.LockedIn > 0 {
			locked[f.Kind] = f.LockedIn
		}
	}
	return locked
}

// push starts a challenge with a push.
func (b *browser) push() (c challenge, address string, got answer) {
	b.t.Helper()
	c, address = b.begin("/")
	return c, address, b.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(b.t, "protect")})
}

func (s *site) wantSent(n int) {
	s.t.Helper()
	if sent := s.sim.Sent(); len(sent) != n {
		s.t.Fatalf("%d messages went out, want %d: %v", len(sent), n, sent)
	}
}

// wantWait fails the test unless the answer says to come back in about that
// many seconds, and returns the challenge.
func (a answer) wantWait(t *testing.T, code string, least, most int) challenge {
	t.Helper()
	c := a.wantError(t, http.StatusTooManyRequests, code)
	after, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	in := decodeAs[struct {
		RetryIn int `json:"retry_in"`
	}](t, a).RetryIn
	if after < least || after > most || in < least || in > most {
		t.Errorf("%s: Retry-After %d, retry_in %d, want %d to %d", code, after, in, least, most)
	}
	return c
}

func TestReportStopsThePushAndThoseToCome(t *testing.T) {
	s := open(t, "")
	alice, stranger := s.program("alice"), s.program("alice") // who has her first login
	alice.verifyBy(simulator.TOTP, "/")
	_, waiting, got := stranger.push()
	got.wantStatus(t, http.StatusOK)
	s.wantSent(1)

	done := decodeAs[reportable](t, alice.post("report", alice.reportForm()).wantStatus(t, http.StatusOK))
	if !done.Reported || len(done.Sessions) != 1 || done.ReportCSRF == "" {
		t.Errorf("after the report: %+v, want it confirmed beside alice's session", done)
	}
	stranger.waitFor(waiting, "denied")
	s.sim.Approve("alice") // out of habit
	stranger.get("/").wantStatus(t, http.StatusUnauthorized)

	_, address, refused := s.program("alice").push()
	refused.wantWait(t, "push_locked", 86_000, 86_400)
	s.wantSent(1)
	if locked := s.program("alice").locks(address); len(locked) != 1 || locked["protect"] < 86_000 || locked["protect"] > 86_400 {
		t.Errorf("locked for %v seconds, want the push for a day", locked)
	}
	s.app.wantCount(t, 0)
	s.sim.Advance(time.Minute)
	other := s.program("alice")
	other.verifyBy(simulator.TOTP, "/")
	other.get("/").wantStatus(t, http.StatusOK)
	bob := s.program("bob")
	if _, address := bob.begin("/"); len(bob.locks(address)) > 0 {
		t.Error("the report of alice locks a factor of bob")
	}
}

func TestReportTakesTheSessionThatTheFormWasMadeFor(t *testing.T) {
	s := open(t, "")
	alice, bob, stranger := s.program("alice"), s.program("bob"), s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	bob.verifyBy(simulator.SMS, "/")
	form := alice.reportForm()
	c, address := stranger.begin("/")
	session := alice.get("/.mfa/").json(t)
	for _, test := range []struct {
		name string
		got  answer
		want int
	}{
		{"nothing", stranger.post("report", map[string]string{}), http.StatusForbidden},
		{"the form of a challenge", stranger.post("report", map[string]string{"csrf": c.CSRF}), http.StatusForbidden},
		{"alice's form without her session", stranger.post("report", form), http.StatusGone},
		{"alice's form with another session", bob.post("report", form), http.StatusForbidden},
		{"the form to sign out", alice.post("report", map[string]string{"csrf": session.CSRF}), http.StatusForbidden},
		{"the form to end sessions", alice.post("report", map[string]string{"csrf": alice.sessions().CSRF}), http.StatusForbidden},
		{"another site", with(alice, http.Header{"Sec-Fetch-Site": {"cross-site"}}).post("report", form), http.StatusForbidden},
		{"reading it", alice.get("/.mfa/report"), http.StatusMethodNotAllowed},
		{"the report's form to sign out", alice.post("logout", form), http.StatusForbidden},
		{"the report's form to end sessions", alice.post("sessions/end", form), http.StatusForbidden},
	} {
		if test.got.StatusCode != test.want {
			t.Errorf("%s = %s, want %d", test.name, test.got.Response.Status, test.want)
		}
	}
	alice.post("logout", map[string]string{"csrf": session.CSRF}).wantStatus(t, http.StatusNoContent)
	alice.post("report", form).wantStatus(t, http.StatusGone)
	if locked := stranger.locks(address); len(locked) > 0 {
		t.Errorf("a refused report locked %v", locked)
	}
	s.app.wantCount(t, 0)
}

func TestReportOfWhoSignedInBeforeIsStale(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in password"), "user {http.request.header.Remote-User}\n", "\n", 1))
	b := s.program("")
	signIn := func(user string, factor simulator.Factor) {
		t.Helper()
		c, _ := b.begin("/")
		in := b.post("login", map[string]string{"csrf": c.CSRF, "user": user, "password": "demo"}).wantStatus(t, http.StatusOK).json(t)
		b.post("start", map[string]string{"csrf": in.CSRF, "factor": in.factor(t, string(factor))}).wantStatus(t, http.StatusOK)
		b.post("verify", map[string]string{"csrf": in.CSRF, "code": s.sim.Code(user, factor)}).wantStatus(t, http.StatusOK)
	}
	signIn("alice", simulator.TOTP)
	form := b.reportForm()
	b.post("logout", map[string]string{"csrf": b.get("/.mfa/").json(t).CSRF}).wantStatus(t, http.StatusNoContent)
	signIn("bob", simulator.SMS)
	page := with(b, s.person("").header).form("report", form).wantStatus(t, http.StatusForbidden)
	if !strings.Contains(page.body, "This page is out of date") || !strings.Contains(page.body, `href="/.mfa/sessions"`) {
		t.Errorf("a form of alice's in bob's session shows no way on:\n%s", page.body)
	}
	b.post("report", b.reportForm()).wantStatus(t, http.StatusOK) // bob's own
	s.app.wantCount(t, 0)
}

func TestReportIsOnThePagesOfASession(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile(""), "\tmfa {\n", "\tmfa {\n\t\tbrand {\n\t\t\thelp \"Call extension 200.\"\n\t\t}\n", 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	alice.header = s.person("alice").header
	for _, path := range []string{"/.mfa/", "/.mfa/sessions"} {
		page := alice.get(path).wantStatus(t, http.StatusOK)
		form := between(page.body, `action="/.mfa/report"`, "</form>")
		csrf := csrfField.FindStringSubmatch(form)
		if csrf == nil {
			t.Fatalf("%s has no form to report a push:\n%s", path, page.body)
		}
		after := alice.form("report", map[string]string{"csrf": csrf[1]}).wantStatus(t, http.StatusOK)
		told := between(after.body, `role="status"`, "</div>")
		if !strings.Contains(told, "No push is sent to you for a day; codes still work.") || !strings.Contains(told, "Call extension 200.") {
			t.Errorf("after the report on %s: %q", path, told)
		}
		if strings.Contains(after.body, `action="/.mfa/report"`) || !strings.Contains(after.body, `action="/.mfa/sessions/end"`) {
			t.Errorf("after the report on %s there is no list of sessions, or the form again", path)
		}
	}
	s.app.wantCount(t, 0)
}

func TestReportIsInTheAuditLog(t *testing.T) {
	log := t.TempDir() + "/audit.log"
	s := openFile(t, strings.Replace(siteFile(""), "\tmfa {\n", "\tlog audit {\n\t\toutput file "+log+"\n\t\tinclude http.handlers.mfa.audit\n\t}\n\tmfa {\n", 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	alice.post("report", alice.reportForm()).wantStatus(t, http.StatusOK)
	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(written)) {
		if strings.Contains(line, `"event":"push_reported"`) && strings.Contains(line, `"user":"alice"`) && strings.Contains(line, `"until":`) {
			return
		}
	}
	t.Errorf("the audit log does not tell of the report:\n%s", written)
}
