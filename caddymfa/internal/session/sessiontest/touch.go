package sessiontest

import (
	"strconv"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

func (s store) touch(k session.Key, old session.Record, value string) bool {
	s.t.Helper()
	touched, err := s.Store.Touch(s.t.Context(), k, old, value)
	s.must("Touch", err)
	return touched
}

func testTouch(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "first", time.Minute)
	old := s.wantValue(k, "first")
	s.Advance(30 * time.Second)
	if !s.touch(k, old, "second") {
		t.Fatal("Touch of the current version = false, want true")
	}
	r := s.wantValue(k, "second")
	s.wantNear("Expires after Touch", r.Expires, old.Expires)
	if !s.touch(k, r, "third") {
		t.Fatal("second Touch = false, want true")
	}
	s.Advance(25 * time.Second)
	s.wantValue(k, "third")
	s.Advance(5 * time.Second)
	s.wantAbsent(k)
}

func testTouchStale(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "first", time.Minute)
	first := s.wantValue(k, "first")
	s.touch(k, first, "second")
	if s.touch(k, first, "third") || s.update(k, first, "third", time.Hour) {
		t.Error("Touch or Update of a version that was touched = true, want false")
	}
	second := s.wantValue(k, "second")
	s.update(k, second, "third", time.Minute)
	if s.touch(k, second, "fourth") {
		t.Error("Touch of a version that was replaced = true, want false")
	}
	s.wantValue(k, "third")
}

// testTouchNoResurrection lets a store call a deadline that has passed an
// error, as it does for Update: that the answer is not true is what counts.
func testTouchNoResurrection(t *testing.T, s store) {
	names := []string{"deleted", "expired", "added again"}
	olds := make(map[string]session.Record)
	for _, name := range names {
		k := session.NewKey(session.KindChallenge, name)
		s.add(k, "old", time.Minute)
		olds[name] = s.wantValue(k, "old")
		if name != "expired" {
			s.delete(k)
		}
	}
	s.add(session.NewKey(session.KindChallenge, "added again"), "another", time.Hour)
	for range 2 {
		for _, name := range names {
			k := session.NewKey(session.KindChallenge, name)
			if name == "expired" {
				s.Advance(time.Minute)
			}
			if touched, _ := s.Store.Touch(t.Context(), k, olds[name], "new"); touched {
				t.Errorf("Touch of a record that was %s = true, want false", name)
			}
		}
	}
	s.wantAbsent(session.NewKey(session.KindChallenge, "deleted"))
	s.wantAbsent(session.NewKey(session.KindChallenge, "expired"))
	s.wantValue(session.NewKey(session.KindChallenge, "added again"), "another")
}

func testTouchRefuses(t *testing.T, s store) {
	k, counter := key(session.KindChallenge), key(session.KindCounter)
	s.add(k, "first", time.Minute)
	s.increment(counter, time.Minute)
	old := s.wantValue(k, "first")
	_, long := s.Store.Touch(t.Context(), k, old, longest()+"x")
	_, mixed := s.Store.Touch(t.Context(), counter, old, "value")
	_, unknown := s.Store.Touch(t.Context(), session.Key{Kind: 99}, old, "value")
	for op, err := range map[string]error{
		"with a value that is too long": long, "of a counter": mixed, "of an unknown kind": unknown,
	} {
		if err == nil {
			t.Errorf("Touch %s: no error", op)
		}
	}
	s.wantValue(k, "first")
	if n, _ := s.count(counter); n != 1 {
		t.Errorf("Count = %d, want 1", n)
	}
}

func testTouchContention(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "start", time.Minute)
	for range 20 {
		old, _ := s.load(k)
		wins := race(many, func(i int) bool {
			touched, err := s.client(i).Touch(t.Context(), k, old, strconv.Itoa(i))
			if err != nil {
				t.Errorf("Touch: %v", err)
			}
			return touched
		})
		if wins != 1 {
			t.Fatalf("%d of %d callers touched one version, want 1", wins, many)
		}
	}
}
