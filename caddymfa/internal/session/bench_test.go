package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// crowd is n sessions in one memory store. Their cookie values stand one after
// the other in random order: a request brings its cookie value along, so that
// fetching it from far away should not be measured.
type crowd struct {
	*session.Sessions
	cookieValues string
	next         int
}

func newCrowd(b *testing.B, n int) *crowd {
	b.Helper()
	c := &crowd{Sessions: session.NewSessions(memory.New(memory.Config{}), session.Options{})}
	cookieValues := make([]string, n)
	for i := range cookieValues {
		s := ada()
		s.User = fmt.Sprintf("user%07d@example.com", i)
		s.UserID = fmt.Sprintf("%09d", i)
		s.Node = "caddy-7d9c5b4f6d-x2x9k"
		var err error
		if cookieValues[i], err = c.Create(b.Context(), s, 8*time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	rand.Shuffle(n, func(i, j int) { cookieValues[i], cookieValues[j] = cookieValues[j], cookieValues[i] })
	c.cookieValues = strings.Join(cookieValues, "")
	return c
}

const cookieChars = 43

// cookieValue returns the next one.
func (c *crowd) cookieValue() string {
	if c.next == len(c.cookieValues) {
		c.next = 0
	}
	c.next += cookieChars
	return c.cookieValues[c.next-cookieChars : c.next]
}

// load is what the gate does with a cookie value.
func (c *crowd) load(b *testing.B, ctx context.Context, cookieValue string) {
	s, _, found, err := c.Load(ctx, site, cookieValue)
	if err != nil || !found || !s.Alive(time.Now(), 30*time.Minute, 8*time.Hour) {
		b.Fatalf("Load = %v, %v, want an alive session", found, err)
	}
}

// BenchmarkLoad is the session part of a gate decision: cookie value to alive
// session, at random among so many.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			c, ctx := newCrowd(b, n), context.Background()
			b.ReportAllocs()
			for b.Loop() {
				c.load(b, ctx, c.cookieValue())
			}
		})
	}
}

// BenchmarkLoadParallel shows whether readers stand in each other's way.
func BenchmarkLoadParallel(b *testing.B) {
	c := newCrowd(b, 10_000)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		own, ctx := *c, context.Background()
		for pb.Next() {
			own.load(b, ctx, own.cookieValue())
		}
	})
}

func BenchmarkTouch(b *testing.B) {
	c, ctx, now := newCrowd(b, 1), context.Background(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s, record, _, _ := c.Load(ctx, site, c.cookieValue())
		now = now.Add(time.Millisecond)
		if err := c.Touch(ctx, site, c.cookieValue(), record, s, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHold is what a verified request pays so that it can be cut off. Its
// context can end, as a request's does.
func BenchmarkHold(b *testing.B) {
	for _, many := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("held=%d", many), func(b *testing.B) {
			streams := session.NewStreams(memory.New(memory.Config{}))
			defer streams.Close()
			end := time.Now().UTC().Add(8 * time.Hour)
			for i := range many {
				streams.Hold(b.Context(), session.NewKey(session.KindSession, fmt.Sprint(i)), end)
			}
			ctx, key := b.Context(), session.NewKey(session.KindSession, "site", "value")
			b.ReportAllocs()
			for b.Loop() {
				held, release := streams.Hold(ctx, key, end)
				if held.Err() != nil {
					b.Fatal(held.Err())
				}
				release()
			}
		})
	}
}

// BenchmarkHoldParallel is the same for one session each.
func BenchmarkHoldParallel(b *testing.B) {
	streams := session.NewStreams(memory.New(memory.Config{}))
	defer streams.Close()
	end := time.Now().UTC().Add(8 * time.Hour)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		key := session.NewKey(session.KindSession, "site", fmt.Sprint(rand.Uint64()))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for pb.Next() {
			_, release := streams.Hold(ctx, key, end)
			release()
		}
	})
}

// BenchmarkMemory reports what one session of a million takes, with the cache
// that holds it and without the cookie values of this benchmark.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		empty := heap()
		c := newCrowd(b, n)
		own := uint64(len(c.cookieValues))
		b.ReportMetric(float64(heap()-empty-own)/n, "bytes/session")
		c.load(b, b.Context(), c.cookieValue())
	}
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
