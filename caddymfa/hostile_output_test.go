package caddymfa_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// parts lists the elements of a page and the names of their attributes.
func parts(t *testing.T, body string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case html.CommentNode:
			b.WriteString("<!-->\n")
		case html.ElementNode:
			b.WriteString("<" + n.Data)
			for _, a := range n.Attr {
				b.WriteString(" " + a.Key)
				if slices.Contains([]string{"href", "src", "action", "formaction"}, a.Key) && !ours(a.Val) {
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				}
			}
			b.WriteString(">\n")
		}
	}
	return b.String()
}

// ours tells whether an address leads to the site's own pages.
func ours(address string) bool {
	return address == "/" || strings.HasPrefix(address, "/.mfa/") || strings.HasPrefix(address, "#") ||
		address == "data:," || strings.HasPrefix(address, "data:image/")
}

// pagesWith returns the pages on which people meet text of others: a device's
// name, what was typed, the path that they asked for, and OneLogin's error.
func (s *site) pagesWith(user, text string) map[string]string {
	s.t.Helper()
	s.sim.AddUser(simulator.User{Username: user, Devices: []simulator.Device{
		{Factor: simulator.TOTP, Name: text, Default: true}, {Factor: simulator.SMS, Name: text + " too"}}})
	eve := s.person(user)
	pages := map[string]string{}
	location := eve.get("/x?"+url.Values{"q": {text}}.Encode()).wantStatus(s.t, http.StatusSeeOther).Header.Get("Location")
	pages["choose"] = eve.get(location).body
	csrf := between(pages["choose"], `name="csrf" value="`, `"`)
	factor := between(pages["choose"], `name="factor" value="`, `"`)
	started := eve.form("start", map[string]string{"csrf": html.UnescapeString(csrf), "factor": html.UnescapeString(factor)})
	if started.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("start with device %q = %s", text, started.Response.Status)
	}
	pages["code"] = eve.get(location).body
	csrf = between(pages["code"], `name="csrf" value="`, `"`)
	pages["wrong"] = eve.form("verify", map[string]string{"csrf": html.UnescapeString(csrf), "code": text}).body
	pages["forged"] = eve.form("verify", map[string]string{"csrf": text, "code": "1"}).body
	pages["unknown"] = eve.get("/.mfa/" + url.PathEscape(text)).body
	pages["lang"] = eve.get("/.mfa/?" + url.Values{"lang": {text}, "c": {text}}.Encode()).body
	return pages
}

// Markup in any text of others is text.
func TestMarkupOfOthersIsTextOnEveryPage(t *testing.T) {
	s := open(t, "brand {\n name `<b>\"Shop\"</b>`\n help `<script>alert(1)</script>`\n }")
	want := map[string]string{}
	for name, body := range s.pagesWith("eve", "x") {
		want[name] = parts(t, body)
	}
	broken := parts(t, s.person("eve").form("verify", map[string]string{"csrf": "\xff", "code": "1"}).body)
	for i, p := range payloads(t, "page/testdata/xss.txt") {
		user := fmt.Sprintf("%s %d", p.line, i) // OneLogin takes names alike in other letter case
		if strings.TrimSpace(user) != user || strings.ContainsAny(user, "*!%") || strings.ContainsFunc(user, unicode.IsControl) || !utf8.ValidString(user) {
			user = fmt.Sprintf("eve%d", i) // nobody is called so: no header holds it, or OneLogin would search by it
		}
		for name, body := range s.pagesWith(user, p.line) {
			alike := want[name]
			if (name == "wrong" || name == "forged") && !utf8.ValidString(p.line) {
				alike = broken // no form holds it: refused
			}
			if got := parts(t, body); got != alike {
				t.Errorf("%s: %q on page %s changes its parts:\n%s\nwant\n%s", p.family, p.line, name, got, alike)
			}
		}
	}
	s.app.wantCount(t, 0)
}

// Placeholders of Caddy in names, paths and return URLs stay what they
// are, on pages, in headers, to the app and in logs.
func TestPlaceholdersOfPeopleAreNeverFilledIn(t *testing.T) {
	const canary = "canary-7d1f9a"
	t.Setenv("CADDYMFA_CANARY", canary)
	file := t.TempDir() + "/canary"
	write(t, file, canary)
	text := "{env.CADDYMFA_CANARY}{$CADDYMFA_CANARY}{file." + file + "}{http.request.header.Canary}{http.request.cookie.canary}"
	l := openLogged(t, "store memory", "exempt /open/*")
	l.sim.AddUser(simulator.User{ID: 502, Username: text, Devices: []simulator.Device{{ID: 5003, Factor: simulator.TOTP, Name: text}}})
	eve := l.person(text)
	eve.header.Set("Canary", canary)
	eve.header.Set("X-Mfa-User", text)
	var said strings.Builder
	hear := func(a answer) answer {
		fmt.Fprintf(&said, "%s\n%v\n%s\n", a.Response.Status, a.Header, a.body)
		return a
	}
	path := "/" + url.PathEscape(text) + "?q=" + url.QueryEscape(text)
	location := hear(eve.get(path)).wantStatus(t, http.StatusSeeOther).Header.Get("Location")
	hear(eve.get(location))
	hear(eve.get("/.mfa/" + url.PathEscape(text)))
	program := with(eve, http.Header{"Accept": {"application/json"}})
	c := program.get(location).json(t)
	hear(program.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})).wantStatus(t, http.StatusOK)
	hear(eve.get(location))
	hear(program.post("verify", map[string]string{"csrf": c.CSRF, "code": text}))
	done := hear(program.post("verify", map[string]string{"csrf": c.CSRF, "code": l.sim.Code(text, simulator.TOTP)})).wantStatus(t, http.StatusOK).json(t)
	if done.User != text || done.ReturnTo != path {
		t.Errorf("verified = %+v, want user and path as they are", done)
	}
	eve.header.Del("Canary")
	eve.header.Del("X-Mfa-User")
	hear(eve.get(path)).wantStatus(t, http.StatusOK)
	hear(eve.get("/.mfa/"))
	hear(eve.get("/.mfa/sessions"))
	l.app.wantCount(t, 1)
	seen := l.app.requests()[0]
	if got, err := url.QueryUnescape(seen.Header.Get("X-Mfa-User")); err != nil || got != text && seen.Header.Get("X-Mfa-User") != text {
		t.Errorf("the app was told %q", seen.Header.Get("X-Mfa-User"))
	}
	fmt.Fprintf(&said, "%v %s", seen.Header, seen.RequestURI)
	if strings.Contains(said.String(), canary) {
		t.Errorf("a placeholder was filled in:\n%s", said.String())
	}
	if !strings.Contains(said.String(), "{env.CADDYMFA_CANARY}") {
		t.Error("no answer holds the text at all")
	}
	logs, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(logs)) {
		// Caddy's access log has the header that the client sent under its name.
		if strings.Contains(strings.ReplaceAll(line, `"Canary":["`+canary+`"]`, ""), canary) {
			t.Errorf("a placeholder was filled in: %s", line)
		}
	}
}
