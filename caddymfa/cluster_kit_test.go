package caddymfa_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// The site of every node, and what its session cookie is called.
const (
	clusterSite   = "app.test"
	clusterCookie = "mfa"
)

// fleet is nodes that share a Redis, and the test's own look into it.
type fleet struct {
	*cluster
	redis *redistest.Server
	store *redis.Store
}

// newFleet starts a Redis and what nodes need, but no node. Handler answers for
// the app, or nil.
func newFleet(t *testing.T, handler http.Handler) *fleet {
	t.Helper()
	server := redistest.Start(t)
	c := newCluster(t, handler)
	return &fleet{cluster: c, redis: server, store: openRedis(t, sealKey(t, c.folder), server.Addr)}
}

// node starts a node on the fleet's Redis.
func (f *fleet) node(name string) *node {
	f.t.Helper()
	return f.start(name, "store redis "+f.redis.Addr, "")
}

// pair starts two nodes.
func (f *fleet) pair() (north, south *node) {
	f.t.Helper()
	return f.node("north"), f.node("south")
}

// openRedis is the store as a node with these keys has it.
func openRedis(t testing.TB, keys vault.Keys, address string) *redis.Store {
	t.Helper()
	store, err := redis.New(redis.Config{Addresses: []string{address}, Vault: vault.New(keys), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// sealKey returns the key in the nodes' storage, which it makes: no node has
// been there before.
func sealKey(t testing.TB, folder string) vault.Keys {
	t.Helper()
	var key [32]byte
	rand.Read(key[:])
	file := filepath.Join(folder, "storage", "mfa", "seal.key")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, key[:], 0o600); err != nil {
		t.Fatal(err)
	}
	return func(context.Context) ([][32]byte, error) { return [][32]byte{key}, nil }
}

// seed makes a session of user, last seen so long ago, and returns its cookie
// value. To log in takes longer. Any goroutine may call it.
func seed(t testing.TB, store session.Store, user string, seen time.Duration) string {
	t.Helper()
	now := time.Now()
	cookieValue, err := session.NewSessions(store, session.Options{}).Create(t.Context(), session.Session{
		User: user, UserID: "id of " + user, Site: clusterSite, Factor: "totp", Node: "seed",
		AuthTime: now, Created: now.Add(-seen), Seen: now.Add(-seen),
	}, 8*time.Hour)
	if err != nil {
		t.Error(err)
	}
	return cookieValue
}

// verified is a browser at n whose user has a session.
func (f *fleet) verified(n *node, user string) *browser {
	f.t.Helper()
	return n.holding(user, seed(f.t, f.store, user, 0))
}

// holding is a browser at n that holds a cookie value, whoever's it is.
func (n *node) holding(user, cookieValue string) *browser {
	b := n.person(user)
	b.client.Jar.SetCookies(b.home(), []*http.Cookie{{Name: clusterCookie, Value: cookieValue, Path: "/"}})
	return b
}

// home is the site's root as the browser's address bar has it. Cookies belong
// to that, whichever node is asked.
func (b *browser) home() *url.URL {
	b.t.Helper()
	home := mustParse(b.t, b.url+"/")
	home.Host = cmp.Or(b.host, home.Host)
	return home
}

func (b *browser) cookies() []*http.Cookie { return b.client.Jar.Cookies(b.home()) }

// cookieValue is that of the browser's session, or "".
func (b *browser) cookieValue() string {
	for _, cookie := range b.cookies() {
		if cookie.Name == clusterCookie {
			return cookie.Value
		}
	}
	return ""
}

// handle names the browser's session to the desk.
func (b *browser) handle() string {
	b.t.Helper()
	key, ok := session.SessionKey(clusterSite, b.cookieValue())
	if !ok {
		b.t.Fatalf("%s holds no cookie value", b.user)
	}
	return session.Handle(key)
}

// record is what the browser's session is called in Redis.
func (b *browser) record() string { return "mfa:1:" + b.handle() }

// try asks as do does, but may go wrong and may be called by any goroutine.
// Status 0 means that there was no answer.
func (b *browser) try(method, path, body string) (status int, text string) {
	r, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header = b.header.Clone()
	r.Header.Set("Remote-User", b.user)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Host = b.host
	response, err := b.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(content)
}

// endSession ends the browser's session as its person does.
func (b *browser) endSession() {
	b.t.Helper()
	home := b.get("/.mfa/").wantStatus(b.t, http.StatusOK).json(b.t)
	b.post("logout", map[string]string{"csrf": home.CSRF}).wantStatus(b.t, http.StatusNoContent)
}

// newcomer is a user of OneLogin with devices of these kinds.
func (c *cluster) newcomer(name string, id int64, kinds ...simulator.Factor) {
	user := simulator.User{ID: id, Username: name}
	for i, kind := range kinds {
		user.Devices = append(user.Devices, simulator.Device{ID: 10*id + int64(i), Factor: kind, Name: string(kind)})
	}
	c.sim.AddUser(user)
}

// told answers with the user whom the gateway names, and on /events with a
// stream that does not end.
func told(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/events" {
		endless(w, r)
		return
	}
	io.WriteString(w, r.Header.Get("X-Mfa-User"))
}

// wantOwn fails the test if the app was asked for somebody by another, or by
// somebody who is not among allowed: the oracle behind every fault.
func (a *app) wantOwn(t *testing.T, allowed ...string) {
	t.Helper()
	for _, r := range a.requests() {
		asked, proved := r.Header.Get("Remote-User"), r.Header.Get("X-Mfa-User")
		known := false
		for _, name := range allowed {
			known = known || name == proved
		}
		if asked != proved || !known {
			t.Fatalf("the app was asked for %s by %q as %q, allowed are %q", r.URL.Path, asked, proved, allowed)
		}
	}
}
