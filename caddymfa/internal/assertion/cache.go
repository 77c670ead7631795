package assertion

import (
	"sync"
	"time"
)

// Size of a [Cache], and for how long it gives out what it holds. The rest of
// a statement's life belongs to the app.
const (
	cacheHalf = 2048 // statements
	reuse     = Lifetime / 2
)

// Cache remembers signed statements by what they were signed for, so that a
// busy session is not signed for again at every request. It gives a statement
// out for half of [Lifetime], holds some four thousand at most, and forgets the
// older half when it is full: whoever is forgotten is signed for again.
//
// The zero value is ready to use. It knows nothing of sessions: ask it after
// the session was checked, never instead.
type Cache[K comparable] struct {
	mu         sync.Mutex
	young, old map[K]signed
	turned     int64 // when young was begun, seconds since 1970
}

type signed struct {
	statement string
	at        int64 // seconds since 1970
}

// Get returns the statement for k if there is a fresh one.
func (c *Cache[K]) Get(k K, now time.Time) (statement string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.young[k]
	if !ok {
		held, ok = c.old[k]
	}
	if !ok || !fresh(held.at, now) {
		return "", false
	}
	return held.statement, true
}

// Put remembers what was signed for k at now.
func (c *Cache[K]) Put(k K, statement string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= cacheHalf || !fresh(c.turned, now) {
		c.young, c.old, c.turned = make(map[K]signed), c.young, now.Unix()
	}
	c.young[k] = signed{statement, now.Unix()}
}

// fresh goes by the clock on the wall, as receivers do: a machine that slept or
// whose clock was set back gives out nothing from before.
func fresh(at int64, now time.Time) bool {
	age := now.Unix() - at
	return 0 <= age && age < int64(reuse/time.Second)
}
