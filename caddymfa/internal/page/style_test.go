package page_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func styleSheet(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// schemes returns the custom properties that are colours, light and dark.
func schemes(t *testing.T) map[string]map[string]string {
	t.Helper()
	light, dark, ok := strings.Cut(styleSheet(t), "@media (prefers-color-scheme:dark)")
	if !ok {
		t.Fatal("no dark scheme")
	}
	colours := regexp.MustCompile(`--([a-z-]+):#([0-9a-f]{3}|[0-9a-f]{6})[;}]`)
	found := make(map[string]map[string]string)
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		found[scheme] = make(map[string]string)
		for _, match := range colours.FindAllStringSubmatch(css, -1) {
			found[scheme][match[1]] = match[2]
		}
	}
	return found
}

// luminance is WCAG 2.2's relative luminance of a colour in hex.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatalf("colour %q: %v", hex, err)
		}
		c := float64(value) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestColoursAreReadableInBothSchemes(t *testing.T) {
	const readable, visible = 4.5, 3.0 // WCAG 2.2, 1.4.3 and 1.4.11
	pairs := []struct {
		front, back string
		want        float64
	}{
		{"text", "card", readable}, {"text", "page", readable}, {"text", "soft", readable},
		{"text", "bad-soft", readable}, {"text", "wait-soft", readable}, {"text", "good-soft", readable},
		{"muted", "card", readable}, {"muted", "page", readable},
		{"accent", "card", readable}, {"strong", "card", readable}, {"strong", "soft", readable},
		{"on-accent", "accent", readable}, {"on-accent", "strong", readable},
		{"bad", "card", readable}, {"bad", "bad-soft", readable},
		{"field", "card", visible}, {"accent", "page", visible}, {"accent", "soft", visible},
		{"good", "good-soft", visible}, {"wait", "wait-soft", visible},
	}
	for scheme, colours := range schemes(t) {
		for _, pair := range pairs {
			front, back := colours[pair.front], colours[pair.back]
			if front == "" || back == "" {
				t.Errorf("%s: no colour %s or %s", scheme, pair.front, pair.back)
				continue
			}
			if got := contrast(t, front, back); got < pair.want {
				t.Errorf("%s: %s on %s has contrast %.2f, want %.1f", scheme, pair.front, pair.back, got, pair.want)
			}
		}
	}
}

func TestStyleSheetServesEveryReader(t *testing.T) {
	css := styleSheet(t)
	for _, want := range []string{
		"color-scheme:light dark", "prefers-color-scheme:dark", "prefers-reduced-motion:reduce",
		"forced-colors:active", ":focus-visible{outline:3px",
	} {
		if !strings.Contains(css, want) {
			t.Errorf("the style sheet lacks %q", want)
		}
	}
	// Sides that do not turn with the writing direction, and outside requests.
	for _, unwanted := range []string{"left", "right", "url(", "@import", "outline:0", "outline:none", "!important"} {
		if strings.Contains(css, unwanted) {
			t.Errorf("the style sheet has %q", unwanted)
		}
	}
}
