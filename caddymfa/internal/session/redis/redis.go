// Package redis is a [session.Store] in Redis or Valkey, for several nodes that
// share sessions, challenges and limits.
//
// Reads of sessions come from a copy in this process for a few seconds. Redis
// tells when such a record changes (client-side caching), so a verified request
// waits for no network and a revocation arrives within milliseconds. All other
// kinds are read from Redis every time, and every change is one command or one
// script there, never a read followed by a write.
//
// Values are sealed by a vault: whoever can write to Redis can delete records
// and reset counters, but neither make a session, nor read, change or move one.
// Names of keys are hashes. Every key has a time to live.
//
// # What Redis must allow
//
// Redis 6.2, Valkey, or newer, alone, behind Sentinel or as a cluster, with
// maxmemory-policy noeviction: a server that drops keys when memory is short
// forgets used codes and limits. A user of its own needs this and no more (the
// last three groups for several nodes' news, for Sentinel and cluster, and for
// health and a database other than 0):
//
//	ACL SETUSER caddymfa on >PASSWORD resetkeys ~mfa:* resetchannels &mfa:* -@all
//	  +hello +auth +ping +client|tracking +client|caching
//	  +get +set +del +pttl +pexpire +incr +scan +eval +evalsha
//	  +zadd +zrem +zscore +zrangebyscore +zremrangebyscore
//	  +publish +subscribe
//	  +role +cluster|slots +cluster|shards
//	  +info +select
package redis

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Store is a [session.Store] in Redis. Make it with [New], end it with Close.
//
// It connects at its first use. Where Redis cannot be reached every method
// returns an error that names the cause, at once for a moment and then after
// another try; sessions that were read within [Config.CacheFor] are found until
// then. It goes on by itself when Redis is back.
//
// What this process has deleted, or has heard that another deleted, it does not
// find again, whatever Redis says: a server that comes back with older data
// revives nothing here. It remembers the last 65,000 deletions at least; a
// process that starts later knows of none.
type Store struct {
	config  Config
	link    *link
	scripts scripts
	news    news
	gone    marks // records that this process must not find
	fresh   marks // sessions that this process changed a moment ago
	origin  string
	now     func() time.Time
	epoch   atomic.Pointer[epoch]
	over    context.Context // has ended
	refused atomic.Int64    // when a refusal was last told, Unix nanoseconds
}

var _ session.Store = (*Store)(nil)

// New returns a store for config, which it checks. It does not connect.
func New(config Config) (*Store, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	s := &Store{
		config: config, link: newLink(config), scripts: newScripts(),
		origin: rand.Text()[:originBytes], now: time.Now, over: over,
	}
	return s, nil
}

// Start connects. An error does not keep later calls from trying again.
func (s *Store) Start(ctx context.Context) error {
	_, err := s.Ping(ctx)
	return err
}

// Close ends the connections, and whoever watches hears nothing more. Every
// later call returns an error. Close may be called more than once.
func (s *Store) Close() {
	s.news.close()
	s.link.close()
}

// Health is what an operator wants to know of a Redis that answers.
type Health struct {
	Version string // of the server, such as "7.0.15" or "valkey 8.0.1"; "" where INFO is forbidden
	Role    string // "master" or "slave"; of a cluster, of one of its nodes

	// Evicts: the server drops keys when its memory is full, whether they
	// are expired or not. It should be told not to.
	Evicts bool
}

// Ping asks Redis how it is. An error means that the store cannot be used now.
// It does not check that Redis accepts writes, other than by its role.
func (s *Store) Ping(ctx context.Context) (Health, error) {
	reply, err := s.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		info := c.Do(ctx, c.B().Info().Build())
		if forbidden(info.Error()) {
			return c.Do(ctx, c.B().Ping().Build())
		}
		return info
	})
	if err != nil {
		return Health{}, err
	}
	text, err := reply.ToString()
	return readInfo(text), err
}

// readInfo reads what INFO answered. Of another text it makes an empty Health.
func readInfo(text string) Health {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	h := Health{Version: fields["redis_version"], Role: fields["role"]}
	if version := fields["valkey_version"]; version != "" {
		h.Version = "valkey " + version
	}
	policy := fields["maxmemory_policy"]
	h.Evicts = policy != "" && policy != "noeviction" && fields["maxmemory"] != "0"
	return h
}

// refuse tells of a record that the vault does not open. The log hears of one
// every ten seconds.
func (s *Store) refuse(err error) {
	const pause = 10 * time.Second
	if s.config.Refused != nil {
		s.config.Refused(err)
	}
	now, last := time.Now().UnixNano(), s.refused.Load()
	if (last == 0 || now-last > int64(pause)) && s.refused.CompareAndSwap(last, now) {
		s.config.Log("a record in Redis was refused", err)
	}
}
