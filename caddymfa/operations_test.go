package caddymfa_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// blocks returns the code blocks of one language in a document.
func blocks(t *testing.T, file, language string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllSubmatch(text, -1) {
		found = append(found, string(match[1]))
	}
	if len(found) == 0 {
		t.Fatalf("%s has no block of %s", file, language)
	}
	return found
}

func TestDocumentedCommandsWork(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice := n.person("alice")
	alice.verifyBy(simulator.TOTP, "/")
	ran := 0
	for _, block := range blocks(t, "../docs/operations.md", "sh") {
		for line := range strings.Lines(block) {
			command, reason, quoted := strings.Cut(strings.TrimSpace(line), ` "`)
			args := strings.Fields(command)
			if quoted {
				args = append(args, strings.TrimSuffix(reason, `"`))
			}
			if args[0] != "caddy" {
				t.Fatalf("%q is none of our commands", line)
			}
			if printed, ok := n.caddy(args[1:]...); !ok {
				t.Errorf("%s\n%s", line, printed)
			}
			ran++
		}
	}
	if ran < 6 {
		t.Errorf("%d commands were found", ran)
	}
	alice.get("/").wantStatus(t, http.StatusUnauthorized) // one of them revoked everything
	n.app.wantCount(t, 0)
}

func TestDocumentedCaddyfilesAdapt(t *testing.T) {
	for _, block := range blocks(t, "../docs/operations.md", "caddyfile") {
		if _, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(block), nil); err != nil || !strings.Contains(block, "mfa") {
			t.Errorf("%v, %v\n%s", err, warnings, block)
		}
	}
}
