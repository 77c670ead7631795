package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// hold is one context that [Streams.Hold] returned.
type hold struct {
	key    Key
	end    time.Time // zero: none
	cancel context.CancelCauseFunc
	shard  *streamShard

	// The other holds of the same session, guarded by the shard's lock.
	next, prev *hold
	out        bool // no longer in the shard
}

// streamShard is the holds of some of the sessions. The zero value is empty.
type streamShard struct {
	mu     sync.Mutex
	held   map[Key]*hold // the first of each session's
	gone   recent
	closed bool

	// timer runs expire at the earliest end of all that was held. Ends hardly
	// ever come: so a hold that is released leaves the timer as it is, and
	// almost no hold has to set it.
	timer    *time.Timer
	earliest time.Time // zero: the timer is not set
}

// add takes h in, or returns the cause for which it has ended already.
func (sh *streamShard) add(h *hold) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed || sh.gone.has(h.key) {
		h.out = true
		return ErrRevoked
	}
	if sh.sooner(h.end) {
		if !time.Now().Before(h.end) {
			h.out = true
			return ErrEnded
		}
		sh.arm(h.end)
	}
	if sh.held == nil {
		sh.held = make(map[Key]*hold)
	}
	if h.next = sh.held[h.key]; h.next != nil {
		h.next.prev = h
	}
	sh.held[h.key] = h
	return nil
}

// sooner tells whether end comes before what the timer is set to.
func (sh *streamShard) sooner(end time.Time) bool {
	return !end.IsZero() && (sh.earliest.IsZero() || end.Before(sh.earliest))
}

func (sh *streamShard) arm(end time.Time) {
	sh.earliest = end
	if sh.timer == nil {
		sh.timer = time.AfterFunc(time.Until(end), sh.expire)
	} else {
		sh.timer.Reset(time.Until(end))
	}
}

// release takes h out, if it is still in, and ends its context.
func (h *hold) release() {
	h.shard.mu.Lock()
	if !h.out {
		h.shard.remove(h)
	}
	h.shard.mu.Unlock()
	h.cancel(nil)
}

// remove takes h out. It leaves h.next, by which somebody may walk on. The
// caller holds mu.
func (sh *streamShard) remove(h *hold) {
	h.out = true
	if h.next != nil {
		h.next.prev = h.prev
	}
	switch {
	case h.prev != nil:
		h.prev.next = h.next
	case h.next != nil:
		sh.held[h.key] = h.next
	default:
		delete(sh.held, h.key)
	}
}

// keys returns the keys of all sessions under which something is held.
func (sh *streamShard) keys() []Key {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.Collect(maps.Keys(sh.held))
}

// revoke ends what is held under key, and whatever will be.
func (sh *streamShard) revoke(key Key) {
	sh.mu.Lock()
	sh.gone.add(key)
	var taken []*hold
	for h := sh.held[key]; h != nil; h = h.next {
		taken = append(taken, h)
		sh.remove(h)
	}
	sh.mu.Unlock()
	endAll(taken, ErrRevoked)
}

// revokeAll ends everything that is held.
func (sh *streamShard) revokeAll() {
	sh.mu.Lock()
	taken := sh.take(func(*hold) bool { return true })
	sh.mu.Unlock()
	endAll(taken, ErrRevoked)
}

// close is revokeAll for now and ever.
func (sh *streamShard) close() {
	sh.mu.Lock()
	sh.closed = true
	if sh.timer != nil {
		sh.timer.Stop()
	}
	sh.mu.Unlock()
	sh.revokeAll()
}

// expire ends what has come to its end and sets the timer to the next. It
// judges by the wall clock, which may have been set since the timer was.
func (sh *streamShard) expire() {
	sh.mu.Lock()
	now := time.Now()
	var next time.Time
	taken := sh.take(func(h *hold) bool {
		if h.end.IsZero() || !now.Before(h.end) {
			return !h.end.IsZero()
		}
		if next.IsZero() || h.end.Before(next) {
			next = h.end
		}
		return false
	})
	if sh.earliest = next; !next.IsZero() {
		sh.arm(next)
	}
	sh.mu.Unlock()
	endAll(taken, ErrEnded)
}

// take takes out the holds that are wanted. The caller holds mu.
func (sh *streamShard) take(wanted func(*hold) bool) (taken []*hold) {
	for _, h := range sh.held {
		for ; h != nil; h = h.next {
			if wanted(h) {
				taken = append(taken, h)
				sh.remove(h)
			}
		}
	}
	return taken
}

// endAll ends the contexts of holds that were taken out. It is called without
// mu: what waits for a context may do anything, and release its hold too.
func endAll(taken []*hold, cause error) {
	for _, h := range taken {
		h.cancel(cause)
	}
}

// recentKeys is how many keys recent remembers at least, and half of how many
// at most.
const recentKeys = 256

// recent is the keys of sessions that were deleted of late. A request that was
// let pass just before then finds out when it begins to hold. Keys are never
// used again, so to remember one for long does no harm.
type recent struct{ young, old map[Key]struct{} }

func (r *recent) has(key Key) bool {
	_, young := r.young[key]
	_, old := r.old[key]
	return young || old
}

func (r *recent) add(key Key) {
	if r.young == nil || len(r.young) == recentKeys {
		r.young, r.old = make(map[Key]struct{}), r.young
	}
	r.young[key] = struct{}{}
}
