package assertion_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
)

func TestCacheGivesOutForHalfTheLifetime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  bool
	}{
		{"clock set back", -time.Second, false},
		{"at once", 0, true},
		{"half the lifetime, almost", assertion.Lifetime/2 - time.Second, true},
		{"half the lifetime", assertion.Lifetime / 2, false},
		{"the machine slept", 8 * time.Hour, false},
	} {
		var cache assertion.Cache[string]
		cache.Put("alice", "signed", start())
		got, ok := cache.Get("alice", start().Add(tt.after))
		if ok != tt.want || ok && got != "signed" {
			t.Errorf("%s: Get = %q, %v, want %v", tt.name, got, ok, tt.want)
		}
	}
}

func TestCacheKeepsSessionsApart(t *testing.T) {
	var cache assertion.Cache[string]
	if got, ok := cache.Get("alice", start()); ok {
		t.Errorf("an empty cache gave %q", got)
	}
	cache.Put("alice", "alice's", start())
	cache.Put("bob", "bob's", start())
	for user, want := range map[string]string{"alice": "alice's", "bob": "bob's", "carol": ""} {
		if got, ok := cache.Get(user, start()); got != want || ok != (want != "") {
			t.Errorf("Get(%s) = %q, %v, want %q", user, got, ok, want)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	const many = 10_000
	var cache assertion.Cache[int]
	for i := range many {
		cache.Put(i, fmt.Sprint(i), start())
	}
	held := 0
	for i := range many {
		if _, ok := cache.Get(i, start()); ok {
			held++
		}
	}
	if held > 4096 || held < 2048 {
		t.Errorf("%d of %d statements are held, want 2048 to 4096", held, many)
	}
	if _, ok := cache.Get(many-1, start()); !ok {
		t.Error("the newest statement is not held")
	}
}

// A busy minute must not forget what was signed just now when the halves turn.
func TestCacheTurnsWithoutForgettingTheFresh(t *testing.T) {
	var cache assertion.Cache[string]
	now := start()
	cache.Put("first", "1", now)
	now = now.Add(assertion.Lifetime/2 - time.Second)
	cache.Put("second", "2", now)
	now = now.Add(time.Second)
	cache.Put("third", "3", now)
	for key, want := range map[string]bool{"first": false, "second": true, "third": true} {
		if _, ok := cache.Get(key, now); ok != want {
			t.Errorf("Get(%s) = %v, want %v", key, ok, want)
		}
	}
}

func TestCacheMayBeShared(t *testing.T) {
	var cache assertion.Cache[int]
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := range 3000 {
				cache.Put(worker*3000+i, "signed", start().Add(time.Duration(i)*time.Second))
				cache.Get(i, start())
			}
		})
	}
	workers.Wait()
}
