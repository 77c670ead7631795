package memory

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

var errCursor = errors.New("cursor was not made by this store")

// Members implements [session.Store]. It looks at every session: a million
// take about half a second. An index would cost every session memory, and
// lists are asked for when somebody signs in or is signed out.
func (s *Store) Members(ctx context.Context, group session.Group) ([]session.Entry, error) {
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	var members []session.Entry
	now := time.Now()
	for i := range shardCount {
		members = s.areas[session.KindSession].shards[i].append(members, session.KindSession, now,
			func(r *record) bool { return r.in(group) })
	}
	return members, nil
}

// Scan implements [session.Store]. A cursor is the number of the next shard:
// pages are as long as it takes to reach the limit with whole shards.
func (s *Store) Scan(ctx context.Context, kind session.Kind, cursor string, limit int) ([]session.Entry, string, error) {
	if err := s.Start(ctx); err != nil {
		return nil, "", err
	}
	if !kind.Valid() {
		return nil, "", errors.New("unknown kind")
	}
	i, err := 0, error(nil)
	if cursor != "" {
		i, err = strconv.Atoi(cursor)
	}
	if err != nil || i < 0 || i >= shardCount {
		return nil, "", errCursor
	}
	var page []session.Entry
	for now := time.Now(); i < shardCount && len(page) < limit; i++ {
		page = s.areas[kind].shards[i].append(page, kind, now, func(*record) bool { return true })
	}
	if i == shardCount {
		return page, "", nil
	}
	return page, strconv.Itoa(i), nil
}

// append adds the living records that wanted selects to entries.
func (sh *shard) append(entries []session.Entry, kind session.Kind, now time.Time, wanted func(*record) bool) []session.Entry {
	for name, item := range sh.cache.Items() {
		if r, ok := item.Object.(*record); ok && now.UnixNano() < r.expires && wanted(r) {
			entries = append(entries, session.Entry{
				Key:    session.Key{Kind: kind, Sum: [nameBytes]byte([]byte(name))},
				Record: r.record(),
			})
		}
	}
	return entries
}

// watchers are told about deletions. The zero value is ready to use.
type watchers struct {
	mu   sync.RWMutex
	last int
	told map[int]func(session.Key)
}

// Watch implements [session.Store].
func (s *Store) Watch(told func(session.Key)) (stop func()) {
	w := &s.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = make(map[int]func(session.Key))
	}
	w.last++
	own := w.last
	w.told[own] = told
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.told, own)
	}
}

func (w *watchers) tell(key session.Key) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, told := range w.told {
		told(key)
	}
}
