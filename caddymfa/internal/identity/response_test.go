package identity_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

// ours is own with the other cookies that a gateway keeps.
func ours(name string) bool { return own(name) || strings.HasPrefix(name, cookieName+"-") }

// jars are browsers: what each sends back after a Set-Cookie line. The last two
// are old ones.
func jars() map[string]func(line string) []string {
	return map[string]func(string) []string{
		"as specified":        func(line string) []string { return []string{sentBack(line)} },
		"cuts at NUL and CR":  func(line string) []string { return []string{sentBack(strings.SplitN(line, "\x00", 2)[0])} },
		"splits at line ends": func(line string) []string { return each(strings.FieldsFunc(line, lineEnd)) },
		"splits at commas":    func(line string) []string { return each(strings.Split(line, ",")) },
	}
}

func lineEnd(r rune) bool { return r == '\r' || r == '\n' || r == 0 }

func each(lines []string) []string {
	var sent []string
	for _, line := range lines {
		sent = append(sent, sentBack(line))
	}
	return sent
}

// sentBack is RFC 6265bis, sections 5.6 and 5.8.3: how a line is stored, and
// what of it a Cookie line then holds.
func sentBack(line string) string {
	line = strings.NewReplacer("\r", " ", "\n", " ").Replace(line) // as net/http writes it
	pair, _, _ := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", pair
	}
	if name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t"); name != "" {
		return name + "=" + value
	}
	return value
}

// planted returns the browser that would send a cookie of ours after lines.
func planted(lines []string) string {
	for name, jar := range jars() {
		for _, line := range lines {
			for _, sent := range jar(line) {
				if key, _, ok := strings.Cut(sent, "="); ok && ours(strings.Trim(key, " \t")) {
					return name
				}
			}
		}
	}
	return ""
}

func withName(payload string) string { return strings.ReplaceAll(payload, "{name}", cookieName) }

func TestAppCannotSetOrClearOurCookies(t *testing.T) {
	refused := 0
	for _, payload := range payloads(t, "app-cookies.txt") {
		h, ok := parse(withName(payload))
		if !ok {
			refused++ // and so does the proxy in front of the app
			continue
		}
		identity.StripSetCookie(h, ours)
		if browser := planted(h["Set-Cookie"]); browser != "" || strings.Contains(strings.Join(h["Set-Cookie"], ""), cookieName) {
			t.Errorf("%q: StripSetCookie left %q, a cookie of ours to a browser that %s", payload, h["Set-Cookie"], browser)
		}
		cleared := strings.ToLower(strings.Join(h["Clear-Site-Data"], ","))
		if strings.Contains(cleared, "cookies") || strings.Contains(cleared, "*") {
			t.Errorf("%q: StripSetCookie left %q", payload, h["Clear-Site-Data"])
		}
	}
	if refused > 5 {
		t.Errorf("%d payloads are no headers at all: they show nothing", refused)
	}
}

func TestAppKeepsItsOwnCookies(t *testing.T) {
	for _, payload := range payloads(t, "app-cookies-kept.txt") {
		h, ok := parse(withName(payload))
		if !ok {
			t.Fatalf("%q is no header", payload)
		}
		want := h.Clone()
		if identity.StripSetCookie(h, ours); !maps.EqualFunc(h, want, slices.Equal) {
			t.Errorf("%q: StripSetCookie left %q", payload, h)
		}
		if browser := planted(h["Set-Cookie"]); browser != "" {
			t.Errorf("%q is a cookie of ours to a browser that %s", payload, browser)
		}
	}
}

func TestOnlyOurLinesGo(t *testing.T) {
	for _, tt := range []struct{ name, before, after string }{
		{"Set-Cookie", "a=1|__Host-mfa=x; Path=/|b=2", "a=1|b=2"},
		{"Set-Cookie", "__Host-mfa-lang=de|a=1; Expires=Thu, 01 Jan 2037 00:00:00 GMT", "a=1; Expires=Thu, 01 Jan 2037 00:00:00 GMT"},
		{"Set-Cookie", "__Host-mfa=x|__Host-mfa=", ""},
		{"set-cookie", "__Host-mfa=x|a=1", "a=1"},
		{"Set-Cookie", "a=1,__Host-mfa-\x00=x|a=1\n__Host-mfa-,=x|a\n,__Host-mfa=x|a=1", "a=1"},
		{"Clear-Site-Data", `"cache", "cookies", "storage"`, `"cache", "storage"`},
		{"Clear-Site-Data", `"cookies"|"cache"`, `"cache"`},
		{"Clear-Site-Data", `"cookies"`, ""},
		{"Clear-Site-Data", `"*"`, `"cache", "clientHints", "executionContexts", "storage"`},
	} {
		h := http.Header{tt.name: strings.Split(tt.before, "|"), "X-Other": {"kept"}}
		identity.StripSetCookie(h, ours)
		got, present := h[tt.name]
		if strings.Join(got, "|") != tt.after || present != (tt.after != "") || h.Get("X-Other") != "kept" {
			t.Errorf("StripSetCookie(%s: %s) left %q, want %s", tt.name, tt.before, h, tt.after)
		}
	}
}

func TestStripSetCookieLeavesTheOldLinesAlone(t *testing.T) {
	lines := []string{"__Host-mfa=x", "a=1"}
	identity.StripSetCookie(http.Header{"Set-Cookie": lines}, ours)
	if lines[0] != "__Host-mfa=x" || lines[1] != "a=1" {
		t.Errorf("lines became %q", lines)
	}
}

func TestOrdinaryResponsesCostNoAllocation(t *testing.T) {
	h := http.Header{"Content-Type": {"text/html"}, "Set-Cookie": {"a=1; Path=/", "b=2; Expires=Thu, 01 Jan 2037 00:00:00 GMT"}, "Clear-Site-Data": {`"cache"`}}
	if n := testing.AllocsPerRun(100, func() { identity.StripSetCookie(h, ours) }); n != 0 {
		t.Errorf("StripSetCookie allocates %v times, want 0", n)
	}
	identity.StripSetCookie(nil, ours)
}

func FuzzStripSetCookie(f *testing.F) {
	for _, file := range []string{"app-cookies.txt", "app-cookies-kept.txt"} {
		for _, payload := range payloads(f, file) {
			_, line, _ := strings.Cut(withName(payload), ":")
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Set-Cookie": {line}, "Clear-Site-Data": {line}}
		identity.StripSetCookie(h, ours)
		if browser := planted(h["Set-Cookie"]); browser != "" {
			t.Errorf("%q is a cookie of ours to a browser that %s", line, browser)
		}
		if h["Set-Cookie"] == nil && !strings.Contains(line, cookieName) {
			t.Errorf("StripSetCookie deleted %q", line)
		}
		for _, kind := range strings.Split(h.Get("Clear-Site-Data"), ",") {
			if kind = strings.Trim(kind, " \t"); kind == `"cookies"` || kind == `"*"` {
				t.Errorf("StripSetCookie(%q) left %q", line, h["Clear-Site-Data"])
			}
		}
	})
}

func BenchmarkStripSetCookie(b *testing.B) {
	h := http.Header{"Content-Type": {"text/html"}, "Set-Cookie": {"a=1; Path=/; HttpOnly", "b=2; Expires=Thu, 01 Jan 2037 00:00:00 GMT"}}
	b.ReportAllocs()
	for b.Loop() {
		identity.StripSetCookie(h, ours)
	}
}

func ExampleStripSetCookie() {
	h := http.Header{"Set-Cookie": {"theme=dark", "__Host-mfa=stolen; Path=/; Secure"}, "Clear-Site-Data": {`"cache", "cookies"`}}
	identity.StripSetCookie(h, func(name string) bool { return name == "__Host-mfa" })
	fmt.Println(h["Set-Cookie"], h["Clear-Site-Data"])
	// Output: [theme=dark] ["cache"]
}
