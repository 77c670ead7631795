package seal_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/seal"
)

const purpose = "challenge"

// genuine is "/return", sealed for purpose by sealer(1) some time ago.
const genuine = "tVFCs3gm1uJXN7fASJqFWdx5W1cclKX241sA-JBc71Ki_o4"

// sealer returns the sealer whose key repeats b.
func sealer(b byte) *seal.Sealer {
	return seal.New([32]byte(bytes.Repeat([]byte{b}, 32)))
}

// raw decodes a sealed text.
func raw(t *testing.T, sealed string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		t.Fatalf("sealed text %q: %v", sealed, err)
	}
	return b
}

func wantShut(t *testing.T, s *seal.Sealer, purpose, sealed string) {
	t.Helper()
	if plaintext, ok := s.Open(purpose, sealed); ok || plaintext != nil {
		t.Errorf("Open(%q, %.80q) = %q, %v, want nothing", purpose, sealed, plaintext, ok)
	}
}

func TestEveryFlippedBitShuts(t *testing.T) {
	s := sealer(1)
	ciphertext := raw(t, s.Seal(purpose, []byte("/return?to=here")))
	for i := range len(ciphertext) * 8 {
		flipped := bytes.Clone(ciphertext)
		flipped[i/8] ^= 1 << (i % 8)
		wantShut(t, s, purpose, base64.RawURLEncoding.EncodeToString(flipped))
	}
}

func TestEveryTruncationShuts(t *testing.T) {
	s := sealer(1)
	sealed := s.Seal(purpose, []byte("/return"))
	ciphertext := raw(t, sealed)
	for n := range sealed {
		wantShut(t, s, purpose, sealed[:n])
	}
	for n := range ciphertext {
		wantShut(t, s, purpose, base64.RawURLEncoding.EncodeToString(ciphertext[:n]))
		wantShut(t, s, purpose, base64.RawURLEncoding.EncodeToString(ciphertext[n+1:]))
	}
}

func TestReplacedKeyStillOpensUntilItIsDropped(t *testing.T) {
	first, second, third := [32]byte{1}, [32]byte{2}, [32]byte{3}
	sealed := seal.New(first).Seal("url", []byte("/admin"))
	if _, ok := seal.New(third, second).Open("url", sealed); ok {
		t.Error("what a dropped key has sealed was opened")
	}
	if got, ok := seal.New(second, first).Open("url", sealed); !ok || string(got) != "/admin" {
		t.Errorf("Open behind a newer key = %q, %v, want what was sealed", got, ok)
	}
	if _, ok := seal.New(first).Open("url", seal.New(second, first).Seal("url", nil)); ok {
		t.Error("the newer key did not seal")
	}
}

func TestOtherKeyAndOtherPurposeShut(t *testing.T) {
	sealed := sealer(1).Seal(purpose, []byte("/return"))
	wantShut(t, sealer(2), purpose, sealed)
	for _, other := range []string{"", "Challenge", "challenge ", "challeng", "session"} {
		wantShut(t, sealer(1), other, sealed)
	}
}

func TestOtherSpellingsShut(t *testing.T) {
	s := sealer(1)
	sealed := s.Seal(purpose, []byte("x")) // 29 bytes: the last character has two unused bits
	ciphertext := raw(t, sealed)
	tests := []struct{ name, sealed string }{
		{"empty", ""},
		{"padded", sealed + "="},
		{"base64 with padding", base64.URLEncoding.EncodeToString(ciphertext)},
		{"standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(sealed) + "+"},
		{"line end", sealed + "\n"},
		{"line break inside", sealed[:10] + "\r\n" + sealed[10:]},
		{"space", " " + sealed},
		{"NUL", sealed + "\x00"},
		{"percent escape", sealed + "%3D"},
		{"extended", sealed + "AAAA"},
		{"twice", sealed + sealed},
		{"non-ASCII", sealed + "é"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantShut(t, s, purpose, tt.sealed) })
	}
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if end := len(sealed) - 1; sealed[end] != byte(c) { // among them spellings of the same bytes
			wantShut(t, s, purpose, sealed[:end]+string(c))
		}
	}
	if _, ok := s.Open(purpose, sealed); !ok {
		t.Error("Open of the right spelling = false, want true")
	}
}

func TestSizeIsBounded(t *testing.T) {
	s := sealer(1)
	longest := bytes.Repeat([]byte("x"), seal.MaxPlaintext)
	sealed := s.Seal(purpose, longest)
	if got, ok := s.Open(purpose, sealed); !ok || !bytes.Equal(got, longest) {
		t.Errorf("the longest plaintext does not come back: %v", ok)
	}
	if len(sealed) > seal.MaxSealed {
		t.Errorf("sealed text has %d bytes, want at most %d", len(sealed), seal.MaxSealed)
	}
	if got := s.Seal(purpose, append(longest, 'x')); got != "" {
		t.Errorf("Seal of too much has %d bytes, want none", len(got))
	}
	wantShut(t, s, purpose, strings.Repeat("A", seal.MaxSealed+4))
}

func TestSealedComesBackAndShowsNothing(t *testing.T) {
	s := sealer(1)
	for _, want := range []string{"", "x", "/return?to=here", "\x00\xff\r\n"} {
		sealed := s.Seal(purpose, []byte(want))
		if got, ok := s.Open(purpose, sealed); !ok || string(got) != want {
			t.Errorf("Open(Seal(%q)) = %q, %v", want, got, ok)
		}
		if strings.Trim(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("Seal(%q) = %q, want base64url", want, sealed)
		}
		if len(want) > 1 && bytes.Contains(raw(t, sealed), []byte(want)) {
			t.Errorf("Seal(%q) shows the plaintext", want)
		}
		if again := s.Seal(purpose, []byte(want)); again == sealed {
			t.Errorf("Seal(%q) twice gives the same text", want)
		}
	}
}

// Nodes of different versions share a key: what one sealed the other opens.
func TestEarlierSealStillOpens(t *testing.T) {
	if got, ok := sealer(1).Open(purpose, genuine); string(got) != "/return" || !ok {
		t.Errorf("Open = %q, %v, want /return", got, ok)
	}
}

func TestPrintingDoesNotShowTheKey(t *testing.T) {
	s := sealer('K')
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, value := range []any{s, *s, struct{ S *seal.Sealer }{s}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "KKK") ||
				strings.Contains(got, "4b4b") || strings.Contains(got, "75 75") {
				t.Errorf("%s of %T prints the key: %s", verb, value, got)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := sealer(1)
	for _, seed := range []string{"", genuine, genuine + "=", genuine[:20] + "\n" + genuine[20:], "AAAA"} {
		f.Add(purpose, seed)
	}
	f.Add("session", genuine)
	f.Fuzz(func(t *testing.T, forPurpose, sealed string) {
		plaintext, ok := s.Open(forPurpose, sealed)
		if want := forPurpose == purpose && sealed == genuine; ok != want {
			t.Errorf("Open(%q, %q) = %q, %v, want %v", forPurpose, sealed, plaintext, ok, want)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	s := sealer(1)
	sealed := s.Seal(purpose, []byte("/return?to=here"))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Open(purpose, sealed); !ok {
			b.Fatal("not opened")
		}
	}
}

func ExampleSealer() {
	s := seal.New([32]byte{ /* 256 random bits */ })
	sealed := s.Seal("return url", []byte("/orders/17"))

	plaintext, ok := s.Open("return url", sealed)
	fmt.Println(string(plaintext), ok)

	_, ok = s.Open("challenge", sealed)
	fmt.Println(ok)
	// Output:
	// /orders/17 true
	// false
}
