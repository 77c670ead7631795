package redis_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// patience is far longer than anything here should take.
const patience = 30 * time.Second

func newVault(key byte) *vault.Vault {
	return vault.New(func(context.Context) ([][32]byte, error) { return [][32]byte{{key}}, nil })
}

func at(server *redistest.Server) redis.Config {
	return redis.Config{Addresses: []string{server.Addr}}
}

// open returns a store that ends with its test. Its timeout, if none is given,
// is one for machines that do much else.
func open(t testing.TB, config redis.Config) store {
	t.Helper()
	if config.Vault == nil {
		config.Vault = newVault(1)
	}
	config.Timeout = cmp.Or(config.Timeout, 5*time.Second)
	s, err := redis.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return store{s, t}
}

// store is a store whose methods fail the test on an error.
type store struct {
	*redis.Store
	t testing.TB
}

func (s store) add(key session.Key, value string, groups ...session.Group) {
	s.t.Helper()
	if added, err := s.Add(s.t.Context(), key, value, time.Now().Add(time.Hour), groups...); !added || err != nil {
		s.t.Fatalf("Add = %v, %v, want true", added, err)
	}
}

func (s store) load(key session.Key) (session.Record, bool) {
	s.t.Helper()
	r, found, err := s.Load(s.t.Context(), key)
	if err != nil {
		s.t.Fatalf("Load: %v", err)
	}
	return r, found
}

func (s store) want(key session.Key, value string) session.Record {
	s.t.Helper()
	r, found := s.load(key)
	if !found || r.Value != value {
		s.t.Fatalf("Load = %q, %v, want %q", r.Value, found, value)
	}
	return r
}

func (s store) wantAbsent(key session.Key) {
	s.t.Helper()
	if r, found := s.load(key); found {
		s.t.Fatalf("Load = %q, want absent", r.Value)
	}
}

func (s store) update(key session.Key, old session.Record, value string) {
	s.t.Helper()
	if updated, err := s.Update(s.t.Context(), key, old, value, old.Expires); !updated || err != nil {
		s.t.Fatalf("Update = %v, %v, want true", updated, err)
	}
}

func (s store) delete(key session.Key) {
	s.t.Helper()
	if err := s.Delete(s.t.Context(), key); err != nil {
		s.t.Fatalf("Delete: %v", err)
	}
}

// heals waits until a key that was never used can be looked for.
func (s store) heals() {
	s.t.Helper()
	eventually(s.t, "the store works again", func() bool {
		_, _, err := s.Load(s.t.Context(), key(session.KindChallenge, "no such"))
		return err == nil
	})
}

// fails waits until a look at Redis fails, and returns why.
func (s store) fails() (why error) {
	s.t.Helper()
	eventually(s.t, "the store fails", func() bool {
		_, _, why = s.Load(s.t.Context(), key(session.KindChallenge, "no such"))
		return why != nil
	})
	return why
}

// listen has s hear of what others delete from now on, and returns what it is
// told, zero keys included.
func (s store) listen() *heard {
	s.t.Helper()
	h := new(heard)
	stop := s.Watch(h.told)
	s.t.Cleanup(stop)
	if err := s.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the subscription begins", func() bool { return h.count(session.Key{}) > 0 })
	return h
}

type heard struct {
	mu   sync.Mutex
	keys []session.Key
}

func (h *heard) told(key session.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys = append(h.keys, key)
}

func (h *heard) count(key session.Key) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.keys {
		if k == key {
			n++
		}
	}
	return n
}

// diary is what a store logs.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) log(message string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprint(message, ": ", err))
}

// count returns how many lines have text.
func (d *diary) count(text string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, line := range d.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(slices.Clone(d.lines), "\n")
}

func key(kind session.Kind, name string) session.Key { return session.NewKey(kind, name) }

func group(name string) session.Group { return session.NewGroup(name) }

func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	redistest.Eventually(t, patience, what, yes)
}

// wantCause checks that an error says why, and tells no secret.
func wantCause(t *testing.T, op string, err error, cause string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "redis: ") || !strings.Contains(err.Error(), cause) {
		t.Errorf("%s: error %v, want one that begins with redis and says %q", op, err, cause)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), secret) {
			t.Errorf("%s: error %v tells the password", op, err)
		}
	}
}

// secret is every password of these tests.
const secret = "pa55-w0rd"

// clock is the process's, moved by what was passed.
type clock struct{ passed atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.passed.Load())) }

// pass lets d pass: the clock goes on, and so does the life of every key on
// the servers, which have no clock that could be moved.
func (c *clock) pass(d time.Duration, servers ...*redistest.Server) {
	c.passed.Add(int64(d))
	for _, server := range servers {
		for _, name := range names(server, "*") {
			left, _ := strconv.ParseInt(server.Do("PTTL", name), 10, 64)
			if left -= d.Milliseconds(); left > 0 {
				server.Do("PEXPIRE", name, strconv.FormatInt(left, 10))
			} else {
				server.Do("DEL", name)
			}
		}
	}
}

// names returns the names of keys.
func names(server *redistest.Server, pattern string) []string {
	all := server.Do("KEYS", pattern)
	if all == "" {
		return nil
	}
	return strings.Split(all, "\n")
}

// nameOf returns what key is called in Redis with the default prefix.
func nameOf(key session.Key) string { return fmt.Sprintf("mfa:%d:%x", key.Kind, key.Sum) }
