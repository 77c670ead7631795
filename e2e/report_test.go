package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// Parts of the pages that are about pushes of somebody else.
const (
	lockedPart   = `.off`                        // a factor that cannot be started now
	onceMore     = `a.button.main[href*="?c="]`  // "try again" where nothing can be started
	reportPart   = `details:has(form) > summary` // on the pages of a session
	reportButton = `form[action$="/report"] button`
	donePart     = `.done[role="status"]`
)

// strangerPushes has somebody with the user's first login start a push. It
// returns them and the address of their challenge.
func (b *tab) strangerPushes() (*program, string) {
	b.t.Helper()
	stranger := newProgram(b.t, b.d, b.user)
	address, started := stranger.begin("/", "protect")
	if started.State != "pending" {
		b.t.Fatalf("the stranger's push: %+v, want it pending", started)
	}
	return stranger, address
}

// lockPushes has the user decline a push of somebody else.
func (b *tab) lockPushes() {
	b.t.Helper()
	stranger, address := b.strangerPushes()
	b.d.answer(b.user, "deny")
	await(b.t, "the denial", func() bool { return stranger.look(address).State == "denied" })
}

func TestPushOfSomebodyElseIsWarnedOf(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		stranger, _ := b.strangerPushes()
		b.start("protect")
		b.see(problemPart)
		if said := b.words(problemPart); !strings.Contains(said, "decline it there") {
			t.Errorf("the page says %q, want it to warn", said)
		}
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want the stranger's alone", n)
		}
		b.openPhone().press(`[data-action="deny"]`)
		d.nothingArrived()
		b.start("totp")
		b.see(codeField)
		b.enter(d.code("alice", "totp"))
		b.arriveBy("totp", "/orders")
		if got := stranger.get("/"); got.status != http.StatusUnauthorized {
			t.Errorf("the stranger got %d, want 401", got.status)
		}
	})
}

func TestLockedPushLeavesTheCodes(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.lockPushes()
		b.start("protect") // of the page from before
		b.see(problemPart)
		for range 2 {
			b.see(choosePage)
			if said := b.words(lockedPart); !strings.Contains(said, "Not available until ") {
				t.Errorf("the locked push says %q", said)
			}
			if b.has(b.startWith("protect")) || b.has(`.off button`) {
				t.Error("the locked push can be started")
			}
			b.open("/orders") // and so says a new page
		}
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want the stranger's alone", n)
		}
		d.nothingArrived()
		b.start("totp")
		b.see(codeField)
		b.enter(d.code("alice", "totp"))
		b.arriveBy("totp", "/orders")
	})
}

func TestReportEndsThePushOfSomebodyElse(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.arrive("/")
		d.forgetArrivals()
		stranger, address := b.strangerPushes()
		b.open("/.mfa/")
		b.see(logoutButton)
		b.press(reportPart)
		b.follow(reportButton)
		b.see(donePart)
		said := b.words(donePart)
		if !strings.Contains(said, "No push is sent to you for a day") || !strings.Contains(said, "extension 200") {
			t.Errorf("after the report: %q, want what follows and the operator's help", said)
		}
		if !b.has(`form[action$="/sessions/end"]`) || b.has(reportButton) {
			t.Error("after the report there is no list of sessions, or the form again")
		}
		await(t, "the end of the push", func() bool { return stranger.look(address).State == "denied" })
		if got := stranger.get("/"); got.status != http.StatusUnauthorized {
			t.Errorf("the stranger got %d, want 401", got.status)
		}
		d.nothingArrived()

		other := openTab(t, d, "alice")
		other.open("/")
		other.see(choosePage)
		other.see(lockedPart)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want the stranger's alone", n)
		}
		b.open("/orders") // alice's own session goes on
		b.arriveBy("totp", "/orders")
	})
}
