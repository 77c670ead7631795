package session_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// stage is streams over a memory store, in a bubble with a clock of its own.
type stage struct {
	t       *testing.T
	store   *memory.Store
	streams *session.Streams
}

// onStage runs test in a bubble, where a goroutine that Close left behind
// would fail the test.
func onStage(t *testing.T, test func(s stage)) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		s := stage{t, store, session.NewStreams(store)}
		defer s.streams.Close()
		test(s)
	})
}

func sessionKey(name string) session.Key { return session.NewKey(session.KindSession, site, name) }

func (s stage) hold(name string, end time.Time) (context.Context, func()) {
	return s.streams.Hold(s.t.Context(), sessionKey(name), end)
}

func (s stage) add(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if _, err := s.store.Add(s.t.Context(), sessionKey(name), name, time.Now().Add(time.Hour)); err != nil {
			s.t.Fatalf("Add: %v", err)
		}
	}
}

func (s stage) delete(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := s.store.Delete(s.t.Context(), sessionKey(name)); err != nil {
			s.t.Errorf("Delete: %v", err)
		}
	}
}

// wantEnded checks that a held context has ended with cause, after whatever is
// under way was done; nil: that it has not.
func (s stage) wantEnded(what string, held context.Context, cause error) {
	s.t.Helper()
	synctest.Wait()
	if got := context.Cause(held); got != cause {
		s.t.Errorf("%s: cause %v, want %v", what, got, cause)
	}
}

func TestDeletionEndsAllThatIsHeldUnderTheSession(t *testing.T) {
	onStage(t, func(s stage) {
		first, releaseFirst := s.hold("a", time.Time{})
		second, releaseSecond := s.hold("a", time.Now().Add(time.Hour))
		other, releaseOther := s.hold("b", time.Time{})
		defer releaseFirst()
		defer releaseSecond()
		defer releaseOther()
		s.wantEnded("before", first, nil)
		s.delete("a")
		s.wantEnded("held without end", first, session.ErrRevoked)
		s.wantEnded("held with an end", second, session.ErrRevoked)
		s.wantEnded("another session", other, nil)
	})
}

func TestHoldEndsAtItsEnd(t *testing.T) {
	onStage(t, func(s stage) {
		minute := time.Now().UTC().Add(time.Minute)
		late, releaseLate := s.hold("late", minute.Add(time.Minute))
		early, releaseEarly := s.hold("early", minute)
		never, releaseNever := s.hold("early", time.Time{})
		defer releaseLate()
		defer releaseEarly()
		defer releaseNever()
		time.Sleep(time.Minute - 1)
		s.wantEnded("just before the end", early, nil)
		time.Sleep(time.Nanosecond)
		s.wantEnded("at the end", early, session.ErrEnded)
		s.wantEnded("a minute before the end", late, nil)
		time.Sleep(time.Minute)
		s.wantEnded("at the later end", late, session.ErrEnded)
		time.Sleep(1000 * time.Hour)
		s.wantEnded("without end", never, nil)
	})
}

// Ends that fall to one timer must not be lost when what set it is released.
func TestEndsComeHoweverHoldsAreReleased(t *testing.T) {
	onStage(t, func(s stage) {
		begun := time.Now()
		var helds [20]context.Context
		for i := range helds { // all of one session, so all in one shard
			minute := 7 * i % len(helds) // neither rising nor falling
			ctx, release := s.hold("a", time.Now().Add(time.Duration(minute+1)*time.Minute))
			helds[minute] = ctx
			if minute%3 == 0 {
				release()
			}
		}
		for minute, held := range helds {
			if minute%3 == 0 {
				continue
			}
			time.Sleep(time.Until(begun.Add(time.Duration(minute+1)*time.Minute - 1)))
			s.wantEnded("just before the end", held, nil)
			time.Sleep(time.Nanosecond)
			s.wantEnded("end of minute "+strconv.Itoa(minute), held, session.ErrEnded)
		}
	})
}

func TestHoldAfterTheEndHasEnded(t *testing.T) {
	onStage(t, func(s stage) {
		for name, end := range map[string]time.Time{"now": time.Now(), "before": time.Now().Add(-time.Hour)} {
			held, release := s.hold(name, end)
			if cause := context.Cause(held); cause != session.ErrEnded { // at once: no Wait
				t.Errorf("%s: cause %v, want ErrEnded", name, cause)
			}
			release()
		}
	})
}

// A request that was let pass may come to Hold when its session is gone.
func TestHoldAfterTheDeletionHasEnded(t *testing.T) {
	onStage(t, func(s stage) {
		for i := range 100 {
			s.delete(strconv.Itoa(i))
		}
		for i := range 100 {
			held, release := s.hold(strconv.Itoa(i), time.Time{})
			s.wantEnded(strconv.Itoa(i), held, session.ErrRevoked)
			release()
		}
		held, release := s.hold("alive", time.Time{})
		defer release()
		s.wantEnded("a session that was not deleted", held, nil)
	})
}

func TestHoldEndsWithItsParent(t *testing.T) {
	onStage(t, func(s stage) {
		parent, cancel := context.WithCancelCause(s.t.Context())
		held, release := s.streams.Hold(parent, sessionKey("a"), time.Now().Add(time.Hour))
		defer release()
		gone := errors.New("browser is gone")
		cancel(gone)
		s.wantEnded("parent has ended", held, gone)
		s.delete("a")
		s.wantEnded("deleted later", held, gone)
	})
}

func TestReleaseEndsTheContextAndIsSafeAfterwards(t *testing.T) {
	onStage(t, func(s stage) {
		first, releaseFirst := s.hold("a", time.Time{})
		second, releaseSecond := s.hold("a", time.Time{})
		third, releaseThird := s.hold("a", time.Time{})
		releaseSecond()
		s.wantEnded("released", second, context.Canceled)
		s.wantEnded("the one before", first, nil)
		s.delete("a")
		s.wantEnded("the one before, deleted", first, session.ErrRevoked)
		s.wantEnded("the one after, deleted", third, session.ErrRevoked)
		releaseFirst()
		releaseFirst()
		releaseThird()
		releaseSecond()
	})
}

func TestCloseEndsWhatIsHeldAndWhatWillBe(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	streams := session.NewStreams(memory.New(memory.Config{}))
	held, release := streams.Hold(t.Context(), sessionKey("a"), time.Now().Add(time.Hour))
	defer release()
	streams.Close()
	streams.Close()
	late, releaseLate := streams.Hold(t.Context(), sessionKey("b"), time.Time{})
	defer releaseLate()
	for name, ctx := range map[string]context.Context{"held before": held, "held after": late} {
		if cause := context.Cause(ctx); cause != session.ErrRevoked {
			t.Errorf("%s Close: cause %v, want ErrRevoked", name, cause)
		}
	}
}

// A thousand requests race with the deletion of their sessions: whether a
// deletion comes before, during or after Hold, the context ends.
func TestNoHoldOutlivesADeletion(t *testing.T) {
	store := memory.New(memory.Config{})
	streams := session.NewStreams(store)
	defer streams.Close()
	const holds, sessions = 1000, 50
	var helds [holds]context.Context
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range holds {
		all.Go(func() {
			<-start
			ctx, release := streams.Hold(t.Context(), sessionKey(strconv.Itoa(i%sessions)), time.Now().Add(time.Hour))
			helds[i] = ctx
			if i%4 == 0 {
				release()
			}
		})
	}
	for i := range sessions {
		all.Go(func() {
			<-start
			store.Delete(t.Context(), sessionKey(strconv.Itoa(i)))
		})
	}
	close(start)
	all.Wait()
	for i, held := range helds {
		if cause := context.Cause(held); cause != session.ErrRevoked && i%4 != 0 {
			t.Fatalf("hold %d: cause %v, want ErrRevoked", i, cause)
		}
	}
}

func TestHoldAllocatesLittle(t *testing.T) {
	streams := session.NewStreams(memory.New(memory.Config{}))
	defer streams.Close()
	key, end := sessionKey("a"), time.Now().Add(time.Hour)
	n := testing.AllocsPerRun(100, func() {
		_, release := streams.Hold(t.Context(), key, end)
		release()
	})
	if n > 5 {
		t.Errorf("Hold and release allocate %v times, want at most 5", n)
	}
}
