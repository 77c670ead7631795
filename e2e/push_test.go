package e2e_test

import (
	"testing"
	"time"
)

// verificationLife is longer than any verification of the demo lives.
const verificationLife = 20 * time.Minute

// push opens a page and starts with a push.
func (b *tab) push(path string) {
	b.t.Helper()
	b.open(path)
	b.see(choosePage)
	b.start("protect")
	b.see(pushPage)
}

// openPhone opens the user's phone in another tab.
func (b *tab) openPhone() *tab {
	b.t.Helper()
	phone := b.another()
	phone.open(b.d.phone + "/people/" + b.user)
	return phone
}

func TestPushApproved(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.push("/orders?page=3")
		d.nothingArrived()
		b.openPhone().press(`[data-action="approve"]`)
		b.arriveBy("protect", "/orders?page=3")
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
	})
}

func TestPushDenied(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.push("/")
		phone := b.openPhone()
		phone.press(`[data-action="deny"]`)
		b.see(deniedPage)
		phone.see(`[data-last-answer="rejected"]`)
		b.reload()
		b.see(deniedPage)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1: nobody pressed for another", n)
		}
		d.nothingArrived()
		// Whoever started it, no other push follows for a while. Codes do.
		b.follow(onwards)
		b.see(choosePage)
		b.see(lockedPart)
		if b.has(b.startWith("protect")) {
			t.Error("another push can be started")
		}
		b.start("totp")
		b.see(codeField)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
		d.nothingArrived()
		b.enter(d.code("alice", "totp"))
		b.arriveBy("totp", "/")
	})
}

func TestPushExpires(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.push("/")
		d.advance(verificationLife)
		b.see(waitPage)
		d.nothingArrived()
		b.follow(onwards)
		b.see(choosePage)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1: nobody pressed for another", n)
		}
		d.nothingArrived()
	})
}

func TestPushIsTypedInstead(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.push("/")
		// Without scripts the page reloads by itself until it is told to stay.
		if b.has(`noscript a[href*="still"]`) {
			b.follow(`noscript a[href*="still"]`)
			b.see(codeField)
		} else {
			b.press(`main details:not(.help) summary`)
		}
		b.see(codeField)
		b.enter(d.code("alice", "protect"))
		b.arriveBy("protect", "/")
	})
}

func TestReloadSendsNoSecondPush(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.push("/")
		for range 5 {
			b.reload()
			b.see(pushPage)
		}
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
		if n := len(d.calls("activate")); n != 1 {
			t.Errorf("%d activations, want 1", n)
		}
		d.nothingArrived()
		b.openPhone().press(`[data-action="approve"]`)
		b.arriveBy("protect", "/")
	})
}

func TestBackAndForwardSendNoSecondPush(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/public/notice")
		b.push("/orders")
		for range 2 {
			b.back()
			b.forward()
		}
		b.see(pushPage)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
		b.openPhone().press(`[data-action="approve"]`)
		b.see(appPage)
		b.back()
		b.forward()
		b.see(appPage)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out after going back from the page, want 1", n)
		}
	})
}

func TestGoingBackShowsTheChallengeThatRuns(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.push("/")
		b.back() // to the page with the buttons, as it was
		b.see(pushPage)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
		d.nothingArrived()
	})
}

func TestManyTabsPollOnce(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := openTab(t, d, "alice")
	b.push("/")
	address := b.path()
	for range 3 {
		more := b.another()
		more.open(address)
		more.see(pushPage)
	}
	d.answer("alice", "approve")
	b.see(appPage)
	// 30 s of waiting may cost 12 polls; this took less.
	if n := len(d.calls("poll")); n > 12 {
		t.Errorf("OneLogin was polled %d times, want at most 12", n)
	}
	if n := d.sent(); n != 1 {
		t.Errorf("%d pushes went out, want 1", n)
	}
}
