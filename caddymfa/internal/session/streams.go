package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Causes with which a context of [Streams.Hold] ends before its parent does.
var (
	// ErrRevoked means that the session was deleted, or that nobody can tell
	// any more whether it was.
	ErrRevoked = errors.New("session was revoked")

	// ErrEnded means that the session's lifetime is over.
	ErrEnded = errors.New("session has ended")
)

const (
	// patience is how long a session may not be told from a deleted one before
	// it is taken for one.
	patience = 5 * time.Second

	// retryPause lies between two attempts to load it.
	retryPause = 250 * time.Millisecond

	// copiesLast is how long a store may return a session as it was. After
	// that what Load says is true whatever news were missed.
	copiesLast = 5 * time.Second

	// streamShards is how many locks the held contexts are spread over.
	streamShards = 64
)

// Streams ends what was begun under a session and lasts longer than the
// decision to let it pass: downloads, event streams, WebSockets. There is one
// per store. Make it with [NewStreams], end it with Close.
type Streams struct {
	store  Store
	shards [streamShards]streamShard
	missed chan struct{} // filled when news of deletions may have been missed
	close  func()
}

// NewStreams returns the streams under the sessions of store, and watches it
// until Close.
func NewStreams(store Store) *Streams {
	s := &Streams{store: store, missed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx) })
	stop := store.Watch(s.told)
	s.close = sync.OnceFunc(func() {
		stop()
		cancel()
		watching.Wait()
		for i := range s.shards {
			s.shards[i].close()
		}
	})
	return s
}

// Close stops watching the store. From then on nobody would hear that a
// session is revoked, so everything held ends with [ErrRevoked], and so does
// everything that is held later. Close may be called more than once.
func (s *Streams) Close() { s.close() }

// Hold returns a context that ends with ctx, when the session of key is
// deleted on any node, or at end; with the zero end there is no such moment.
// [context.Cause] is then that of ctx, [ErrRevoked] or [ErrEnded].
// Whoever calls Hold calls release once when its work is done.
//
// A session that was deleted after it was loaded and before Hold counts as
// deleted. Hold itself does not ask the store: it is called with every
// verified request.
func (s *Streams) Hold(ctx context.Context, key Key, end time.Time) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	h := &hold{key: key, end: end, cancel: cancel, shard: s.shard(key)}
	if cause := h.shard.add(h); cause != nil {
		cancel(cause)
	}
	return held, h.release
}

// shard returns the shard of key, which is a hash. The memory store spreads by
// the first byte.
func (s *Streams) shard(key Key) *streamShard { return &s.shards[key.Sum[1]%streamShards] }

// told is what the store calls.
func (s *Streams) told(key Key) {
	if key != (Key{}) {
		s.shard(key).revoke(key)
		return
	}
	select {
	case s.missed <- struct{}{}:
	default: // a look is due already
	}
}

// watch looks after missed news until ctx is done. What Load says at once may
// be a copy from before, so it looks a second time when copies have ended.
func (s *Streams) watch(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.missed:
			again = time.After(copiesLast)
		case <-again:
		}
		s.lookAgain(ctx)
	}
}

// lookAgain loads every held session and ends what is gone. The shards are
// looked at side by side, since a store may be far away.
func (s *Streams) lookAgain(ctx context.Context) {
	var all sync.WaitGroup
	for i := range s.shards {
		all.Go(func() { s.lookAt(ctx, &s.shards[i]) })
	}
	all.Wait()
}

func (s *Streams) lookAt(ctx context.Context, sh *streamShard) {
	for _, key := range sh.keys() {
		found, err := s.load(ctx, key)
		if err != nil { // then the others could not be loaded either
			sh.revokeAll()
			return
		}
		if !found {
			sh.revoke(key)
		}
	}
}

// load tells whether there is such a session. Its error means that the store
// could not tell for as long as we have patience, or that ctx is done, which
// ends everything as well.
func (s *Streams) load(ctx context.Context, key Key) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, found, err = s.store.Load(ctx, key)
		if err == nil || ctx.Err() != nil {
			return found, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}
