// Package memory is the default [session.Store]: everything in this process,
// in go-cache, bounded in number, gone with the process.
//
// go-cache has neither a bound, nor a compare-and-set, nor a way to stop its
// clean-up. So each kind of key has an area of its own with a limit, spread
// over 64 small caches; whoever changes an entry holds the lock of its
// shard; and one sweeper of ours, stopped by Close, takes a shard at a time.
// Reading takes none of our locks.
package memory

import (
	"sync"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Defaults for the zero values of [Config].
const (
	// DefaultMaxSessions holds about 0.3 GB of sessions when full.
	DefaultMaxSessions = 1_000_000

	// DefaultMaxOthers lets about 400 challenges begin every second for ten
	// minutes, with all of their counters.
	DefaultMaxOthers = 250_000
)

// Config says how much a [Store] may hold. The zero value is usable.
type Config struct {
	// MaxSessions is the number of sessions that fit in.
	// Zero selects [DefaultMaxSessions].
	MaxSessions int

	// MaxOthers is the number of entries of each other kind that fit in:
	// as many challenges, and besides them as many counters, and so on. A
	// flood of one kind thus takes no room from another. Zero selects
	// [DefaultMaxOthers].
	MaxOthers int

	// SweepEvery is the pause between two shards of the sweeper, which drops
	// expired entries; a round takes 64 of them. One second suits a server.
	// Zero: no sweeper. Expired entries are then invisible, but stay in
	// memory until the store is full or their key is used again.
	SweepEvery time.Duration
}

// Store is a [session.Store] in memory. Make it with [New], end it with Close.
//
// The limits are exact: they count what is stored, expired entries included
// until they are dropped. Where a limit is reached, everything expired of that
// kind is dropped first, at most once a second; if that makes no room the
// answer is [session.ErrFull].
//
// No method waits for anything but a lock, so ctx is not looked at.
type Store struct {
	areas    []*area // by kind; the first is unused
	watchers watchers
	stop     chan struct{}
	once     sync.Once
	swept    sync.WaitGroup
}

var _ session.Store = (*Store)(nil)

// New returns an empty store and starts its sweeper if config asks for one.
func New(config Config) *Store {
	s := &Store{areas: []*area{nil}, stop: make(chan struct{})}
	for kind := session.KindSession; kind.Valid(); kind++ {
		limit := orDefault(config.MaxOthers, DefaultMaxOthers)
		if kind == session.KindSession {
			limit = orDefault(config.MaxSessions, DefaultMaxSessions)
		}
		s.areas = append(s.areas, newArea(limit))
	}
	if config.SweepEvery > 0 {
		s.swept.Go(func() { s.sweep(config.SweepEvery) })
	}
	return s
}

func orDefault(n, preset int) int64 {
	if n == 0 {
		n = preset
	}
	return int64(n)
}

// Close stops the sweeper and waits until it has ended. What is stored stays
// and the store can still be used. Close may be called more than once.
func (s *Store) Close() {
	s.once.Do(func() { close(s.stop) })
	s.swept.Wait()
}

// Len returns the number of entries of one kind, including expired ones that
// were not dropped yet.
func (s *Store) Len(kind session.Kind) int {
	if !kind.Valid() {
		return 0
	}
	return int(s.areas[kind].used.Load())
}
