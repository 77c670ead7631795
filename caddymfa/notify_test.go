package caddymfa_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func init() { caddy.RegisterModule(recorder{}) }

// recorder is an event handler that remembers.
type recorder struct{}

var recorded struct {
	sync.Mutex
	events []caddy.Event
}

func (recorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.mfa_test_recorder", New: func() caddy.Module { return new(recorder) }}
}

func (*recorder) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (*recorder) Handle(_ context.Context, e caddy.Event) error {
	recorded.Lock()
	defer recorded.Unlock()
	recorded.events = append(recorded.events, e)
	return nil
}

// openRecorded starts a site whose Caddy events are recorded.
func openRecorded(t *testing.T, global string) (*site, string) {
	t.Helper()
	recorded.Lock()
	recorded.events = nil
	recorded.Unlock()
	admin := freeAddress(t)
	file := strings.Replace(withGlobal(global, ""), "admin off", "admin "+admin, 1)
	return openFile(t, strings.Replace(file, "\tmfa {", "\tevents {\n\t\ton * mfa_test_recorder\n\t}\n\tmfa {", 1)), "http://" + admin
}

// wantEvent waits for a Caddy event and returns what it carries.
func wantEvent(t *testing.T, name string) map[string]any {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		recorded.Lock()
		for _, e := range recorded.events {
			if e.Name() == name {
				recorded.Unlock()
				return e.Data
			}
		}
		recorded.Unlock()
	}
	t.Fatalf("no event %s", name)
	return nil
}

func TestCaddyEventsTellWhatHappens(t *testing.T) {
	s, admin := openRecorded(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	started := wantEvent(t, "mfa_challenge")
	for field, want := range map[string]string{"user": "alice", "site": strings.TrimPrefix(s.url, "http://"), "address": "127.0.0.1"} {
		if started[field] != want {
			t.Errorf("mfa_challenge: %s = %v, want %q", field, started[field], want)
		}
	}
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"})
	if failed := wantEvent(t, "mfa_failure"); failed["event"] != "code_wrong" || failed["factor"] != "totp" {
		t.Errorf("mfa_failure carries %v", failed)
	}
	code := s.sim.Code("alice", simulator.TOTP)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": code}).wantStatus(t, http.StatusOK)
	wantEvent(t, "mfa_success")
	adminCall(t, "POST", admin+"/mfa/revoke", `{"user":"alice","by":"desk"}`)
	if ended := wantEvent(t, "mfa_session_revoked"); ended["by"] != "desk" || ended["user"] != "alice" {
		t.Errorf("mfa_session_revoked carries %v", ended)
	}
	bob := s.program("bob")
	c, _ = bob.begin("/")
	bob.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")})
	for _, wrong := range []string{"000001", "000002", "000003", "000004", "000005"} {
		bob.post("verify", map[string]string{"csrf": c.CSRF, "code": wrong})
	}
	wantEvent(t, "mfa_lockout")
	s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	s.program("carol").get("/.mfa/")
	carol := s.program("carol")
	carol.get(carol.get("/").json(t).ChallengeURL).wantStatus(t, http.StatusServiceUnavailable)
	if down := wantEvent(t, "mfa_provider_down"); down["status"] != http.StatusBadGateway {
		t.Errorf("mfa_provider_down carries %v", down)
	}
	s.app.wantCount(t, 0)
	recorded.Lock()
	defer recorded.Unlock()
	for _, e := range recorded.events {
		for field, value := range e.Data {
			if value == code {
				t.Errorf("event %s carries a code in %s", e.Name(), field)
			}
		}
	}
}
