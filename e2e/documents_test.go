package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDocumentedJourneyForPrograms runs the block of docs/api.md as it stands,
// but for the ports.
func TestDocumentedJourneyForPrograms(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			skipOrFail(t, tool)
		}
	}
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```sh\n")
	block, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatal("docs/api.md has no block of commands")
	}
	d := startDemo(t)
	block = strings.NewReplacer("http://localhost:8080", d.gateway, "http://localhost:8091", d.phone).Replace(block)
	shell := exec.Command("bash", "-euo", "pipefail")
	shell.Stdin = strings.NewReader(block)
	printed, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("the documented journey failed: %v\n%s", err, printed)
	}
	for _, want := range []string{`"state":"pending"`, `"state":"verified"`, "<html"} {
		if !strings.Contains(string(printed), want) {
			t.Errorf("the documented journey did not print %s:\n%.2000s", want, printed)
		}
	}
	seen := d.arrivals()
	if len(seen) != 1 || seen[0].Path != "/orders" || seen[0].User != "alice" || seen[0].Factor != "totp" {
		t.Errorf("the app saw %+v, want one request of alice for /orders", seen)
	}
}
