package session_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

func TestKeysOfDifferentPartsDiffer(t *testing.T) {
	long := strings.Repeat("u", 100_000)
	tests := [][]string{
		{}, {""}, {"", ""}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"a", "b", "c"},
		{"a\x00b"}, {"a", "\x00b"}, {long}, {long + "u"}, {long, "u"}, {long[1:], "u"},
		{"\x00\x00\x00\x00\x00\x00\x00\x01a"}, {"\x00\x00\x00\x00\x00\x00\x00\x00"},
	}
	seen := make(map[session.Key][]string)
	for _, parts := range tests {
		for kind := session.KindSession; kind.Valid(); kind++ {
			k := session.NewKey(kind, parts...)
			if other, found := seen[k]; found {
				t.Errorf("NewKey(%d, %.60q) is also the key of %.60q", kind, parts, other)
			}
			seen[k] = parts
		}
	}
}

func TestKindsOfOneNameDifferInTheSum(t *testing.T) {
	seen := make(map[[32]byte]session.Kind)
	for kind := session.KindSession; kind.Valid(); kind++ {
		sum := session.NewKey(kind, "site", "name").Sum
		if other, found := seen[sum]; found {
			t.Errorf("kinds %d and %d have the same sum", kind, other)
		}
		seen[sum] = kind
	}
}

func TestKeysAreEqualOnlyForEqualParts(t *testing.T) {
	parts := rapid.SliceOf(rapid.StringOf(rapid.RuneFrom([]rune{0, 1, 'a', 'b'})))
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := session.NewKey(session.KindCounter, a...) == session.NewKey(session.KindCounter, b...)
		if same != slices.Equal(a, b) {
			t.Errorf("keys of %q and %q equal: %v", a, b, same)
		}
	})
}

func TestOnlyNamedKindsAreValid(t *testing.T) {
	for kind, want := range map[session.Kind]bool{
		0: false, session.KindSession: true, session.KindLease: true, session.KindLease + 1: false, 255: false,
	} {
		if got := kind.Valid(); got != want {
			t.Errorf("Kind(%d).Valid() = %v, want %v", kind, got, want)
		}
	}
}

func TestSessionKeyIsTheKeyOfACookieValueAlone(t *testing.T) {
	_, store, s, cookieValue := open(t)
	key, ok := session.SessionKey(s.Site, cookieValue)
	if _, found, err := store.Load(t.Context(), key); !ok || !found || err != nil {
		t.Errorf("SessionKey = %v, %v; Load = %v, %v, want the session's", key, ok, found, err)
	}
	for _, value := range malformed(cookieValue) {
		if key, ok := session.SessionKey(s.Site, value); ok || key != (session.Key{}) {
			t.Errorf("SessionKey(%q) = %v, %v, want none", value, key, ok)
		}
	}
}
