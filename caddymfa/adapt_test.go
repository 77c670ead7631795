package caddymfa_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddymfa/caddymfa/caddymfa"
)

var update = flag.Bool("update", false, "rewrite golden files")

const dashes = "----------\n"

// TestAdapt reads testdata/adapt: a Caddyfile, a line of dashes, and then the
// JSON that it becomes, or after "error: " a part of the error.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddytest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddytest"), func(t *testing.T) {
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(golden), dashes)
			if message, refused := strings.CutPrefix(want, "error: "); refused {
				wantRefused(t, input, strings.TrimSpace(message))
				return
			}
			got := adapt(t, input)
			if *update {
				write(t, file, input+dashes+got)
			} else if got != want {
				t.Errorf("adapted JSON differs\ngot:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func wantRefused(t *testing.T, input, message string) {
	t.Helper()
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), "Caddyfile:") {
		t.Errorf("Adapt error = %v, want one with %q and its line", err, message)
	}
}

// adapt returns the indented JSON of a Caddyfile that must adapt without a
// warning.
func adapt(t *testing.T, input string) string {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(
		caddyfile.Format([]byte(input)), map[string]any{"filename": "Caddyfile"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Adapt: error %v, warnings %v", err, warnings)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String() + "\n"
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
