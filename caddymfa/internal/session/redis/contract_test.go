package redis_test

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/sessiontest"
)

// runContract runs the contract suite on servers that hold one set of data.
func runContract(t *testing.T, config redis.Config, servers ...*redistest.Server) {
	sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
		for _, server := range servers {
			server.Do("FLUSHALL")
		}
		c := new(clock)
		here, there := open(t, config), open(t, config)
		for _, s := range []store{here, there} {
			s.SetNow(c.now)
			s.listen() // so that Watch hears from its first moment on
		}
		test(t, sessiontest.Env{
			Store: here.Store, Second: there.Store, Now: c.now,
			Advance: func(d time.Duration) { c.pass(d, servers...) },
		})
		wantMortal(t, servers...)
	})
}

// wantMortal checks that every key has a time to live.
func wantMortal(t *testing.T, servers ...*redistest.Server) {
	t.Helper()
	for _, server := range servers {
		for _, name := range names(server, "*") {
			if server.Do("TTL", name) == "-1" {
				t.Errorf("key %q lives for ever", name)
			}
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	runContract(t, at(server), server)
}

func TestContractWithoutCache(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config := at(server)
	config.CacheFor = -1
	runContract(t, config, server)
}

// Redis 5, or a proxy, speaks RESP2 alone, where subscriptions need a
// connection of another sort.
func TestContractWithoutRESP3(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--rename-command", "HELLO", "NOHELLO", "--requirepass", secret)
	config, d := at(server), new(diary)
	config.Password, config.Log = secret, d.log
	runContract(t, config, server)
	if d.count("RESP2") == 0 || d.count("password") > 0 {
		t.Errorf("the log does not tell why nothing is cached: %.300s", d)
	}
}

func TestContractInCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 3)
	runContract(t, asUser(t, inCluster(nodes), nodes...), nodes...)
}

func TestContractBehindSentinel(t *testing.T) {
	t.Parallel()
	master, _, sentinel := redistest.StartSentinel(t)
	runContract(t, asUser(t, behind(sentinel), master), master)
}

// A user with the permissions that the package's comment lists, and no others.
func TestContractWithLeastPermissions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config := asUser(t, at(server), server)
	d := new(diary)
	config.Log = d.log
	runContract(t, config, server)
	if lines := d.String(); lines != "" {
		t.Errorf("the store complains:\n%s", lines)
	}
}

func inCluster(nodes []*redistest.Server) redis.Config {
	config := redis.Config{Cluster: true}
	for _, node := range nodes {
		config.Addresses = append(config.Addresses, node.Addr)
	}
	return config
}

func behind(sentinel *redistest.Server) redis.Config {
	return redis.Config{Addresses: []string{sentinel.Addr}, Master: redistest.MasterName}
}
