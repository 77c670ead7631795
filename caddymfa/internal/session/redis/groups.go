package redis

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// A group is a sorted set of kinds and sums by their deadlines. It may have too
// many, since keys join before their records are written, and stay a little
// longer than these live because nodes' clocks differ. Whether a record lives
// and belongs to the group it says itself.

// join enters key into groups until expires.
func (s *Store) join(ctx context.Context, key session.Key, expires time.Time, groups []session.Group) error {
	now := s.now()
	left := milliseconds(expires.Sub(now) + 2*session.Skew)
	for _, g := range groups {
		_, err := s.run(ctx, s.scripts.join, s.groupName(g), member(key), score(expires), left, score(now.Add(-session.Skew)))
		if err != nil {
			return err
		}
	}
	return nil
}

// rejoin is join for a record that Redis has, in the groups that it was given.
func (s *Store) rejoin(ctx context.Context, key session.Key, expires time.Time) error {
	value, found, err := s.read(ctx, s.name(key))
	if err != nil || !found {
		return err
	}
	return s.join(ctx, key, expires, value.memberOf())
}

// leave takes key out of groups, as far as Redis lets it.
func (s *Store) leave(ctx context.Context, key session.Key, expires time.Time, groups []session.Group) {
	for _, g := range groups {
		_, _ = s.run(ctx, s.scripts.leave, s.groupName(g), member(key), score(expires))
	}
}

// member is what key is called in a group.
func member(key session.Key) string { return string(byte(key.Kind)) + string(key.Sum[:]) }

// keyOf reads a member, or false for what is none.
func keyOf(member string) (session.Key, bool) {
	var key session.Key
	if len(member) != 1+len(key.Sum) {
		return key, false
	}
	key.Kind = session.Kind(member[0])
	copy(key.Sum[:], member[1:])
	return key, key.Kind.Valid()
}

func score(moment time.Time) string { return strconv.FormatInt(moment.UnixMilli(), 10) }

// Members implements [session.Store].
//
// A record that was forged is no member, since nobody can load it. One that is
// sealed with a key that this process does not know is an error: others might.
func (s *Store) Members(ctx context.Context, group session.Group) ([]session.Entry, error) {
	reply, err := s.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		from := score(s.now().Add(-session.Skew))
		return c.Do(ctx, c.B().Zrangebyscore().Key(s.groupName(group)).Min(from).Max("+inf").Build())
	})
	if err != nil {
		return nil, err
	}
	members, err := reply.AsStrSlice()
	if err != nil {
		return nil, errReply
	}
	var keys []session.Key
	for _, m := range members {
		if key, ok := keyOf(strings.Clone(m)); ok {
			keys = append(keys, key)
		}
	}
	return s.entries(ctx, keys, func(groups []session.Group) bool { return slices.Contains(groups, group) })
}
