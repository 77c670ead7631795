package page_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

func TestCleanNames(t *testing.T) {
	tests := []struct{ name, want string }{
		{"+15551234567", "••••67"},
		{"Work phone +1 (555) 123-4567", "Work phone ••••67"},
		{"555.123.4567 x", "••••67 x"},
		{"٠١٢٣٤٥٦٧", "••••٦٧"},
		{"１２３４５６７８", "••••７８"},
		{"alice@example.com", "•••@•••.com"},
		{"Mail (bob@x.io)", "Mail •••@•••o)"},
		{"a@b@c", "•••@•••"},
		{"5551234567@vtext.example", "•••@•••mple"},
		{"a\u202egnp.exe", "agnp.exe"},
		{"a\u200b\u2060\ufeff\u00adb\u2066c\u2069", "abc"},
		{"55\u200b51234567", "••••67"},
		{"a\u3164\ufe0f\u115fb", "ab"},
		{" \t one\n two\u00a0 ", "one two"},
		{"\x00\x1b[31mred\x7f", "[31mred"},
		{"bad\xff\xfe utf", "bad utf"},
		{"Alice’s iPhone 15", "Alice’s iPhone 15"},
		{"Pixel 8 Pro", "Pixel 8 Pro"},
		{"电话 Téléphone هاتف", "电话 Téléphone هاتف"},
		{strings.Repeat("é", 40), strings.Repeat("é", 40)},
		{strings.Repeat("é", 41), strings.Repeat("é", 39) + "…"},
		{"", ""},
		{"\u200b\u202e", ""},
	}
	for _, test := range tests {
		if got := page.Clean(test.name); got != test.want {
			t.Errorf("Clean(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestDeviceWithoutANameIsStillNamed(t *testing.T) {
	p := sample(t, "choose")
	p.Factors = []page.Factor{{ID: "a", Kind: "voice", Name: "\u200b"}}
	if said := text(only(t, dom(t, p), with("class", "main"))); said != "Call your phone" {
		t.Errorf("button = %q, want it to call your phone", said)
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "+1 555 123 4567", "a@b.c", "\u202e", "é\xff", strings.Repeat("1", 60), "a@•b", "12345•678"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := page.Clean(name)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 40 {
			t.Errorf("Clean(%q) = %q: not valid, or too long", name, got)
		}
		if again := page.Clean(got); again != got {
			t.Errorf("Clean(%q) = %q, and again %q", name, got, again)
		}
		digits := 0
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("Clean(%q) = %q: %U is left", name, got, r)
			}
			digits++
			if !unicode.Is(unicode.Nd, r) {
				digits = 0
			}
			if digits > 6 {
				t.Errorf("Clean(%q) = %q: a number is left", name, got)
			}
		}
	})
}

func ExampleClean() {
	fmt.Println(page.Clean("Work phone +1 (555) 123-4567"))
	fmt.Println(page.Clean("alice@example.com"))
	// Output:
	// Work phone ••••67
	// •••@•••.com
}
