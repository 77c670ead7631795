package page_test

import (
	"io"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// BenchmarkRender draws the longest page.
func BenchmarkRender(b *testing.B) {
	p := page.Gallery()[3].Page
	b.ReportAllocs()
	for b.Loop() {
		if err := page.Render(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}
