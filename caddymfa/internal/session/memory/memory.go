// Package memory is the default [session.Store]: everything in this process,
// in go-cache, bounded in number and size, and if asked for written to a
// journal from which the next process reads it again.
//
// go-cache has neither a bound, nor a compare-and-set, nor a way to stop its
// clean-up. So each kind of key has an area of its own with limits, spread
// over 64 small caches; whoever changes an entry holds the lock of its
// shard; and one sweeper of ours, stopped by Close, takes a shard at a time.
// Reading takes none of our locks, and never looks at the journal.
package memory

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// Defaults for the zero values of [Config].
const (
	// DefaultMaxSessions holds about 0.3 GB of sessions when full.
	DefaultMaxSessions = 1_000_000

	// DefaultMaxOthers lets about 400 of each other kind begin every second
	// that live for ten minutes, if they are small enough for DefaultMaxBytes.
	DefaultMaxOthers = 250_000

	// DefaultMaxBytes holds about 100,000 challenges.
	DefaultMaxBytes = 64 << 20
)

// Config says how much a [Store] may hold and what it does besides. The zero
// value is usable.
type Config struct {
	// MaxSessions is the number of sessions that fit in.
	// Zero selects [DefaultMaxSessions].
	MaxSessions int

	// MaxOthers is the number of entries of each other kind that fit in:
	// as many challenges, and besides them as many counters, and so on. A
	// flood of one kind thus takes no room from another. Zero selects
	// [DefaultMaxOthers].
	MaxOthers int

	// MaxBytes is how much memory the entries of each of those kinds may
	// take, roughly. Zero selects [DefaultMaxBytes]. Sessions are all about
	// the same size and need no such bound.
	MaxBytes int

	// SweepEvery is the pause between two shards of the sweeper, which drops
	// expired entries; a round takes 64 of them. One second suits a server.
	// Zero: no sweeper. Expired entries are then invisible, but stay in
	// memory until the store is full or their key is used again.
	SweepEvery time.Duration

	// Open opens the journal: see [Store.Start]. Nil: there is none, and
	// everything is gone with the process.
	Open func(ctx context.Context) (*journal.Journal, error)

	// Opened, if set, is told what was in the journal once it is read.
	Opened func(journal.Report)
}

// Store is a [session.Store] in memory. Make it with [New], end it with Close.
//
// The limits count what is stored, expired entries included until they are
// dropped. Where a limit is reached, everything expired of that kind is
// dropped first, at most once a second; if that makes no room the answer to
// Add and to a first Increment is [session.ErrFull]. What is there already can
// still be changed, though it grow, and what the journal holds is read whatever
// the limits are.
//
// With a journal, Add, Update and Increment have written their change to disk
// before anybody sees it, and change nothing where that fails. Delete hides
// the entry at once and then has it written; where that fails the entry stays
// hidden, and writing is tried again until the process ends. Touch is written
// within about a second. Until the journal was read, every method fails.
//
// ctx ends the wait for the journal to be read, and for somebody else's change
// of the same key. A method's own write is waited for in any case.
type Store struct {
	areas    []*area // by kind; the first is unused
	watchers watchers

	config   Config
	ready    atomic.Bool      // there is no journal, or it was read
	journal  *journal.Journal // set before ready is, and never again; or nil
	startMu  sync.Mutex       // guards last
	last     *attempt         // to open the journal
	lifetime context.Context  // until Close
	end      context.CancelFunc
	running  sync.WaitGroup
}

var _ session.Store = (*Store)(nil)

// New returns an empty store and starts its sweeper if config asks for one. It
// does not open the journal.
func New(config Config) *Store {
	s := &Store{areas: []*area{nil}, config: config}
	s.lifetime, s.end = context.WithCancel(context.Background())
	s.ready.Store(config.Open == nil)
	for kind := session.KindSession; kind.Valid(); kind++ {
		limit, bytes := orDefault(config.MaxOthers, DefaultMaxOthers), orDefault(config.MaxBytes, DefaultMaxBytes)
		if kind == session.KindSession {
			limit, bytes = orDefault(config.MaxSessions, DefaultMaxSessions), math.MaxInt64
		}
		s.areas = append(s.areas, newArea(s, kind, limit, bytes))
	}
	if config.SweepEvery > 0 {
		s.running.Go(func() { s.sweep(config.SweepEvery) })
	}
	return s
}

func orDefault(n, preset int) int64 {
	if n == 0 {
		n = preset
	}
	return int64(n)
}

// Close stops the sweeper, waits until it has ended, writes what waits for the
// journal and closes it. What is stored can still be read. Close may be called
// more than once.
func (s *Store) Close() {
	s.startMu.Lock() // no attempt begins after this
	s.end()
	s.startMu.Unlock()
	s.running.Wait()
	if s.ready.Load() && s.journal != nil {
		s.journal.Close() // who waited for a write has had its error
	}
}

// Len returns the number of entries of one kind, including expired ones that
// were not dropped yet.
func (s *Store) Len(kind session.Kind) int {
	if !kind.Valid() {
		return 0
	}
	return int(s.areas[kind].used.Load())
}
