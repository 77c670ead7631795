package page_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

const (
	maxPage = 30 << 10
	onward  = "https://acme.onelogin.com/session_via_api_token"
)

func TestEveryPageIsOneWholeDocument(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		document := source(t, p)
		if len(document) > maxPage {
			t.Errorf("the page has %d bytes, want at most %d", len(document), maxPage)
		}
		root := parse(t, document)
		only(t, root, tag("main"))
		only(t, root, tag("h1"))
		head := only(t, root, tag("html"))
		if attr(head, "lang") != p.Lang.String() || attr(head, "dir") != "ltr" {
			t.Errorf("lang, dir = %q, %q, want %q, ltr", attr(head, "lang"), attr(head, "dir"), p.Lang)
		}
		if bytes.Contains(document, []byte("ZgotmplZ")) {
			t.Error("a value was put where html/template does not trust it")
		}
	})
}

func TestTitleNamesSiteAndError(t *testing.T) {
	prefix := map[string]string{"en": "Error:", "de": "Fehler:", "fr": "Erreur\u00a0:", "es": "Error:"}
	each(t, func(t *testing.T, p page.Page) {
		root := dom(t, p)
		title := text(only(t, root, tag("title")))
		heading := text(only(t, root, tag("h1")))
		if !strings.HasSuffix(title, heading+" – app.example.com – Acme") {
			t.Errorf("title = %q, want it to end in the heading, the site and the brand", title)
		}
		got := strings.HasPrefix(title, strings.ReplaceAll(prefix[p.Lang.String()], "\u00a0", " "))
		if want := p.Error != page.None; got != want {
			t.Errorf("title %q begins with an error: %v, want %v", title, got, want)
		}
	})
}

func TestNoPageReachesOutside(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		root := dom(t, p)
		for _, n := range find(root, func(*html.Node) bool { return true }) {
			checkAttributes(t, n)
		}
		for _, n := range find(root, tag("link", "img", "iframe", "object", "embed", "base")) {
			if n.Data != "link" || attr(n, "href") != "data:," {
				t.Errorf("<%s> %v: want no such element", n.Data, n.Attr)
			}
		}
	})
}

// checkAttributes wants no code and no style in attributes, and no address
// outside this site.
func checkAttributes(t *testing.T, n *html.Node) {
	t.Helper()
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "formaction":
			t.Errorf("<%s %s=%q>: want no such attribute", n.Data, a.Key, a.Val)
		case has(n, "data-onward") && a.Key == "action":
			if a.Val != onward {
				t.Errorf("<%s %s=%q> hands over to a stranger", n.Data, a.Key, a.Val)
			}
		case a.Key == "href", a.Key == "src", a.Key == "action", a.Key == "data-self", a.Key == "data-events":
			if !inside(a.Val) {
				t.Errorf("<%s %s=%q> leads elsewhere", n.Data, a.Key, a.Val)
			}
		}
	}
}

func inside(address string) bool {
	path := strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") && !strings.HasPrefix(address, `/\`)
	return path || strings.HasPrefix(address, "#") || address == "data:," || strings.HasPrefix(address, "data:image/")
}

func TestEveryFormIsPostedWithItsSecrets(t *testing.T) {
	endpoints := map[string]bool{
		"/.mfa/start": true, "/.mfa/verify": true, "/.mfa/cancel": true, "/.mfa/logout": true,
		"/.mfa/report": true, "/.mfa/name": true, "/.mfa/login": true, "/.mfa/enroll": true, "/.mfa/confirm": true, "/.mfa/sessions/end": true,
	}
	each(t, func(t *testing.T, p page.Page) {
		ours := func(n *html.Node) bool { return n.Data == "form" && !has(n, "data-onward") }
		for _, form := range find(dom(t, p), ours) {
			if attr(form, "method") != "post" || !endpoints[attr(form, "action")] {
				t.Errorf("form %v: want it posted to an endpoint", form.Attr)
			}
			want := p.CSRF
			if attr(form, "action") == "/.mfa/report" {
				want = p.Report
			}
			if got := attr(only(t, form, with("name", "csrf")), "value"); got != want {
				t.Errorf("csrf = %q, want %q", got, want)
			}
			buttons := find(form, tag("button"))
			if len(buttons) != 1 && attr(form, "action") != "/.mfa/sessions/end" {
				t.Errorf("form %v: %d buttons, want one", form.Attr, len(buttons))
			}
			if slices.ContainsFunc(buttons, func(n *html.Node) bool { return text(n) == "" }) {
				t.Errorf("form %v: a button says nothing", form.Attr)
			}
			if within(form, tag("form")) {
				t.Error("a form inside a form")
			}
		}
	})
}

func TestEveryReferenceHasItsTarget(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		root := dom(t, p)
		seen := make(map[string]bool)
		for _, n := range find(root, func(n *html.Node) bool { return has(n, "id") }) {
			if seen[attr(n, "id")] {
				t.Errorf("id %q is given twice", attr(n, "id"))
			}
			seen[attr(n, "id")] = true
		}
		for _, n := range find(root, func(*html.Node) bool { return true }) {
			for _, key := range []string{"for", "aria-describedby", "aria-labelledby", "href"} {
				anchor, local := strings.CutPrefix(attr(n, key), "#")
				if key == "href" && !local {
					continue
				}
				for _, id := range strings.Fields(anchor) {
					if !seen[id] {
						t.Errorf("<%s %s=%q>: there is no such id", n.Data, key, id)
					}
				}
			}
		}
	})
}

func TestUnknownKindWritesNothing(t *testing.T) {
	for _, kind := range []page.Kind{-1, page.Insecure + 1} {
		var b bytes.Buffer
		if err := page.Render(&b, page.Page{Kind: kind}); err == nil || b.Len() > 0 {
			t.Errorf("Render(kind %d) = %v with %d bytes, want an error and none", kind, err, b.Len())
		}
	}
}

func TestEmptyPageOfEveryKindRenders(t *testing.T) {
	for kind := page.Choose; kind <= page.Insecure; kind++ {
		root := dom(t, page.Page{Kind: kind})
		if got := attr(only(t, root, tag("html")), "lang"); got != "en" {
			t.Errorf("kind %d: lang = %q, want en", kind, got)
		}
		if said := text(only(t, root, tag("main"))); strings.ContainsAny(said, "{}[]") {
			t.Errorf("kind %d: a placeholder is left in %q", kind, said)
		}
	}
}

func TestRightToLeftIsSaidOnceAtTheTop(t *testing.T) {
	for _, s := range page.Gallery() {
		var b bytes.Buffer
		if err := page.RenderRightToLeft(&b, s.Page); err != nil {
			t.Fatal(err)
		}
		root := parse(t, b.Bytes())
		if got := attr(only(t, root, tag("html")), "dir"); got != "rtl" {
			t.Errorf("%s: dir = %q, want rtl", s.Name, got)
		}
		// Codes are read from left to right everywhere.
		for _, field := range find(root, with("name", "code")) {
			if attr(field, "dir") != "ltr" {
				t.Errorf("%s: the code field has no direction of its own", s.Name)
			}
		}
	}
}

func TestGalleryShowsEveryKindAndProblem(t *testing.T) {
	kinds, problems := make(map[page.Kind]bool), make(map[page.Problem]bool)
	names := make(map[string]bool)
	for _, s := range page.Gallery() {
		kinds[s.Page.Kind], problems[s.Page.Error] = true, true
		if names[s.Name] {
			t.Errorf("two samples are called %q", s.Name)
		}
		names[s.Name] = true
	}
	for kind := page.Choose; kind <= page.Insecure; kind++ {
		if !kinds[kind] {
			t.Errorf("no sample of kind %d", kind)
		}
	}
	for problem := page.None; problem <= page.RegistrationExpired; problem++ {
		if !problems[problem] {
			t.Errorf("no sample of problem %d", problem)
		}
	}
}
