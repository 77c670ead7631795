package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Increment implements [session.Store]. Redis' clock measures the window. The
// counter lies in Redis as plain digits, which its script needs: whoever can
// write there can reset it.
//
// After an error it may have been counted or not.
func (s *Store) Increment(ctx context.Context, key session.Key, window time.Duration) (int64, time.Time, error) {
	if !key.Kind.Valid() {
		return 0, time.Time{}, errKind
	}
	if window <= 0 || window > farthest {
		return 0, time.Time{}, errWindow
	}
	reply, err := s.run(ctx, s.scripts.count, s.name(key), milliseconds(window))
	if err != nil {
		return 0, time.Time{}, err
	}
	numbers, err := reply.AsIntSlice()
	if err != nil || len(numbers) != 2 {
		return 0, time.Time{}, errReply
	}
	return numbers[0], s.after(numbers[1]), nil
}

// Count implements [session.Store].
func (s *Store) Count(ctx context.Context, key session.Key) (int64, time.Time, error) {
	if !key.Kind.Valid() {
		return 0, time.Time{}, errKind
	}
	reply, err := s.run(ctx, s.scripts.read, s.name(key))
	if err != nil {
		return 0, time.Time{}, err
	}
	parts, err := reply.ToArray()
	if err != nil || len(parts) != 2 {
		return 0, time.Time{}, errReply
	}
	text, _ := parts[0].ToString()
	left, _ := parts[1].AsInt64()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, time.Time{}, errRecord
	}
	if n == 0 {
		return 0, time.Time{}, nil
	}
	// Made persistent, not by us: the next increment gives it a window.
	return n, s.after(max(left, 1)), nil
}

// after returns the moment that is ms from now.
func (s *Store) after(ms int64) time.Time { return s.now().Add(time.Duration(ms) * time.Millisecond) }
