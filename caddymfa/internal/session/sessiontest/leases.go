package sessiontest

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// wantLease checks whether holder can acquire the lease. It names the deadline
// by the process's own clock, so after Advance ttl is longer than what passed.
func (s store) wantLease(holder string, ttl time.Duration, want bool) {
	s.t.Helper()
	held, err := session.Acquire(s.t.Context(), s.Store, key(session.KindLease), holder, ttl)
	s.must("Acquire", err)
	if held != want {
		s.t.Fatalf("Acquire by %s = %v, want %v", holder, held, want)
	}
}

func (s store) release(holder string) {
	s.t.Helper()
	s.must("Release", session.Release(s.t.Context(), s.Store, key(session.KindLease), holder))
}

func testLease(_ *testing.T, s store) {
	s.wantLease("a", time.Minute, true)
	s.wantLease("b", time.Minute, false)
	s.wantLease("a", 2*time.Minute, true)
	s.Advance(time.Minute)
	s.wantLease("b", time.Hour, false)
	s.Advance(time.Minute)
	s.wantLease("b", time.Hour, true)
	s.wantLease("a", time.Hour, false)
}

func testLeaseRelease(_ *testing.T, s store) {
	s.release("a") // there is none
	s.wantLease("a", time.Hour, true)
	s.release("b")
	s.wantLease("b", time.Hour, false)
	s.release("a")
	s.wantLease("b", time.Hour, true)
	s.release("a")
	s.wantLease("a", time.Hour, false)
}

func testLeaseContention(t *testing.T, s store) {
	for round := range 20 {
		k := session.NewKey(session.KindLease, strconv.Itoa(round))
		for _, lease := range []string{"free", "released"} {
			var winner atomic.Int64
			wins := race(many, func(i int) bool {
				held, err := session.Acquire(t.Context(), s.client(i), k, strconv.Itoa(i), time.Hour)
				if err != nil {
					t.Errorf("Acquire: %v", err)
				}
				if held {
					winner.Store(int64(i))
				}
				return held
			})
			if wins != 1 {
				t.Fatalf("%d of %d callers acquired a %s lease, want 1", wins, many, lease)
			}
			s.must("Release", session.Release(t.Context(), s.Store, k, strconv.FormatInt(winner.Load(), 10)))
		}
	}
}

func testSharedLease(_ *testing.T, s store) {
	other := s.second()
	s.wantLease("a", time.Hour, true)
	other.wantLease("b", time.Hour, false)
	other.wantLease("a", time.Hour, true) // a holder is a name, not a client
	other.release("b")
	other.wantLease("b", time.Hour, false)
	s.release("a")
	other.wantLease("b", time.Hour, true)
	s.release("a")
	s.wantLease("a", time.Hour, false)
	other.wantLease("b", time.Minute, true)
	s.Advance(time.Minute)
	s.wantLease("a", time.Hour, true)
	other.wantLease("b", time.Hour, false)
}
