package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

func TestPolicyAllowsExactlyTheInlinedBytes(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		root := dom(t, p)
		for name, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
			inlined := only(t, root, tag(name)).FirstChild.Data
			sum := sha256.Sum256([]byte(inlined))
			want := fmt.Sprintf("; %s 'sha256-%s';", directive, base64.StdEncoding.EncodeToString(sum[:]))
			if !strings.Contains(page.Policy(), want) {
				t.Errorf("Policy() = %q, want %q in it", page.Policy(), want)
			}
		}
	})
}

func TestPolicyStartsFromNothing(t *testing.T) {
	got := strings.Split(page.Policy(), "; ")
	for _, want := range []string{
		"default-src 'none'", "img-src data:", "connect-src 'self'", "form-action 'self'",
		"frame-ancestors 'none'", "base-uri 'none'",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("Policy() = %q, want %q in it", got, want)
		}
	}
	if strings.Contains(page.Policy(), "unsafe") || len(got) != 8 {
		t.Errorf("Policy() = %q, want 8 directives and nothing unsafe", got)
	}
}

// hostile is what people type who hope that somebody forgot to escape.
var hostile = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' autofocus onfocus=alert(1) x='`,
	"`-alert(1)-`",
	`</title></style></script><svg onload=alert(1)>`,
	`</textarea><iframe srcdoc="<script>alert(1)</script>">`,
	`javascript:alert(1)`,
	`java&#9;script:alert(1)`,
	`data:text/html,<script>alert(1)</script>`,
	`//evil.example/x`,
	`/\evil.example`,
	`https://evil.example/`,
	`/x" onmouseover="alert(1)`,
	`5; url=https://evil.example`,
	`/;url=//evil.example`,
	"/\r\nSet-Cookie: a=b",
	`<!--`,
	`]]>`,
	`{{.CSRF}}`,
	`{site}[{retry}]`,
	`{env.SECRET} {http.request.header.Cookie}`,
	"\u202egnp.exe\u2066\u200b\ufeff",
	"\x00\x1b[31m\xff\xfe",
	strings.Repeat("A", 5000),
}

// fill puts s into every text of p.
func fill(p page.Page, s string) page.Page {
	p.Brand = page.Brand{Name: s, Help: s, Logo: s}
	p.Site, p.User, p.Base, p.CSRF = s, s, s, s
	if p.Report != "" {
		p.Report = s
	}
	p.Self, p.StillURL, p.ReturnTo, p.Reference = s, s, s, s
	p.Typed, p.VoiceCode, p.Secret, p.TOTPURL, p.SessionToken = s, s, s, s, s
	if p.Events != "" {
		p.Events = s
	}
	p.Factors, p.Alternatives = slices.Clone(p.Factors), slices.Clone(p.Alternatives)
	for i := range p.Factors {
		p.Factors[i].Name, p.Factors[i].Kind = s, s
	}
	for i := range p.Alternatives {
		p.Alternatives[i].URL = s
	}
	for i := range p.NotOffered {
		p.NotOffered[i] = s
	}
	p.Sessions = slices.Clone(p.Sessions)
	for i := range p.Sessions {
		p.Sessions[i] = fillSession(p.Sessions[i], s)
	}
	if p.Ended.Site != "" {
		p.Ended = fillSession(p.Ended, s)
	}
	if p.Current.ID != "" {
		p.Current.Name, p.Current.Kind = s, s
	}
	return p
}

func fillSession(item page.SessionItem, s string) page.SessionItem {
	item.Handle, item.Site, item.Browser = s, s, s
	item.Factor = page.Factor{ID: s, Kind: s, Name: s}
	return item
}

// shape lists the elements and their attributes' names, and checks values.
func shape(t *testing.T, p page.Page) string {
	t.Helper()
	var b strings.Builder
	for n := range dom(t, p).Descendants() {
		switch n.Type {
		case html.ElementNode:
			fmt.Fprintf(&b, "<%s", n.Data)
			for _, a := range n.Attr {
				fmt.Fprintf(&b, " %s", a.Key)
			}
			b.WriteString(">\n")
			checkAttributes(t, n)
		case html.CommentNode:
			b.WriteString("<!-->\n")
		}
	}
	return b.String()
}

func TestHostileTextNeverChangesTheStructure(t *testing.T) {
	for _, s := range page.Gallery() {
		want := shape(t, fill(s.Page, "x"))
		for _, text := range hostile {
			if got := shape(t, fill(s.Page, text)); got != want {
				t.Errorf("%s with %.40q: the structure changed", s.Name, text)
			}
		}
	}
}

// Some addresses are only shown if they begin as they should.
func TestHostileAddressesStayWithinTheirAttribute(t *testing.T) {
	for _, text := range hostile {
		p := sample(t, "enroll-scan")
		p.TOTPURL = "otpauth://totp/" + text
		drawn := shape(t, p)
		p.TOTPURL = "otpauth://totp/x"
		if len(text) < 300 && drawn != shape(t, p) {
			t.Errorf("TOTPURL with %.40q: the structure changed", text)
		}
		p = sample(t, "continue")
		p.SessionForm = onward + "?" + text
		for _, form := range find(dom(t, p), tag("form")) {
			if got := attr(form, "action"); !strings.HasPrefix(got, onward+"?") {
				t.Errorf("SessionForm with %.40q became %q", text, got)
			}
		}
	}
}

func TestPlaceholdersInNamesStayAsTheyAre(t *testing.T) {
	p := sample(t, "choose")
	p.User = "{site}[{retry}]"
	if said := text(dom(t, p)); !strings.Contains(said, "signed in as {site}[{retry}].") {
		t.Errorf("choose = %q", said)
	}
}

func TestAddressesOutsideThisSiteAreReplaced(t *testing.T) {
	tests := []struct{ target, want string }{
		{"/reports?year=2026&x=%2f", "/reports?year=2026&x=%2f"},
		{"/a;b=1", "/a;b=1"},
		{"", "/"},
		{"//evil.example", "/"},
		{`/\evil.example`, "/"},
		{"https://evil.example", "/"},
		{"javascript:alert(1)", "/"},
		{"reports", "/"},
		{"/a\nb", "/"},
		{" /a", "/"},
		{"/\t/evil.example", "/"},
	}
	for _, test := range tests {
		p := sample(t, "push")
		p.Self, p.StillURL, p.ReturnTo, p.Events = test.target, test.target, test.target, test.target
		if test.target == "" {
			p.Events = "/"
		}
		root := dom(t, p)
		body := only(t, root, tag("body"))
		refresh := strings.TrimPrefix(attr(only(t, root, with("http-equiv", "refresh")), "content"), "5; url=")
		for _, got := range []string{attr(body, "data-self"), attr(body, "data-events"), refresh} {
			if got != test.want {
				t.Errorf("%q became %q, want %q", test.target, got, test.want)
			}
		}
	}
}

func TestNamesCannotTurnTheSentenceAround(t *testing.T) {
	p := sample(t, "choose")
	for _, name := range []string{"app.example.com", "alice", "Alice’s phone"} {
		only(t, dom(t, p), func(n *html.Node) bool { return n.Data == "bdi" && text(n) == name })
	}
}

func TestLogoIsASmallImageOrNothing(t *testing.T) {
	tests := []struct {
		name string
		logo string
		want bool
	}{
		{"none", "", false},
		{"png", "data:image/png;base64,iVBORw0KGgo=", true},
		{"jpeg", "data:image/jpeg;base64,/9j/4AAQ", true},
		{"svg", "data:image/svg+xml;base64,PHN2Zy8+", true},
		{"html", "data:text/html;base64,PHN2Zy8+", false},
		{"not base64", "data:image/svg+xml,<svg/>", false},
		{"something after it", "data:image/png;base64,iVBO\" onload=\"x", false},
		{"elsewhere", "https://evil.example/logo.png", false},
		{"as large as may be", "data:image/png;base64," + strings.Repeat("A", 24<<10-22), true},
		{"too large", "data:image/png;base64," + strings.Repeat("A", 24<<10-21), false},
	}
	for _, test := range tests {
		p := sample(t, "choose")
		p.Brand.Logo = test.logo
		images := find(dom(t, p), tag("img"))
		if (len(images) == 1) != test.want {
			t.Errorf("%s: %d images, want one: %v", test.name, len(images), test.want)
		}
		if test.want && len(images) == 1 && attr(images[0], "src") != test.logo {
			t.Errorf("%s: src = %q", test.name, attr(images[0], "src"))
		}
	}
}

func TestNoPageShowsAPhoneNumberOrMailAddressOfADevice(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		p.NotOffered = []string{"+1 (555) 123-4567", "alice@example.com"}
		for i := range p.Factors {
			p.Factors[i].Name = "Phone +15551234567 alice@example.com"
		}
		for i := range p.Sessions {
			p.Sessions[i].Site = p.Site
			p.Sessions[i].Factor.Name = "+1 555 123 4567 alice@example.com"
		}
		p.Current.Name = "+1-555-123-4567 alice@example.com"
		said := text(dom(t, p))
		for _, secret := range []string{"555", "123", "alice@", "example.com "} {
			if strings.Contains(strings.ReplaceAll(said, "app.example.com", ""), secret) {
				t.Errorf("%q is shown in %q", secret, said)
			}
		}
	})
}
