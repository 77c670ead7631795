package memory

import (
	"context"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	e, err := s.look(ctx, key)
	if err != nil {
		return session.Record{}, false, err
	}
	switch e := e.(type) {
	case nil:
		return session.Record{}, false, nil
	case *record:
		return e.record(), true, nil
	default:
		return session.Record{}, false, errCounter
	}
}

// Count implements [session.Store].
func (s *Store) Count(ctx context.Context, key session.Key) (int64, time.Time, error) {
	e, err := s.look(ctx, key)
	if err != nil {
		return 0, time.Time{}, err
	}
	switch e := e.(type) {
	case nil:
		return 0, time.Time{}, nil
	case *counter:
		return e.n, moment(e.resets), nil
	default:
		return 0, time.Time{}, errRecord
	}
}

// look returns what lives under key, or nil.
func (s *Store) look(ctx context.Context, key session.Key) (entry, error) {
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	sh, err := s.shard(key)
	if err != nil {
		return nil, err
	}
	return sh.get(key, time.Now()), nil
}

// Add implements [session.Store].
func (s *Store) Add(ctx context.Context, key session.Key, value string, expires time.Time, groups ...session.Group) (bool, error) {
	return s.change(ctx, key, func(sh *shard, e entry, now time.Time) (entry, error) {
		if err := check(value, expires.Sub(now), groups...); err != nil {
			return nil, err
		}
		switch e.(type) {
		case nil:
			return sh.newRecord(key, pack(groups), value, expires), nil
		case *record:
			return nil, nil
		default:
			return nil, errCounter
		}
	})
}

// Update implements [session.Store].
func (s *Store) Update(ctx context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	return s.change(ctx, key, func(sh *shard, e entry, now time.Time) (entry, error) {
		if err := check(value, expires.Sub(now)); err != nil {
			return nil, err
		}
		return sh.updated(key, e, old, value, expires)
	})
}

// updated returns the record that takes the place of e, or nil if e is not
// old any more. The caller holds mu.
func (sh *shard) updated(key session.Key, e entry, old session.Record, value string, expires time.Time) (entry, error) {
	switch e := e.(type) {
	case nil:
		return nil, nil
	case *record:
		if e.version != old.Version {
			return nil, nil
		}
		return sh.newRecord(key, e.groups(), value, expires), nil
	default:
		return nil, errCounter
	}
}

// Touch implements [session.Store]. It loses against a change that is on its
// way to the journal.
func (s *Store) Touch(ctx context.Context, key session.Key, old session.Record, value string) (bool, error) {
	if err := s.Start(ctx); err != nil {
		return false, err
	}
	sh, err := s.shard(key)
	if err != nil {
		return false, err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := time.Now()
	e := sh.get(key, now)
	if e == nil || sh.flights[key.Sum] != nil {
		return false, nil
	}
	if err := check(value, time.Duration(e.deadline()-now.UnixNano())); err != nil {
		return false, err
	}
	next, err := sh.updated(key, e, old, value, moment(e.deadline()))
	if err != nil || next == nil {
		return false, err
	}
	sh.replace(key, e, next)
	if s.journal != nil {
		s.journal.Later(next.journalled(key))
	}
	return true, nil
}

// Increment implements [session.Store].
func (s *Store) Increment(ctx context.Context, key session.Key, window time.Duration) (int64, time.Time, error) {
	var next counter
	_, err := s.change(ctx, key, func(_ *shard, e entry, now time.Time) (entry, error) {
		if err := check("", window); err != nil {
			return nil, err
		}
		switch e := e.(type) {
		case nil:
			next = counter{n: 1, resets: now.Add(window).UnixNano()}
		case *counter:
			next = counter{n: e.n + 1, resets: e.resets}
		default:
			return nil, errRecord
		}
		return &next, nil
	})
	if err != nil {
		return 0, time.Time{}, err
	}
	return next.n, moment(next.resets), nil
}
