package caddymfa

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// gateway is two nodes on one store in front of an app that counts.
type gateway struct {
	t     *testing.T
	sim   *simulator.Simulator
	store *memory.Store
	nodes [2]*node
	app   atomic.Int64 // requests that reached it
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{t: t, sim: simulator.New(simulator.Options{}), store: memory.New(memory.Config{})}
	t.Cleanup(g.store.Close)
	sites, storage := walkSites(t), new(drawer)
	for i := range g.nodes {
		g.nodes[i] = newNode(t, g.sim.Transport(), g.store, storage, sites)
		t.Cleanup(g.nodes[i].close)
	}
	return g
}

// client is one browser of one user at one node.
type client struct {
	*gateway
	node                *node
	host, user, address string
	jar                 map[string]string
	csrf                string
}

func (g *gateway) client(host, user string, n int) *client {
	return &client{gateway: g, node: g.nodes[n%2], host: host, user: user, address: fmt.Sprintf("198.51.100.%d", n%50),
		jar: map[string]string{}}
}

func (c *client) send(q ask) *httptest.ResponseRecorder {
	q.host, q.user, q.address = c.host, c.user, c.address
	var cookies []string
	for name, value := range c.jar {
		cookies = append(cookies, name+"="+value)
	}
	q.cookie = strings.Join(cookies, "; ")
	w := c.node.serve(context.Background(), c.t, q, func(http.ResponseWriter, *http.Request) error {
		c.app.Add(1)
		return nil
	})
	for _, set := range w.Result().Cookies() {
		c.jar[set.Name] = set.Value
	}
	return w
}

func (c *client) get(path string) *httptest.ResponseRecorder {
	return c.send(ask{method: http.MethodGet, path: path})
}

func (c *client) post(endpoint string, fields map[string]string) (shown challengeJSON) {
	fields["csrf"] = c.csrf
	w := c.send(ask{method: http.MethodPost, path: "/.mfa/" + endpoint, body: object(fields)})
	_ = json.Unmarshal(w.Body.Bytes(), &shown)
	return shown
}

// begin opens a challenge and starts a factor, as far as that is allowed.
func (c *client) begin(kind simulator.Factor) challengeJSON { return c.beginAs("alice", kind) }

// beginAs is begin for whoever is named so on a site that asks for a name.
func (c *client) beginAs(name string, kind simulator.Factor) challengeJSON {
	var demanded problem
	_ = json.Unmarshal(c.get("/").Body.Bytes(), &demanded)
	var shown challengeJSON
	_ = json.Unmarshal(c.get(demanded.ChallengeURL).Body.Bytes(), &shown)
	c.csrf = shown.CSRF
	if len(shown.Needs) > 0 {
		shown = c.post("name", map[string]string{"user": name})
		c.csrf = shown.CSRF
	}
	for _, f := range shown.Factors {
		if f.Kind == string(kind) {
			return c.post("start", map[string]string{"factor": f.ID})
		}
	}
	return shown
}

// logIn proves who the client is and tells whether that lets it in.
func (c *client) logIn(kind simulator.Factor) bool {
	c.begin(kind)
	c.post("verify", map[string]string{"code": c.sim.Code(c.user, kind)})
	return c.passes()
}

// passes tells whether a request reaches the app.
func (c *client) passes() bool {
	before := c.app.Load()
	c.get("/")
	return c.app.Load() > before
}

// guess types ten wrong codes, whatever the answers are.
func (c *client) guess(kind simulator.Factor, guesses *atomic.Int64) {
	c.begin(kind)
	for i := range 10 {
		code := fmt.Sprintf("%06d", i*111111)
		if code == c.sim.Code("alice", kind) {
			code = "123456"
		}
		c.post("verify", map[string]string{"code": code})
		guesses.Add(1)
	}
}

func TestGuessesOverTwoNodesReachOneLoginFiveTimes(t *testing.T) {
	tests := []struct {
		name     string
		browsers int
		over     time.Duration // that they come in
		most     int           // calls to OneLogin that check a code
		wait     time.Duration // until the user can log in again
	}{
		{"ten thousand at once", 1000, 0, 5, 15 * time.Minute},
		{"a day long", 240, 20 * time.Hour, 20, 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t)
				victim := g.client(hostWiki, "alice", 0)
				if !victim.logIn(simulator.SMS) {
					t.Fatal("the victim cannot log in at all")
				}
				checked := g.sim.Calls(simulator.OpVerify)
				guesses := g.attack(victim, tt.browsers, tt.over)
				calls := g.sim.Calls(simulator.OpVerify) - checked
				t.Logf("%d guesses of %d browsers from 50 addresses at 2 nodes: OneLogin checked %d codes and saw %d activations",
					guesses, tt.browsers, calls, g.sim.Calls(simulator.OpActivate))
				if calls > tt.most || calls == 0 {
					t.Errorf("OneLogin checked %d codes, want 1 to %d", calls, tt.most)
				}
				time.Sleep(tt.wait)
				if !g.client(hostApp, "alice", 1).logIn(simulator.TOTP) {
					t.Error("the victim cannot log in after the window")
				}
			})
		})
	}
}

// attack guesses at alice, and looks all the while whether victim still passes,
// unless that takes longer than a session lives.
func (g *gateway) attack(victim *client, browsers int, over time.Duration) (total int64) {
	var guesses, passed atomic.Int64
	if over > 0 {
		for n := range browsers {
			g.client(hostApp, "alice", n).guess(simulator.TOTP, &guesses)
			time.Sleep(over / time.Duration(browsers))
		}
		return guesses.Load()
	}
	var all sync.WaitGroup
	for address := range 50 {
		all.Go(func() {
			for n := address; n < browsers; n += 50 {
				kind := []simulator.Factor{simulator.TOTP, simulator.SMS, simulator.Email}[n/50%3]
				g.client(hostApp, "alice", n).guess(kind, &guesses)
			}
		})
	}
	for range browsers {
		if w := victim.get("/"); w.Code == http.StatusOK {
			passed.Add(1)
		}
	}
	all.Wait()
	if victim.get("/").Code != http.StatusOK || passed.Load() != int64(browsers) {
		g.t.Errorf("the victim's session passed %d times of %d, and then not", passed.Load(), browsers)
	}
	return guesses.Load()
}

// TestStrangersGuessingNamesLockNobodyOut has strangers on a site without a
// first login guess at a user from many addresses: who has logged in elsewhere
// goes on, and who logs in elsewhere is let in, while it lasts.
func TestStrangersGuessingNamesLockNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		before := g.client(hostWiki, "alice", 0)
		if !before.logIn(simulator.SMS) {
			t.Fatal("the victim cannot log in at all")
		}
		checked := g.sim.Calls(simulator.OpVerify)
		var guesses atomic.Int64
		for n := range 100 {
			g.client(hostName, "", n).guess(simulator.TOTP, &guesses)
			if !before.passes() {
				t.Fatalf("the victim's session ended after %d guesses", guesses.Load())
			}
		}
		calls := g.sim.Calls(simulator.OpVerify) - checked
		t.Logf("%d guesses of strangers: OneLogin checked %d codes", guesses.Load(), calls)
		if calls > 5 || calls == 0 {
			t.Errorf("OneLogin checked %d codes of strangers, want 1 to 5", calls)
		}
		time.Sleep(time.Second) // not the moment of the last guess
		if !g.client(hostApp, "alice", 1).logIn(simulator.TOTP) {
			t.Error("strangers have locked the victim out of a site with a first login")
		}
	})
}
