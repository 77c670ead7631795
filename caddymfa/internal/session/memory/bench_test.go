package memory_test

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// BenchmarkStartMillion is what a server with a million sessions waits for when
// it starts, and what they take in memory then.
func BenchmarkStartMillion(b *testing.B) {
	const n, batch = 1_000_000, 1000
	d := newDisk(b)
	j, err := d.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < n; from += batch {
		entries := make([]journal.Entry, batch)
		for i := range entries {
			entries[i] = journal.Entry{
				Key: key(session.KindSession, from+i), Groups: []session.Group{{1}, {2}},
				Record: session.Record{Value: strings.Repeat("x", 150), Expires: time.Now().Add(time.Hour)},
			}
		}
		if err := j.Write(entries...); err != nil {
			b.Fatal(err)
		}
	}
	j.Close()
	for b.Loop() {
		empty, start := heap(), time.Now()
		s := d.store()
		if err := s.Start(b.Context()); err != nil || s.Len(session.KindSession) != n {
			b.Fatalf("Start: %v with %d sessions", err, s.Len(session.KindSession))
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/million")
		b.ReportMetric(float64(heap()-empty)/n, "bytes/session")
		s.Close()
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

// BenchmarkAdd is what a new session waits for the disk, with many at once.
func BenchmarkAdd(b *testing.B) {
	s := newDisk(b).store()
	defer s.Close()
	var next atomic.Int64
	b.SetParallelism(50)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i, later := int(next.Add(1)), time.Now().Add(time.Hour)
			if added, err := s.Add(b.Context(), key(session.KindSession, i), strings.Repeat("x", 150), later); !added || err != nil {
				b.Errorf("Add = %v, %v", added, err)
			}
		}
	})
}
