package sessiontest

import (
	"strconv"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// scan returns the distinct entries of all pages, and how many pages it took.
// After each page it calls between, which may change the store.
func (s store) scan(kind session.Kind, limit int, between func(page int)) (entries []session.Entry, pages int) {
	s.t.Helper()
	const endless = 100_000 // pages after which nobody waits for an end
	seen := make(map[session.Key]bool)
	for cursor := ""; ; {
		page, next, err := s.Store.Scan(s.t.Context(), kind, cursor, limit)
		s.must("Scan", err)
		for _, e := range page {
			if e.Key.Kind != kind {
				s.t.Fatalf("Scan of kind %d returned one of kind %d", kind, e.Key.Kind)
			}
			if !seen[e.Key] {
				seen[e.Key] = true
				entries = append(entries, e)
			}
		}
		if pages++; next == "" {
			return entries, pages
		}
		if pages == endless {
			s.t.Fatalf("Scan goes on after %d pages", pages)
		}
		between(pages)
		cursor = next
	}
}

func (s store) scanAll(kind session.Kind) []session.Entry {
	s.t.Helper()
	entries, _ := s.scan(kind, 100, func(int) {})
	return entries
}

func testScanEmpty(t *testing.T, s store) {
	for kind := session.KindSession; kind.Valid(); kind++ {
		if entries := s.scanAll(kind); len(entries) != 0 {
			t.Errorf("Scan of kind %d in an empty store returned %d entries", kind, len(entries))
		}
	}
}

func testScanKinds(t *testing.T, s store) {
	for name, lifetime := range map[string]time.Duration{"deleted": time.Hour, "short": time.Minute, "long": time.Hour} {
		for kind := session.KindSession; kind.Valid(); kind++ {
			s.add(session.Key{Kind: kind, Sum: sessionKey(name).Sum}, name, lifetime)
		}
	}
	s.increment(session.NewKey(session.KindCounter, "counter"), time.Hour)
	for kind := session.KindSession; kind.Valid(); kind++ {
		s.delete(session.Key{Kind: kind, Sum: sessionKey("deleted").Sum})
		s.wantEntries("Scan", s.scanAll(kind), "short", "long")
	}
	s.Advance(time.Minute)
	for kind := session.KindSession; kind.Valid(); kind++ {
		entries := s.scanAll(kind)
		s.wantEntries("Scan", entries, "long")
		s.wantNear("a scanned record's Expires", entries[0].Record.Expires, s.now().Add(59*time.Minute))
		if !s.update(entries[0].Key, entries[0].Record, "new", time.Hour) {
			t.Error("Update of the version that Scan returned = false, want true")
		}
	}
}

// testScan adds and deletes while it scans: some records live throughout.
func testScan(t *testing.T, s store) {
	const lasting, passing = 300, 300
	name := func(sort string, i int) string { return sort + strconv.Itoa(i) }
	for i := range lasting {
		s.add(sessionKey(name("lasting", i)), name("lasting", i), time.Hour)
	}
	for i := range passing {
		s.add(sessionKey(name("passing", i)), name("passing", i), time.Hour)
	}
	changed := 0
	entries, pages := s.scan(session.KindSession, 10, func(int) {
		for range 5 {
			s.delete(sessionKey(name("passing", changed%passing)))
			s.add(sessionKey(name("late", changed)), name("late", changed), time.Hour)
			changed++
		}
	})
	if pages < 2 {
		t.Errorf("Scan of %d records by 10 took %d page", lasting+passing, pages)
	}
	found := make(map[string]bool)
	for _, e := range entries {
		found[e.Record.Value] = true
		if e.Key != sessionKey(e.Record.Value) {
			t.Errorf("Scan returned %q under another's key", e.Record.Value)
		}
	}
	for i := range lasting {
		if !found[name("lasting", i)] {
			t.Errorf("Scan left out %q, which lived throughout", name("lasting", i))
		}
	}
}

func testScanRefuses(t *testing.T, s store) {
	s.add(sessionKey("one"), "one", time.Minute)
	for _, cursor := range []string{"made up", "\x00", " ", "-", "\xff\xfe"} {
		if page, next, err := s.Store.Scan(t.Context(), session.KindSession, cursor, 10); err == nil {
			t.Errorf("Scan from cursor %q = %d entries, %q, want an error", cursor, len(page), next)
		}
	}
	for _, kind := range []session.Kind{0, 99, 255} {
		if _, _, err := s.Store.Scan(t.Context(), kind, "", 10); err == nil {
			t.Errorf("Scan of unknown kind %d: no error", kind)
		}
	}
}
