package identity_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

// forged returns a header that already holds our names.
func forged() http.Header {
	return http.Header{
		identity.HeaderUser: {"mallory", "eve"}, identity.HeaderFactor: {"totp"}, identity.HeaderAuthTime: {"never"},
	}
}

func TestAssertRefusesUsersThatNoHeaderShouldCarry(t *testing.T) {
	tests := map[string]string{
		"empty":             "",
		"line break":        "ada\r\nX-Admin: 1",
		"CR":                "ada\r",
		"LF":                "\nada",
		"NUL":               "a\x00da",
		"tab":               "a\tda",
		"escape":            "a\x1bda",
		"DEL":               "ada\x7f",
		"C1 control":        "ada\u0085",
		"not UTF-8":         "ada\xff",
		"lone surrogate":    "ada\xed\xa0\x80",
		"overlong slash":    "ada\xc0\xaf",
		"cut-off character": "ada\xc3",
		"too long":          strings.Repeat("u", identity.MaxValue+1),
		"too long in bytes": strings.Repeat("é", identity.MaxValue/2+1),
	}
	for name, user := range tests {
		t.Run(name, func(t *testing.T) {
			h := forged()
			err := identity.Assert(h, identity.Assertion{User: user, Factor: "totp", AuthTime: time.Now()})
			if err == nil || len(h) != 0 {
				t.Errorf("Assert(%q) = %v and left %v, want an error and no header", user, err, h)
			}
			if err != nil && strings.Contains(err.Error(), "ada") {
				t.Errorf("error %q tells the user", err)
			}
		})
	}
}

func TestAssertRefusesFactorsThatNoHeaderShouldCarry(t *testing.T) {
	for _, factor := range []string{"sms\r\nX-Admin: 1", "é", " ", strings.Repeat("f", identity.MaxValue+1)} {
		h := forged()
		if err := identity.Assert(h, identity.Assertion{User: "ada", Factor: factor}); err == nil || len(h) != 0 {
			t.Errorf("Assert(factor %q) = %v and left %v, want an error and no header", factor, err, h)
		}
	}
}

func TestAssertReplacesWhatWasThere(t *testing.T) {
	h := forged()
	authTime := time.Date(2026, 3, 1, 13, 0, 0, 5e8, time.FixedZone("", 3600))
	if err := identity.Assert(h, identity.Assertion{User: "ada", Factor: "totp", AuthTime: authTime}); err != nil {
		t.Fatalf("Assert: %v", err)
	}
	want := "map[X-Mfa-Auth-Time:[2026-03-01T12:00:00Z] X-Mfa-Factor:[totp] X-Mfa-User:[ada]]"
	if got := fmt.Sprint(h); got != want {
		t.Errorf("header = %s, want %s", got, want)
	}
	for _, values := range h { // adding to one must not reach into the next
		_ = append(values, "more")
	}
	if got := fmt.Sprint(h); got != want {
		t.Errorf("header became %s, want %s", got, want)
	}
}

func TestUnknownValuesLeaveNoHeader(t *testing.T) {
	h := forged()
	if err := identity.Assert(h, identity.Assertion{User: "ada"}); err != nil {
		t.Fatalf("Assert: %v", err)
	}
	if got, want := fmt.Sprint(h), "map[X-Mfa-User:[ada]]"; got != want {
		t.Errorf("header = %s, want %s", got, want)
	}
}

func TestUserIsEncodedReversibly(t *testing.T) {
	tests := []struct{ user, want string }{
		{"ada", "ada"},
		{"ada@example.com", "ada@example.com"},
		{`EXAMPLE\ada`, `EXAMPLE\ada`},
		{"CN=Ada, O=Example", "CN=Ada, O=Example"},
		{"zoë@example.com", "zo%C3%AB@example.com"},
		{"100%", "100%25"},
		{"zo%C3%AB", "zo%25C3%25AB"},
		{" ada ", "%20ada%20"},
		{"a b", "a b"},
		{" ", "%20"},
		{"ada\u202eeve", "ada%E2%80%AEeve"},
		{"ada\u2028", "ada%E2%80%A8"},
		{"ada\ufeff", "ada%EF%BB%BF"},
		{"李", "%E6%9D%8E"},
		{strings.Repeat("é", identity.MaxValue/2), strings.Repeat("%C3%A9", identity.MaxValue/2)},
	}
	for _, tt := range tests {
		h := http.Header{}
		err := identity.Assert(h, identity.Assertion{User: tt.user})
		if got := h.Get(identity.HeaderUser); got != tt.want || err != nil {
			t.Errorf("Assert(%q) sets %q, %v, want %q", tt.user, got, err, tt.want)
		}
	}
}

func FuzzAssert(f *testing.F) {
	for _, seed := range []string{"ada", "zoë", "100%", " ", "a\r\nb", "\xff", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, user string) {
		h := http.Header{}
		if err := identity.Assert(h, identity.Assertion{User: user}); err != nil {
			if len(h) != 0 {
				t.Errorf("Assert(%q) = %v and left %v", user, err, h)
			}
			return
		}
		sent := h.Get(identity.HeaderUser)
		if strings.Trim(sent, " ") != sent || strings.ContainsFunc(sent, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("Assert(%q) sends %q", user, sent)
		}
		if back, err := url.PathUnescape(sent); back != user || err != nil {
			t.Errorf("Assert(%q) sends %q, which decodes to %q, %v", user, sent, back, err)
		}
	})
}

func TestValid(t *testing.T) {
	tests := []struct {
		value string
		want  bool
	}{
		{"", false},
		{" ", false},
		{" ada", false},
		{"ada ", false},
		{"ada\n", false},
		{"a\x00", false},
		{"a\x7f", false},
		{"zoë", false},
		{"\xff", false},
		{strings.Repeat("v", identity.MaxValue+1), false},
		{strings.Repeat("v", identity.MaxValue), true},
		{"ada", true},
		{"Ada Lovelace", true},
		{"100%", true},
		{"~!", true},
	}
	for _, tt := range tests {
		if got := identity.Valid(tt.value); got != tt.want {
			t.Errorf("Valid(%q) = %v, want %v", tt.value, got, tt.want)
		}
	}
}

func BenchmarkAssert(b *testing.B) {
	h, a := http.Header{}, identity.Assertion{User: "ada@example.com", Factor: "totp", AuthTime: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if err := identity.Assert(h, a); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleAssert() {
	h := http.Header{}
	err := identity.Assert(h, identity.Assertion{
		User: "zoë@example.com", Factor: "totp", AuthTime: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	})
	fmt.Println(h.Get("X-Mfa-User"), h.Get("X-Mfa-Factor"), h.Get("X-Mfa-Auth-Time"), err)
	// Output: zo%C3%AB@example.com totp 2026-03-01T12:00:00Z <nil>
}
