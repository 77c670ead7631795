package redis_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/sessiontest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// patience is far longer than anything here should take.
const patience = 20 * time.Second

func newVault() *vault.Vault {
	return vault.New(func(context.Context) ([][32]byte, error) { return [][32]byte{{1, 2, 3}}, nil })
}

// open returns a store that ends with its test. What it logs is the test's.
func open(t testing.TB, config redis.Config) *redis.Store {
	t.Helper()
	if config.Vault == nil {
		config.Vault = newVault()
	}
	s, err := redis.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// clock is the process's, moved by what was passed.
type clock struct{ passed atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.passed.Load())) }

// pass lets d pass: the clock goes on, and so does the life of every key on
// the servers, which have no clock that could be moved.
func (c *clock) pass(d time.Duration, servers ...*redistest.Server) {
	c.passed.Add(int64(d))
	for _, server := range servers {
		for _, key := range keys(server) {
			left, _ := strconv.ParseInt(server.Do("PTTL", key), 10, 64)
			if left -= d.Milliseconds(); left > 0 {
				server.Do("PEXPIRE", key, strconv.FormatInt(left, 10))
			} else {
				server.Do("DEL", key)
			}
		}
	}
}

// keys returns the names of all keys of a server.
func keys(server *redistest.Server) []string {
	all := server.Do("KEYS", "*")
	if all == "" {
		return nil
	}
	return strings.Split(all, "\n")
}

// runContract runs the contract suite on servers that hold one set of data.
func runContract(t *testing.T, config redis.Config, servers ...*redistest.Server) {
	sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
		for _, server := range servers {
			server.Do("FLUSHALL")
		}
		c := new(clock)
		test(t, sessiontest.Env{
			Store: openListening(t, config, c), Second: openListening(t, config, c), Now: c.now,
			Advance: func(d time.Duration) { c.pass(d, servers...) },
		})
		wantMortal(t, servers...)
	})
}

// openListening returns a store that lives by c and already hears of what
// others delete.
func openListening(t testing.TB, config redis.Config, c *clock) *redis.Store {
	t.Helper()
	s := open(t, config)
	s.SetNow(c.now)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{}, 1)
	s.Watch(func(session.Key) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	<-heard
	return s
}

// wantMortal checks that every key has a time to live.
func wantMortal(t *testing.T, servers ...*redistest.Server) {
	t.Helper()
	for _, server := range servers {
		for _, key := range keys(server) {
			if server.Do("TTL", key) == "-1" {
				t.Errorf("key %q lives for ever", key)
			}
		}
	}
}

func TestContract(t *testing.T) {
	server := redistest.Start(t)
	runContract(t, redis.Config{Addresses: []string{server.Addr}}, server)
}

func TestContractWithoutCache(t *testing.T) {
	server := redistest.Start(t)
	runContract(t, redis.Config{Addresses: []string{server.Addr}, CacheFor: -1}, server)
}

func TestContractInCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	var addresses []string
	for _, node := range nodes {
		addresses = append(addresses, node.Addr)
	}
	runContract(t, redis.Config{Addresses: addresses, Cluster: true}, nodes...)
}

func TestContractBehindSentinel(t *testing.T) {
	master, _, sentinel := redistest.StartSentinel(t)
	runContract(t, redis.Config{Addresses: []string{sentinel.Addr}, Master: redistest.MasterName}, master)
}

func key(kind session.Kind, i int) session.Key { return session.NewKey(kind, fmt.Sprint(i)) }
