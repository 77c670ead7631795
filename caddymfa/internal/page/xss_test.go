package page_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// xss returns testdata/xss.txt, and logs how many payloads each family has.
func xss(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/xss.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	var families strings.Builder
	family, n := "", 0
	for line := range strings.Lines(string(text) + "# \n") {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "# "); ok {
			if n > 0 {
				fmt.Fprintf(&families, "; %s: %d", family, n)
			}
			family, n = title, 0
			continue
		}
		if line == "" {
			continue
		}
		if plain, err := strconv.Unquote(line); err == nil && line[0] == '"' {
			line = plain
		}
		all, n = append(all, line), n+1
	}
	t.Logf("%d payloads%s", len(all), families.String())
	return all
}

// Every page has the parts that it has with harmless text, and no others,
// whatever stands in all of its texts at once. Each payload is on every
// twelfth page, so that the race detector has time for them.
func TestMarkupInAnyTextIsText(t *testing.T) {
	all := xss(t)
	for k, s := range page.Gallery() {
		want := shape(t, fill(s.Page, "x"))
		for i := k % 12; i < len(all); i += 12 {
			text := all[i]
			if got := shape(t, fill(s.Page, text)); got != want {
				t.Errorf("%s with %q: the structure changed", s.Name, text)
			}
		}
	}
}
