package redis_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

// reads returns how many GETs servers have answered.
func reads(servers ...*redistest.Server) (n int) {
	for _, server := range servers {
		for line := range strings.Lines(server.Do("INFO", "commandstats")) {
			if calls, found := strings.CutPrefix(line, "cmdstat_get:calls="); found {
				calls, _, _ = strings.Cut(calls, ",")
				more, _ := strconv.Atoi(calls)
				n += more
			}
		}
	}
	return n
}

func TestVerifiedRequestAsksNobody(t *testing.T) {
	t.Parallel()
	server, nodes := redistest.Start(t), redistest.StartCluster(t, 3)
	master, _, sentinel := redistest.StartSentinel(t)
	for _, mode := range []struct {
		config  redis.Config
		servers []*redistest.Server
	}{
		{at(server), []*redistest.Server{server}},
		{inCluster(nodes), nodes},
		{behind(sentinel), []*redistest.Server{master}},
	} {
		config, d := mode.config, new(diary)
		config.CacheFor, config.Log = redis.MaxCacheFor, d.log
		open(t, config).add(one, "one")
		s := open(t, config)
		s.want(one, "one")
		before := reads(mode.servers...)
		for range 200 {
			s.want(one, "one")
		}
		if more := reads(mode.servers...) - before; more > 1 { // one if this took longer than the copy may be used
			t.Errorf("%v: 200 loads of one session asked Redis %d times\n%s", config.Addresses, more, d)
		}
	}
}

// Redis tells of changes a moment after they are answered. Who made one does
// not see the copy from before, be it of a record or of its absence.
func TestOwnChangeIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	for i := range 500 {
		k := key(session.KindSession, fmt.Sprint(i))
		s.wantAbsent(k)
		s.add(k, "first")
		s.update(k, s.want(k, "first"), "second")
		s.update(k, s.want(k, "second"), "third")
		s.want(k, "third")
		s.delete(k)
		s.wantAbsent(k)
	}
}

func TestOthersChangeIsSeenSoon(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	config := at(server)
	config.CacheFor = redis.MaxCacheFor
	s, other := open(t, config), open(t, config)
	s.wantAbsent(one)
	other.add(one, "one")
	eventually(t, "a new session is found", func() bool { _, found := s.load(one); return found })
	other.update(one, s.want(one, "one"), "changed")
	eventually(t, "the change is seen", func() bool { r, _ := s.load(one); return r.Value == "changed" })
	server.Do("FLUSHALL")
	eventually(t, "the loss of all is seen", func() bool { _, found := s.load(one); return !found })
}

// Callers share one read of one session. If the first of them goes away, the
// others still want it.
func TestOneCallersEndIsNotAnothers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	s.heals()
	other := open(t, at(server))
	for i := range 10 {
		k := key(session.KindSession, fmt.Sprint(i))
		other.add(k, "value")
		server.Do("CLIENT", "PAUSE", "30", "ALL")
		hasty, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for j := range 20 {
			all.Go(func() {
				if j%2 == 0 {
					_, _, _ = s.Load(hasty, k)
				} else if _, found, err := s.Load(t.Context(), k); !found || err != nil {
					t.Errorf("Load of a patient caller = %v, %v, want found", found, err)
				}
			})
		}
		cancel()
		all.Wait()
	}
}

// A node whose clock is wrong by up to a minute moves the end of a session by
// as much and no more.
func TestClocksApartMoveTheEndByAsMuch(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-session.Skew, session.Skew} {
		server := redistest.Start(t)
		wrong, right := new(clock), new(clock)
		wrong.passed.Store(int64(ahead))
		made, reads := open(t, at(server)), open(t, at(server))
		made.SetNow(wrong.now)
		reads.SetNow(right.now)
		if added, err := made.Add(t.Context(), one, "one", wrong.now().Add(10*time.Minute), group("a")); !added || err != nil {
			t.Fatalf("Add = %v, %v, want true", added, err)
		}
		pass := func(d time.Duration) {
			wrong.passed.Add(int64(d))
			right.pass(d, server)
		}
		pass(9*time.Minute - 5*time.Second)
		for _, s := range []store{made, reads} {
			s.want(one, "one")
			if members, err := s.Members(t.Context(), group("a")); len(members) != 1 || err != nil {
				t.Errorf("%v ahead: %d members, %v, want one", ahead, len(members), err)
			}
		}
		pass(2*time.Minute + 10*time.Second)
		for _, s := range []store{made, reads} {
			s.wantAbsent(one)
		}
	}
}
