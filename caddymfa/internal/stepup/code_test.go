package stepup

import (
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	yubiKey := strings.Repeat("cbdefghijkl", 4)
	for _, tt := range []struct {
		typed, want string
		ok          bool
	}{
		{"", "", false},
		{"123", "", false},
		{"1234567890123", "", false},
		{"123 456 A", "", false},
		{"B41-832", "", false},
		{"-12a456", "", false},
		{"+12345", "", false},
		{"1.5e10", "", false},
		{"12345\x00", "", false},
		{"١٢٣٤٥٦", "", false}, // Arabic-Indic digits are no ASCII
		{"12\u00a03456", "", false},
		{strings.Repeat("1", 5000), "", false},
		{yubiKey + "c", "", false},
		{strings.ToUpper(yubiKey), "", false},
		{"001234", "001234", true},
		{" 123 456\r\n", "123456", true},
		{"123-456", "123456", true},
		{"１２３　４５６", "123456", true},
		{"１２３－４５６", "123456", true},
		{"B41832", "B41832", true},
		{" b41832 ", "b41832", true},
		{"Ｂ４１８３２", "B41832", true},
		{"25992782", "25992782", true},
		{yubiKey, yubiKey, true},
	} {
		got, ok := normalise(tt.typed)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("normalise(%q) = %q, %v, want %q, %v", tt.typed, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{"123456", "１２３ 456", "B4-1832", "\xff\xfe", "１\u3000２"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := normalise(typed)
		if !ok {
			return
		}
		if again, ok := normalise(code); !ok || again != code {
			t.Errorf("normalise(%q) = %q, which normalises to %q, %v", typed, code, again, ok)
		}
		if len(code) > 44 || strings.ContainsFunc(code, func(r rune) bool { return r > '~' || r <= ' ' }) {
			t.Errorf("normalise(%q) = %q, want a short word of ASCII", typed, code)
		}
	})
}
