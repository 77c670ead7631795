package sessiontest

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// many is how many callers race each other.
const many = 50

func testCounter(t *testing.T, s store) {
	k := key(session.KindCounter)
	for want := int64(1); want <= 3; want++ {
		n, resets := s.increment(k, time.Minute)
		if n != want {
			t.Fatalf("Increment = %d, want %d", n, want)
		}
		s.wantNear("resets", resets, s.now().Add(time.Minute))
		counted, until := s.count(k)
		if counted != want {
			t.Fatalf("Count = %d, want %d", counted, want)
		}
		s.wantNear("Count's resets", until, resets)
	}
	other := session.NewKey(session.KindCounter, "another")
	if n, _ := s.increment(other, time.Minute); n != 1 {
		t.Errorf("first Increment of another key = %d, want 1", n)
	}
}

func testWindowStays(t *testing.T, s store) {
	k := key(session.KindCounter)
	s.increment(k, time.Minute)
	s.Advance(40 * time.Second)
	n, resets := s.increment(k, time.Hour)
	if n != 2 {
		t.Fatalf("Increment within the window = %d, want 2", n)
	}
	s.wantNear("resets", resets, s.now().Add(20*time.Second))
	s.Advance(20 * time.Second)
	if n, resets := s.count(k); n != 0 || !resets.IsZero() {
		t.Errorf("Count after the window = %d, %v, want 0 and the zero time", n, resets)
	}
	if n, _ := s.increment(k, time.Minute); n != 1 {
		t.Errorf("Increment after the window = %d, want 1", n)
	}
}

func testWindowPositive(t *testing.T, s store) {
	k := key(session.KindCounter)
	for _, window := range []time.Duration{0, -1, -time.Hour} {
		if _, _, err := s.Store.Increment(t.Context(), k, window); err == nil {
			t.Errorf("Increment with window %v: no error", window)
		}
	}
	if n, _ := s.count(k); n != 0 {
		t.Errorf("Count = %d, want 0", n)
	}
}

func testMixed(t *testing.T, s store) {
	ctx, expires := t.Context(), s.now().Add(time.Minute)
	record, counter := key(session.KindAttempt), key(session.KindCounter)
	s.add(record, "7", time.Minute)
	s.increment(counter, time.Minute)
	_, _, load := s.Store.Load(ctx, counter)
	_, add := s.Store.Add(ctx, counter, "", expires)
	_, update := s.Store.Update(ctx, counter, session.Record{Version: 1}, "", expires)
	_, _, increment := s.Store.Increment(ctx, record, time.Minute)
	_, _, count := s.Store.Count(ctx, record)
	for op, err := range map[string]error{
		"Load of a counter": load, "Add to a counter": add, "Update of a counter": update,
		"Increment of a record": increment, "Count of a record": count,
	} {
		if err == nil {
			t.Errorf("%s: no error", op)
		}
	}
	s.wantValue(record, "7")
	if n, _ := s.count(counter); n != 1 {
		t.Errorf("Count = %d, want 1", n)
	}
}

func testAddContention(t *testing.T, s store) {
	for round := range 20 {
		k := session.NewKey(session.KindUsedCode, strconv.Itoa(round))
		var winner atomic.Int64
		wins := race(many, func(i int) bool {
			added, err := s.client(i).Add(t.Context(), k, strconv.Itoa(i), s.now().Add(time.Minute))
			if err != nil {
				t.Errorf("Add: %v", err)
			}
			if added {
				winner.Store(int64(i))
			}
			return added
		})
		if wins != 1 {
			t.Fatalf("%d of %d callers added one key, want 1", wins, many)
		}
		s.wantValue(k, strconv.FormatInt(winner.Load(), 10))
	}
}

func testUpdateContention(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "start", time.Minute)
	for range 20 {
		old, _ := s.load(k)
		wins := race(many, func(i int) bool {
			updated, err := s.client(i).Update(t.Context(), k, old, strconv.Itoa(i), s.now().Add(time.Minute))
			if err != nil {
				t.Errorf("Update: %v", err)
			}
			return updated
		})
		if wins != 1 {
			t.Fatalf("%d of %d callers updated one version, want 1", wins, many)
		}
	}
}

// testUpdateLoses counts by load and update, as every change of a record is
// made: what loses is repeated, so nothing may be missing in the end.
func testUpdateLoses(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "0", time.Minute)
	race(many, func(i int) bool {
		for {
			old, found, err := s.client(i).Load(t.Context(), k)
			if err != nil || !found {
				t.Errorf("Load = %v, %v, want found", found, err)
				return false
			}
			n, _ := strconv.Atoi(old.Value)
			updated, err := s.client(i).Update(t.Context(), k, old, strconv.Itoa(n+1), old.Expires)
			if err != nil {
				t.Errorf("Update: %v", err)
				return false
			}
			if updated {
				return true
			}
		}
	})
	s.wantValue(k, strconv.Itoa(many))
}

func testIncrementContention(t *testing.T, s store) {
	k := key(session.KindCounter)
	var seen [many + 1]atomic.Int64
	race(many, func(i int) bool {
		n, _, err := s.client(i).Increment(t.Context(), k, time.Minute)
		if err != nil || n < 1 || n > many {
			t.Errorf("Increment = %d, %v, want 1 to %d", n, err, many)
			return false
		}
		seen[n].Add(1)
		return true
	})
	for n := 1; n <= many; n++ {
		if times := seen[n].Load(); times != 1 {
			t.Errorf("Increment returned %d %d times, want once", n, times)
		}
	}
}

func testCancelled(t *testing.T, s store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k, c := key(session.KindChallenge), key(session.KindCounter)
	if added, err := s.Store.Add(ctx, k, "value", s.now().Add(time.Minute)); err == nil {
		if !added {
			t.Error("Add of a free key = false and no error, want true")
		}
		s.wantValue(k, "value")
	}
	if r, found, err := s.Store.Load(ctx, k); err == nil {
		if now, still := s.load(k); found != still || r.Value != now.Value {
			t.Errorf("Load = %q, %v, want %q, %v", r.Value, found, now.Value, still)
		}
	}
	if n, _, err := s.Store.Increment(ctx, c, time.Minute); err == nil {
		if now, _ := s.count(c); n != now {
			t.Errorf("Increment = %d, but Count = %d", n, now)
		}
	}
	if err := s.Store.Delete(ctx, k); err == nil {
		s.wantAbsent(k)
	}
}
