package page_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

func TestCodeFieldIsOneFieldThatAcceptsPasteAndFill(t *testing.T) {
	numeric := map[string]bool{"totp": true, "protect": true}
	for _, s := range page.Gallery() {
		root := dom(t, s.Page)
		fields := find(root, with("name", "code"))
		if len(fields) == 0 {
			continue
		}
		field := only(t, root, func(n *html.Node) bool { return n.Data == "input" && attr(n, "type") != "hidden" })
		want := map[string]string{
			"name": "code", "type": "text", "autocomplete": "one-time-code", "inputmode": "text",
			"spellcheck": "false", "autocapitalize": "off",
		}
		if numeric[s.Page.Current.Kind] {
			want["inputmode"] = "numeric"
		}
		for key, value := range want {
			if got := attr(field, key); got != value {
				t.Errorf("%s: %s = %q, want %q", s.Name, key, got, value)
			}
		}
		for _, key := range []string{"maxlength", "pattern", "placeholder", "value", "readonly"} {
			if has(field, key) {
				t.Errorf("%s: the field has %s, want none", s.Name, key)
			}
		}
		label := only(t, root, with("for", attr(field, "id")))
		if name := page.Clean(s.Page.Current.Name); !s.Page.Blind && s.Name != "enroll-message" && !strings.Contains(text(label), name) {
			t.Errorf("%s: label = %q, want it to name %q", s.Name, text(label), name)
		}
	}
}

func TestFocusGoesToTheFieldOrToTheError(t *testing.T) {
	want := map[page.Kind]string{
		page.Code: "code", page.Temporary: "code", page.EnrollCode: "code", page.Name: "user", page.Password: "user",
	}
	each(t, func(t *testing.T, p page.Page) {
		focused := find(dom(t, p), func(n *html.Node) bool { return has(n, "autofocus") })
		switch {
		case p.Error != page.None:
			if len(focused) != 1 || attr(focused[0], "role") != "alert" || attr(focused[0], "tabindex") != "-1" {
				t.Errorf("focus on %d elements, want the error summary alone", len(focused))
			}
		case want[p.Kind] != "" && p.TOTPURL == "" && p.Secret == "":
			if len(focused) != 1 || attr(focused[0], "name") != want[p.Kind] {
				t.Errorf("focus on %d elements, want the %s field alone", len(focused), want[p.Kind])
			}
		case len(focused) > 0:
			t.Errorf("focus on <%s>, want none", focused[0].Data)
		}
	})
}

func TestErrorInTheCodeIsToldAtTheTopAndAtTheField(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		root := dom(t, p)
		summaries := find(root, with("role", "alert"))
		if (p.Error != page.None) != (len(summaries) == 1) {
			t.Fatalf("%d error summaries for problem %d", len(summaries), p.Error)
		}
		for _, field := range find(root, with("name", "code")) {
			if got, want := attr(field, "aria-invalid") == "true", p.Error.InCode(); got != want {
				t.Errorf("aria-invalid = %v, want %v", got, want)
			}
		}
		if !p.Error.InCode() {
			return
		}
		link := only(t, summaries[0], tag("a"))
		if attr(link, "href") != "#code" {
			t.Errorf("the summary leads to %q, want the field", attr(link, "href"))
		}
		if at := only(t, root, with("id", "wrong")); text(at) != text(link) {
			t.Errorf("at the field %q, at the top %q, want the same", text(at), text(link))
		}
	})
}

func TestErrorLinksOnlyToAFieldThatIsThere(t *testing.T) {
	choose, push := sample(t, "choose"), sample(t, "push")
	push.AcceptsCode = false
	for _, p := range []page.Page{choose, push} {
		p.Error = page.WrongCode
		summary := only(t, dom(t, p), with("role", "alert"))
		if links := find(summary, tag("a")); len(links) > 0 {
			t.Errorf("kind %d: the summary leads to a field that is not there", p.Kind)
		}
	}
}

func TestEndIsNotAlsoAnError(t *testing.T) {
	for _, name := range []string{"locked", "denied", "expired", "no_device"} {
		p := sample(t, name)
		p.Error = page.TooManyTries
		root := dom(t, p)
		if found := find(root, with("role", "alert")); len(found) > 0 || strings.HasPrefix(text(only(t, root, tag("title"))), "Error") {
			t.Errorf("%s says twice what happened", name)
		}
	}
}

func TestOnlyRunningOutOfTimeOffersTheFactorsAgain(t *testing.T) {
	for _, name := range []string{"denied", "locked", "cancelled", "no_device", "expired"} {
		p := sample(t, name)
		p.Factors = sample(t, "choose").Factors
		forms := find(dom(t, p), with("action", "/.mfa/start"))
		if (len(forms) > 0) != (name == "expired") {
			t.Errorf("%s offers %d factors", name, len(forms))
		}
	}
}

func TestEveryProblemHasItsOwnWords(t *testing.T) {
	said := make(map[string]page.Problem)
	for problem := page.EmptyCode; problem <= page.RegistrationExpired; problem++ {
		p := sample(t, "code-totp")
		p.Error = problem
		words := text(only(t, dom(t, p), with("role", "alert")))
		if other, ok := said[words]; ok {
			t.Errorf("problems %d and %d both say %q", other, problem, words)
		}
		said[words] = problem
	}
}

func TestChoosingBeginsWithTheDefault(t *testing.T) {
	tests := []struct {
		name    string
		factors []page.Factor
		want    string
	}{
		{"none is the default", []page.Factor{{ID: "a"}, {ID: "b"}, {ID: "c"}}, "a b c"},
		{"the third is the default", []page.Factor{{ID: "a"}, {ID: "b"}, {ID: "c", Default: true}}, "c a b"},
		{"only one", []page.Factor{{ID: "a"}}, "a"},
		{"none at all", nil, ""},
	}
	for _, test := range tests {
		p := sample(t, "choose")
		p.Factors = test.factors
		var order []string
		for _, field := range find(dom(t, p), with("name", "factor")) {
			order = append(order, attr(field, "value"))
		}
		if got := strings.Join(order, " "); got != test.want {
			t.Errorf("%s: order = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestOneBigButtonOnly(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		main := find(dom(t, p), func(n *html.Node) bool {
			big := strings.Contains(" "+attr(n, "class")+" ", " main ")
			return big && !within(n, tag("noscript"))
		})
		if len(main) > 1 {
			t.Errorf("%d main buttons, want at most one", len(main))
		}
	})
}

func TestOtherWaysLeaveOutTheOneInUse(t *testing.T) {
	for _, field := range find(dom(t, sample(t, "code-sms")), with("name", "factor")) {
		other := within(field, with("aria-labelledby", "others"))
		if other == (attr(field, "value") == "f2") {
			t.Errorf("factor %q among the other ways: %v", attr(field, "value"), other)
		}
	}
}

func TestEveryStepNamesSiteReasonUserAndWayOut(t *testing.T) {
	steps := []string{"choose", "code-sms", "push", "voice", "mail", "temporary", "smart", "push-blind", "enroll", "enroll-protect", "enroll-scan"}
	for _, name := range steps {
		root := dom(t, sample(t, name))
		said := text(only(t, root, tag("main")))
		for _, want := range []string{"app.example.com", "alice", "Need help?"} {
			if !strings.Contains(said, want) {
				t.Errorf("%s: %q is not in %q", name, want, said)
			}
		}
		only(t, root, with("action", "/.mfa/cancel"))
	}
	if said := text(dom(t, sample(t, "choose"))); !strings.Contains(said, "It lasts for 8 hours.") {
		t.Errorf("choose does not say how long it lasts: %q", said)
	}
}

func TestWaitForSendingAgainIsSaidAndLeftToTheScript(t *testing.T) {
	p := sample(t, "code-sms")
	form := only(t, dom(t, p), with("data-wait", "30000"))
	if button := only(t, form, tag("button")); has(button, "disabled") {
		t.Error("the button is disabled although there may be no script to enable it")
	}
	if !strings.Contains(text(form), "30 seconds") {
		t.Errorf("form = %q, want the wait in words", text(form))
	}
	p.ResendIn = 0
	if waits := find(dom(t, p), func(n *html.Node) bool { return has(n, "data-wait") }); len(waits) > 0 {
		t.Error("a wait of nothing is announced")
	}
}

func TestPushWorksWithoutScript(t *testing.T) {
	typed := sample(t, "error.push")
	tests := []struct {
		name    string
		page    page.Page
		reloads bool
		open    bool
	}{
		{"waiting", sample(t, "push"), true, false},
		{"held still", sample(t, "push-still"), false, true},
		{"after a wrong code", typed, false, true},
		{"for a call", sample(t, "voice"), true, false},
		{"for a link", sample(t, "mail"), true, false},
		{"for a device that is set up", sample(t, "enroll-protect"), true, false},
	}
	for _, test := range tests {
		root := dom(t, test.page)
		refresh := find(root, with("http-equiv", "refresh"))
		if (len(refresh) == 1) != test.reloads {
			t.Fatalf("%s: %d refreshes, want %v", test.name, len(refresh), test.reloads)
		}
		if test.reloads && (!within(refresh[0], tag("noscript")) || attr(refresh[0], "content") != "5; url="+test.page.Self) {
			t.Errorf("%s: refresh = %v, want 5 seconds to itself, without script only", test.name, refresh[0].Attr)
		}
		details := find(root, tag("details"))[0]
		if has(details, "open") != test.open {
			t.Errorf("%s: the code form is open: %v, want %v", test.name, !test.open, test.open)
		}
		// Approved, and without script: there must be a way on.
		only(t, root, func(n *html.Node) bool {
			return n.Data == "a" && attr(n, "href") == test.page.Self && within(n, tag("noscript"))
		})
	}
}

func TestPushAnnouncesOnceAndTakesACodeOnlyIfItMay(t *testing.T) {
	p := sample(t, "push")
	if status := only(t, dom(t, p), with("role", "status")); text(status) != "Waiting for your approval" {
		t.Errorf("status = %q", text(status))
	}
	p.AcceptsCode = false
	if fields := find(dom(t, p), with("name", "code")); len(fields) > 0 {
		t.Error("a code is asked for although none is accepted")
	}
}

func TestFewTriesAreToldBeforeTheLock(t *testing.T) {
	for tries, want := range map[int]string{0: "", 1: "You have 1 try left.", 3: "You have 3 tries left.", 4: ""} {
		p := sample(t, "code-totp")
		p.TriesLeft = tries
		hint := text(only(t, dom(t, p), with("id", "hint")))
		if said := strings.Contains(hint, "left"); said != (want != "") || !strings.Contains(hint, want) {
			t.Errorf("%d tries left: hint = %q, want %q in it", tries, hint, want)
		}
	}
}

func TestLockSaysHowLong(t *testing.T) {
	p := sample(t, "locked")
	if said := text(dom(t, p)); !strings.Contains(said, "Please wait about 15 minutes") {
		t.Errorf("locked = %q", said)
	}
	p.RetryAfter = 0
	if said := text(dom(t, p)); strings.Contains(said, "Please wait") {
		t.Errorf("locked for an unknown time = %q", said)
	}
}

func TestEndsLeadBack(t *testing.T) {
	for _, name := range []string{"denied", "locked", "cancelled", "signed_out", "verified", "unavailable", "refused"} {
		p := sample(t, name)
		only(t, dom(t, p), with("href", p.ReturnTo))
	}
}

func TestUnsavedDataIsSaid(t *testing.T) {
	for _, name := range []string{"choose", "code-sms", "push", "expired", "denied"} {
		p := sample(t, name)
		p.Unsaved = true
		if !strings.Contains(text(dom(t, p)), "please send it again") {
			t.Errorf("%s does not say that something was not kept", name)
		}
	}
}

func TestReferenceIsShown(t *testing.T) {
	for _, name := range []string{"unavailable", "refused", "bad_request", "no_user"} {
		if got := text(only(t, dom(t, sample(t, name)), tag("code"))); got != "7f3a9c2e" {
			t.Errorf("%s: reference = %q", name, got)
		}
	}
}

func TestTimesAreExactForMachines(t *testing.T) {
	p := sample(t, "verified")
	p.VerifiedAt = p.VerifiedAt.In(time.FixedZone("", 2*60*60))
	times := find(dom(t, p), tag("time"))
	if len(times) != 2 || attr(times[0], "datetime") != "2026-07-29T14:05:00Z" || text(times[1]) != "2026-07-29 22:05 UTC" {
		t.Errorf("times = %v", times)
	}
}
