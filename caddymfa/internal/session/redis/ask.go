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
	if err != nil || reply.IsNil() {
		return stored{}, false, err
	}
	value, err := reply.AsBytes()
	if err != nil {
		return stored{}, false, errReply
	}
	return split(value), true, nil
}

// readCached returns what lies under name, or lay there at most
// [Config.CacheFor] ago. While Redis has a rest, only what is cached is found.
//
// rueidis lets all who want one key wait for one read, and that read ends with
// its first caller's context: so it gets none of a caller's.
func (s *Store) readCached(ctx context.Context, name string, now time.Time) (stored, bool, error) {
	client, err := s.link.use(ctx)
	if client == nil {
		return stored{}, false, err
	}
	wait := s.over
	if err == nil {
		wait = s.patience(now)
	}
	get := func() rueidis.RedisResult {
		return client.DoCache(wait, client.B().Get().Key(name).Cache().ToStaticTTL(), s.config.CacheFor)
	}
	reply := get()
	if err == nil && lost(reply.NonRedisError()) {
		reply = get()
	}
	switch {
	case reply.IsCacheHit():
	case err != nil:
		return stored{}, false, err
	default:
		err = s.link.judge(client, reply.Error())
		if err != nil {
			return stored{}, false, err
		}
	}
	value, err := reply.AsBytes()
	if rueidis.IsRedisNil(err) {
		return stored{}, false, nil
	}
	if err != nil {
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
		e.ctx, e.cancel = context.WithTimeout(context.Background(), s.config.Timeout*5/4)
		s.epoch.Store(e)
	}
	return e.ctx
}
