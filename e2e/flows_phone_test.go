package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// keypad and openLink are parts of the phone.
const (
	keypad   = `[data-input="keypad"]`
	keyIn    = `[data-action="keypad"]`
	openLink = `[data-action="open-link"]`
)

// typeInto replaces what stands in a field.
func (b *tab) typeInto(selector, text string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`document.querySelector(%q).value = "", true`, selector))
	b.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// call starts with a voice call and returns the number that the page shows.
func (b *tab) call() string {
	b.t.Helper()
	b.open("/orders")
	b.see(choosePage)
	b.start("voice")
	b.see(".number")
	return strings.Join(strings.Fields(b.words(".number")), "")
}

func TestNumberIsKeyedIntoThePhone(t *testing.T) {
	t.Parallel()
	options{}.walk(t, "dave", func(t *testing.T, s *site, b *tab) {
		number := b.call()
		phone := b.openPhone()
		s.nothingArrived()
		phone.typeInto(keypad, number)
		phone.press(keyIn)
		b.arriveBy("voice", "/orders")
		if n := s.sent(); n != 1 {
			t.Errorf("%d calls were made, want 1", n)
		}
	})
}

func TestWrongNumberOnThePhone(t *testing.T) {
	t.Parallel()
	options{}.walk(t, "dave", func(t *testing.T, s *site, b *tab) {
		number := b.call()
		phone := b.openPhone()
		phone.typeInto(keypad, wrongCode(number, 1))
		phone.press(keyIn)
		b.see(deniedPage)
		b.reload()
		b.see(deniedPage)
		s.nothingArrived()
	})
}

func mailLinks() options { return options{tenant: "email_link https://app.invalid/verified"} }

func TestLinkVerifiesOnlyTheBrowserThatAsked(t *testing.T) {
	t.Parallel()
	mailLinks().walk(t, "erin", func(t *testing.T, s *site, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.start("email")
		b.see(pushPage)
		asked := b.path()
		s.nothingArrived()

		other := openTab(t, s.demo, "erin")
		other.open(asked)
		other.see(choosePage)              // of a challenge of its own
		other.openPhone().follow(openLink) // where that leads is of no interest
		b.arriveBy("email", "/orders")
		s.forgetArrivals()
		for _, path := range []string{asked, "/orders"} {
			other.open(path)
			other.see(choosePage)
		}
		s.nothingArrived()
	})
}

func TestLinkThatIsOpenedTooLate(t *testing.T) {
	t.Parallel()
	mailLinks().walk(t, "erin", func(t *testing.T, s *site, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.start("email")
		b.see(pushPage)
		s.sim.Advance(verificationLife)
		if _, opened := s.sim.OpenLink("erin"); opened {
			t.Error("the link can still be opened")
		}
		b.see(waitPage)
		s.nothingArrived()
		if n := s.sim.Calls(simulator.OpVerify); n != 0 {
			t.Errorf("%d codes were checked, want none", n)
		}
	})
}
