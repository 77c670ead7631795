package memory_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// Whatever many do to few keys at once, the next process finds what the last
// one had.
func TestMemoryAndJournalAgreeOnBusyKeys(t *testing.T) {
	ctx, d := t.Context(), newDisk(t)
	s := d.store()
	keys := []session.Key{key(session.KindSession, 1), key(session.KindSession, 2), key(session.KindChallenge, 1), key(session.KindCounter, 1)}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 100 {
				k, value := keys[rand.IntN(len(keys))], fmt.Sprint(worker, ".", i)
				if k.Kind == session.KindCounter {
					s.Increment(ctx, k, time.Hour)
				}
				switch r, found, _ := s.Load(ctx, k); {
				case rand.IntN(4) == 0:
					s.Delete(ctx, k)
				case k.Kind == session.KindCounter:
				case !found:
					s.Add(ctx, k, value, time.Now().Add(time.Hour))
				case rand.IntN(2) == 0:
					s.Touch(ctx, k, r, value)
				default:
					s.Update(ctx, k, r, value, time.Now().Add(time.Hour))
				}
			}
		})
	}
	all.Wait()
	wantAgreement(t, d, s, keys)
}

// One change of each sort meets the others while it is on its way to disk.
func TestMemoryAndJournalAgreeOnRaces(t *testing.T) {
	const races = 300
	ctx, d := t.Context(), newDisk(t)
	s := d.store()
	fill(t, s, session.KindSession, 0, races, time.Hour)
	var all sync.WaitGroup
	var keys []session.Key
	for i := range races {
		k, later := key(session.KindSession, i), time.Now().Add(2*time.Hour)
		keys = append(keys, k)
		old, _, _ := s.Load(ctx, k)
		update, touch := func() { s.Update(ctx, k, old, "updated", later) }, func() { s.Touch(ctx, k, old, "touched") }
		remove, add := func() { s.Delete(ctx, k) }, func() { s.Add(ctx, k, "added", later) }
		for _, change := range [][]func(){{update, touch}, {update, remove}, {remove, add}, {update, remove, add, touch}}[i%4] {
			all.Go(change)
		}
	}
	all.Wait()
	wantAgreement(t, d, s, keys)
}

// wantAgreement checks that the next process finds under keys what s holds.
func wantAgreement(t *testing.T, d *disk, s *memory.Store, keys []session.Key) {
	t.Helper()
	contents := func(s *memory.Store) (held []string) {
		for i, k := range keys {
			r, _, _ := s.Load(t.Context(), k)
			n, _, _ := s.Count(t.Context(), k)
			held = append(held, fmt.Sprintf("%d: %q %d", i, r.Value, n))
		}
		return append(held, fmt.Sprint(s.Len(session.KindSession), s.Len(session.KindChallenge), s.Len(session.KindCounter)))
	}
	want := contents(s)
	s = d.next(t, s)
	defer s.Close()
	for i, got := range contents(s) {
		if got != want[i] {
			t.Errorf("the next process finds %s, want %s", got, want[i])
		}
	}
}
