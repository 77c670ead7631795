package redis_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

// value is about as long as an encoded session.
var value = strings.Repeat("x", 150)

func benchmarkLoad(b *testing.B, config redis.Config, kind session.Kind) {
	s := open(b, config)
	k := key(kind, "one")
	s.add(k, value)
	s.want(k, value)
	b.ReportAllocs()
	for b.Loop() {
		if _, found, err := s.Load(b.Context(), k); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

// A verified request: the copy in this process.
func BenchmarkLoadCached(b *testing.B) {
	benchmarkLoad(b, at(redistest.Start(b)), session.KindSession)
}

func BenchmarkLoadFromRedis(b *testing.B) {
	benchmarkLoad(b, at(redistest.Start(b)), session.KindChallenge)
}

func BenchmarkLoadCachedParallel(b *testing.B) {
	s := open(b, at(redistest.Start(b)))
	for i := range 1000 {
		s.add(key(session.KindSession, strconv.Itoa(i)), value)
	}
	s.delete(key(session.KindSession, "0")) // so that there are marks to look at
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := s.Load(b.Context(), key(session.KindSession, strconv.Itoa(i%1000))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAddUpdateDelete(b *testing.B) {
	s := open(b, at(redistest.Start(b)))
	for i := 0; b.Loop(); i++ {
		k := key(session.KindSession, strconv.Itoa(i))
		s.add(k, value, group("a"), group("b"))
		s.update(k, s.want(k, value), value)
		s.delete(k)
	}
}

// From Delete on one node until another does not find the session: by its copy
// being taken back, and by news to those who watch.
func BenchmarkDeletionReachesAnotherNode(b *testing.B) {
	server := redistest.Start(b)
	here, there := open(b, at(server)), open(b, at(server))
	var seen, heard []float64
	told := make(chan time.Time, 10)
	there.listen()
	there.Watch(func(session.Key) { told <- time.Now() })
	other := open(b, at(server)) // hears nothing, has copies
	for i := 0; b.Loop(); i++ {
		k := key(session.KindSession, strconv.Itoa(i))
		here.add(k, value)
		other.want(k, value)
		there.want(k, value)
		begun := time.Now()
		here.delete(k)
		for {
			if _, found := other.load(k); !found {
				break
			}
		}
		seen = append(seen, float64(time.Since(begun).Microseconds()))
		heard = append(heard, float64((<-told).Sub(begun).Microseconds()))
	}
	for name, all := range map[string][]float64{"copy": seen, "news": heard} {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name+"-p50-µs")
		b.ReportMetric(all[len(all)*99/100], name+"-p99-µs")
	}
}
