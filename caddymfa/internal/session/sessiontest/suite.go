// Package sessiontest is the contract of [session.Store] as tests. Every store
// runs it; see the memory store's tests for the few lines that takes.
package sessiontest

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Env is one empty store and the clock it lives by.
type Env struct {
	Store session.Store

	// Advance lets d pass for the store's deadlines. Inside a testing/synctest
	// bubble that is time.Sleep; a store in a simulated server moves that
	// server's clock. Time may also pass by itself, but well under a second
	// of it per test.
	Advance func(d time.Duration)

	// Now is the clock that Advance moves. Nil: the process's own, as where
	// Advance is time.Sleep.
	Now func() time.Time

	// Second is another client of the same state, as another Caddy has one;
	// nil where state is never shared, which leaves some of the tests out. It
	// may be Store itself.
	Second session.Store
}

// Run runs the suite. For each of its tests it calls run, which makes an
// [Env], calls test with it exactly once, and cleans up.
func Run(t *testing.T, run func(t *testing.T, test func(*testing.T, Env))) {
	for _, tt := range append(basic(), listed()...) {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, env Env) { tt.test(t, store{t: t, Env: env}) })
		})
	}
	for _, tt := range shared() {
		t.Run("two clients: "+tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, env Env) {
				if env.Second == nil {
					t.Skip("this store has one client")
				}
				tt.test(t, store{t: t, Env: env, both: true})
			})
		})
	}
}

// key names the entry that most tests use.
func key(kind session.Kind) session.Key { return session.NewKey(kind, "site", "one") }

// store is the store under test; its methods fail the test on an error.
type store struct {
	t *testing.T
	Env
	both bool // spread contenders over both clients
}

// client is what the i-th of several contenders works with.
func (s store) client(i int) session.Store {
	if s.both && i%2 == 1 {
		return s.Second
	}
	return s.Store
}

// second is the other client.
func (s store) second() store {
	s.Store, s.Second = s.Second, s.Store
	return s
}

func (s store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s store) must(op string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: error %v, want none", op, err)
	}
}

func (s store) load(k session.Key) (session.Record, bool) {
	s.t.Helper()
	r, found, err := s.Store.Load(s.t.Context(), k)
	s.must("Load", err)
	return r, found
}

func (s store) add(k session.Key, value string, lifetime time.Duration, groups ...session.Group) bool {
	s.t.Helper()
	added, err := s.Store.Add(s.t.Context(), k, value, s.now().Add(lifetime), groups...)
	s.must("Add", err)
	return added
}

func (s store) update(k session.Key, old session.Record, value string, lifetime time.Duration) bool {
	s.t.Helper()
	updated, err := s.Store.Update(s.t.Context(), k, old, value, s.now().Add(lifetime))
	s.must("Update", err)
	return updated
}

func (s store) delete(k session.Key) {
	s.t.Helper()
	s.must("Delete", s.Store.Delete(s.t.Context(), k))
}

func (s store) increment(k session.Key, window time.Duration) (int64, time.Time) {
	s.t.Helper()
	n, resets, err := s.Store.Increment(s.t.Context(), k, window)
	s.must("Increment", err)
	return n, resets
}

func (s store) count(k session.Key) (int64, time.Time) {
	s.t.Helper()
	n, resets, err := s.Store.Count(s.t.Context(), k)
	s.must("Count", err)
	return n, resets
}

// wantValue checks that the key holds a record with this value.
func (s store) wantValue(k session.Key, want string) session.Record {
	s.t.Helper()
	r, found := s.load(k)
	if !found || r.Value != want {
		s.t.Fatalf("Load = %q, %v, want %q, true", clip(r.Value), found, clip(want))
	}
	return r
}

// wantFound checks that the key holds a record.
func (s store) wantFound(k session.Key) session.Record {
	s.t.Helper()
	r, found := s.load(k)
	if !found {
		s.t.Fatal("Load = absent, want a record")
	}
	return r
}

// wantAbsent checks that the key holds no record.
func (s store) wantAbsent(k session.Key) {
	s.t.Helper()
	if r, found := s.load(k); found {
		s.t.Fatalf("Load = %q, true, want absent", clip(r.Value))
	}
}

// wantNear checks a moment that a store may have rounded.
func (s store) wantNear(what string, got, want time.Time) {
	s.t.Helper()
	if d := got.Sub(want); d < -time.Second || d > time.Second {
		s.t.Fatalf("%s = %v, want %v", what, got, want)
	}
}

// soon is how long a test waits for news and for what another client did.
const soon = 5 * time.Second

// wantSoon waits until something is so.
func (s store) wantSoon(what string, so func() bool) {
	s.t.Helper()
	limit := time.After(soon)
	for !so() {
		select {
		case <-limit:
			s.t.Fatalf("%s: not within %v", what, soon)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func clip(value string) string {
	if len(value) > 40 {
		return value[:40] + "..."
	}
	return value
}

// race calls do from many goroutines at once and returns how often it
// answered true.
func race(many int, do func(i int) bool) int64 {
	var wins atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range many {
		all.Go(func() {
			<-start
			if do(i) {
				wins.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	return wins.Load()
}

// longest is the longest value that fits.
func longest() string { return strings.Repeat("x", session.MaxValue) }
