package journal_test

import (
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// BenchmarkWrite shows what a session costs on disk, for one writer and for
// many who share transactions.
func BenchmarkWrite(b *testing.B) {
	for name, writers := range map[string]int{"writers=2": 2, "writers=100": 100} {
		b.Run(name, func(b *testing.B) {
			j := open(b, newPath(b))
			before, next := j.Transactions(), atomic.Int64{}
			b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := j.Write(record(session.KindSession, int(next.Add(1)), strings.Repeat("x", 150))); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(next.Load())/float64(j.Transactions()-before), "writes/fsync")
		})
	}
}

// BenchmarkMillion reads a million sessions, as a server does when it starts.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	path := newPath(b)
	j := open(b, path)
	for from := 0; from < n; from += 1000 {
		var entries []journal.Entry
		for i := range 1000 {
			entries = append(entries, record(session.KindSession, from+i, strings.Repeat("x", 150), session.Group{1}, session.Group{2}))
		}
		write(b, j, entries...)
	}
	closeAll(b, j)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		start, count := time.Now(), 0
		j := open(b, path)
		report, err := j.Read(b.Context(), func(journal.Entry) error { count++; return nil })
		if err != nil || report.Read != n || count != n {
			b.Fatalf("Read = %+v, %v", report, err)
		}
		closeAll(b, j)
		b.ReportMetric(time.Since(start).Seconds(), "s/million")
	}
	b.ReportMetric(float64(info.Size())/n, "bytes/session")
}
