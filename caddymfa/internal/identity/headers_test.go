package identity_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

func TestStripDeletesEverySpellingOfReservedNames(t *testing.T) {
	for _, line := range corpus(t, "header-names.txt") {
		want, name := line[0] == "keep", unquoted(line[1])
		h := http.Header{name: {"forged", "twice"}}
		identity.Strip(h, identity.Reserved)
		if _, kept := h[name]; kept != want {
			t.Errorf("Strip kept %q: %v, want %v", name, kept, want)
		}
	}
}

func TestStripTakesReservedInAnySpelling(t *testing.T) {
	for _, reserved := range []string{"x-mfa-", "X-Mfa-", "X_MFA_"} {
		h := http.Header{"X-Mfa-User": {"forged"}, "X-Other": {"kept"}}
		identity.Strip(h, reserved)
		if len(h) != 1 || h.Get("X-Other") != "kept" {
			t.Errorf("Strip(%q) left %v, want only X-Other", reserved, h)
		}
	}
}

func TestStripTakesOneNameInEverySpelling(t *testing.T) {
	for name, want := range map[string]bool{
		"X-App-Assertion": true, "x-app-assertion": true, "X_APP_ASSERTION": true, "X.App~Assertion": true,
		"X-App-Assertion-": false, "X-App-Assertion-2": false, "X-App-Assertio": false, "X-AppAssertion": false, "X-App-": false, "": false,
	} {
		h := http.Header{name: {"forged"}}
		identity.Strip(h, "X-App-Assertion")
		if stripped := len(h) == 0; stripped != want {
			t.Errorf("Strip took %q: %v, want %v", name, stripped, want)
		}
		h = http.Header{"Connection": {name}}
		identity.StripConnection(h, "x-app-assertion")
		if stripped := len(h) == 0; stripped != want {
			t.Errorf("StripConnection took %q: %v, want %v", name, stripped, want)
		}
	}
}

func TestStripTakesNoHeader(t *testing.T) {
	identity.Strip(nil, identity.Reserved)
	identity.StripRouting(nil)
	identity.StripConnection(nil, identity.Reserved)
}

func TestStripRouting(t *testing.T) {
	for _, line := range corpus(t, "routing-names.txt") {
		want, name := line[0] == "keep", unquoted(line[1])
		h := http.Header{name: {"/admin"}}
		identity.StripRouting(h)
		if _, kept := h[name]; kept != want {
			t.Errorf("StripRouting kept %q: %v, want %v", name, kept, want)
		}
	}
}

func TestStripConnection(t *testing.T) {
	for _, line := range corpus(t, "connection.txt") {
		before, after := around(t, line, "->")
		lines, want := unquotedAll(before), unquotedAll(after)
		h := http.Header{"Connection": slices.Clone(lines)}
		identity.StripConnection(h, identity.Reserved)
		if got := h["Connection"]; !slices.Equal(got, want) {
			t.Errorf("StripConnection(%q) left %q, want %q", lines, got, want)
		}
		if _, present := h["Connection"]; present != (want != nil) {
			t.Errorf("StripConnection(%q): header present %v, want %v", lines, present, want != nil)
		}
	}
}

// The proxies behind us delete what Connection names as this does.
func TestNoProtectedHeaderIsDeletedOnTheClientsWish(t *testing.T) {
	for _, line := range corpus(t, "connection.txt") {
		before, _ := around(t, line, "->")
		h := http.Header{
			"Connection": unquotedAll(before), "X-Mfa-User": {"ada"}, "Cookie": {"a=1"}, "Authorization": {"Basic x"},
			"X-Forwarded-For": {"192.0.2.1"}, "Remote-User": {"ada"},
		}
		identity.StripConnection(h, identity.Reserved)
		for _, options := range h["Connection"] {
			for option := range strings.SplitSeq(options, ",") {
				h.Del(strings.TrimSpace(option))
			}
		}
		h.Del("Connection")
		if len(h) != 5 {
			t.Errorf("Connection %q lets a proxy delete all but %v", before, h)
		}
	}
}

func FuzzStrip(f *testing.F) {
	for _, line := range corpus(f, "header-names.txt") {
		f.Add(unquoted(line[1]))
	}
	f.Fuzz(func(t *testing.T, name string) {
		h := http.Header{name: {"forged"}, http.CanonicalHeaderKey(name): {"forged"}, "Accept": {"*/*"}}
		identity.Strip(h, identity.Reserved)
		for left := range h {
			if strings.HasPrefix(variable(left), "HTTP_X_MFA_") {
				t.Errorf("Strip left %q, which an app reads as %s", left, variable(left))
			}
		}
		if !strings.HasPrefix(variable(name), "HTTP_X_MFA_") && h[name] == nil {
			t.Errorf("Strip deleted %q", name)
		}
	})
}

// variable returns the CGI variable that a header becomes.
func variable(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if !strings.Contains("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", strings.ToUpper(string(rune(c)))) || c > '~' {
			c = '_'
		}
		b.WriteByte(c)
	}
	return "HTTP_" + strings.ToUpper(b.String())
}

// ordinary returns the header of a browser's request.
func ordinary() http.Header {
	return http.Header{
		"Accept":                    {"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding":           {"gzip, deflate, br"},
		"Accept-Language":           {"en-GB,en;q=0.5"},
		"Cache-Control":             {"max-age=0"},
		"Connection":                {"keep-alive"},
		"Cookie":                    {"theme=dark; JSESSIONID=0123456789ABCDEF; lang=en"},
		"Referer":                   {"https://app.example.com/"},
		"Sec-Fetch-Dest":            {"document"},
		"Sec-Fetch-Mode":            {"navigate"},
		"Sec-Fetch-Site":            {"same-origin"},
		"Upgrade-Insecure-Requests": {"1"},
		"User-Agent":                {"Mozilla/5.0"},
		"X-Forwarded-For":           {"192.0.2.1"},
		"X-Requested-With":          {"XMLHttpRequest"},
	}
}

func TestOrdinaryRequestsCostNoAllocationAndStayAsTheyAre(t *testing.T) {
	h, own := ordinary(), func(name string) bool { return name == cookieName }
	for name, strip := range map[string]func(){
		"Strip":           func() { identity.Strip(h, identity.Reserved) },
		"StripRouting":    func() { identity.StripRouting(h) },
		"StripConnection": func() { identity.StripConnection(h, identity.Reserved) },
		"StripCookies":    func() { identity.StripCookies(h, own) },
		"Cookie":          func() { identity.Cookie(h, cookieName) },
	} {
		if n := testing.AllocsPerRun(100, strip); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
	if got, want := fmt.Sprint(h), fmt.Sprint(ordinary()); got != want {
		t.Errorf("header became %s, want %s", got, want)
	}
}

func BenchmarkStrip(b *testing.B) {
	h := ordinary()
	b.ReportAllocs()
	for b.Loop() {
		identity.Strip(h, identity.Reserved)
	}
}

func BenchmarkStripRouting(b *testing.B) {
	h := ordinary()
	b.ReportAllocs()
	for b.Loop() {
		identity.StripRouting(h)
	}
}

func BenchmarkStripConnection(b *testing.B) {
	h := ordinary()
	b.ReportAllocs()
	for b.Loop() {
		identity.StripConnection(h, identity.Reserved)
	}
}

func ExampleStrip() {
	h := http.Header{"X_mfa_user": {"mallory"}, "X-Mfa-Factor": {"totp"}, "Accept": {"*/*"}}
	identity.Strip(h, identity.Reserved)
	fmt.Println(h)
	// Output: map[Accept:[*/*]]
}
