package caddymfa

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Who looks at our own pages alone, or leaves one of them open, uses no app.
func TestOurOwnPagesDoNotKeepASessionAlive(t *testing.T) {
	const host, address = "app.example.com", "192.0.2.7"
	for path, keeps := range map[string]bool{"/.mfa/": false, "/.mfa/sessions": false, "/.mfa/status": false, "/.mfa/jwks.json": false, "/reports": true} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := simulator.New(simulator.Options{})
				store := memory.New(memory.Config{})
				defer store.Close()
				n := newNode(t, sim.Transport(), store, new(drawer), map[string]*Handler{
					host: compiled(t, &Handler{Idle: caddy.Duration(30 * time.Minute)}),
				})
				defer n.close()
				now := time.Now()
				cookieValue, err := n.sessions().Create(t.Context(), session.Session{
					User: "alice", UserID: "101", Site: host, Factor: "totp", AuthTime: now, Created: now, Seen: now,
				}, 24*time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				get := func(path string) (reached bool) {
					app := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { reached = true; return nil })
					n.serve(t.Context(), t, ask{
						method: http.MethodGet, host: host, path: path, user: "alice", address: address, cookie: "__Host-mfa=" + cookieValue,
					}, app)
					return reached
				}
				for range 3 {
					time.Sleep(20 * time.Minute)
					get(path)
				}
				if alive := get("/reports"); alive != keeps {
					t.Errorf("after an hour of %s the session is alive: %v, want %v", path, alive, keeps)
				}
			})
		})
	}
}
