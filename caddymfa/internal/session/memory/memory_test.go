package memory_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/sessiontest"
)

func TestContract(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New(memory.Config{})
			test(t, sessiontest.Env{Store: store, Second: store, Advance: time.Sleep})
		})
	})
}

// The contract also holds while the sweeper is at work.
func TestContractWithSweeper(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New(memory.Config{SweepEvery: 10 * time.Millisecond})
			defer store.Close()
			test(t, sessiontest.Env{Store: store, Second: store, Advance: time.Sleep})
		})
	})
}

// A store that writes all to disk keeps the same contract.
func TestContractWithJournal(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
		d := newDisk(t)
		synctest.Test(t, func(t *testing.T) {
			store := d.store()
			defer store.Close()
			test(t, sessiontest.Env{Store: store, Second: store, Advance: time.Sleep})
		})
	})
}

func TestFullStoreRefusesNewAndKeepsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New(memory.Config{MaxSessions: 100})
		fill(t, s, session.KindSession, 0, 100, time.Hour)
		late := key(session.KindSession, 1000)
		if added, err := s.Add(ctx, late, "", time.Now().Add(time.Hour)); added || !errors.Is(err, session.ErrFull) {
			t.Errorf("Add to a full store = %v, %v, want false, ErrFull", added, err)
		}
		if _, found, _ := s.Load(ctx, late); found {
			t.Error("Add to a full store stored something")
		}
		if _, _, err := s.Increment(ctx, late, time.Hour); !errors.Is(err, session.ErrFull) {
			t.Errorf("Increment in a full store: %v, want ErrFull", err)
		}
		if n := s.Len(session.KindSession); n != 100 {
			t.Errorf("Len = %d, want 100", n)
		}
		for i := range 100 {
			if _, found, _ := s.Load(ctx, key(session.KindSession, i)); !found {
				t.Fatalf("session %d is gone", i)
			}
		}
	})
}

func TestFullStoreStillChangesWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New(memory.Config{MaxOthers: 1})
		hour := time.Now().Add(time.Hour)
		k, c := key(session.KindChallenge, 0), key(session.KindCounter, 0)
		fill(t, s, session.KindChallenge, 0, 1, time.Hour)
		s.Increment(ctx, c, time.Hour)
		if added, err := s.Add(ctx, k, "", hour); added || err != nil {
			t.Errorf("Add of a taken key = %v, %v, want false without error", added, err)
		}
		old, _, _ := s.Load(ctx, k)
		if updated, err := s.Update(ctx, k, old, "new", hour); !updated || err != nil {
			t.Errorf("Update = %v, %v, want true", updated, err)
		}
		if n, _, err := s.Increment(ctx, c, time.Hour); n != 2 || err != nil {
			t.Errorf("Increment = %d, %v, want 2", n, err)
		}
		s.Delete(ctx, k)
		fill(t, s, session.KindChallenge, 0, 1, time.Hour)
	})
}

func TestFloodOfOneKindTakesNoRoomFromAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for flood := session.KindSession; flood.Valid(); flood++ {
			s := memory.New(memory.Config{MaxSessions: 10, MaxOthers: 10})
			fill(t, s, flood, 0, 10, time.Hour)
			for other := session.KindSession; other.Valid(); other++ {
				if other != flood {
					fill(t, s, other, 0, 10, time.Hour)
				}
			}
		}
	})
}

// big is the i-th challenge that takes more than 8 kB.
func big(t *testing.T, s *memory.Store, i int) (bool, error) {
	return s.Add(t.Context(), key(session.KindChallenge, i), strings.Repeat("x", session.MaxValue), time.Now().Add(time.Minute))
}

func TestBytesOfAKindAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, held := memory.New(memory.Config{MaxBytes: 1 << 20}), 0
		for {
			added, err := big(t, s, held)
			if errors.Is(err, session.ErrFull) && !added {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			held++
		}
		if held < 100 || held > 128 {
			t.Errorf("%d records of 8 kB fit into 1 MB", held)
		}
		fill(t, s, session.KindSession, 0, 10_000, time.Hour) // have no such bound
		fill(t, s, session.KindLease, 0, 100, time.Hour)      // have their own
		s.Delete(t.Context(), key(session.KindChallenge, 0))
		if added, err := big(t, s, held); !added || err != nil {
			t.Errorf("Add after a Delete = %v, %v, want room", added, err)
		}
		time.Sleep(time.Minute)
		for i := range held {
			if added, err := big(t, s, i); !added || err != nil {
				t.Fatalf("Add %d after all have expired = %v, %v, want room", i, added, err)
			}
		}
	})
}

// A flood must not keep those from going on who are in the middle.
func TestFullOfBytesStillChangesWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{MaxBytes: 10_000})
		fill(t, s, session.KindChallenge, 1000, 1001, time.Hour)
		big(t, s, 0)
		k := key(session.KindChallenge, 1000)
		for range 100 { // what an Update takes is given back by the next
			for _, value := range []string{strings.Repeat("x", session.MaxValue), ""} {
				old, _, _ := s.Load(t.Context(), k)
				if updated, err := s.Update(t.Context(), k, old, value, time.Now().Add(time.Hour)); !updated || err != nil {
					t.Fatalf("Update = %v, %v, want true", updated, err)
				}
			}
		}
		s.Delete(t.Context(), key(session.KindChallenge, 0))
		if added, err := big(t, s, 0); !added || err != nil {
			t.Errorf("Add after it all = %v, %v, want room", added, err)
		}
	})
}

func TestFullStoreMakesRoomByDroppingExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{MaxSessions: 100})
		for round := range 3 {
			fill(t, s, session.KindSession, 100*round, 100*round+100, time.Minute)
			time.Sleep(time.Minute)
		}
	})
}

// A full store may not be made to search itself by every refused request.
func TestFullStoreLooksForExpiredOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New(memory.Config{MaxSessions: 10})
		fill(t, s, session.KindSession, 0, 10, time.Minute+time.Millisecond)
		late := func() error {
			_, err := s.Add(ctx, key(session.KindSession, 1000), "", time.Now().Add(time.Hour))
			return err
		}
		time.Sleep(time.Minute)
		if err := late(); !errors.Is(err, session.ErrFull) {
			t.Fatalf("Add to a full store: %v, want ErrFull", err)
		}
		time.Sleep(time.Millisecond)
		if err := late(); !errors.Is(err, session.ErrFull) {
			t.Errorf("Add a millisecond after the last search: %v, want ErrFull", err)
		}
		time.Sleep(time.Second)
		if err := late(); err != nil {
			t.Errorf("Add a second after the last search: %v, want room", err)
		}
	})
}

func TestLenCountsWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New(memory.Config{})
		want := func(what string, n int) {
			t.Helper()
			if got := s.Len(session.KindSession); got != n {
				t.Fatalf("Len %s = %d, want %d", what, got, n)
			}
		}
		want("of an empty store", 0)
		fill(t, s, session.KindSession, 0, 10, time.Minute)
		want("after ten records", 10)
		s.Delete(ctx, key(session.KindSession, 0))
		s.Delete(ctx, key(session.KindSession, 0))
		want("after a record was deleted twice", 9)
		time.Sleep(time.Minute)
		want("after they expired unswept", 9)
		fill(t, s, session.KindSession, 0, 10, time.Minute)
		want("after ten more under the same keys", 10)
		if n := s.Len(0); n != 0 {
			t.Errorf("Len of an unknown kind = %d, want 0", n)
		}
	})
}

func TestSweeperDropsExpiredAndKeepsLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{SweepEvery: time.Second})
		defer s.Close()
		for kind := session.KindSession; kind.Valid(); kind++ {
			fill(t, s, kind, 0, 500, time.Hour)
			fill(t, s, kind, 500, 1000, time.Minute)
		}
		time.Sleep(time.Minute + 65*time.Second)
		for kind := session.KindSession; kind.Valid(); kind++ {
			if n := s.Len(kind); n != 500 {
				t.Errorf("%d entries of kind %d are left after a round, want the 500 that live", n, kind)
			}
		}
	})
}

func TestCloseStopsTheSweeper(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := memory.New(memory.Config{SweepEvery: time.Hour})
	fill(t, s, session.KindSession, 0, 1, time.Hour)
	s.Close()
	s.Close()
	if _, found, err := s.Load(t.Context(), key(session.KindSession, 0)); !found || err != nil {
		t.Errorf("Load after Close = %v, %v, want what was stored", found, err)
	}
}

func TestFarDeadlineIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New(memory.Config{})
		for _, years := range []int{11, 250, 300, 5000} {
			if _, err := s.Add(ctx, key(session.KindSession, 0), "", time.Now().AddDate(years, 0, 0)); err == nil {
				t.Errorf("Add for %d years: no error", years)
			}
		}
	})
}
