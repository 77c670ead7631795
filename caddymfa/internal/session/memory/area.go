package memory

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// shardCount is how many caches an area is spread over. With a million
// entries a sweep then holds one lock for about 0.3 ms, not for 20.
const shardCount = 64

// cleanPause is how often a full area may look for expired entries. Otherwise
// somebody who keeps it full would make us look all the time.
const cleanPause = time.Second

// area holds the entries of one kind.
type area struct {
	store    *Store
	kind     session.Kind
	limit    int64
	maxBytes int64
	used     atomic.Int64 // entries stored, or about to be
	bytes    atomic.Int64 // what they take
	cleaned  atomic.Int64 // when makeRoom last looked, Unix nanoseconds
	shards   [shardCount]shard
}

// shard is one of an area's caches.
type shard struct {
	area  *area
	cache *cache.Cache // without a janitor: see the package comment

	// mu is held by whoever changes an entry, so that reading and changing it
	// are one step. Those who only read rely on the cache's own lock.
	mu      sync.Mutex
	version uint64 // of the record written last
	flights map[[nameBytes]byte]*flight
}

func newArea(store *Store, kind session.Kind, limit, maxBytes int64) *area {
	a := &area{store: store, kind: kind, limit: limit, maxBytes: maxBytes}
	for i := range a.shards {
		sh := &a.shards[i]
		sh.area = a
		sh.cache = cache.New(cache.NoExpiration, 0)
		sh.cache.OnEvicted(sh.evicted)
		sh.flights = make(map[[nameBytes]byte]*flight)
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

// makeRoom drops what is expired if the area is full, or may be with one more.
// It takes the locks of all shards in turn.
func (a *area) makeRoom() {
	if a.used.Load() < a.limit && a.bytes.Load() <= a.maxBytes-largest {
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

// count adds e to what is stored, or with n = -1 takes it away, and tells
// whether the area is within its limits then.
func (a *area) count(n int64, e entry) bool {
	used, bytes := a.used.Add(n), a.bytes.Add(n*e.size())
	return used <= a.limit && bytes <= a.maxBytes
}

// reserve counts e in, unless the area is full.
func (a *area) reserve(e entry) error {
	if !a.count(1, e) {
		a.count(-1, e)
		return session.ErrFull
	}
	return nil
}

// clear drops everything.
func (a *area) clear() {
	for i := range a.shards {
		a.shards[i].mu.Lock()
		a.shards[i].cache.Flush()
		a.shards[i].mu.Unlock()
	}
	a.used.Store(0)
	a.bytes.Store(0)
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
	if expired(e, now) {
		return nil
	}
	return e
}

// newRecord returns a record with a version that this shard, and so this key,
// has not had before. Its groups are packed. The caller holds mu.
func (sh *shard) newRecord(key session.Key, groups, value string, expires time.Time) *record {
	sh.version++
	count := string(rune(len(groups) / groupBytes))
	return &record{stored: name(key) + count + groups + value, version: sh.version, expires: expires.UnixNano()}
}

// replace stores next, which is not counted yet, in the place of old, if old
// is still there. The caller holds mu.
func (sh *shard) replace(key session.Key, old, next entry) {
	before := sh.cache.ItemCount()
	sh.set(key, next)
	sh.area.count(1, next)
	if sh.cache.ItemCount() == before {
		sh.area.count(-1, old)
	}
}

// set stores e. To go-cache an entry is gone after its deadline, to us from
// its deadline on: one nanosecond less makes both agree. The caller holds mu.
func (sh *shard) set(key session.Key, e entry) {
	left := time.Until(moment(e.deadline()))
	sh.cache.Set(e.name(key), e, max(left-1, 1))
}

// evicted is told by go-cache of every entry that it deletes, while the caller
// holds mu. What is expired goes from the journal, too.
func (sh *shard) evicted(name string, object any) {
	e := object.(entry)
	sh.area.count(-1, e)
	if j := sh.area.store.journal; j != nil && expired(e, time.Now()) {
		key := session.Key{Kind: sh.area.kind, Sum: [nameBytes]byte([]byte(name))}
		j.Later(journal.Entry{Key: key, Deleted: true})
	}
}

// sweep drops what is expired.
func (sh *shard) sweep() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.cache.DeleteExpired()
}

// sweep takes one shard of every area at a time until Close.
func (s *Store) sweep(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % shardCount {
		select {
		case <-s.lifetime.Done():
			return
		case <-ticker.C:
		}
		if !s.ready.Load() {
			continue
		}
		for _, a := range s.areas[1:] {
			a.shards[i].sweep()
		}
	}
}
