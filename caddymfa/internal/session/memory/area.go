package memory

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// shardCount is how many caches an area is spread over. With a million
// entries a sweep then holds one lock for about 0.3 ms, not for 20.
const shardCount = 64

// cleanPause is how often a full area may look for expired entries. Otherwise
// somebody who keeps it full would make us look all the time.
const cleanPause = time.Second

// area holds the entries of one kind.
type area struct {
	limit   int64
	used    atomic.Int64 // entries stored, or about to be
	cleaned atomic.Int64 // when clean last ran, Unix nanoseconds
	shards  [shardCount]shard
}

// shard is one of an area's caches.
type shard struct {
	area  *area
	cache *cache.Cache // without a janitor: see the package comment

	// mu is held by whoever changes an entry, so that reading and changing it
	// are one step. Those who only read rely on the cache's own lock.
	mu      sync.Mutex
	version uint64 // of the record written last
}

func newArea(limit int64) *area {
	a := &area{limit: limit}
	for i := range a.shards {
		a.shards[i].area = a
		a.shards[i].cache = cache.New(cache.NoExpiration, 0)
	}
	return a
}

// shard returns the shard that key belongs to. A key is a hash, so its first
// byte spreads evenly.
func (s *Store) shard(key session.Key) (*shard, error) {
	if !key.Kind.Valid() {
		return nil, fmt.Errorf("unknown kind of key %d", key.Kind)
	}
	return &s.areas[key.Kind].shards[key.Sum[0]%shardCount], nil
}

// lock returns key's shard, locked, and the time at which it was. It makes
// room before it locks, since that takes the locks of all shards in turn.
func (s *Store) lock(key session.Key) (*shard, time.Time, error) {
	sh, err := s.shard(key)
	if err != nil {
		return nil, time.Time{}, err
	}
	sh.area.makeRoom()
	sh.mu.Lock()
	return sh, time.Now(), nil
}

// makeRoom drops what is expired if the area is full.
func (a *area) makeRoom() {
	if a.used.Load() < a.limit {
		return
	}
	now, last := time.Now().UnixNano(), a.cleaned.Load()
	if now-last < int64(cleanPause) || !a.cleaned.CompareAndSwap(last, now) {
		return
	}
	for i := range a.shards {
		a.shards[i].sweep()
	}
}

// name is what key is called within its shard. The kind is not part of it:
// each kind has its own area.
func name(key session.Key) string { return string(key.Sum[:]) }

// get returns the entry, or nil where there is none at now. go-cache counts
// from the moment of storing; the entry's own deadline is the exact one.
func (sh *shard) get(key session.Key, now time.Time) entry {
	item, found := sh.cache.Get(name(key))
	if !found {
		return nil
	}
	e := item.(entry)
	if now.UnixNano() >= e.deadline() {
		return nil
	}
	return e
}

// newRecord returns a record with a version that this shard, and so this key,
// has not had before. The caller holds mu.
// Its groups are packed.
func (sh *shard) newRecord(key session.Key, groups, value string, expires time.Time) *record {
	sh.version++
	count := string(rune(len(groups) / groupBytes))
	return &record{stored: name(key) + count + groups + value, version: sh.version, expires: expires.UnixNano()}
}

// insert stores an entry under a name that get found free. The caller holds mu.
func (sh *shard) insert(name string, e entry, now time.Time) error {
	sh.remove(name) // it may be expired and still there, and counted
	if sh.area.used.Add(1) > sh.area.limit {
		sh.area.used.Add(-1)
		return session.ErrFull
	}
	sh.set(name, e, now)
	return nil
}

// set stores e. To go-cache an entry is gone after its deadline, to us from
// its deadline on: one nanosecond less makes both agree. The caller holds mu.
func (sh *shard) set(name string, e entry, now time.Time) {
	left := time.Duration(e.deadline() - now.UnixNano())
	sh.cache.Set(name, e, max(left-1, 1))
}

// remove drops the entry, if there is one. The caller holds mu.
func (sh *shard) remove(name string) {
	before := sh.cache.ItemCount()
	sh.cache.Delete(name)
	sh.area.used.Add(int64(sh.cache.ItemCount() - before))
}

// sweep drops what is expired.
func (sh *shard) sweep() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	before := sh.cache.ItemCount()
	sh.cache.DeleteExpired()
	sh.area.used.Add(int64(sh.cache.ItemCount() - before))
}

// sweep takes one shard of every area at a time until Close.
func (s *Store) sweep(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % shardCount {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		for _, a := range s.areas[1:] {
			a.shards[i].sweep()
		}
	}
}
