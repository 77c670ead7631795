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

// quiet is a store whose news of deletions are lost, until tell says so, and
// that can fail.
type quiet struct {
	session.Store
	mu      sync.Mutex
	tell    func(session.Key)
	stopped int
	failure error
	copies  map[session.Key]session.Record // what Load still remembers
	loads   atomic.Int64
}

func (q *quiet) Watch(told func(session.Key)) func() {
	q.tell = told
	return func() { q.stopped++ }
}

func (q *quiet) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failure = err
}

func (q *quiet) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	q.loads.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure != nil {
		return session.Record{}, false, q.failure
	}
	if r, found := q.copies[key]; found {
		return r, true, nil
	}
	return q.Store.Load(ctx, key)
}

// missing is a stage whose news are lost.
func missing(t *testing.T, test func(s stage, q *quiet)) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		q := &quiet{Store: store}
		s := stage{t, store, session.NewStreams(q)}
		defer s.streams.Close()
		test(s, q)
	})
}

func TestMissedNewsAreMadeUpFor(t *testing.T) {
	missing(t, func(s stage, q *quiet) {
		s.add("gone", "alive")
		gone, releaseGone := s.hold("gone", time.Time{})
		alive, releaseAlive := s.hold("alive", time.Time{})
		defer releaseGone()
		defer releaseAlive()
		s.delete("gone")
		s.wantEnded("nobody was told", gone, nil)
		q.tell(session.Key{})
		s.wantEnded("deleted", gone, session.ErrRevoked)
		s.wantEnded("not deleted", alive, nil)
		time.Sleep(time.Minute)
		s.wantEnded("not deleted, after a second look", alive, nil)
	})
}

// A store may return a session as it was a few seconds ago.
func TestMissedNewsAreMadeUpForDespiteCopies(t *testing.T) {
	missing(t, func(s stage, q *quiet) {
		s.add("a")
		held, release := s.hold("a", time.Time{})
		defer release()
		q.copies = map[session.Key]session.Record{sessionKey("a"): {Value: "old"}}
		s.delete("a")
		q.tell(session.Key{})
		s.wantEnded("as long as there is a copy", held, nil)
		q.mu.Lock()
		q.copies = nil
		q.mu.Unlock()
		time.Sleep(5 * time.Second)
		s.wantEnded("after copies have ended", held, session.ErrRevoked)
	})
}

func TestOneLookAtATime(t *testing.T) {
	missing(t, func(s stage, q *quiet) {
		s.add("a")
		_, release := s.hold("a", time.Time{})
		defer release()
		q.fail(errors.New("no connection")) // so that a look takes a while
		q.tell(session.Key{})
		synctest.Wait()
		for range 100 {
			q.tell(session.Key{})
		}
		q.fail(nil)
		time.Sleep(time.Minute)
		if n := q.loads.Load(); n != 4 { // one failed, its repetition, one more look, and the one for copies
			t.Errorf("%d loads after 101 times missed news, want 4", n)
		}
	})
}

func TestStreamsOfAStoreThatCannotTellEnd(t *testing.T) {
	missing(t, func(s stage, q *quiet) {
		var helds [100]context.Context
		for i := range helds {
			s.add(strconv.Itoa(i))
			held, release := s.hold(strconv.Itoa(i), time.Time{})
			defer release()
			helds[i] = held
		}
		q.fail(errors.New("no connection"))
		q.tell(session.Key{})
		time.Sleep(5*time.Second - 1)
		for _, held := range helds {
			s.wantEnded("within five seconds", held, nil)
		}
		time.Sleep(time.Second)
		for _, held := range helds {
			s.wantEnded("after five seconds", held, session.ErrRevoked)
		}
		q.fail(nil)
		held, release := s.hold("0", time.Time{})
		defer release()
		s.wantEnded("held once the store answers again", held, nil)
	})
}

func TestStreamsOutliveAShortFailure(t *testing.T) {
	missing(t, func(s stage, q *quiet) {
		s.add("alive", "gone")
		alive, releaseAlive := s.hold("alive", time.Time{})
		gone, releaseGone := s.hold("gone", time.Time{})
		defer releaseAlive()
		defer releaseGone()
		s.delete("gone")
		q.fail(errors.New("no connection"))
		q.tell(session.Key{})
		time.Sleep(4 * time.Second)
		q.fail(nil)
		time.Sleep(time.Second)
		s.wantEnded("alive", alive, nil)
		s.wantEnded("gone", gone, session.ErrRevoked)
	})
}

func TestCloseStopsWatchingAndALook(t *testing.T) {
	missing(t, func(s stage, q *quiet) {
		s.add("a")
		_, release := s.hold("a", time.Time{})
		defer release()
		q.fail(errors.New("no connection"))
		q.tell(session.Key{})
		synctest.Wait()
		start := time.Now()
		s.streams.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v, want no wait", d)
		}
		s.streams.Close()
		if q.stopped != 1 {
			t.Errorf("the store was told %d times to tell no more, want once", q.stopped)
		}
	})
}
