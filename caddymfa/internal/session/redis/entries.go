package redis

import (
	"context"
	"slices"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// batch is how many records are asked for at once.
const batch = 256

// entries returns the living records among keys whose groups are wanted.
func (s *Store) entries(ctx context.Context, keys []session.Key, wanted func([]session.Group) bool) ([]session.Entry, error) {
	var entries []session.Entry
	for some := range slices.Chunk(keys, batch) {
		values, err := s.readAll(ctx, some)
		if err != nil {
			return nil, err
		}
		for i, value := range values {
			r, living, err := s.readEntry(ctx, some[i], value, wanted)
			if err != nil {
				return nil, err
			}
			if living {
				entries = append(entries, session.Entry{Key: some[i], Record: r})
			}
		}
	}
	return entries, nil
}

// readEntry returns the record that was read for key. What nobody can load is
// none.
func (s *Store) readEntry(ctx context.Context, key session.Key, reply rueidis.RedisMessage, wanted func([]session.Group) bool) (session.Record, bool, error) {
	bytes, err := reply.AsBytes()
	if rueidis.IsRedisNil(err) || err == nil && isCounter(bytes) {
		return session.Record{}, false, nil
	}
	if err != nil {
		return session.Record{}, false, errReply
	}
	value := split(bytes)
	if !wanted(value.memberOf()) {
		return session.Record{}, false, nil
	}
	r, err := s.open(ctx, key, value)
	if isAny(err, vault.ErrForged, vault.ErrSchema) {
		return session.Record{}, false, nil
	}
	return r, err == nil && s.living(key, r), err
}

// readAll reads records in one go. In a cluster they come from several nodes.
func (s *Store) readAll(ctx context.Context, keys []session.Key) ([]rueidis.RedisMessage, error) {
	values := make([]rueidis.RedisMessage, len(keys))
	_, err := s.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		commands := make(rueidis.Commands, len(keys))
		for i, key := range keys {
			commands[i] = c.B().Get().Key(s.name(key)).Build()
		}
		var last rueidis.RedisResult
		for i, reply := range c.DoMulti(ctx, commands...) {
			value, err := reply.ToMessage()
			if err != nil && !rueidis.IsRedisNil(err) {
				return reply
			}
			values[i], last = value, reply
		}
		return last
	})
	return values, err
}
