package caddymfa

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// clocked is a handler without a Caddy around it, so that it can live by a
// fake clock. Ask it as alice, who proved herself when it was made.
func clocked(t *testing.T, h *Handler) (ask func(path string, header http.Header) bool) {
	t.Helper()
	store := memory.New(memory.Config{})
	h.log, h.cookies = zap.NewNop(), namesOfCookies(false)
	h.sessions, h.streams = session.NewSessions(store, session.Options{}), session.NewStreams(store)
	t.Cleanup(store.Close)
	t.Cleanup(h.streams.Close)
	h.User = "{http.request.header.X-User}"
	h.setDefaults()
	var err error
	if h.rules, err = h.compile(); err != nil {
		t.Fatal(err)
	}
	if h.unasked, err = h.compileBackground(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cookieValue, err := h.sessions.Create(context.Background(), session.Session{
		User: "alice", UserID: "1", Site: "app.example.com", Factor: "totp", AuthTime: now, Created: now, Seen: now,
	}, time.Duration(h.Lifetime))
	if err != nil {
		t.Fatal(err)
	}
	return func(path string, header http.Header) (reached bool) {
		t.Helper()
		app := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { reached = true; return nil })
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "https://app.example.com"+path, nil)
		for name, values := range header {
			r.Header[name] = values
		}
		r.Header.Set("X-User", "alice")
		r.Header.Set("Cookie", "__Host-mfa="+cookieValue)
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		v := h.clean(r)
		required := h.rules.Judge(target(r)).Requirement
		_, ok, err := h.proof(r, v, "alice", required, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			_ = app.ServeHTTP(w, r)
		}
		return reached
	}
}

func TestWhatNobodyAskedForDoesNotKeepASessionAlive(t *testing.T) {
	tests := []struct {
		name, path string
		header     http.Header
		use        bool
	}{
		{"a page", "/reports", nil, true},
		{"a page near a background path", "/api/notifications/read", nil, true},
		{"a background path", "/api/notifications", nil, false},
		{"below a background folder", "/poll/inbox", nil, false},
		{"an event stream", "/news", http.Header{"Accept": {"text/event-stream"}}, false},
		{"a prefetch", "/reports", http.Header{"Sec-Purpose": {"prefetch"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ask := clocked(t, &Handler{Idle: caddy.Duration(30 * time.Minute), Background: []string{"/api/notifications", "/poll/*"}})
				for range 4 { // for an hour and twenty minutes
					time.Sleep(20 * time.Minute)
					ask(tt.path, tt.header)
				}
				if alive := ask("/reports", nil); alive != tt.use {
					t.Errorf("after an hour of %s the session is alive: %v, want %v", tt.name, alive, tt.use)
				}
			})
		})
	}
}

func TestLifetimeEndsHoweverBusyASessionIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := clocked(t, &Handler{
			Idle: caddy.Duration(30 * time.Minute), MaxAge: caddy.Duration(4 * time.Hour), Lifetime: caddy.Duration(4 * time.Hour)})
		for at := time.Duration(0); at < 4*time.Hour-time.Minute; at += time.Minute {
			time.Sleep(time.Minute)
			if reached := ask("/", nil); reached != (at+time.Minute < 4*time.Hour) {
				t.Fatalf("after %v the app was reached: %v", at+time.Minute, reached)
			}
		}
		time.Sleep(time.Minute)
		if ask("/", nil) {
			t.Error("the session outlived its lifetime")
		}
	})
}

func TestMaxAgeCountsFromTheProofAndNotFromUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := clocked(t, &Handler{
			MaxAge: caddy.Duration(8 * time.Hour), Require: []Rule{{Paths: []string{"/admin/*"}, MaxAge: caddy.Duration(5 * time.Minute)}}})
		for range 4 {
			time.Sleep(time.Minute)
			if !ask("/admin/x", nil) {
				t.Fatal("a fresh proof was not enough")
			}
		}
		time.Sleep(time.Minute)
		if ask("/admin/x", nil) {
			t.Error("a proof of five minutes ago was fresh enough, though it must be younger")
		}
		if !ask("/", nil) {
			t.Error("the rest of the site asks again as well")
		}
	})
}
