package memory

import (
	"context"
	"errors"
	"fmt"
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
	errTooLong  = fmt.Errorf("value is longer than %d bytes", session.MaxValue)
)

// record and counter are what the caches hold. They are never changed once
// they are stored: a reader may hold one while a writer replaces it.
type record struct {
	// stored is the entry's name in the cache and behind it the value. They
	// are read one after the other, so with a million sessions one piece of
	// memory spares each reader a wait for a second one.
	stored  string
	version uint64
	expires int64 // Unix nanoseconds
}

func (r *record) name() string  { return r.stored[:nameBytes] }
func (r *record) value() string { return r.stored[nameBytes:] }

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
		return session.Record{Value: e.value(), Version: e.version, Expires: moment(e.expires)}, true, nil
	default:
		return session.Record{}, false, errCounter
	}
}

// Add implements [session.Store].
func (s *Store) Add(_ context.Context, key session.Key, value string, expires time.Time) (bool, error) {
	sh, now, err := s.lock(key)
	if err != nil {
		return false, err
	}
	defer sh.mu.Unlock()
	if err := check(value, expires.Sub(now)); err != nil {
		return false, err
	}
	switch sh.get(key, now).(type) {
	case nil:
		r := sh.newRecord(key, value, expires)
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
		r := sh.newRecord(key, value, expires)
		sh.set(r.name(), r, now)
		return true, nil
	default:
		return false, errCounter
	}
}

// Delete implements [session.Store].
func (s *Store) Delete(_ context.Context, key session.Key) error {
	sh, _, err := s.lock(key)
	if err != nil {
		return err
	}
	defer sh.mu.Unlock()
	sh.remove(name(key))
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
func check(value string, left time.Duration) error {
	if left <= 0 || left > farthest {
		return errDeadline
	}
	if len(value) > session.MaxValue {
		return errTooLong
	}
	return nil
}
