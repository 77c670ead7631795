package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// crowd returns n sessions in one memory store and their cookie values.
func crowd(b *testing.B, n int) (*session.Sessions, []string) {
	b.Helper()
	x := session.NewSessions(memory.New(memory.Config{}))
	cookieValues := make([]string, n)
	for i := range cookieValues {
		s := ada()
		s.User = fmt.Sprintf("user%07d@example.com", i)
		s.UserID = fmt.Sprintf("%09d", i)
		var err error
		if cookieValues[i], err = x.Create(b.Context(), s, 8*time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	return x, cookieValues
}

func load(b *testing.B, ctx context.Context, x *session.Sessions, cookieValue string) {
	s, _, found, err := x.Load(ctx, site, cookieValue)
	if err != nil || !found || !s.Alive(time.Now(), 30*time.Minute, 8*time.Hour) {
		b.Fatalf("Load = %v, %v, want an alive session", found, err)
	}
}

// BenchmarkLoad is the session part of a gate decision: cookie value to alive
// session, at random among so many.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			x, cookieValues := crowd(b, n)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				load(b, ctx, x, cookieValues[rand.IntN(n)])
			}
		})
	}
}

// BenchmarkLoadParallel shows whether readers stand in each other's way.
func BenchmarkLoadParallel(b *testing.B) {
	x, cookieValues := crowd(b, 10_000)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			load(b, ctx, x, cookieValues[rand.IntN(len(cookieValues))])
		}
	})
}

func BenchmarkTouch(b *testing.B) {
	x, cookieValues := crowd(b, 1)
	ctx, now := context.Background(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s, record, _, _ := x.Load(ctx, site, cookieValues[0])
		now = now.Add(time.Millisecond)
		if err := x.Touch(ctx, site, cookieValues[0], record, s, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what one session of a million takes, with the cache
// that holds it and without the cookie values of this benchmark.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		empty := heap()
		x, cookieValues := crowd(b, n)
		cookieValue := cookieValues[0]
		cookieValues = nil
		b.ReportMetric(float64(heap()-empty)/n, "bytes/session")
		load(b, b.Context(), x, cookieValue)
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
