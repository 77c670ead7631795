package page_test

import (
	"io"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// BenchmarkRender draws the longest page, with a QR code on it.
func BenchmarkRender(b *testing.B) {
	p := sample(b, "enroll-scan")
	b.ReportAllocs()
	for b.Loop() {
		if err := page.Render(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}
