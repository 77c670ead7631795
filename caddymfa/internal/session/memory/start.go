package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// startPause is how long the error of an attempt to open the journal stands
// for all who ask.
const startPause = time.Second

var errClosed = errors.New("store was closed before its journal was read")

// attempt is one try to open and read the journal.
type attempt struct {
	done  chan struct{}
	err   error     // what follows is set when done is closed
	ended time.Time // when it failed
}

// Start opens the journal and reads it, once; without one it does nothing. Every
// method that needs the journal calls it first, so that requests may come
// before it.
//
// After an error it is tried again by whoever calls next, at most once a
// second; until then the error is repeated. That ctx is done ends the wait
// of this caller, and not the reading that others wait for.
func (s *Store) Start(ctx context.Context) error {
	if s.ready.Load() {
		return nil
	}
	a := s.attempt()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the journal: %w", ctx.Err())
	}
}

// attempt returns the attempt that is under way, or the one that failed a
// moment ago, or else begins one.
func (s *Store) attempt() *attempt {
	s.startMu.Lock()
	defer s.startMu.Unlock()
	if s.last != nil && !s.last.over() {
		return s.last
	}
	a := &attempt{done: make(chan struct{})}
	s.last = a
	if s.lifetime.Err() != nil {
		a.err = errClosed
		close(a.done)
		return a
	}
	s.running.Go(func() {
		a.err = s.read(s.lifetime)
		a.ended = time.Now()
		close(a.done)
	})
	return a
}

// over tells whether it is time for another attempt.
func (a *attempt) over() bool {
	select {
	case <-a.done:
		return a.err != nil && time.Since(a.ended) >= startPause
	default:
		return false
	}
}

// read opens the journal and takes in what it holds, all or nothing.
func (s *Store) read(ctx context.Context) error {
	j, err := s.config.Open(ctx)
	if err != nil {
		return err
	}
	report, err := j.Read(ctx, s.restore)
	if err != nil {
		for _, a := range s.areas[1:] {
			a.clear()
		}
		return errors.Join(err, j.Close())
	}
	s.journal = j
	s.ready.Store(true)
	if s.config.Opened != nil {
		s.config.Opened(report)
	}
	return nil
}

// restore stores what the journal holds. No limit is looked at: one that was
// lowered refuses new entries, and drops none.
func (s *Store) restore(e journal.Entry) error {
	sh, err := s.shard(e.Key)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var next entry = &counter{n: e.N, resets: e.Record.Expires.UnixNano()}
	if !e.Counter {
		next = sh.newRecord(e.Key, pack(e.Groups), e.Record.Value, e.Record.Expires)
	}
	sh.area.count(1, next)
	sh.set(e.Key, next)
	return nil
}
