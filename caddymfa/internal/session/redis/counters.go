package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

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
	name := s.name(key)
	value, found, err := s.read(ctx, name)
	if err != nil || !found {
		return 0, time.Time{}, err
	}
	n, err := strconv.ParseInt(string(value.sealed), 10, 64)
	if err != nil {
		return 0, time.Time{}, errRecord
	}
	reply, err := s.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Pttl().Key(name).Build())
	})
	if err != nil {
		return 0, time.Time{}, err
	}
	const persistent = -1
	left, err := reply.AsInt64()
	switch {
	case err != nil:
		return 0, time.Time{}, errReply
	case left < persistent || left == 0: // it ended meanwhile
		return 0, time.Time{}, nil
	case left == persistent: // not by us; the next increment gives it a window
		left = 1
	}
	return n, s.after(left), nil
}

// after returns the moment that is ms from now.
func (s *Store) after(ms int64) time.Time { return s.now().Add(time.Duration(ms) * time.Millisecond) }
