package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	userField     = `#user`
	passwordField = `#password`
	nameButton    = `form[action$="/name"] button`
	loginButton   = `form[action$="/login"] button`
	onwardButton  = `form[data-onward] button`
)

func passwordless() options { return options{signIn: true, site: "sign_in passwordless"} }

// name opens a page of the site and says who one is.
func (b *tab) name(path, name string) {
	b.t.Helper()
	b.open(path)
	b.see(userField)
	b.typeInto(userField, name)
	b.follow(nameButton)
	b.see(choosePage)
}

// arriveAs is arriveBy for a site that asks who somebody is.
func (b *tab) arriveAs(user, factor, path string) {
	b.t.Helper()
	b.user = user
	b.arriveBy(factor, path)
}

func TestNameAndThenACode(t *testing.T) {
	t.Parallel()
	passwordless().walk(t, "", func(t *testing.T, s *site, b *tab) {
		b.open("/orders?page=2")
		b.see(userField)
		b.follow(nameButton)
		b.see(problemPart)
		s.nothingArrived()
		b.name("/orders?page=2", "alice@example.com")
		b.start("totp")
		b.see(codeField)
		b.enter(wrongCode(s.sim.Code("alice", simulator.TOTP), 1))
		b.see(problemPart)
		s.nothingArrived()
		b.enter(s.sim.Code("alice", simulator.TOTP))
		b.arriveAs("alice", "totp", "/orders?page=2")
	})
}

func TestNameAndThenAPush(t *testing.T) {
	t.Parallel()
	passwordless().walk(t, "", func(t *testing.T, s *site, b *tab) {
		b.name("/", "alice")
		b.start("protect")
		b.see(pushPage)
		s.nothingArrived()
		await(t, "the push", func() bool { return len(s.sim.Pushes("alice")) == 1 })
		s.sim.Approve("alice")
		b.arriveAs("alice", "protect", "/")
	})
}

// shown is what a person can tell of a page, without the name that they typed
// and without numbers.
func (b *tab) shown(name string) string {
	b.t.Helper()
	text := b.title() + "\n" + b.words("body")
	return regexp.MustCompile(`\d+`).ReplaceAllString(strings.ReplaceAll(text, name, "NAME"), "0")
}

func TestUnknownNameSeesTheSamePagesAndNeverPasses(t *testing.T) {
	t.Parallel()
	passwordless().walk(t, "", func(t *testing.T, s *site, b *tab) {
		steps := func(b *tab, name string) (shown []string) {
			b.name("/orders", name)
			shown = append(shown, b.shown(name))
			b.start("sms")
			b.see(codeField)
			shown = append(shown, b.shown(name))
			b.enter("A1B2C3")
			b.see(problemPart)
			return append(shown, b.shown(name))
		}
		want, got := steps(b, "alice"), steps(openTab(t, s.demo, ""), "no-such-person")
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("page %d of an unknown name:\n%s\nwant\n%s", i+1, got[i], want[i])
			}
		}
		if n := s.sent(); n != 1 {
			t.Errorf("%d messages went out, want the one to alice", n)
		}
		s.nothingArrived()
	})
}

func password(more string) options {
	return options{signIn: true, site: "sign_in password {\n" + more + "\n}"}
}

// logIn opens a page of the site and types a name and a password.
func (b *tab) logIn(path, user, secret string) {
	b.t.Helper()
	b.open(path)
	b.see(passwordField)
	b.typeInto(userField, user)
	b.typeInto(passwordField, secret)
	b.follow(loginButton)
}

func TestPasswordAndPushOpenASessionAtOneLogin(t *testing.T) {
	t.Parallel()
	password("onelogin_session http://SITE").walk(t, "", func(t *testing.T, s *site, b *tab) {
		b.logIn("/orders?page=2", "alice", "wrong")
		b.see(problemPart)
		b.see(passwordField)
		s.nothingArrived()
		b.logIn("/orders?page=2", "alice", "demo")
		b.see(choosePage)
		b.start("protect")
		b.see(pushPage)
		s.nothingArrived()
		without := b.has(`noscript a`) // scripts, which send the form by themselves
		s.sim.Approve("alice")
		if without {
			b.see(onwardButton)
			b.press(onwardButton)
		}
		b.arriveAs("alice", "protect", "/orders?page=2")
		if n := s.sim.PortalSessions("alice"); n != 1 {
			t.Errorf("alice has %d sessions at OneLogin, want 1", n)
		}
		if n := s.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
	})
}

func TestPasswordAndCode(t *testing.T) {
	t.Parallel()
	password("").walk(t, "", func(t *testing.T, s *site, b *tab) {
		b.logIn("/orders", "alice", "demo")
		b.see(choosePage)
		b.start("sms")
		b.see(codeField)
		b.enter(wrongCode(s.sim.Code("alice", simulator.SMS), 1))
		b.see(problemPart)
		s.nothingArrived()
		b.enter(s.sim.Code("alice", simulator.SMS))
		b.arriveAs("alice", "sms", "/orders")
		if n := s.sim.PortalSessions("alice"); n != 0 {
			t.Errorf("alice has %d sessions at OneLogin, want none: nobody asked for one", n)
		}
	})
}

func TestPasswordAloneDoesNotPass(t *testing.T) {
	t.Parallel()
	password("").walk(t, "", func(t *testing.T, s *site, b *tab) {
		b.logIn("/", "carol", "demo") // who has no device
		b.see(helpText)
		s.nothingArrived()
		s.deviate(`{"login_without_mfa":true}`)
		other := openTab(t, s.demo, "")
		other.logIn("/", "alice", "demo")
		other.see(helpText)
		other.open("/")
		other.see(passwordField)
		s.nothingArrived()
	})
}

func TestPushAfterThePasswordIsDenied(t *testing.T) {
	t.Parallel()
	password("onelogin_session http://SITE").walk(t, "", func(t *testing.T, s *site, b *tab) {
		b.logIn("/", "alice", "demo")
		b.see(choosePage)
		b.start("protect")
		b.see(pushPage)
		s.sim.Deny("alice")
		b.see(deniedPage)
		s.nothingArrived()
		if n := s.sim.PortalSessions("alice"); n != 0 {
			t.Errorf("alice has %d sessions at OneLogin, want none", n)
		}
	})
}
