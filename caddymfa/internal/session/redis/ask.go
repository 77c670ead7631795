package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// do has op talk to Redis within the timeout, and says in our words what came
// of it. A nil reply is no error. If ctx ended, that says nothing about Redis.
func (s *Store) do(ctx context.Context, op func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisMessage, error) {
	limited, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	client, err := s.link.use(limited)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	reply, err := op(limited, client).ToMessage()
	if err != nil && ctx.Err() != nil {
		return reply, describe(ctx.Err())
	}
	return reply, s.link.judge(client, err)
}

// run runs a script on one key. It is never repeated.
func (s *Store) run(ctx context.Context, script *rueidis.Lua, name string, args ...string) (rueidis.RedisMessage, error) {
	return s.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return script.Exec(ctx, c, []string{name}, args)
	})
}

// read returns what lies under name now.
func (s *Store) read(ctx context.Context, name string) (stored, bool, error) {
	reply, err := s.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		reply := c.Do(ctx, c.B().Get().Key(name).Build())
		if lost(reply.NonRedisError()) {
			reply = c.Do(ctx, c.B().Get().Key(name).Build())
		}
		return reply
	})
	if err != nil {
		return stored{}, false, err
	}
	return taken(reply.AsBytes())
}

// readCached returns what lies under name, or lay there at most
// [Config.CacheFor] ago. While Redis is not well, what is cached is enough, and
// is not taken for its recovery.
func (s *Store) readCached(ctx context.Context, name string, now time.Time) (stored, bool, error) {
	if client := s.link.unwell(); client != nil {
		if reply := s.getCached(s.over, client, name); reply.IsCacheHit() {
			return taken(reply.AsBytes())
		}
	}
	client, err := s.link.use(ctx)
	if err != nil {
		return stored{}, false, err
	}
	wait := s.patience(now)
	reply := s.getCached(wait, client, name)
	if lost(reply.NonRedisError()) {
		reply = s.getCached(wait, client, name)
	}
	if err := s.link.judge(client, reply.Error()); err != nil {
		return stored{}, false, err
	}
	return taken(reply.AsBytes())
}

// getCached asks for a copy, or if there is none and ctx has not ended, Redis.
// With ToStaticTTL it does not ask for the time to live as well: a record knows
// its deadline.
//
// rueidis lets all who want one key wait for one read, and that read ends with
// its first caller's context: so ctx is none of a caller's.
func (s *Store) getCached(ctx context.Context, client rueidis.Client, name string) rueidis.RedisResult {
	return client.DoCache(ctx, client.B().Get().Key(name).Cache().ToStaticTTL(), s.config.CacheFor)
}

// taken reads the reply to a GET.
func taken(value []byte, err error) (stored, bool, error) {
	switch {
	case rueidis.IsRedisNil(err):
		return stored{}, false, nil
	case err != nil:
		return stored{}, false, errReply
	}
	return split(value), true, nil
}

// epoch is a deadline that reads share which begin about the same time. One of
// its own would cost each of them more than finding the copy.
type epoch struct {
	ctx    context.Context
	cancel context.CancelFunc // is not needed: the deadline does it
	begun  time.Time
}

// patience returns a context that ends between one and one and a quarter
// timeouts from now.
func (s *Store) patience(now time.Time) context.Context {
	e := s.epoch.Load()
	if e == nil || now.Sub(e.begun) > s.config.Timeout/4 {
		e = &epoch{begun: now}
		e.ctx, e.cancel = context.WithTimeout(context.Background(), s.config.Timeout*5/4) //nolint:gosec // its deadline ends it
		s.epoch.Store(e)
	}
	return e.ctx
}
