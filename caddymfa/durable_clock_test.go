package caddymfa

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// clockedNode is a whole handler with its engine, without a Caddy around it: it
// lives by a fake clock. Alice is verified there.
type clockedNode struct {
	t           *testing.T
	h           *Handler
	cookieValue string
	reached     int // requests that the app has seen
}

func newClockedNode(t *testing.T, h *Handler) *clockedNode {
	t.Helper()
	store := memory.New(memory.Config{})
	keys := &keyring{held: [][sealKeyBytes]byte{{1}}, read: time.Now()}
	engine, err := newEngine(credential{
		baseURL: "https://acme.onelogin.com", clientID: "demo-client", clientSecret: "demo-secret",
		transport: simulator.New(simulator.Options{}).Transport(),
	}, store, keys)
	if err != nil {
		t.Fatal(err)
	}
	h.app = &App{keys: keys, engine: &pooled[*openEngine]{value: engine}}
	h.log, h.cookies, h.User = zap.NewNop(), namesOfCookies(false), "{http.request.header.X-User}"
	h.sessions, h.streams = session.NewSessions(store, session.Options{}), session.NewStreams(store)
	t.Cleanup(func() {
		h.streams.Close()
		_ = engine.Destruct()
		store.Close()
	})
	h.setDefaults()
	if h.rules, err = h.compile(); err != nil {
		t.Fatal(err)
	}
	g := &clockedNode{t: t, h: h}
	g.verify(time.Now())
	return g
}

// verify gives alice a session, by a clock that may not be ours.
func (g *clockedNode) verify(now time.Time) {
	g.t.Helper()
	var err error
	g.cookieValue, err = g.h.sessions.Create(g.t.Context(), session.Session{
		User: "alice", UserID: "101", Site: "app.example.com", Factor: "totp", AuthTime: now, Created: now, Seen: now,
	}, time.Duration(g.h.Lifetime))
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *clockedNode) request(method, target string) *http.Request {
	r := httptest.NewRequest(method, "https://app.example.com"+target, nil)
	r.Header = http.Header{"X-User": {"alice"}, "Accept": {"application/json"}, "Cookie": {"__Host-mfa=" + g.cookieValue}}
	return r
}

// ask has a program of alice's ask the gateway.
func (g *clockedNode) ask(method, target string) *httptest.ResponseRecorder {
	g.t.Helper()
	w := httptest.NewRecorder()
	app := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { g.reached++; return nil })
	r := caddyhttp.PrepareRequest(g.request(method, target), caddy.NewReplacer(), w, nil)
	if err := g.h.ServeHTTP(w, r, app); err != nil {
		g.t.Fatal(err)
	}
	return w
}

// passes tells whether a request for a page gets to the app.
func (g *clockedNode) passes(target string) bool {
	g.t.Helper()
	before := g.reached
	g.ask(http.MethodGet, target)
	return g.reached > before
}

// challenge is the address of a challenge that the gateway puts to alice.
func (g *clockedNode) challenge() string {
	g.t.Helper()
	var demanded struct {
		URL string `json:"challenge_url"`
	}
	w := g.ask(http.MethodGet, "/admin/users")
	if err := json.Unmarshal(w.Body.Bytes(), &demanded); err != nil || w.Code != http.StatusUnauthorized {
		g.t.Fatalf("no challenge: %d %s", w.Code, w.Body)
	}
	return demanded.URL
}

// What our own pages do while they are open, what needs no proof, and what is
// refused does not keep a session from going idle.
func TestOwnEndpointsDoNotKeepASessionAlive(t *testing.T) {
	for name, poll := range map[string]func(g *clockedNode) (status, want int){
		"status of a challenge": func(g *clockedNode) (int, int) {
			return g.ask(http.MethodGet, "/.mfa/status"+g.challenge()[len("/.mfa/"):]).Code, http.StatusOK
		},
		"page of a challenge": func(g *clockedNode) (int, int) { return g.ask(http.MethodGet, g.challenge()).Code, http.StatusOK },
		"home":                func(g *clockedNode) (int, int) { return g.ask(http.MethodGet, "/.mfa/").Code, http.StatusOK },
		"list of sessions":    func(g *clockedNode) (int, int) { return g.ask(http.MethodGet, "/.mfa/sessions").Code, http.StatusOK },
		"no endpoint": func(g *clockedNode) (int, int) {
			return g.ask(http.MethodGet, "/.mfa/nothing").Code, http.StatusNotFound
		},
		"refused page": func(g *clockedNode) (int, int) {
			return g.ask(http.MethodPost, "/admin/users").Code, http.StatusUnauthorized
		},
		"exempt page": func(g *clockedNode) (int, int) { return g.ask(http.MethodGet, "/healthz").Code, http.StatusOK },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newClockedNode(t, &Handler{
					Idle: caddy.Duration(30 * time.Minute), Exempt: []string{"/healthz"},
					Require: []Rule{{Paths: []string{"/admin/*"}, MaxAge: caddy.Duration(shortestAge)}},
				})
				for range 29 {
					time.Sleep(time.Minute)
					if status, want := poll(g); status != want {
						t.Fatalf("answered with %d, want %d", status, want)
					}
				}
				time.Sleep(time.Minute)
				if g.passes("/reports") {
					t.Error("the session is alive after half an hour without use")
				}
			})
		})
	}
}

// A node judges what another one stamped whose clock is apart: an end comes
// earlier or later by just that, and what is further ahead is not believed.
func TestClocksApartMoveAnEndByNoMoreThanTheyAre(t *testing.T) {
	const limit = 30 * time.Minute
	for name, h := range map[string]Handler{
		"idle":     {Idle: caddy.Duration(limit)},
		"lifetime": {Idle: caddy.Duration(2 * limit), Lifetime: caddy.Duration(limit), MaxAge: caddy.Duration(limit)},
		"max_age":  {Idle: caddy.Duration(2 * limit), MaxAge: caddy.Duration(limit)},
	} {
		for _, tt := range []struct {
			apart, after time.Duration // the other clock is ahead by; the age of the session
			want         bool
		}{
			{0, limit - 1, true}, {0, limit, false},
			{session.Skew, 0, true}, {session.Skew, limit + session.Skew - time.Millisecond, true}, {session.Skew, limit + session.Skew, false},
			{-session.Skew, limit - session.Skew - time.Millisecond, true}, {-session.Skew, limit - session.Skew, false},
			{session.Skew + time.Millisecond, 0, false}, {time.Hour, 0, false},
		} {
			synctest.Test(t, func(t *testing.T) {
				own := h
				g := newClockedNode(t, &own)
				g.verify(time.Now().Add(tt.apart))
				time.Sleep(tt.after)
				if got := g.passes("/"); got != tt.want {
					t.Errorf("%s: made by a clock %v ahead, after %v the session passes: %v, want %v", name, tt.apart, tt.after, got, tt.want)
				}
			})
		}
	}
}

// Two nodes whose clocks are apart note the use of one session in turn: it goes
// idle no later than the one ahead would have it, and never before its time.
func TestUseOnNodesWithClocksApartMovesIdleByNoMore(t *testing.T) {
	const idle = 30 * time.Minute
	for _, apart := range []time.Duration{session.Skew, -session.Skew} {
		synctest.Test(t, func(t *testing.T) {
			g := newClockedNode(t, &Handler{Idle: caddy.Duration(idle), MaxAge: caddy.Duration(24 * time.Hour)})
			// other is a request to the node whose clock is apart.
			other := func() bool {
				r := caddyhttp.PrepareRequest(g.request(http.MethodGet, "/"), caddy.NewReplacer(), httptest.NewRecorder(), nil)
				required, err := requirement(g.h.MaxAge, nil)
				if err != nil {
					t.Fatal(err)
				}
				value, _, _ := identity.Cookie(r.Header, g.h.cookies.session)
				_, ok, err := g.h.proof(r, visit{cookie: value}, "alice", required, time.Now().Add(apart))
				if err != nil {
					t.Fatal(err)
				}
				return ok
			}
			for range 40 { // nearly seven hours
				time.Sleep(5 * time.Minute)
				if !other() || !g.passes("/") {
					t.Fatal("a session in use was refused")
				}
				time.Sleep(5 * time.Minute)
				if !g.passes("/") || !other() {
					t.Fatal("a session in use was refused")
				}
			}
			time.Sleep(idle - session.Skew - time.Second)
			if !g.passes("/healthz") {
				t.Errorf("clocks %v apart: idle came before its time", apart)
			}
			time.Sleep(idle + session.Skew)
			if g.passes("/") || other() {
				t.Errorf("clocks %v apart: idle came too late", apart)
			}
		})
	}
}
