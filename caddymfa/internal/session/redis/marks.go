package redis

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Marks are spread over shards, so that requests do not wait for each other,
// and kept in two generations each: when the young one is full it becomes the
// old one, and the old one is forgotten. So at least shardCount × generation
// are remembered, and at most twice as many.
const (
	shardCount = 64
	generation = 1024
)

// mark is what this process remembers of a key until a moment.
type mark struct {
	version uint64
	until   int64 // Unix milliseconds
}

// marks remember what this process knows better than Redis or than its own
// copy. The zero value is ready to use.
type marks struct {
	some   atomic.Bool // there has ever been one
	shards [shardCount]markShard
}

type markShard struct {
	mu         sync.RWMutex
	young, old map[session.Key]mark
}

func (m *marks) shard(key session.Key) *markShard { return &m.shards[key.Sum[0]%shardCount] }

// get returns key's mark, if it has one at now.
func (m *marks) get(key session.Key, now time.Time) (mark, bool) {
	if !m.some.Load() {
		return mark{}, false
	}
	sh := m.shard(key)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	found, ok := sh.young[key]
	if !ok {
		found, ok = sh.old[key]
	}
	return found, ok && now.UnixMilli() < found.until
}

func (m *marks) has(key session.Key, now time.Time) bool {
	_, ok := m.get(key, now)
	return ok
}

// put marks key until a moment.
func (m *marks) put(key session.Key, version uint64, until time.Time) {
	m.some.Store(true)
	sh := m.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.young) >= generation {
		sh.young, sh.old = nil, sh.young
	}
	if sh.young == nil {
		sh.young = make(map[session.Key]mark)
	}
	sh.young[key] = mark{version, until.UnixMilli()}
}

// drop forgets key's mark.
func (m *marks) drop(key session.Key) {
	sh := m.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.young, key)
	delete(sh.old, key)
}
