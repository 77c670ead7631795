package identity_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

const cookieName = "__Host-mfa"

func own(name string) bool { return name == cookieName }

func TestCookie(t *testing.T) {
	for _, line := range corpus(t, "cookies.txt") {
		before, after := around(t, line, "->")
		lines := unquotedAll(before)
		value, found, conflict := identity.Cookie(http.Header{"Cookie": lines}, cookieName)
		got := `"` + value
		switch {
		case conflict && !found && value == "":
			got = "conflict"
		case !conflict && !found && value == "":
			got = "none"
		}
		if got != after[0] || conflict && found {
			t.Errorf("Cookie(%q) = %q, %v, %v, want %q", lines, value, found, conflict, after[0])
		}
	}
}

func TestStripCookies(t *testing.T) {
	for _, line := range corpus(t, "cookies.txt") {
		before, after := around(t, line, "->")
		_, after = around(t, after, "/")
		lines, want := unquotedAll(before), unquotedAll(after)
		h := http.Header{"Cookie": slices.Clone(lines)}
		identity.StripCookies(h, own)
		if got, present := h["Cookie"]; !slices.Equal(got, want) || present != (want != nil) {
			t.Errorf("StripCookies(%q) left %q, want %q", lines, got, want)
		}
	}
}

func TestRequestWithoutCookies(t *testing.T) {
	for _, h := range []http.Header{nil, {}, {"Cookie": nil}, {"Cookie": {}}} {
		if value, found, conflict := identity.Cookie(h, cookieName); value != "" || found || conflict {
			t.Errorf("Cookie(%v) = %q, %v, %v, want none", h, value, found, conflict)
		}
		identity.StripCookies(h, own)
	}
}

func TestStripCookiesTakesEveryOwnName(t *testing.T) {
	h := http.Header{"Cookie": {"__Host-mfa=X; a=1; __Host-mfa-challenge=Y", "__Host-mfa-lang=de", "b=2"}}
	identity.StripCookies(h, func(name string) bool { return strings.HasPrefix(name, cookieName) })
	if want := []string{"a=1", "b=2"}; !slices.Equal(h["Cookie"], want) {
		t.Errorf("StripCookies left %q, want %q", h["Cookie"], want)
	}
}

// The lines may be shared with a copy of the request that is logged later.
func TestStripCookiesLeavesTheOldLinesAlone(t *testing.T) {
	lines := []string{"__Host-mfa=X", "a=1"}
	identity.StripCookies(http.Header{"Cookie": lines}, own)
	if lines[0] != "__Host-mfa=X" || lines[1] != "a=1" {
		t.Errorf("lines became %q", lines)
	}
}

func FuzzCookie(f *testing.F) {
	for _, line := range corpus(f, "cookies.txt") {
		before, _ := around(f, line, "->")
		f.Add(strings.Join(unquotedAll(before), ";"), "")
		f.Add(unquoted(before[0]), unquoted(before[len(before)-1]))
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		h := http.Header{"Cookie": {first, second}}
		var want []string
		for pair := range strings.SplitSeq(first+";"+second, ";") {
			if value, ok := strings.CutPrefix(strings.TrimLeft(pair, " \t"), cookieName+"="); ok {
				want = append(want, strings.TrimRight(value, " \t"))
			}
		}
		value, found, conflict := identity.Cookie(h, cookieName)
		if found != (len(want) == 1) || conflict != (len(want) > 1) || found && value != want[0] || !found && value != "" {
			t.Errorf("Cookie(%q) = %q, %v, %v, want one of %q", h, value, found, conflict, want)
		}
	})
}

func FuzzStripCookies(f *testing.F) {
	for _, line := range corpus(f, "cookies.txt") {
		before, _ := around(f, line, "->")
		f.Add(unquoted(before[0]), unquoted(before[len(before)-1]))
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		h := http.Header{"Cookie": slices.Clone(lines)}
		identity.StripCookies(h, own)
		if got, want := others(h["Cookie"]), others(lines); !slices.Equal(got, want) {
			t.Errorf("StripCookies(%q) left %q, want %q", lines, got, want)
		}
		if _, found, conflict := identity.Cookie(h, cookieName); found || conflict {
			t.Errorf("StripCookies(%q) left ours in %q", lines, h["Cookie"])
		}
		r := http.Request{Header: h}
		if left := r.CookiesNamed(cookieName); len(left) != 0 {
			t.Errorf("StripCookies(%q) left %v for net/http", lines, left)
		}
	})
}

// others returns all cookies that are not ours, by another way than the code.
func others(lines []string) []string {
	var all []string
	for pair := range strings.SplitSeq(strings.Join(lines, ";"), ";") {
		name := strings.Trim(strings.SplitN(pair, "=", 2)[0], " \t\r\n\v\f")
		if pair = strings.TrimLeft(pair, " \t"); name != cookieName && strings.Trim(pair, " \t\r\n\v\f") != "" {
			all = append(all, pair)
		}
	}
	return all
}

func BenchmarkCookie(b *testing.B) {
	h := http.Header{"Cookie": {"theme=dark; JSESSIONID=0123456789ABCDEF; __Host-mfa=X; lang=en"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, found, _ := identity.Cookie(h, cookieName); !found {
			b.Fatal("not found")
		}
	}
}

func BenchmarkStripCookies(b *testing.B) {
	const line = "theme=dark; JSESSIONID=0123456789ABCDEF; __Host-mfa=X; lang=en"
	h, lines := http.Header{}, []string{line}
	b.ReportAllocs()
	for b.Loop() {
		h["Cookie"] = lines
		identity.StripCookies(h, own)
	}
}

func ExampleStripCookies() {
	h := http.Header{"Cookie": {"theme=dark; __Host-mfa=secret; lang=en"}}
	identity.StripCookies(h, func(name string) bool { return name == "__Host-mfa" })
	fmt.Println(h.Get("Cookie"))
	// Output: theme=dark; lang=en
}
