package session_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

func leaseKey() session.Key { return session.NewKey(session.KindLease, "poller", "1") }

// leases acquires and releases one lease in a memory store of its own.
type leases struct {
	t     *testing.T
	store session.Store
}

func newLeases(t *testing.T) leases { return leases{t, memory.New(memory.Config{})} }

func (l leases) wantAcquire(holder string, ttl time.Duration, want bool) {
	l.t.Helper()
	if held, err := session.Acquire(l.t.Context(), l.store, leaseKey(), holder, ttl); held != want || err != nil {
		l.t.Errorf("Acquire by %s = %v, %v, want %v", holder, held, err, want)
	}
}

func (l leases) release(holder string) {
	l.t.Helper()
	if err := session.Release(l.t.Context(), l.store, leaseKey(), holder); err != nil {
		l.t.Errorf("Release by %s: %v", holder, err)
	}
}

func TestHeldLeaseIsRefusedToOthersUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(t)
		l.wantAcquire("a", time.Minute, true)
		l.wantAcquire("b", time.Minute, false)
		time.Sleep(time.Minute - 1)
		l.wantAcquire("b", time.Minute, false)
		time.Sleep(time.Nanosecond)
		l.wantAcquire("b", time.Minute, true)
		l.wantAcquire("a", time.Minute, false)
	})
}

func TestHolderRenewsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(t)
		for range 5 {
			l.wantAcquire("a", time.Minute, true)
			time.Sleep(50 * time.Second)
			l.wantAcquire("b", time.Minute, false)
		}
		l.wantAcquire("a", time.Second, true) // a renewal may also shorten
		time.Sleep(time.Second)
		l.wantAcquire("b", time.Minute, true)
	})
}

func TestReleasedLeaseIsFreeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(t)
		l.wantAcquire("a", time.Hour, true)
		l.release("a")
		l.release("a")
		l.wantAcquire("b", time.Hour, true)
		time.Sleep(time.Minute)
		l.wantAcquire("a", time.Hour, false)
	})
}

func TestReleasedLeaseLeavesTheStoreSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(t)
		l.wantAcquire("a", time.Hour, true)
		l.release("a")
		time.Sleep(10 * time.Second)
		if _, found, err := l.store.Load(t.Context(), leaseKey()); found || err != nil {
			t.Errorf("Load of a released lease = %v, %v, want none", found, err)
		}
	})
}

func TestReleaseLeavesAnothersLeaseAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(t)
		l.release("a") // there is none
		l.wantAcquire("a", time.Minute, true)
		time.Sleep(time.Minute)
		l.wantAcquire("b", time.Hour, true)
		l.release("a")
		l.wantAcquire("c", time.Minute, false)
	})
}

// between changes the store after the first Load, as another process might.
type between struct {
	session.Store
	once   sync.Once
	change func()
}

func (b *between) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	r, found, err := b.Store.Load(ctx, key)
	b.once.Do(b.change)
	return r, found, err
}

func TestLeaseThatChangesHandsMeanwhile(t *testing.T) {
	tests := []struct {
		name          string
		before        func(leases)
		change        func(leases)
		act           func(leases)
		holder, loser string
	}{
		{"release of a lease that became another's", func(l leases) { l.wantAcquire("a", time.Minute, true) },
			func(l leases) { l.release("a"); l.wantAcquire("b", time.Minute, true) },
			func(l leases) { l.release("a") }, "b", "c"},
		{"renewal of a lease that became another's", func(l leases) { l.wantAcquire("a", time.Minute, true) },
			func(l leases) { l.release("a"); l.wantAcquire("b", time.Minute, true) },
			func(l leases) { l.wantAcquire("a", time.Minute, false) }, "b", "a"},
		{"a free lease that another takes", func(leases) {},
			func(l leases) { l.wantAcquire("b", time.Minute, true) },
			func(l leases) { l.wantAcquire("a", time.Minute, false) }, "b", "a"},
		{"a free lease that the same holder takes", func(leases) {},
			func(l leases) { l.wantAcquire("a", time.Minute, true) },
			func(l leases) { l.wantAcquire("a", time.Minute, true) }, "a", "b"},
		{"renewal of a lease that the same holder renews", func(l leases) { l.wantAcquire("a", time.Minute, true) },
			func(l leases) { l.wantAcquire("a", time.Minute, true) },
			func(l leases) { l.wantAcquire("a", time.Minute, true) }, "a", "b"},
		{"renewal of a lease that is released", func(l leases) { l.wantAcquire("a", time.Minute, true) },
			func(l leases) { l.release("a") },
			func(l leases) { l.wantAcquire("a", time.Minute, true) }, "a", "b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLeases(t)
			tt.before(l)
			tt.act(leases{t, &between{Store: l.store, change: func() { tt.change(l) }}})
			l.wantAcquire(tt.loser, time.Minute, false)
			l.wantAcquire(tt.holder, time.Minute, true)
		})
	}
}

func TestOneOfManyAcquiresALease(t *testing.T) {
	l := newLeases(t)
	for range 20 {
		var winners atomic.Int64
		var last atomic.Value
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				holder := strconv.Itoa(i)
				held, err := session.Acquire(t.Context(), l.store, leaseKey(), holder, time.Minute)
				if err != nil {
					t.Errorf("Acquire: %v", err)
				}
				if held {
					winners.Add(1)
					last.Store(holder)
				}
			})
		}
		all.Wait()
		if n := winners.Load(); n != 1 {
			t.Fatalf("%d of 50 hold the lease, want 1", n)
		}
		l.release(last.Load().(string))
	}
}

func TestManyGoroutinesOfOneHolderAllHaveTheLease(t *testing.T) {
	l := newLeases(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { l.wantAcquire("a", time.Minute, true) })
	}
	all.Wait()
}

// unsure is a store of which nothing is known.
type unsure struct{ session.Store }

var errUnsure = errors.New("no connection")

func (unsure) Load(context.Context, session.Key) (session.Record, bool, error) {
	return session.Record{}, false, errUnsure
}

func TestLeaseOfAFailingStoreIsAnError(t *testing.T) {
	if held, err := session.Acquire(t.Context(), unsure{}, leaseKey(), "a", time.Minute); held || !errors.Is(err, errUnsure) {
		t.Errorf("Acquire = %v, %v, want the store's error", held, err)
	}
	if err := session.Release(t.Context(), unsure{}, leaseKey(), "a"); !errors.Is(err, errUnsure) {
		t.Errorf("Release: %v, want the store's error", err)
	}
}

func TestLeaseRefusesWhatIsNone(t *testing.T) {
	tests := []struct {
		name   string
		key    session.Key
		holder string
		ttl    time.Duration
	}{
		{"another kind of key", session.NewKey(session.KindAttempt, "poller"), "a", time.Minute},
		{"no holder", leaseKey(), "", time.Minute},
		{"no time", leaseKey(), "a", 0},
		{"time before now", leaseKey(), "a", -time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := memory.New(memory.Config{})
			if held, err := session.Acquire(t.Context(), store, tt.key, tt.holder, tt.ttl); held || err == nil {
				t.Errorf("Acquire = %v, %v, want an error", held, err)
			}
			if err := session.Release(t.Context(), store, tt.key, tt.holder); err == nil && tt.ttl == time.Minute {
				t.Error("Release: no error")
			}
		})
	}
}
