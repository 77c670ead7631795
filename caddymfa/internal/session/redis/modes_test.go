package redis_test

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

// permissions returns the rules that the package's comment lists for an ACL
// user.
func permissions(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("redis.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, found := strings.Cut(string(source), "ACL SETUSER caddymfa on >PASSWORD")
	rules, _, ended := strings.Cut(rules, "package redis")
	if !found || !ended {
		t.Fatal("the comment of package redis has no ACL line")
	}
	return strings.Fields(strings.ReplaceAll(rules, "//", ""))
}

// asUser makes a user with those permissions, and returns config with it.
func asUser(t *testing.T, config redis.Config, servers ...*redistest.Server) redis.Config {
	t.Helper()
	for _, server := range servers {
		server.Do(append([]string{"ACL", "SETUSER", "caddymfa", "on", ">" + secret}, permissions(t)...)...)
	}
	config.Username, config.Password = "caddymfa", secret
	return config
}

var one, two = key(session.KindSession, "one"), key(session.KindSession, "two")

func TestMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, asUser(t, at(server), server))
	s.add(one, "one", group("a"))
	server.Do("ACL", "SETUSER", "caddymfa", "-evalsha", "-eval", "resetkeys", "~other:*")
	_, _, err := s.Increment(t.Context(), key(session.KindCounter, "c"), time.Minute)
	wantCause(t, "Increment", err, "lacks a permission")
	_, _, err = s.Load(t.Context(), two)
	wantCause(t, "Load", err, "lacks a permission")
}

// Without news streams go on that should end, which nobody would notice.
func TestForbiddenSubscriptionIsToldOf(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config, d := asUser(t, at(server), server), new(diary)
	config.Log = d.log
	server.Do("ACL", "SETUSER", "caddymfa", "-subscribe")
	s := open(t, config)
	h := new(heard)
	s.Watch(h.told)
	s.add(one, "one")
	eventually(t, "the log tells", func() bool { return d.count("go on: redis: the user lacks") == 1 })
	server.Do("ACL", "SETUSER", "caddymfa", "+subscribe")
	eventually(t, "the subscription begins", func() bool { return h.count(session.Key{}) > 0 })
}

// Some managed servers refuse what client-side caching needs. Then every read
// asks, and the log says so once.
func TestWithoutTrackingEveryReadAsks(t *testing.T) {
	t.Parallel()
	for _, without := range []string{"-client|tracking", "-client|caching"} {
		server := redistest.Start(t)
		config, d := asUser(t, at(server), server), new(diary)
		config.Log = d.log
		server.Do("ACL", "SETUSER", "caddymfa", without)
		s, other := open(t, config), open(t, at(server))
		s.add(one, "one")
		for _, value := range []string{"two", "three"} {
			old, _ := s.load(one)
			other.update(one, old, value)
			s.want(one, value)
		}
		if n := d.count("every request asks it: redis: the user lacks"); n != 1 {
			t.Errorf("%s: the log says %d times that there is no caching, want once:\n%s", without, n, d)
		}
	}
}

func TestTLSServerIsVerified(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server := redistest.Start(t, "--tls-cert-file", ca.cert, "--tls-key-file", ca.key, "--tls-ca-cert-file", ca.root, "--tls-auth-clients", "no")
	config := at(server)
	config.TLS = &tls.Config{RootCAs: ca.pool}
	s := open(t, config)
	s.add(one, "one")
	s.want(one, "one")
	s.listen()
	for cause, wrong := range map[string]*tls.Config{
		"unknown authority": {},
		"redis.example.com": {RootCAs: ca.pool, ServerName: "redis.example.com"},
	} {
		config.TLS = wrong
		wantCause(t, "Start", open(t, config).Start(t.Context()), cause)
	}
	config.TLS = nil
	if err := open(t, config).Start(t.Context()); err == nil {
		t.Error("Start without TLS at a TLS server: no error")
	}
}

func TestSentinelHasItsOwnUser(t *testing.T) {
	t.Parallel()
	_, _, sentinel := redistest.StartSentinel(t)
	sentinel.Do("ACL", "SETUSER", "watcher", "on", ">"+secret, "allchannels", "+@all")
	config := behind(sentinel)
	config.SentinelUsername, config.SentinelPassword = "watcher", secret
	if err := open(t, config).Start(t.Context()); err != nil {
		t.Errorf("Start: %v", err)
	}
	sentinel.Do("ACL", "SETUSER", "watcher", "resetpass", ">another")
	wantCause(t, "Start", open(t, config).Start(t.Context()), "wrong password")
}

func TestDatabaseIsSelected(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config := asUser(t, at(server), server)
	config.DB, config.Prefix = 3, "mfa:shop:"
	s := open(t, config)
	s.add(one, "one")
	s.want(one, "one")
	if got := server.Field("db3"); !strings.HasPrefix(got, "keys=1,expires=1") {
		t.Errorf("database 3 has %s, want one key with a time to live", got)
	}
	open(t, at(server)).wantAbsent(one)
}

func TestPingTellsVersionAndRole(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	health, err := s.Ping(t.Context())
	if want := (redis.Health{Version: server.Field("redis_version"), Role: "master"}); health != want || err != nil {
		t.Errorf("Ping = %+v, %v, want %+v", health, err, want)
	}
	config := asUser(t, at(server), server)
	server.Do("ACL", "SETUSER", "caddymfa", "-info")
	if _, err := open(t, config).Ping(t.Context()); err != nil {
		t.Errorf("Ping where INFO is forbidden: %v", err)
	}
}

// A server that makes room by itself forgets used codes and limits.
func TestEvictingServerIsToldOf(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	config, d := at(server), new(diary)
	config.Log = d.log
	s := open(t, config)
	if health, err := s.Ping(t.Context()); !health.Evicts || err != nil {
		t.Errorf("Ping = %+v, %v, want a server that evicts", health, err)
	}
	if d.count("noeviction") != 1 {
		t.Errorf("the log does not say once what to do:\n%s", d)
	}
}

// What the configuration says and the servers are.
func TestWrongModeIsNamed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	nodes := redistest.StartCluster(t, 3)
	_, _, sentinel := redistest.StartSentinel(t)
	otherMaster := behind(sentinel)
	otherMaster.Master = "other"
	for name, test := range map[string]struct {
		config redis.Config
		cause  string
	}{
		"cluster":  {redis.Config{Addresses: []string{server.Addr}, Cluster: true}, "is no cluster"},
		"sentinel": {redis.Config{Addresses: []string{server.Addr}, Master: "main"}, "is no Sentinel"},
		"master":   {otherMaster, "does not know this master"},
		"none":     {at(nodes[0]), "is a cluster"},
	} {
		s := open(t, test.config)
		var err error
		for i := range 10 {
			if _, _, err = s.Load(t.Context(), key(session.KindAttempt, string(rune('a'+i)))); err != nil {
				break
			}
		}
		wantCause(t, name, err, test.cause)
	}
}
