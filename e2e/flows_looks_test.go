package e2e_test

import (
	"fmt"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// walks are ways through the pages of what sites turn on. They look around on
// every page.
func walks() []struct {
	name, user string
	options    options
	walk       func(s *site, b *tab)
} {
	return []struct {
		name, user string
		options    options
		walk       func(s *site, b *tab)
	}{
		{"keys", "fred", options{}, func(_ *site, b *tab) {
			b.open("/")
			b.see(choosePage)
			b.lookAround("flow-choose-keys")
			b.start("yubikey")
			b.see(codeField)
			b.lookAround("flow-code-yubikey")
			b.start("duo")
			b.see(codeField)
			b.lookAround("flow-code-duo")
		}},
		{"voice", "dave", options{}, func(_ *site, b *tab) {
			b.call()
			b.lookAround("flow-voice")
		}},
		{"voice without scripts", "dave", options{}, func(_ *site, b *tab) {
			b.scripts(false)
			b.call()
			b.lookAround("flow-voice-plain")
		}},
		{"mail link", "erin", mailLinks(), func(_ *site, b *tab) {
			b.open("/")
			b.see(choosePage)
			b.start("email")
			b.see(pushPage)
			b.lookAround("flow-mail")
		}},
		{"enrolment", "carol", options{site: "enroll"}, lookAtEnrolment},
		{"temporary code", "alice", options{global: "help_desk"}, func(s *site, b *tab) {
			code := s.issue("alice")
			b.open("/")
			b.see(choosePage)
			b.lookAround("flow-choose-temporary")
			b.start("temporary")
			b.see(codeField)
			b.lookAround("flow-temporary")
			b.enter(wrongCode(code, 1))
			b.see(problemPart)
			b.lookAround("flow-temporary-wrong")
			b.enter(code)
			b.see(appPage)
			b.open("/.mfa/")
			b.see(logoutButton)
			b.lookAround("flow-session-temporary")
		}},
		{"smart", "alice", smart(""), func(s *site, b *tab) {
			b.open("/")
			b.see(choosePage)
			b.lookAround("flow-smart")
			b.start("email")
			b.see(codeField)
			b.lookAround("flow-smart-code")
		}},
		{"only a locked push", "alice", options{}, lookAtOnlyPush},
		{"too much from one address", "", password(""), lookAtLimitedAddress},
		{"name", "", passwordless(), lookAtName},
		{"password", "", password("onelogin_session http://SITE"), lookAtPassword},
	}
}

func lookAtEnrolment(s *site, b *tab) {
	b.open("/")
	b.see(enrollPage)
	b.lookAround("flow-enroll")
	b.enroll("totp")
	b.see(qrCode)
	b.lookAround("flow-enroll-authenticator")
	b.fill(wrongCode(s.sim.Code("carol", simulator.TOTP), 1))
	b.follow(confirmButton)
	b.see(problemPart)
	b.lookAround("flow-enroll-authenticator-wrong")
	for _, one := range []struct{ kind, part string }{{"sms", codeField}, {"protect", pushPage}, {"voice", ".number"}} {
		b.follow(cancelButton)
		b.see(onwards)
		b.open("/")
		b.see(enrollPage)
		b.enroll(one.kind)
		b.see(one.part)
		b.lookAround("flow-enroll-" + one.kind)
	}
	s.sim.DenyRegistration("carol")
	b.see(problemPart)
	b.lookAround("flow-enroll-refused")
}

func lookAtOnlyPush(s *site, b *tab) {
	for _, device := range s.sim.Users()[0].Devices {
		if device.Factor != simulator.Protect && !s.sim.RemoveDevice("alice", device.ID) {
			b.t.Fatalf("alice keeps %+v", device)
		}
	}
	b.lockPushes()
	b.open("/")
	b.see(lockedPart)
	b.lookAround("flow-push-alone-locked")
	b.follow(onceMore)
	b.see(lockedPart)
	s.nothingArrived()
}

func lookAtLimitedAddress(s *site, b *tab) {
	p := newProgram(b.t, s.demo, "")
	c := p.look(p.meet("/"))
	for n := range 60 {
		p.post("login", map[string]string{"csrf": c.CSRF, "user": fmt.Sprintf("nobody-%d", n), "password": "x"})
	}
	b.logIn("/", "alice", "demo")
	b.see(problemPart)
	b.see(passwordField)
	b.lookAround("flow-password-address-limited")
	s.nothingArrived()
}

func lookAtName(_ *site, b *tab) {
	b.open("/")
	b.see(userField)
	b.lookAround("flow-name")
	b.follow(nameButton)
	b.see(problemPart)
	b.lookAround("flow-name-empty")
	b.name("/", "somebody@example.com")
	b.lookAround("flow-name-choose")
	b.start("email")
	b.see(codeField)
	b.lookAround("flow-name-code")
	b.start("protect")
	b.see(pushPage)
	b.lookAround("flow-name-push")
}

// lookAtPassword has scripts off for the page that sends the browser on to
// OneLogin by itself.
func lookAtPassword(s *site, b *tab) {
	b.open("/")
	b.see(passwordField)
	b.lookAround("flow-password")
	b.logIn("/", "alice", "wrong")
	b.see(problemPart)
	b.lookAround("flow-password-wrong")
	b.logIn("/", "carol", "demo")
	b.see(helpText)
	b.lookAround("flow-password-no-device")
	b.logIn("/", "alice", "demo")
	b.see(choosePage)
	b.lookAround("flow-password-choose")
	b.scripts(false)
	b.start("totp")
	b.see(codeField)
	b.enter(s.sim.Code("alice", simulator.TOTP))
	b.see(onwardButton)
	b.lookAround("flow-continue")
}

func TestPagesOfEveryWayLookRight(t *testing.T) {
	t.Parallel()
	for _, w := range walks() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, w.options)
			b := openTab(t, s.demo, w.user)
			w.walk(s, b)
			if left := b.seen.abroad(s.gateway); len(left) > 0 {
				t.Errorf("requests left the site: %v", left)
			}
			if problems := b.seen.problems(); len(problems) > 0 {
				t.Errorf("the browser complains: %q", problems)
			}
		})
	}
}
