package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// issue has the help desk make a code for a user.
func (s *site) issue(user string, more ...string) string {
	s.t.Helper()
	printed, ok := s.caddy(append([]string{"mfa", "token", user, "--reason", "lost phone", "--by", "desk"}, more...)...)
	code, rest, _ := strings.Cut(printed, "\n")
	if !ok || !strings.Contains(rest, "good ") {
		s.t.Fatalf("caddy mfa token printed %q, want a code and how long it is good", printed)
	}
	return code
}

// offers tells whether a factor of that kind is offered on the page.
func (b *tab) offers(kind string) bool {
	b.t.Helper()
	for _, factor := range b.challenge().Factors {
		if factor.Kind == kind {
			return true
		}
	}
	return false
}

func helpDesk() options {
	return options{global: "help_desk", site: "require /admin/* {\nfactors protect totp\n}"}
}

func TestHelpDeskLetsAPersonInWhoLostTheirPhone(t *testing.T) {
	t.Parallel()
	helpDesk().walk(t, "alice", func(t *testing.T, s *site, b *tab) {
		code := s.issue("alice")
		b.open("/orders")
		b.see(choosePage)
		b.see(`#others`)
		b.start("temporary")
		b.see(codeField)
		b.enter(wrongCode(code, 1))
		b.see(problemPart)
		s.nothingArrived()
		b.enter(code)
		b.arriveBy("temporary", "/orders")

		s.forgetArrivals()
		b.open("/admin/") // where such a code does not count
		b.see(choosePage)
		if b.offers("temporary") {
			t.Error("a temporary code is offered where it does not count")
		}
		s.nothingArrived()

		again := openTab(t, s.demo, "alice")
		again.open("/orders")
		again.see(choosePage)
		if again.offers("temporary") {
			again.start("temporary")
			again.see(codeField)
			again.enter(code)
			again.see(problemPart)
		}
		s.nothingArrived()
	})
}

func TestReusableCodeCountsUntilItEnds(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{global: "help_desk"})
	code := s.issue("bob", "--reusable", "--for", "30m")
	try := func() bool {
		p := newProgram(t, s.demo, "bob")
		_, started := p.begin("/", "temporary")
		return p.tryCode(started.CSRF, code) && p.get("/").status == http.StatusOK
	}
	for use := range 2 {
		if !try() {
			t.Errorf("the code did not count at use %d", use+1)
		}
	}
	s.forgetArrivals()
	s.sim.Advance(time.Hour)
	if try() {
		t.Error("the code counted after its end")
	}
	s.nothingArrived()
}

func TestHelpDeskThatIsOff(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	printed, ok := s.caddy("mfa", "token", "alice", "--reason", "lost phone", "--by", "desk")
	if ok || !strings.Contains(printed, "help_desk is off") {
		t.Errorf("caddy mfa token says %v and prints %q, want a failure that names help_desk", ok, printed)
	}
	if n := s.sim.Calls(simulator.OpMFAToken); n != 0 {
		t.Errorf("OneLogin was asked for %d codes, want none", n)
	}
	s.nothingArrived()
}

func TestHelpDeskHasToSayWhy(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{global: "help_desk"})
	for _, args := range [][]string{{"alice"}, {"alice", "--reason", "lost", "--for", "73h"}, {"nobody-at-all", "--reason", "lost"}, {"--reason", "lost"}} {
		if printed, ok := s.caddy(append([]string{"mfa", "token"}, args...)...); ok {
			t.Errorf("caddy mfa token %q = %q, want a failure", args, printed)
		}
	}
	if n := s.sim.Calls(simulator.OpMFAToken); n != 0 {
		t.Errorf("OneLogin was asked for %d codes, want none", n)
	}
}

func TestReadinessOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	if printed, ok := s.caddy("mfa", "ready"); !ok || !strings.Contains(printed, "of 5000 calls are left") {
		t.Errorf("caddy mfa ready says %v and prints %q, want OneLogin's count", ok, printed)
	}
	s.deviate(`{"html_502":true}`)
	if printed, ok := s.caddy("mfa", "ready"); ok {
		t.Errorf("caddy mfa ready without OneLogin prints %q, want a failure", printed)
	}
}
