package page_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

func visibleFields(root *html.Node) []*html.Node {
	return find(root, func(n *html.Node) bool { return n.Data == "input" && attr(n, "type") != "hidden" })
}

func TestEachPageAsksForNoMoreThanItNeeds(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		var names []string
		for _, field := range visibleFields(dom(t, p)) {
			names = append(names, attr(field, "name"))
		}
		want := ""
		switch p.Kind {
		case page.Name:
			want = "user"
		case page.Password:
			want = "user password"
		case page.Code, page.Temporary, page.EnrollCode:
			want = "code"
		case page.Push, page.Mail, page.EnrollWait:
			if p.AcceptsCode {
				want = "code"
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("fields = %q, want %q", got, want)
		}
	})
}

func TestSignInFieldsAreLabelledAndCanBeFilled(t *testing.T) {
	tests := []struct{ sample, field, kind, complete, label string }{
		{"name", "user", "text", "username webauthn", "User name or email address"},
		{"password", "user", "text", "username", "User name or email address"},
		{"password", "password", "password", "current-password", "OneLogin password"},
	}
	for _, test := range tests {
		root := dom(t, sample(t, test.sample))
		field := only(t, root, func(n *html.Node) bool { return n.Data == "input" && attr(n, "name") == test.field })
		if attr(field, "type") != test.kind || attr(field, "autocomplete") != test.complete {
			t.Errorf("%s: field %v, want type %q for %q", test.sample, field.Attr, test.kind, test.complete)
		}
		if label := text(only(t, root, with("for", attr(field, "id")))); label != test.label {
			t.Errorf("%s: label = %q, want %q", test.sample, label, test.label)
		}
		for _, key := range []string{"maxlength", "pattern", "placeholder", "readonly", "onpaste"} {
			if has(field, key) {
				t.Errorf("%s: the field %s has %s, want none", test.sample, test.field, key)
			}
		}
	}
}

func TestTypedNameComesBackAndThePasswordNever(t *testing.T) {
	for _, name := range []string{"error.wrong_password", "error.empty_password"} {
		root := dom(t, sample(t, name))
		if got := attr(only(t, root, with("name", "user")), "value"); got != "alice@example.com" {
			t.Errorf("%s: user name = %q, want it as it was typed", name, got)
		}
		if has(only(t, root, with("name", "password")), "value") {
			t.Errorf("%s: the password field has a value", name)
		}
	}
	p := sample(t, "name")
	p.Typed = "alice\u202e\x00@example.com"
	if got := attr(only(t, dom(t, p), with("name", "user")), "value"); got != "alice@example.com" {
		t.Errorf("user name = %q, want what can be seen of it", got)
	}
}

func TestFocusSkipsTheNameThatIsThere(t *testing.T) {
	for typed, want := range map[string]string{"": "user", "alice": "password"} {
		p := sample(t, "password")
		p.Typed = typed
		focused := only(t, dom(t, p), func(n *html.Node) bool { return has(n, "autofocus") })
		if got := attr(focused, "name"); got != want {
			t.Errorf("with %q typed: focus on %q, want %q", typed, got, want)
		}
	}
}

// Which of the two was wrong would tell whether there is such a user.
func TestWrongPasswordDoesNotSayWhichIsWrong(t *testing.T) {
	root := dom(t, sample(t, "error.wrong_password"))
	for _, field := range visibleFields(root) {
		described := strings.Fields(attr(field, "aria-describedby"))
		if attr(field, "aria-invalid") != "true" || len(described) == 0 || described[len(described)-1] != "wrong" {
			t.Errorf("field %q is not marked as the other one is", attr(field, "name"))
		}
	}
	if summary := only(t, root, with("role", "alert")); !strings.Contains(text(summary), "user name or the password") {
		t.Errorf("summary = %q, want both in it", text(summary))
	}
	for name, field := range map[string]string{"error.nameless": "user", "error.empty_name": "user", "error.empty_password": "password"} {
		root := dom(t, sample(t, name))
		if invalid := only(t, root, with("aria-invalid", "true")); attr(invalid, "id") != field {
			t.Errorf("%s: %q is marked, want %q alone", name, attr(invalid, "id"), field)
		}
		if link := only(t, only(t, root, with("role", "alert")), tag("a")); attr(link, "href") != "#"+field {
			t.Errorf("%s: the summary leads to %q, want #%s", name, attr(link, "href"), field)
		}
	}
}

func TestPasswordPageSaysWhoAsksForWhichPassword(t *testing.T) {
	said := text(only(t, dom(t, sample(t, "password")), tag("main")))
	for _, want := range []string{"app.example.com asks for your company’s OneLogin password", "shows app.example.com in its address bar"} {
		if !strings.Contains(said, want) {
			t.Errorf("password = %q, want %q in it", said, want)
		}
	}
}

func TestNamePageIsTheSameForEverybody(t *testing.T) {
	p := sample(t, "name")
	want := source(t, p)
	p.User, p.Factors = "alice", sample(t, "choose").Factors
	p.NotOffered, p.Current = []string{"YubiKey"}, p.Factors[0]
	if !bytes.Equal(source(t, p), want) {
		t.Error("the page tells one person from another")
	}
}

// blindKinds are the pages that somebody may see who has only typed a name.
var blindKinds = []page.Kind{page.Choose, page.Code, page.Push, page.Voice, page.Mail, page.Expired, page.Denied, page.Cancelled}

func TestBlindPagesShowNothingOfTheUser(t *testing.T) {
	for _, kind := range blindKinds {
		for _, f := range sample(t, "choose").Factors {
			p := sample(t, "push-blind")
			p.Kind, p.Current = kind, page.Factor{ID: f.ID, Kind: f.Kind}
			for i := range p.Factors {
				p.Factors[i].Name, p.Factors[i].Default = "", false
			}
			nobody := source(t, p)
			p.Factors = sample(t, "choose").Factors
			p.Factors[0].Default, p.Factors[1].Default = false, true
			p.Current, p.NotOffered = f, []string{"YubiKey of Alice"}
			if somebody := source(t, p); !bytes.Equal(somebody, nobody) {
				t.Errorf("kind %d with %s: a user with devices is told from one without", kind, f.Kind)
			}
		}
	}
}

func TestBlindPagesClaimNothing(t *testing.T) {
	for name, want := range map[string]string{
		"choose-blind": "You are verifying as alice.", "code-blind": "If the account has a phone",
		"push-blind": "If the account uses OneLogin Protect", "mail-blind": "If the account has a mail address",
	} {
		said := text(only(t, dom(t, sample(t, name)), tag("main")))
		if !strings.Contains(said, want) || strings.Contains(said, "signed in") || strings.Contains(said, "We sent") {
			t.Errorf("%s = %q, want %q in it and no claim", name, said, want)
		}
	}
}

func TestContinueGivesOneLoginTheSessionTokenAlone(t *testing.T) {
	p := sample(t, "continue")
	form := only(t, dom(t, p), tag("form"))
	if attr(form, "method") != "post" || attr(form, "action") != onward || !has(form, "data-onward") {
		t.Errorf("form = %v, want it posted to OneLogin by the script", form.Attr)
	}
	field := only(t, form, tag("input"))
	if attr(field, "name") != "session_token" || attr(field, "value") != p.SessionToken {
		t.Errorf("field = %v, want the session token", field.Attr)
	}
	if button := only(t, form, tag("button")); text(button) != "Continue" {
		t.Errorf("button = %q, want one that works without script", text(button))
	}
	only(t, dom(t, p), with("href", p.ReturnTo))
}

func TestContinueStaysHereIfTheFormCouldGoAnywhere(t *testing.T) {
	tests := []struct {
		form, token string
		want        bool
	}{
		{onward, "t", true},
		{"http://localhost:8080/session_via_api_token", "t", true},
		{"http://127.0.0.1:8080/session_via_api_token?x=1", "t", true},
		{onward, "", false},
		{"", "t", false},
		{"http://acme.onelogin.com/session_via_api_token", "t", false},
		{"http://localhost.evil.example/", "t", false},
		{"https://acme.onelogin.com@evil.example/", "t", false},
		{"https:///session_via_api_token", "t", false},
		{"javascript:alert(1)", "t", false},
		{"//acme.onelogin.com/", "t", false},
		{onward + "\r\nx", "t", false},
		{onward + `"><script>`, "t", false},
	}
	for _, test := range tests {
		p := sample(t, "continue")
		p.SessionForm, p.SessionToken = test.form, test.token
		root := dom(t, p)
		if forms := find(root, tag("form")); (len(forms) == 1) != test.want {
			t.Errorf("%q with %q: %d forms, want one: %v", test.form, test.token, len(forms), test.want)
		}
		if main := find(root, with("class", "button main")); (len(main) == 1) == test.want {
			t.Errorf("%q: %d main links, want one only without the form", test.form, len(main))
		}
	}
}

func TestPolicyWithFormAddsOneOriginOrNothing(t *testing.T) {
	for _, origin := range []string{
		"https://acme.onelogin.com", "https://acme.onelogin.com:8443", "http://localhost:8080", "http://127.0.0.1:8080",
	} {
		want := strings.Replace(page.Policy(), "form-action 'self'", "form-action 'self' "+origin, 1)
		if got := page.PolicyWithForm(origin); got != want {
			t.Errorf("PolicyWithForm(%q) = %q, want %q", origin, got, want)
		}
	}
	for _, origin := range []string{
		"", "*", "https:", "https://", "https://*", "https://*.onelogin.com", "http://acme.onelogin.com", "//acme.onelogin.com",
		"https://acme.onelogin.com/", "https://acme.onelogin.com/x", "https://a b", "https://a; script-src *", "https://a,b",
		"https://u@acme.onelogin.com", "https://a:port", "https://a\n", "'unsafe-inline'", "data:", "http://localhost.evil.example",
	} {
		if got := page.PolicyWithForm(origin); got != page.Policy() {
			t.Errorf("PolicyWithForm(%q) = %q, want Policy()", origin, got)
		}
	}
}

func ExamplePolicyWithForm() {
	_, rest, _ := strings.Cut(page.PolicyWithForm("https://acme.onelogin.com"), "form-action ")
	formAction, _, _ := strings.Cut(rest, ";")
	fmt.Println(formAction)
	// Output: 'self' https://acme.onelogin.com
}
