package session

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// holds counts what is held under key, forwards, and checks the way back.
func (sh *streamShard) holds(key Key) (n int, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var prev *hold
	for h := sh.held[key]; h != nil; h = h.next {
		if h.prev != prev || h.out {
			return n, fmt.Errorf("hold %d: prev %p, want %p; out %v", n, h.prev, prev, h.out)
		}
		prev = h
		n++
	}
	return n, nil
}

// held is how many sessions something is held under.
func (s *Streams) held() (n int) {
	for i := range s.shards {
		n += len(s.shards[i].keys())
	}
	return n
}

func TestReleaseLeavesNothingBehind(t *testing.T) {
	var s Streams
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			_, release := s.Hold(t.Context(), NewKey(KindSession, fmt.Sprint(i%100)), time.Now().Add(time.Hour))
			release()
		})
	}
	all.Wait()
	if n := s.held(); n != 0 {
		t.Errorf("something is held under %d sessions, want none", n)
	}
}

// What is held is what a list of contexts says, whatever the order in which
// they are held, released and revoked.
func TestHoldsAgreeWithAList(t *testing.T) {
	type held struct {
		ctx     context.Context
		release func()
	}
	rapid.Check(t, func(t *rapid.T) {
		var sh streamShard
		key := Key{Kind: KindSession}
		var model, released []held
		t.Repeat(map[string]func(*rapid.T){
			"hold": func(*rapid.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				h := &hold{key: key, cancel: cancel, shard: &sh}
				if sh.add(h) == nil {
					model = append(model, held{ctx, h.release})
				}
			},
			"release": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("nothing held")
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				model[i].release()
				if model[i].ctx.Err() == nil {
					t.Error("released context has not ended")
				}
				released = append(released, model[i])
				model = slices.Delete(model, i, i+1)
			},
			"release again": func(*rapid.T) {
				for _, r := range released {
					r.release()
				}
			},
			"revoke all": func(t *rapid.T) {
				sh.revokeAll()
				for _, m := range model {
					if context.Cause(m.ctx) != ErrRevoked {
						t.Error("revoked context has not ended")
					}
				}
				model, released = nil, append(released, model...)
			},
			"": func(t *rapid.T) {
				if n, err := sh.holds(key); n != len(model) || err != nil {
					t.Errorf("%d held, %v, want %d", n, err, len(model))
				}
			},
		})
	})
}

func TestRecentRemembersTheLastKeysInBoundedSpace(t *testing.T) {
	var r recent
	key := func(i int) Key { return NewKey(KindSession, fmt.Sprint(i)) }
	for i := range 10 * recentKeys {
		r.add(key(i))
		if oldest := i - recentKeys + 1; !r.has(key(i)) || oldest >= 0 && !r.has(key(oldest)) {
			t.Fatalf("after key %d the last %d are not all remembered", i, recentKeys)
		}
		if n := len(r.young) + len(r.old); n > 2*recentKeys {
			t.Fatalf("%d keys are remembered, want at most %d", n, 2*recentKeys)
		}
	}
	if r.has(key(0)) {
		t.Error("the first key is still remembered")
	}
}

// Holds, releases, ends and deletions of few sessions all at once.
func TestHoldsUnderContention(t *testing.T) {
	var s Streams
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				key := NewKey(KindSession, fmt.Sprint(rand.N(4)))
				_, release := s.Hold(context.Background(), key, time.Now().Add(rand.N(200*time.Microsecond)))
				if rand.N(10) == 0 {
					s.shard(key).expire()
				}
				if rand.N(10) == 0 {
					s.shard(key).revokeAll()
				}
				release()
			}
		})
	}
	all.Wait()
	if n := s.held(); n != 0 {
		t.Errorf("something is held under %d sessions, want none", n)
	}
}
