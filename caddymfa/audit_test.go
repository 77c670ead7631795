package caddymfa_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// openAudited starts a site whose audit log goes to a file, and returns what
// reads it.
func openAudited(t *testing.T, options string) (*site, func() []map[string]any) {
	t.Helper()
	file := t.TempDir() + "/audit.log"
	s := openFile(t, strings.Replace(siteFile(options), "\tmfa {", "\tlog audit {\n\t\tinclude http.handlers.mfa.audit\n\t\toutput file "+file+"\n\t\tlevel DEBUG\n\t}\n\tmfa {", 1))
	return s, func() []map[string]any {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all []map[string]any
		for line := range strings.Lines(string(text)) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("audit log: %v in %s", err, line)
			}
			all = append(all, one)
		}
		return all
	}
}

func TestAuditLogHasEveryStepWithWhoAndFromWhere(t *testing.T) {
	s, read := openAudited(t, "exempt /open/*")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"})
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	alice.post("cancel", map[string]string{"csrf": "forged"}).wantStatus(t, http.StatusForbidden)
	alice.do(http.MethodGet, "/open/..%2fsecret", nil, nil)
	alice.do(http.MethodGet, "/", nil, http.Header{"X-MFA-User": {"root"}})
	home := alice.get("/.mfa/").json(t)
	alice.post("logout", map[string]string{"csrf": home.CSRF}).wantStatus(t, http.StatusNoContent)
	seen := map[string]map[string]any{}
	for _, line := range read() {
		seen[line["event"].(string)] = line
	}
	for _, event := range []string{
		"challenge_started", "factor_activated", "code_wrong", "challenge_verified", "session_created",
		"form_refused", "path_ambiguous", "header_forged", "session_ended",
	} {
		line, found := seen[event]
		if !found {
			t.Errorf("no line for %s", event)
			continue
		}
		for field, want := range map[string]any{"user": "alice", "site": strings.TrimPrefix(s.url, "http://"), "address": "127.0.0.1"} {
			if line[field] != want {
				t.Errorf("%s: %s = %v, want %v", event, field, line[field], want)
			}
		}
		if line["ts"] == nil || line["challenge"] == nil && line["request_id"] == nil {
			t.Errorf("%s has neither a challenge nor a request: %v", event, line)
		}
	}
}

// The table in docs/events.md and the code name the same events.
func TestEveryAuditEventIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| `event` | level | when |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		names, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(names, -1) {
			documented[name[1]] = true
		}
	}
	known := append(stepup.Events(), "session_created", "session_ended", "form_refused", "header_forged", "path_ambiguous", "key_rotated")
	for _, name := range known {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
}
