package redis_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

func TestRedisThatComesLaterIsFound(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop()
	config, d := at(server), new(diary)
	config.Log = d.log
	s := open(t, config)
	for range 3 {
		_, _, err := s.Load(t.Context(), one)
		wantCause(t, "Load", err, "connection refused")
	}
	server.Restart(false)
	s.heals()
	s.add(one, "one")
	if d.count("cannot be used") != 1 || d.count("is back") != 1 {
		t.Errorf("the log does not tell once of each, the loss and the return:\n%s", d)
	}
}

// Whoever asks while nobody answers must not each begin a connection.
func TestCallersDoNotPileUpInDials(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(net.Conn){
		"refuses":      func(c net.Conn) { c.Close() },
		"says nothing": func(net.Conn) {},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		var dials atomic.Int64
		go func() {
			for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
				dials.Add(1)
				answer(conn)
				defer conn.Close()
			}
		}()
		s := open(t, redis.Config{Addresses: []string{listener.Addr().String()}, Timeout: 20 * time.Millisecond})
		for range 5 {
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if _, _, err := s.Load(t.Context(), one); err == nil {
						t.Error("Load: no error")
					}
				})
			}
			all.Wait()
		}
		if n := dials.Load(); n == 0 || n > 2 {
			t.Errorf("of a server that %s 500 calls began %d connections, want one or two", name, n)
		}
	}
}

func TestStoppedRedisEndsSessionsAtOnceAndHeals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	s.add(one, "one")
	s.want(one, "one")
	server.Do("SAVE")
	server.Stop()
	s.fails()
	eventually(t, "the cached session is gone", func() bool {
		_, _, err := s.Load(t.Context(), one)
		return err != nil
	})
	for op, err := range everyOperation(t, s) {
		wantCause(t, op, err, "")
	}
	server.Restart(true)
	s.heals()
	s.want(one, "one")
	server.Restart(false)
	s.heals()
	s.wantAbsent(one)
}

// everyOperation returns the error of each method.
func everyOperation(t *testing.T, s store) map[string]error {
	ctx, until := t.Context(), time.Now().Add(time.Hour)
	_, _, load := s.Load(ctx, two)
	_, _, challenge := s.Load(ctx, key(session.KindChallenge, "c"))
	_, add := s.Add(ctx, two, "", until, group("a"))
	_, update := s.Update(ctx, two, session.Record{Version: 1}, "", until)
	_, touch := s.Touch(ctx, two, session.Record{Version: 1, Expires: until}, "")
	_, _, increment := s.Increment(ctx, key(session.KindCounter, "n"), time.Hour)
	_, _, count := s.Count(ctx, key(session.KindCounter, "n"))
	_, members := s.Members(ctx, group("a"))
	_, _, scan := s.Scan(ctx, session.KindSession, "", 10)
	_, ping := s.Ping(ctx)
	return map[string]error{
		"Load": load, "Load of a challenge": challenge, "Add": add, "Update": update, "Touch": touch,
		"Delete": s.Delete(ctx, two), "Increment": increment, "Count": count, "Members": members, "Scan": scan,
		"Start": s.Start(ctx), "Ping": ping,
	}
}

// openKnowing returns a store that has just read a session.
func openKnowing(t *testing.T, config redis.Config) store {
	t.Helper()
	s := open(t, config)
	config.Timeout = 0
	open(t, config).add(one, "one")
	eventually(t, "the session is read", func() bool {
		_, found, err := s.Load(t.Context(), one)
		return found && err == nil
	})
	return s
}

// A frozen server keeps its connections and says nothing. What was read before
// may be used until CacheFor is over and not a moment longer.
func TestFrozenRedisEndsSessionsWithinFiveSecondsAndHeals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config := at(server)
	config.Timeout = redis.DefaultTimeout
	s := openKnowing(t, config)
	server.Freeze()
	s.want(one, "one")
	s.fails()
	for op, err := range everyOperation(t, s) {
		wantCause(t, op, err, "no answer in time")
	}
	redistest.Eventually(t, redis.MaxCacheFor, "the cached session ends", func() bool {
		r, found, err := s.Load(t.Context(), one)
		if err == nil && (!found || r.Value != "one") {
			t.Fatalf("Load = %q, %v, want the session or an error", r.Value, found)
		}
		return err != nil
	})
	server.Thaw()
	s.heals()
	s.want(one, "one")
}

// While Redis has a rest after one failure, sessions that were read before are
// still found.
func TestRestLetsCachedSessionsPass(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config := at(server)
	config.Timeout, config.CacheFor = redis.DefaultTimeout, redis.MaxCacheFor
	s := openKnowing(t, config)
	server.Freeze()
	s.fails()
	s.want(one, "one")
	if _, _, err := s.Load(t.Context(), two); err == nil {
		t.Error("Load of a session that was not read before: no error")
	}
}

func TestFullRedisRefusesNewAndStillDeletes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	s.add(one, "one", group("a"))
	server.Config("maxmemory", "1mb")
	ctx, until := t.Context(), time.Now().Add(time.Hour)
	_, add := s.Add(ctx, two, "two", until)
	_, join := s.Add(ctx, two, "two", until, group("b"))
	_, update := s.Update(ctx, one, s.want(one, "one"), "changed", until)
	_, _, increment := s.Increment(ctx, key(session.KindCounter, "n"), time.Hour)
	for op, err := range map[string]error{"Add": add, "Add to a group": join, "Update": update, "Increment": increment} {
		wantCause(t, op, err, "out of memory")
		if !errors.Is(err, session.ErrFull) {
			t.Errorf("%s: %v, want ErrFull", op, err)
		}
	}
	s.wantAbsent(two)
	s.delete(one)
	if n := server.Do("EXISTS", nameOf(one)); n != "0" {
		t.Error("a full Redis still has what was deleted")
	}
	server.Config("maxmemory", "0")
	s.add(two, "two")
}

func TestReadOnlyReplicaIsNamedAndHeals(t *testing.T) {
	t.Parallel()
	master, server := redistest.Start(t), redistest.Start(t)
	s := open(t, at(server))
	s.add(one, "one")
	replicate := func(of ...string) { server.Do(append([]string{"REPLICAOF"}, of...)...) }
	host, port, _ := net.SplitHostPort(master.Addr)
	replicate(host, port)
	_, err := s.Add(t.Context(), two, "two", time.Now().Add(time.Hour))
	wantCause(t, "Add", err, "read-only replica")
	wantCause(t, "Delete", s.Delete(t.Context(), one), "read-only replica")
	s.wantAbsent(one)
	replicate("NO", "ONE")
	eventually(t, "the store writes again", func() bool {
		added, err := s.Add(t.Context(), key(session.KindUsedCode, "c"), "", time.Now().Add(time.Hour))
		return added && err == nil
	})
}

// Where a name or a load balancer leads to the master, and the connection to
// the old one lives on, a new connection is made.
func TestMovedMasterIsFoundAgain(t *testing.T) {
	t.Parallel()
	old, next := redistest.Start(t), redistest.Start(t)
	var leadsTo atomic.Value
	leadsTo.Store(old.Addr)
	s := open(t, redis.Config{Addresses: []string{relay(t, func() string { return leadsTo.Load().(string) })}})
	s.add(one, "one")
	old.Do("REPLICAOF", "127.0.0.1", strings.TrimPrefix(next.Addr, "127.0.0.1:"))
	leadsTo.Store(next.Addr)
	eventually(t, "the new master is written to", func() bool {
		added, err := s.Add(t.Context(), two, "two", time.Now().Add(time.Hour))
		return added && err == nil
	})
	s.want(two, "two")
}

// relay is a server that passes each new connection on to where it leads then.
func relay(t *testing.T, leadsTo func() string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		to.Close()
	}
	go func() {
		for in, err := listener.Accept(); err == nil; in, err = listener.Accept() {
			out, err := net.Dial("tcp", leadsTo())
			if err != nil {
				in.Close()
				continue
			}
			go pass(out, in)
			go pass(in, out)
		}
	}()
	return listener.Addr().String()
}

func TestWrongPasswordIsNamedAndHeals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "another")
	config := at(server)
	config.Password = secret
	s, none := open(t, config), open(t, at(server))
	for op, err := range everyOperation(t, s) {
		wantCause(t, op, err, "wrong password")
	}
	wantCause(t, "Start", none.Start(t.Context()), "password is required")
	server.Config("requirepass", secret)
	s.heals()
}

// A connection that breaks takes with it what it had cached: Redis could not
// tell of changes any more.
func TestKilledConnectionLosesItsCache(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, at(server)), open(t, at(server))
	other.add(one, "0")
	for i := range 20 {
		s.load(one)
		server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		var old session.Record
		eventually(t, "the other store works again", func() (ok bool) {
			var err error
			old, ok, err = other.Load(t.Context(), one)
			return ok && err == nil
		})
		next := old.Value + "."
		eventually(t, "the other store writes again", func() bool {
			updated, err := other.Update(t.Context(), one, old, next, old.Expires)
			return updated && err == nil
		})
		eventually(t, "the change is seen", func() bool {
			r, found, err := s.Load(t.Context(), one)
			return err == nil && found && r.Value == next
		})
		if t.Failed() {
			t.Fatalf("round %d", i)
		}
	}
}

func TestSentinelsNewMasterIsUsed(t *testing.T) {
	t.Parallel()
	_, replica, sentinel := redistest.StartSentinel(t)
	s := open(t, behind(sentinel))
	h := s.listen()
	s.add(one, "one")
	s.add(two, "two")
	redistest.Eventually(t, patience, "the replica has all", func() bool { return replica.Do("DBSIZE") == "2" })
	sentinel.Do("SENTINEL", "FAILOVER", redistest.MasterName)
	eventually(t, "the store writes to the replica, a master now", func() bool {
		_ = s.Delete(t.Context(), one)
		n, err := replica.Try("EXISTS", nameOf(one)) // the Sentinel breaks connections
		return n == "0" && err == nil
	})
	eventually(t, "the store is well", func() bool {
		_, found, err := s.Load(t.Context(), two)
		return found && err == nil
	})
	eventually(t, "the subscription begins again", func() bool { return h.count(session.Key{}) >= 3 })
	health, err := s.Ping(t.Context())
	if err != nil || health.Role != "master" {
		t.Errorf("Ping = %+v, %v, want a master", health, err)
	}
}

// One node of a cluster that dies takes its own keys along and no others.
func TestDeadNodeOfAClusterHarmsItsOwnKeys(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 3, "--cluster-require-full-coverage", "no")
	s := open(t, inCluster(nodes))
	all := map[session.Key]*redistest.Server{}
	for i := range 30 {
		k := key(session.KindChallenge, string(rune('a'+i)))
		s.add(k, "value")
		for _, node := range nodes {
			if _, err := node.Try("GET", nameOf(k)); err == nil {
				all[k] = node
			}
		}
	}
	nodes[2].Do("SAVE")
	nodes[2].Stop()
	for k, node := range all {
		if node != nodes[2] {
			s.want(k, "value")
		} else if _, _, err := s.Load(t.Context(), k); err == nil {
			t.Errorf("Load of a dead node's key: no error")
		}
	}
	nodes[2].Restart(true)
	for k := range all {
		eventually(t, "every key is found again", func() bool {
			r, found, err := s.Load(t.Context(), k)
			return err == nil && found && r.Value == "value"
		})
	}
}
