package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// withAndWithoutScripts runs a journey twice: as most browsers do it, and
// where scripts are off.
func withAndWithoutScripts(t *testing.T, journey func(t *testing.T, d *demo, b *tab)) {
	for name, scripts := range map[string]bool{"scripts on": true, "scripts off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			journey(t, d, openTab(t, d, "alice").scripts(scripts))
		})
	}
}

// arriveBy checks that the person is where they wanted to go, and that the app
// saw one request for it, by this factor and with nothing of ours.
func (b *tab) arriveBy(factor, path string) {
	b.t.Helper()
	b.see(appPage)
	if got := b.path(); got != path {
		b.t.Errorf("arrived at %s, want %s", got, path)
	}
	pages := b.d.arrivals()
	want := arrival{Method: "GET", Path: path, User: b.user, Factor: factor}
	if len(pages) != 1 || pages[0].Path != want.Path || pages[0].User != want.User || pages[0].Factor != want.Factor || len(pages[0].Cookies) > 0 {
		b.t.Errorf("the app saw %+v, want one request %+v", pages, want)
	}
}

func TestAuthenticatorCode(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/orders?page=2")
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		if n := d.sent(); n != 0 {
			t.Errorf("%d messages went out, want none", n)
		}
		d.nothingArrived()
		b.enter(d.code("alice", "totp"))
		b.arriveBy("totp", "/orders?page=2")
		// Everything else passes now.
		b.follow(`nav a[href="/admin/"]`)
		b.see(`nav a[href="/admin/"][aria-current]`)
	})
}

func TestTextMessageReadFromThePhone(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/")
		b.see(choosePage)
		b.start("sms")
		b.see(codeField)
		phone := b.another()
		phone.open(d.phone + "/people/alice")
		code := phone.text(`[data-message="sms"] [data-code]`)
		d.nothingArrived()
		b.enter(strings.TrimSpace(code))
		b.arriveBy("sms", "/")
		if n := d.sent(); n != 1 {
			t.Errorf("%d messages went out, want 1", n)
		}
	})
}

func TestWrongCodeThenRight(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/")
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		code := d.code("alice", "totp")
		b.enter(wrongCode(code, 1))
		b.see(problemPart)
		if got := b.attribute(codeField, "aria-invalid"); got != "true" {
			t.Errorf("aria-invalid of the field = %q, want true", got)
		}
		if !strings.HasPrefix(b.title(), "Error:") {
			t.Errorf("title = %q, want it to start with Error:", b.title())
		}
		d.nothingArrived()
		b.enter(d.code("alice", "totp"))
		b.arriveBy("totp", "/")
	})
}

func TestCodeIsTakenAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := openTab(t, d, "alice")
	b.open("/")
	b.see(choosePage)
	b.start("sms")
	b.see(codeField)
	code := d.code("alice", "sms")
	b.enter(" " + code[:3] + "-" + code[3:] + " ")
	b.arriveBy("sms", "/")
}

func TestAnotherFactor(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/")
		b.see(choosePage)
		b.start("sms")
		b.see(codeField)
		old := d.code("alice", "sms")
		b.start("email")
		await(t, "the mail", func() bool { return d.sent() == 2 })
		b.see(codeField)
		d.nothingArrived()
		b.enter(old)
		b.see(problemPart)
		d.nothingArrived()
		b.enter(d.code("alice", "email"))
		b.arriveBy("email", "/")
	})
}

func TestLateCodeExpiresAndANewStartWorks(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.start("sms")
		b.see(codeField)
		code := d.code("alice", "sms")
		d.advance(verificationLife)
		b.enter(code)
		b.see(waitPage)
		d.nothingArrived()
		b.follow(onwards)
		b.see(choosePage)
		d.nothingArrived()
		b.start("totp")
		b.see(codeField)
		b.enter(d.code("alice", "totp"))
		b.arriveBy("totp", "/orders")
	})
}

func TestCancelLetsNothingThrough(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		b.follow(cancelButton)
		b.see(onwards)
		d.nothingArrived()
		b.open("/orders")
		b.see(choosePage)
		d.nothingArrived()
	})
}

func TestPersonWithoutADeviceGetsHelp(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"scripts on": true, "scripts off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			b := openTab(t, d, "carol").scripts(scripts)
			b.open("/orders")
			b.see(helpText)
			if got := b.text(helpText); !strings.Contains(got, "extension 200") {
				t.Errorf("help = %q, want the operator's text", got)
			}
			if b.has(`form[action$="/start"]`) {
				t.Error("there is something to start")
			}
			d.nothingArrived()
			b.follow(onwards)
			b.see(helpText)
			d.nothingArrived()
		})
	}
}

func TestTwoTabsFinishInReverseOrder(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	first := openTab(t, d, "alice")
	second := first.another()
	first.open("/orders?tab=1")
	second.open("/orders?tab=2")
	first.see(choosePage)
	second.see(choosePage)
	first.start("totp")
	first.see(codeField)
	second.start("sms")
	second.see(codeField)
	d.nothingArrived()
	second.enter(d.code("alice", "sms"))
	second.arriveBy("sms", "/orders?tab=2")
	d.forgetArrivals()
	first.enter(d.code("alice", "totp"))
	first.arriveBy("totp", "/orders?tab=1")
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/")
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		b.enter(d.code("alice", "totp"))
		b.see(appPage)
		before := b.program()
		b.follow(`footer a[href="/.mfa/"]`)
		b.see(logoutButton)
		b.follow(logoutButton)
		b.see(onwards)
		d.forgetArrivals()
		b.follow(onwards)
		b.see(choosePage)
		if got := before.get("/"); got.status != 401 {
			t.Errorf("the cookie from before = %d, want 401", got.status)
		}
		d.nothingArrived()
	})
}

func TestFormIsSentByKeyboardAlone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := openTab(t, d, "alice")
	b.open("/orders")
	b.see(choosePage)
	b.tabTo(b.startWith("totp"))
	b.keys("\r")
	b.see(codeField)
	await(t, "focus in the field", func() bool { return b.focused(codeField) })
	b.keys(wrongCode(d.code("alice", "totp"), 1) + "\r")
	b.see(problemPart)
	await(t, "focus in the summary", func() bool { return b.focused(problemPart) })
	d.nothingArrived()
	b.tabTo(codeField)
	b.keys(d.code("alice", "totp") + "\r")
	b.arriveBy("totp", "/orders")
}

func TestOrderIsPlacedAfterTheProof(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := openTab(t, d, "alice")
	b.open("/orders")
	b.see(choosePage)
	b.start("totp")
	b.see(codeField)
	b.enter(d.code("alice", "totp"))
	b.see(appPage)
	b.follow(`main form button`)
	b.see(`table#orders`)
	if got := b.text(`table#orders`); !strings.Contains(got, "alice") {
		t.Errorf("orders = %q, want one of alice", got)
	}
}

func TestTypingSendsNothing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := openTab(t, d, "alice")
	b.open("/")
	b.see(choosePage)
	b.start("totp")
	b.see(codeField)
	b.seen.forget()
	b.fill(d.code("alice", "totp"))
	// Two frames later everything that typing sets off has been set off.
	get(b, "wait for two frames", chromedp.Evaluate[bool](
		`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, chromedp.EvalAwaitPromise))
	if n := b.seen.count("POST", ""); n != 0 || len(d.calls("verify")) != 0 {
		t.Errorf("typing sent %d requests", n)
	}
	d.nothingArrived()
}

func TestDoubleClickSendsOneCode(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/")
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		b.fill(d.code("alice", "totp"))
		b.do("click twice", chromedp.DoubleClick(chromedp.CSS(verifyButton)))
		b.see(appPage)
		if n := len(d.calls("verify")); n != 1 {
			t.Errorf("OneLogin got %d codes, want 1", n)
		}
	})
}

func TestDoubleClickSendsOnePush(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, d *demo, b *tab) {
		b.open("/")
		b.see(choosePage)
		b.do("click twice", chromedp.DoubleClick(chromedp.CSS(b.startWith("protect"))))
		b.see(pushPage)
		if n := d.sent(); n != 1 {
			t.Errorf("%d pushes went out, want 1", n)
		}
		d.nothingArrived()
	})
}
