package page_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

func TestLockedFactorHasNoButtonButATime(t *testing.T) {
	for _, name := range []string{"choose-locked", "error.push_locked", "error.too_many_sends", "error.push_pending"} {
		root := dom(t, sample(t, name))
		if got := kinds(t, sample(t, name)); got != "sms email totp" {
			t.Errorf("%s: buttons for %q, want none for the push", name, got)
		}
		off := only(t, root, with("class", "off"))
		if said := text(off); said != "Send a push to Alice’s phone Not available until 2026-07-29 14:10 UTC" {
			t.Errorf("%s: the locked factor says %q", name, said)
		}
		if !within(off, with("aria-labelledby", "others")) || len(find(off, tag("button", "a", "input"))) > 0 {
			t.Errorf("%s: the locked factor can be pressed, or is not among the other ways", name)
		}
	}
}

func TestLockedFactorIsNeverTheMainOne(t *testing.T) {
	usable := sample(t, "choose").Factors
	locked := func(kind string, isDefault bool) page.Factor {
		return page.Factor{ID: "l" + kind, Kind: kind, Default: isDefault, LockedUntil: time.Unix(1, 0)}
	}
	tests := []struct {
		name    string
		factors []page.Factor
		scarce  bool
		want    string
	}{
		{"default", []page.Factor{locked("protect", true), usable[1], usable[3]}, false, "sms totp"},
		{"only one besides", []page.Factor{locked("protect", true), usable[3]}, false, "totp"},
		{"before a temporary code", []page.Factor{locked("protect", true), {ID: "t", Kind: "temporary"}}, false, "temporary"},
		{"while calls are scarce", []page.Factor{locked("protect", true), {ID: "v", Kind: "voice"}}, true, "voice"},
		{"while calls are scarce, beside a code", []page.Factor{locked("protect", true), usable[3]}, true, "totp"},
		{"all of them", []page.Factor{locked("protect", true), locked("sms", false)}, false, ""},
	}
	for _, test := range tests {
		p := sample(t, "choose")
		p.Factors, p.Scarce = test.factors, test.scarce
		if got := kinds(t, p); got != test.want {
			t.Errorf("%s: buttons for %q, want %q", test.name, got, test.want)
		}
		root := dom(t, p)
		main := only(t, root, func(n *html.Node) bool { return strings.HasSuffix(attr(n, "class"), "main") })
		if (test.want == "") != (main.Data == "a") {
			t.Errorf("%s: the main button is a <%s>", test.name, main.Data)
		}
		if strings.Contains(text(root), "A code is quicker.") {
			t.Errorf("%s: approvals are called slow where none is possible", test.name)
		}
	}
}

func TestNothingToUseLeavesTryingAgain(t *testing.T) {
	p := sample(t, "choose-stuck")
	root := dom(t, p)
	if again := only(t, root, with("class", "button main")); attr(again, "href") != p.Self || text(again) != "Try again" {
		t.Errorf("link %v says %q, want one to the page itself", again.Attr, text(again))
	}
	only(t, root, with("class", "off"))
	const why = "There is nothing that you can verify with right now. Please wait until 2026-07-29 14:06 UTC, or ask the help desk."
	p.Factors = append(p.Factors, page.Factor{ID: "f2", Kind: "sms", LockedUntil: p.Factors[0].LockedUntil.Add(-4 * time.Minute)})
	for problem, want := range map[page.Problem]string{page.None: why, page.TooManySends: ""} {
		p.Error = problem
		root, said := dom(t, p), ""
		for _, note := range find(root, with("class", "note")) {
			said += text(note)
		}
		if said != want {
			t.Errorf("problem %d: the page explains %q, want %q", problem, said, want)
		}
		if heading := text(only(t, root, with("id", "others"))); heading != "Ways to verify" {
			t.Errorf("locked factors stand below %q", heading)
		}
		if !has(only(t, root, with("class", "help")), "open") {
			t.Error("help is not offered")
		}
	}
	ended := sample(t, "expired")
	ended.Factors = p.Factors
	if again := only(t, dom(t, ended), with("class", "button main")); attr(again, "href") != ended.ReturnTo {
		t.Errorf("an end whose factors are locked leads to %q", attr(again, "href"))
	}
}

func TestLockIsToldInFullMinutesThatAreNotTooEarly(t *testing.T) {
	at := time.Date(2026, 7, 29, 23, 58, 0, 0, time.UTC)
	tests := []struct {
		until       time.Time
		stamp, said string
	}{
		{at, "2026-07-29T23:58:00Z", "2026-07-29 23:58 UTC"},
		{at.Add(1), "2026-07-29T23:59:00Z", "2026-07-29 23:59 UTC"},
		{at.Add(61 * time.Second).In(time.FixedZone("", 2*60*60)), "2026-07-30T00:00:00Z", "2026-07-30 00:00 UTC"},
	}
	for _, test := range tests {
		p := sample(t, "choose-locked")
		p.Factors[0].LockedUntil = test.until
		told := only(t, dom(t, p), tag("time"))
		if attr(told, "datetime") != test.stamp || text(told) != test.said {
			t.Errorf("%v is told as %q, %q, want %q, %q", test.until, attr(told, "datetime"), text(told), test.stamp, test.said)
		}
		if within(told, tag("li")) {
			t.Error("the script would not tell the time in the reader's own zone")
		}
	}
}

func TestProblemOfALockSaysUntilWhenIfItIsKnown(t *testing.T) {
	p := sample(t, "error.push_locked")
	const rest = ", because one was declined or reported. Other ways, such as a code, still work."
	for want, factors := range map[string][]page.Factor{
		"Pushes are paused until 2026-07-29 14:10 UTC" + rest: p.Factors,
		"Pushes are paused" + rest:                            p.Factors[1:],
	} {
		p.Factors = factors
		summary := only(t, dom(t, p), with("role", "alert"))
		if said := text(only(t, summary, tag("p"))); said != want {
			t.Errorf("the problem is told as %q, want %q", said, want)
		}
	}
}

func TestReportIsASecondStepOnPagesOfASession(t *testing.T) {
	asked := map[string]bool{"verified": true, "sessions": true, "sessions-only": true, "sessions-many": true, "sessions-none": true, "sessions-ended": true}
	for _, s := range page.Gallery() {
		forms := find(dom(t, s.Page), with("action", "/.mfa/report"))
		if (len(forms) == 1) != asked[s.Name] {
			t.Errorf("%s: %d forms to report, want one: %v", s.Name, len(forms), asked[s.Name])
		}
		for _, form := range forms {
			if details := form.Parent; details.Data != "details" || has(details, "open") {
				t.Errorf("%s: one press reports", s.Name)
			}
		}
	}
	p := sample(t, "verified")
	p.Report = ""
	if forms := find(dom(t, p), with("action", "/.mfa/report")); len(forms) > 0 {
		t.Error("a form without its csrf value")
	}
}

func TestReportIsThankedForWithTheOperatorsHelp(t *testing.T) {
	p := sample(t, "sessions-reported")
	for help, want := range map[string]string{"": "", "Call extension 200.": " Call extension 200."} {
		p.Brand.Help = help
		want = "Thank you. No push is sent to you for a day; codes still work. " +
			"Please tell the help desk now: somebody else may know your password." + want
		if said := text(only(t, dom(t, p), with("role", "status"))); said != want {
			t.Errorf("with help %q: %q, want %q", help, said, want)
		}
	}
	p.Blind = true
	if found := find(dom(t, p), with("role", "status")); len(found) > 0 {
		t.Errorf("somebody who has only typed a name is told %q", text(found[0]))
	}
}
