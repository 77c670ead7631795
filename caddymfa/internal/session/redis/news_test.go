package redis_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

// A server that comes back with older data, or a replica that never heard of
// a deletion, must not sign anybody in again.
func TestRestoredDataRevivesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	deletes, hears := open(t, at(server)), open(t, at(server))
	h := hears.listen()
	deletes.add(one, "one", group("a"))
	hears.want(one, "one")
	old := deletes.want(one, "one")
	server.Do("SAVE")
	deletes.delete(one)
	eventually(t, "the other process hears", func() bool { return h.count(one) == 1 })
	server.Kill()
	server.Restart(true)
	for _, s := range []store{deletes, hears} {
		s.heals()
		s.wantAbsent(one)
		if members, err := s.Members(t.Context(), group("a")); len(members) != 0 || err != nil {
			t.Errorf("Members = %v, %v, want none", members, err)
		}
		if page, _, err := s.Scan(t.Context(), session.KindSession, "", 10); len(page) != 0 || err != nil {
			t.Errorf("Scan = %v, %v, want nothing", page, err)
		}
		if updated, err := s.Touch(t.Context(), one, old, "again"); updated || err != nil {
			t.Errorf("Touch = %v, %v, want false", updated, err)
		}
	}
	open(t, at(server)).want(one, "one") // which is why an operator must know
}

// What Delete could not tell Redis, this process does not find again.
func TestDeletionOutlivesItsError(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, at(server)), open(t, at(server))
	challenge := key(session.KindChallenge, "one")
	for _, k := range []session.Key{one, challenge} {
		s.add(k, "value")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, k := range []session.Key{one, challenge} {
		if err := s.Delete(ended, k); err == nil {
			t.Fatal("Delete with a context that has ended: no error")
		}
		other.want(k, "value")
		s.wantAbsent(k)
		s.wantAbsent(k)
	}
	// A session's key is never used again. Another's is.
	other.delete(challenge)
	other.add(challenge, "next")
	s.want(challenge, "next")
	s.delete(one)
	s.add(one, "again")
	s.want(one, "again")
	server.Stop()
	if err := s.Delete(t.Context(), one); err == nil {
		t.Fatal("Delete without Redis: no error")
	}
	s.wantAbsent(one)
}

func TestOwnDeletionIsToldOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, at(server)), open(t, at(server))
	h := s.listen()
	s.add(one, "one")
	s.delete(one)
	if n := h.count(one); n != 1 {
		t.Errorf("told %d times when Delete returns, want once", n)
	}
	other.add(two, "two")
	other.delete(two)
	eventually(t, "the other's deletion is told", func() bool { return h.count(two) == 1 })
	if n := h.count(one); n != 1 {
		t.Errorf("told of the own deletion %d times, want once", n)
	}
}

func TestBrokenSubscriptionIsToldAndBeginsAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, at(server)), open(t, at(server))
	h := s.listen()
	for _, breaks := range []func(){
		func() { server.Do("CLIENT", "KILL", "TYPE", "pubsub") },
		func() { server.Restart(true) },
	} {
		before := h.count(session.Key{})
		breaks()
		eventually(t, "the break and the new beginning are told", func() bool { return h.count(session.Key{}) >= before+2 })
		other.heals()
		k := key(session.KindSession, fmt.Sprint("session ", before))
		other.add(k, "")
		other.delete(k)
		eventually(t, "news come again", func() bool { return h.count(k) == 1 })
	}
}

func TestFrozenSubscriptionIsTold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	h := s.listen()
	before := h.count(session.Key{})
	server.Freeze()
	eventually(t, "the break is told", func() bool { return h.count(session.Key{}) > before })
	server.Thaw()
	eventually(t, "the new beginning is told", func() bool { return h.count(session.Key{}) >= before+2 })
}

// Others may publish on our channel whatever they like.
func TestOtherMessagesAreHarmless(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, at(server)), open(t, at(server))
	h := s.listen()
	s.add(two, "two")
	other.add(one, "one")
	for _, message := range []string{"", "x", strings.Repeat("x", 47), strings.Repeat("\xff", 48), strings.Repeat("y", 49)} {
		server.Do("PUBLISH", "mfa:deleted", message)
	}
	other.delete(one)
	eventually(t, "news come", func() bool { return h.count(one) == 1 })
	s.want(two, "two")
}

// Checking a configuration makes a store and watches it, beside a server that
// runs.
func TestNewAndWatchDoNotConnect(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var dials atomic.Int64
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			dials.Add(1)
			conn.Close()
		}
	}()
	config := redis.Config{Addresses: []string{listener.Addr().String()}}
	s, used := open(t, config), open(t, config)
	stop := s.Watch(func(session.Key) {})
	used.fails()
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections, want one of the store that is used", n)
	}
	stop()
	s.Close()
	_, _, err = s.Load(t.Context(), one)
	wantCause(t, "Load after Close", err, "closed")
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	server := redistest.Start(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := open(t, at(server))
	s.listen()
	s.Watch(func(session.Key) {})()
	s.add(one, "one")
	s.want(one, "one")
	s.Close()
	s.Close()
	eventually(t, "all connections are closed", func() bool { return server.Field("connected_clients") == "1" })
}

func TestSubscriptionLastsWhileSomebodyWatches(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	subscribers := func() string { return server.Do("PUBSUB", "NUMSUB", "mfa:deleted") }
	for range 3 {
		first, second := s.Watch(func(session.Key) {}), s.Watch(func(session.Key) {})
		eventually(t, "there is one subscription", func() bool { return subscribers() == "mfa:deleted\n1" })
		first()
		first()
		second()
		eventually(t, "there is none", func() bool { return subscribers() == "mfa:deleted\n0" })
	}
}
