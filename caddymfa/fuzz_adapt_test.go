package caddymfa_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// FuzzCaddyfile adapts what operators may write: it is a config or an error,
// and never a panic.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddytest")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(text), dashes)
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input string) {
		if strings.Contains(input, "import") {
			return // reads files, which is Caddy's own affair
		}
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
		if err == nil && len(config) == 0 {
			t.Errorf("Adapt(%q) = nothing, and no error", input)
		}
	})
}
