package e2e_test

import (
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// hostileTexts are the payloads of the page's own tests.
func hostileTexts(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../caddymfa/internal/page/testdata/xss.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		if plain, err := strconv.Unquote(line); err == nil && line[0] == '"' {
			line = plain
		}
		all = append(all, line)
	}
	return all
}

// structure lists the elements of the document with their attributes' names.
const structure = `[...document.querySelectorAll("*")].map(e => e.tagName + " " + e.getAttributeNames().sort().join(" ")).join("\n")`

// bobWith gives bob ten devices with names of others.
func (s *site) bobWith(names []string) {
	bob := simulator.User{ID: 102, Username: "bob", Phone: "+12025550102", Status: 1, State: 1}
	for i := range 10 {
		name := names[i%len(names)]
		bob.Devices = append(bob.Devices, simulator.Device{ID: int64(7000 + i), Factor: simulator.TOTP, Name: name, Default: i == 0})
	}
	s.sim.AddUser(bob)
}

// visitWith walks past the pages that show what others wrote, and returns what
// they are made of.
func visitWith(s *site, names []string, text string) string {
	s.bobWith(names)
	b := openTab(s.t, s.demo, "bob")
	b.open("/x?" + url.Values{"q": {text}}.Encode() + "#" + url.PathEscape(text))
	b.see(choosePage)
	made := eval[string](b, structure)
	b.follow(choosePage)
	b.see(codeField)
	made += "\n" + eval[string](b, structure)
	eval[bool](b, `document.querySelector("`+codeField+`").value = `+strconv.QuoteToASCII(strings.ToValidUTF8(strings.Map(printable, text), ""))+`, true`)
	b.follow(verifyButton)
	b.see(problemPart)
	made += "\n" + eval[string](b, structure)
	if left := b.seen.abroad(s.gateway); len(left) > 0 {
		s.t.Errorf("%q: requests left the site: %q", text, left)
	}
	if said := b.seen.problems(); len(said) > 0 {
		s.t.Errorf("%q: the browser complains: %q", text, said)
	}
	return made
}

// printable drops what a script's string cannot hold as it stands.
func printable(r rune) rune {
	if r < ' ' || r == '\u2028' || r == '\u2029' || r > 0xffff {
		return -1
	}
	return r
}

// TestMarkupOfOthersIsTextInABrowser shows people names of devices, an address
// and a code that are markup. A dialog would stop the tab, and the test.
func TestMarkupOfOthersIsTextInABrowser(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{site: "brand {\n name `<img src=x onerror=alert(1)>`\n help `</p><script>alert(1)</script>`\n }"})
	want := visitWith(s, []string{"x"}, "x")
	all := hostileTexts(t)
	for i := 0; i < len(all); i += 10 {
		if got := visitWith(s, all[i:min(i+10, len(all))], all[i]); got != want {
			t.Errorf("devices from %q: the pages are made of\n%s\nwant\n%s", all[i], got, want)
		}
	}
	t.Logf("%d payloads in %d visits", len(all), (len(all)+9)/10)
}
