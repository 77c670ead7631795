package memory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// farthest is the longest time an entry may be stored for. It keeps deadlines
// within what go-cache's nanoseconds can express.
const farthest = 10 * 365 * 24 * time.Hour

var (
	errCounter  = errors.New("key holds a counter, not a record")
	errRecord   = errors.New("key holds a record, not a counter")
	errDeadline = errors.New("deadline is not within the next ten years")
	errGroups   = fmt.Errorf("a record belongs to at most %d groups", session.MaxGroups)
	errTooLong  = fmt.Errorf("value is longer than %d bytes", session.MaxValue)
)

// record and counter are what the caches hold. They are never changed once
// they are stored: a reader may hold one while a writer replaces it.
type record struct {
	// stored is the entry's name in the cache, the number of its groups, the
	// groups, and the value. They are read one after the other, so with a
	// million sessions one piece of memory spares each reader a wait for a
	// second one.
	stored  string
	version uint64
	expires int64 // Unix nanoseconds
}

const (
	nameBytes  = len(session.Key{}.Sum)
	groupBytes = len(session.Group{})
)

func (r *record) name() string  { return r.stored[:nameBytes] }
func (r *record) value() string { return r.stored[r.valueAt():] }

// groups returns the record's groups one behind the other, as pack made them.
func (r *record) groups() string { return r.stored[nameBytes+1 : r.valueAt()] }

func (r *record) valueAt() int { return nameBytes + 1 + groupBytes*int(r.stored[nameBytes]) }

// in tells whether the record belongs to group.
func (r *record) in(group session.Group) bool {
	for packed := r.groups(); packed != ""; packed = packed[groupBytes:] {
		if packed[:groupBytes] == string(group[:]) {
			return true
		}
	}
	return false
}

// pack writes groups one behind the other.
func pack(groups []session.Group) string {
	var packed strings.Builder
	for _, group := range groups {
		packed.Write(group[:])
	}
	return packed.String()
}

// record returns what callers are given.
func (r *record) record() session.Record {
	return session.Record{Value: r.value(), Version: r.version, Expires: moment(r.expires)}
}

type counter struct {
	n      int64
	resets int64 // Unix nanoseconds
}

// entry is a *record or a *counter.
type entry interface{ deadline() int64 }

func (r *record) deadline() int64  { return r.expires }
func (c *counter) deadline() int64 { return c.resets }

// moment returns the time that a deadline stands for.
func moment(deadline int64) time.Time { return time.Unix(0, deadline).UTC() }

// Load implements [session.Store].
func (s *Store) Load(_ context.Context, key session.Key) (session.Record, bool, error) {
	sh, err := s.shard(key)
	if err != nil {
		return session.Record{}, false, err
	}
	switch e := sh.get(key, time.Now()).(type) {
	case nil:
		return session.Record{}, false, nil
	case *record:
		return e.record(), true, nil
	default:
		return session.Record{}, false, errCounter
	}
}

// Add implements [session.Store].
func (s *Store) Add(_ context.Context, key session.Key, value string, expires time.Time, groups ...session.Group) (bool, error) {
	sh, now, err := s.lock(key)
	if err != nil {
		return false, err
	}
	defer sh.mu.Unlock()
	if err := check(value, expires.Sub(now), groups...); err != nil {
		return false, err
	}
	switch sh.get(key, now).(type) {
	case nil:
		r := sh.newRecord(key, pack(groups), value, expires)
		err := sh.insert(r.name(), r, now)
		return err == nil, err
	case *record:
		return false, nil
	default:
		return false, errCounter
	}
}

// Update implements [session.Store].
func (s *Store) Update(_ context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	sh, now, err := s.lock(key)
	if err != nil {
		return false, err
	}
	defer sh.mu.Unlock()
	if err := check(value, expires.Sub(now)); err != nil {
		return false, err
	}
	switch e := sh.get(key, now).(type) {
	case nil:
		return false, nil
	case *record:
		if e.version != old.Version {
			return false, nil
		}
		r := sh.newRecord(key, e.groups(), value, expires)
		sh.set(r.name(), r, now)
		return true, nil
	default:
		return false, errCounter
	}
}

// Touch implements [session.Store].
func (s *Store) Touch(ctx context.Context, key session.Key, old session.Record, value string) (bool, error) {
	return s.Update(ctx, key, old, value, old.Expires)
}

// Delete implements [session.Store].
func (s *Store) Delete(_ context.Context, key session.Key) error {
	sh, _, err := s.lock(key)
	if err != nil {
		return err
	}
	sh.remove(name(key))
	sh.mu.Unlock()
	if key.Kind == session.KindSession {
		s.watchers.tell(key)
	}
	return nil
}

// Increment implements [session.Store].
func (s *Store) Increment(_ context.Context, key session.Key, window time.Duration) (int64, time.Time, error) {
	sh, now, err := s.lock(key)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer sh.mu.Unlock()
	if err := check("", window); err != nil {
		return 0, time.Time{}, err
	}
	switch e := sh.get(key, now).(type) {
	case nil:
		first := &counter{n: 1, resets: now.Add(window).UnixNano()}
		if err := sh.insert(name(key), first, now); err != nil {
			return 0, time.Time{}, err
		}
		return 1, moment(first.resets), nil
	case *counter:
		sh.set(name(key), &counter{n: e.n + 1, resets: e.resets}, now)
		return e.n + 1, moment(e.resets), nil
	default:
		return 0, time.Time{}, errRecord
	}
}

// Count implements [session.Store].
func (s *Store) Count(_ context.Context, key session.Key) (int64, time.Time, error) {
	sh, err := s.shard(key)
	if err != nil {
		return 0, time.Time{}, err
	}
	switch e := sh.get(key, time.Now()).(type) {
	case nil:
		return 0, time.Time{}, nil
	case *counter:
		return e.n, moment(e.resets), nil
	default:
		return 0, time.Time{}, errRecord
	}
}

// check refuses what a caller must not ask for: an entry that would be gone at
// once or hardly ever, and a value that is too long.
func check(value string, left time.Duration, groups ...session.Group) error {
	if left <= 0 || left > farthest {
		return errDeadline
	}
	if len(value) > session.MaxValue {
		return errTooLong
	}
	if len(groups) > session.MaxGroups {
		return errGroups
	}
	return nil
}
