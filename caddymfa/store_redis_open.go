package caddymfa

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
)

const (
	defaultRedis = "127.0.0.1:6379"

	// startTime bounds how long the start of Caddy waits for Redis.
	startTime = 3 * time.Second
)

// Provision fills in placeholders. It does not connect.
func (s *RedisStore) Provision(ctx caddy.Context) error {
	s.log = ctx.Logger()
	if err := errors.Join(s.check(), s.resolve()); err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	if _, err := redis.New(s.resolved); err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	if s.TLS == nil {
		for _, address := range s.resolved.Addresses {
			if !loopback(address) {
				s.log.Warn("the connection to Redis is not encrypted: add tls to store redis", zap.String("address", address))
			}
		}
	}
	return nil
}

func (s *RedisStore) resolve() error {
	s.resolved = redis.Config{
		Cluster: s.Cluster, DB: s.Database, Prefix: s.Prefix,
		CacheFor: time.Duration(s.Cache), Timeout: time.Duration(s.Timeout),
	}
	fill := caddy.NewReplacer()
	for _, address := range s.Addresses {
		filled, err := fill.ReplaceOrErr(address, true, true)
		if err != nil {
			return err
		}
		s.resolved.Addresses = append(s.resolved.Addresses, filled)
	}
	if len(s.Addresses) == 0 {
		s.resolved.Addresses = []string{defaultRedis}
	}
	sentinel := cmp.Or(s.Sentinel, new(RedisSentinel))
	s.resolved.Master = sentinel.Master
	for _, secret := range []struct {
		into  *string
		value string
	}{
		{&s.resolved.Username, s.Username}, {&s.resolved.Password, s.Password},
		{&s.resolved.SentinelUsername, sentinel.Username}, {&s.resolved.SentinelPassword, sentinel.Password},
	} {
		filled, err := fill.ReplaceOrErr(secret.value, true, true)
		if err != nil {
			return err
		}
		*secret.into = strings.TrimSpace(filled)
	}
	var err error
	s.resolved.TLS, err = s.TLS.config()
	return err
}

func (t *RedisTLS) config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		roots, err := readRoots(t.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	return config, nil
}

// loopback tells whether an address is on this machine. An empty host is.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || host == "" || err == nil && ip.IsLoopback()
}

// identity leaves out how the store is tuned, and its password: a new password
// for the same store is no new store, but it counts only when Caddy starts.
func (s *RedisStore) identity() string {
	c := s.resolved
	return fmt.Sprintf("redis\n%s\n%s\n%s\n%d\n%s\n%t", strings.Join(c.Addresses, " "), c.Master, c.Username, c.DB, c.Prefix, s.TLS != nil)
}

func (s *RedisStore) open(keys *keyring) (*openStore, error) {
	log := new(newestLog)
	config := s.resolved
	config.Vault = newVault(keys)
	config.Log = func(message string, err error) { log.get().Warn(message, zap.Error(err)) }
	config.Refused = func(error) { countRefused("redis", 1) }
	store, err := redis.New(config)
	if err != nil {
		return nil, err
	}
	return &openStore{
		Store: store,
		// Redis may come later: that is said and no reason not to start.
		start: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, startTime)
			defer cancel()
			if err := store.Start(ctx); err != nil {
				log.get().Error("Redis cannot be used: nobody is let through until it can", zap.Error(err))
			}
			return nil
		},
		close: func() error { store.Close(); return nil },
		log:   log,
		health: func(ctx context.Context) (storeHealth, error) {
			health, err := store.Ping(ctx)
			if err == nil {
				// A replica answers as well, and so does a server without
				// memory: only a write tells whether people can log in.
				_, _, err = store.Increment(ctx, session.NewKey(session.KindCounter, "health"), time.Minute)
			}
			return storeHealth{Kind: "redis", Version: health.Version, Role: health.Role}, err
		},
	}, nil
}

// UnmarshalCaddyfile reads the store's line and block; the syntax is at
// [RedisStore].
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the store's name
	s.Addresses = d.RemainingArgs()
	err := readBlock(d, "store redis", map[string]option{
		"username": text(&s.Username),
		"password": text(&s.Password),
		"database": number(&s.Database),
		"prefix":   text(&s.Prefix),
		"tls":      {read: s.readTLS},
		"sentinel": {read: s.readSentinel},
		"cluster":  flag(&s.Cluster),
		"cache":    {read: s.readCache},
		"timeout":  span(&s.Timeout),
	})
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// check refuses what can be told from the config alone. The Caddyfile parser
// shares it, since it knows the line.
func (s *RedisStore) check() error {
	switch {
	case len(s.Addresses) > 1 && !s.Cluster && s.Sentinel == nil:
		return errors.New("store redis has several addresses: say what they are, with cluster or sentinel <master>")
	case s.Cluster && s.Sentinel != nil:
		return errors.New("store redis: cluster and sentinel contradict each other")
	case s.Cluster && s.Database != 0:
		return errors.New("store redis: a cluster has no database but 0")
	case time.Duration(s.Cache) > redis.MaxCacheFor:
		return fmt.Errorf("store redis: cache %s is longer than %s, which bounds how late a revocation may be", time.Duration(s.Cache), redis.MaxCacheFor)
	}
	return nil
}

func (s *RedisStore) readTLS(d *caddyfile.Dispenser) error {
	if err := noMore(d, "tls"); err != nil {
		return err
	}
	s.TLS = new(RedisTLS)
	return readBlock(d, "tls", map[string]option{"ca": text(&s.TLS.CA), "server_name": text(&s.TLS.ServerName)})
}

func (s *RedisStore) readSentinel(d *caddyfile.Dispenser) error {
	s.Sentinel = new(RedisSentinel)
	if err := text(&s.Sentinel.Master).read(d); err != nil {
		return err
	}
	return readBlock(d, "sentinel", map[string]option{
		"username": text(&s.Sentinel.Username),
		"password": text(&s.Sentinel.Password),
	})
}

// readCache reads a duration, or "off".
func (s *RedisStore) readCache(d *caddyfile.Dispenser) error {
	var written string
	name := d.Val()
	if err := text(&written).read(d); err != nil {
		return err
	}
	if written == "off" {
		s.Cache = -1
		return nil
	}
	return parseSpan(d, name, written, &s.Cache)
}

// Interface guards
var (
	_ storeProvider         = (*RedisStore)(nil)
	_ caddy.Provisioner     = (*RedisStore)(nil)
	_ caddyfile.Unmarshaler = (*RedisStore)(nil)
)
