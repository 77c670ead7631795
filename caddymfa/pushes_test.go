package caddymfa_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

var factorField = regexp.MustCompile(`name="factor" value="([^"]+)"`)

// buttons are the kinds of the factors that a page has buttons for, the main
// one first.
func buttons(c challenge, page string) string {
	kinds := map[string]string{}
	for _, f := range c.Factors {
		kinds[f.ID] = f.Kind
	}
	var found []string
	for _, field := range factorField.FindAllStringSubmatch(page, -1) {
		found = append(found, kinds[field[1]])
	}
	return strings.Join(found, " ")
}

// asPerson presses the button of a factor as a person does who waits to see
// what comes of it.
func (b *browser) asPerson(c challenge, kind string) answer {
	b.t.Helper()
	return with(b, b.person("").header).form("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(b.t, kind)})
}

func TestChallengeSaysThatAPushIsPending(t *testing.T) {
	s := open(t, "")
	first, second := s.program("alice"), s.program("alice")
	_, _, got := first.push()
	got.wantStatus(t, http.StatusOK)
	c, address, refused := second.push()
	refused.wantWait(t, "push_pending", 60, 120)
	page := second.asPerson(c, "protect").wantStatus(t, http.StatusTooManyRequests)
	if !strings.Contains(page.body, "A request is already waiting on a phone. If you did not start it, decline it there.") {
		t.Errorf("the page does not warn:\n%s", page.body)
	}
	if got := buttons(c, page.body); got != "sms email totp" {
		t.Errorf("buttons for %q, want one for every other way", got)
	}
	s.wantSent(1)
	if locked := second.locks(address); len(locked) > 0 {
		t.Errorf("a pending push locks %v", locked)
	}
	second.verifyBy(simulator.SMS, "/")
	s.app.wantCount(t, 0)
	second.get("/").wantStatus(t, http.StatusOK)
	first.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 1)
}

func TestChallengeShowsThatPushesArePaused(t *testing.T) {
	s := open(t, "")
	other, alice := s.program("alice"), s.program("alice")
	before, _ := alice.begin("/") // a page from before the denial
	_, waiting, got := other.push()
	got.wantStatus(t, http.StatusOK)
	s.sim.Deny("alice")
	other.waitFor(waiting, "denied")

	page := alice.asPerson(before, "protect").wantStatus(t, http.StatusTooManyRequests)
	if !regexp.MustCompile(`Pushes are paused until <time datetime="[^"]+">[^<]+</time>, because one was declined`).MatchString(page.body) {
		t.Errorf("the page does not say why and until when:\n%s", page.body)
	}
	alice.post("start", map[string]string{"csrf": before.CSRF, "factor": before.factor(t, "protect")}).wantWait(t, "push_locked", 240, 300)
	c, address := alice.begin("/")
	if locked := alice.locks(address); len(locked) != 1 || locked["protect"] < 240 || locked["protect"] > 300 {
		t.Errorf("locked for %v seconds, want the push for five minutes", locked)
	}
	fresh := with(alice, alice.person("").header).get(address).wantStatus(t, http.StatusOK)
	for name, shown := range map[string]string{"refused": buttons(before, page.body), "fresh": buttons(c, fresh.body)} {
		if shown != "sms email totp" {
			t.Errorf("the %s page has buttons for %q, want none for the push", name, shown)
		}
	}
	if !strings.Contains(fresh.body, "Not available until ") {
		t.Error("the fresh page does not say until when")
	}
	s.wantSent(1)
	alice.verifyBy(simulator.TOTP, "/")
	s.app.wantCount(t, 0)
}

func TestChallengeDoesNotSuggestWhatCannotBeSent(t *testing.T) {
	for kind, want := range map[string]string{"protect": "sms email totp", "sms": "protect totp"} {
		t.Run(kind, func(t *testing.T) {
			s := open(t, "")
			alice := s.program("alice")
			for {
				c, _ := alice.begin("/")
				got := alice.asPerson(c, kind)
				if got.StatusCode == http.StatusSeeOther {
					alice.post("cancel", map[string]string{"csrf": c.CSRF})
					continue
				}
				if shown := buttons(c, got.wantStatus(t, http.StatusTooManyRequests).body); shown != want {
					t.Errorf("buttons for %q, want %q", shown, want)
				}
				break
			}
			s.app.wantCount(t, 0)
		})
	}
}

func TestChallengeSendsAgainOnlyWhenTheLimitAllows(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	for _, kind := range []string{"sms", "email", "sms", "email", "sms"} {
		alice.asPerson(c, kind).wantStatus(t, http.StatusSeeOther)
	}
	page := alice.asPerson(c, "email").wantStatus(t, http.StatusTooManyRequests)
	if !regexp.MustCompile(`data-wait="[56]\d{5}"`).MatchString(page.body) {
		t.Errorf("sending again is offered too early:\n%s", between(page.body, `class="resend"`, "</form>"))
	}
	if !strings.Contains(page.body, `name="code"`) || !strings.HasSuffix(buttons(c, page.body), "protect totp") {
		t.Errorf("the code cannot be typed, or buttons for %q", buttons(c, page.body))
	}
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.SMS)}).wantStatus(t, http.StatusOK)
	s.app.wantCount(t, 0)
}

func TestChallengeTellsAnAddressThatHasDoneTooMuch(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in passwordless"), "user {http.request.header.Remote-User}\n", "\n", 1))
	b := s.program("")
	for range 60 {
		asked, _ := b.begin("/")
		named := b.post("name", map[string]string{"csrf": asked.CSRF, "user": "nobody-" + asked.CSRF[:20]}).json(t)
		b.post("start", map[string]string{"csrf": named.CSRF, "factor": named.factor(t, "totp")})
	}
	asked, _ := b.begin("/")
	named := b.post("name", map[string]string{"csrf": asked.CSRF, "user": "alice"}).wantStatus(t, http.StatusOK).json(t)
	b.post("start", map[string]string{"csrf": named.CSRF, "factor": named.factor(t, "protect")}).wantWait(t, "address_limited", 500, 600)
	page := b.asPerson(named, "totp").wantStatus(t, http.StatusTooManyRequests)
	if !strings.Contains(page.body, "There were too many tries from your network. Please wait ") || buttons(named, page.body) != "" {
		t.Errorf("the page does not say that this address has to wait:\n%s", page.body)
	}
	for _, message := range s.sim.Sent() {
		t.Errorf("%v went out", message)
	}
	s.app.wantCount(t, 0)
}
