package assertion_test

import (
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
)

func BenchmarkSign(b *testing.B) {
	ring, err := assertion.Ring{}.Rotate(start())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Sign(statement(), start()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCacheGet(b *testing.B) {
	var cache assertion.Cache[[40]byte]
	var key [40]byte
	cache.Put(key, "signed", start())
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := cache.Get(key, start()); !ok {
			b.Fatal("not held")
		}
	}
}
