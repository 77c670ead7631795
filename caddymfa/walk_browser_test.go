package caddymfa

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// How the sites of the walk are configured, and what follows from it.
const (
	walkIdle     = 20 * time.Minute
	walkMaxAge   = time.Hour
	walkLifetime = 2 * time.Hour
	adminMaxAge  = 5 * time.Minute

	hostApp, hostWiki      = "app.example.com", "wiki.example.com"
	hostName, hostPassword = "name.example.com", "password.example.com"
)

var walkHosts = [...]string{hostApp, hostWiki, hostName, hostPassword}

// route is what a path takes, as the documents say and not as the code does.
type route struct {
	path               string
	maxAge             time.Duration
	factors            []string
	exempt, background bool
}

func walkRoutes(host string) []route {
	strict := []string{"totp", "protect"}
	routes := []route{
		{path: "/", maxAge: walkMaxAge}, {path: "/a/b?c=d", maxAge: walkMaxAge},
		{path: "/admin/x", maxAge: adminMaxAge, factors: strict},
		{path: "/ADMIN%2fx", maxAge: adminMaxAge, factors: strict},
		{path: "/healthz/..%2fadmin/x", maxAge: adminMaxAge, factors: strict},
		{path: "/poll", maxAge: walkMaxAge, background: true},
		{path: "/healthz", exempt: true},
		{path: "/healthz/../x", maxAge: walkMaxAge},
	}
	if host == hostWiki {
		for i := range routes {
			if routes[i].factors == nil {
				routes[i].factors = []string{"sms", "email", "totp"}
			} else {
				routes[i].factors = []string{"totp"}
			}
		}
	}
	return routes
}

// walkSites are the handlers of every node, but for their app.
func walkSites(t testing.TB) map[string]*Handler {
	sites := map[string]*Handler{
		hostApp:      {},
		hostWiki:     {Factors: []string{"sms", "email", "totp"}, Enroll: &Enroll{}},
		hostName:     {SignIn: &SignIn{Mode: signInPasswordless}},
		hostPassword: {SignIn: &SignIn{Mode: signInPassword}},
	}
	for _, h := range sites {
		h.MaxAge, h.Idle, h.Lifetime = caddy.Duration(walkMaxAge), caddy.Duration(walkIdle), caddy.Duration(walkLifetime)
		h.Exempt, h.Background = []string{"/healthz"}, []string{"/poll"}
		strict := []string{"totp", "protect"}
		if h.Factors != nil {
			strict = []string{"totp"}
		}
		h.Require = []Rule{{Paths: []string{"/admin/*"}, MaxAge: caddy.Duration(adminMaxAge), Factors: strict}}
		compiled(t, h)
	}
	return sites
}

// walkUsers are the people of the walk: one has every factor, one has none.
func walkUsers() []simulator.User {
	users := simulator.DemoUsers()
	users[1].Devices = append(users[1].Devices, simulator.Device{ID: 1006, Factor: simulator.TOTP, Name: "Bob's authenticator"})
	return append(users, simulator.User{ID: 104, Username: "dave", Email: "dave@example.com", Status: 1, State: 1, Devices: []simulator.Device{
		{ID: 1007, Factor: simulator.Protect, Name: "Dave's phone", Default: true},
		{ID: 1008, Factor: simulator.TOTP, Name: "Dave's authenticator"},
	}})
}

var userIDs = map[string]string{"alice": "101", "bob": "102", "carol": "103", "dave": "104"}

// walk is a world with browsers that do anything in any order.
type walk struct {
	t        *testing.T
	rt       *rapid.T
	truth    *truth
	sim      *simulator.Simulator
	nodes    [2]*node
	node     int // that the next request goes to
	browsers [3]*browser
	tabs     []*tab // all that were ever open
	used     string // the code that was typed last
	rotated  bool   // a new sealing key was made
	reach    *reach
}

// browser is one browser with a jar of cookies for every site.
type browser struct {
	number int
	user   string   // whom the first login names
	users  []string // whom it ever named
	jars   map[string]map[string]string
	tabs   map[string]*tab     // the challenge that is open, by site
	former map[string][]string // values that session cookies have had, by site
}

// tab is an open challenge page.
type tab struct {
	owner         *browser
	user          string // whose devices prove it
	site, address string
	shown         challengeJSON
}

func newWalk(t *testing.T, rt *rapid.T, sites map[string]*Handler, reach *reach) *walk {
	w := &walk{t: t, rt: rt, sim: simulator.New(simulator.Options{Users: walkUsers()}), reach: reach}
	w.truth = newTruth(w.sim)
	store, storage := memory.New(memory.Config{}), new(drawer)
	t.Cleanup(store.Close)
	for i := range w.nodes {
		w.nodes[i] = newNode(t, w.truth, store, storage, sites)
		t.Cleanup(w.nodes[i].close)
	}
	for i, user := range []string{"alice", "alice", "dave"} {
		w.browsers[i] = &browser{number: i, user: user, users: []string{user}, jars: map[string]map[string]string{}, tabs: map[string]*tab{}, former: map[string][]string{}}
		for _, host := range walkHosts {
			w.browsers[i].jars[host] = map[string]string{}
		}
	}
	return w
}

// answer is what a browser got.
type answer struct {
	status   int
	location string
	body     []byte
}

func (a answer) challenge() (c challengeJSON) {
	_ = json.Unmarshal(a.body, &c)
	return c
}

// signsIn tells whether a site brings its own first login.
func signsIn(host string) bool { return host == hostName || host == hostPassword }

// send sends a request as b, with its own cookies and those that were stolen,
// about the challenge in tab if there is one.
func (w *walk) send(b *browser, tab *tab, q ask, stolen ...map[string]string) answer {
	if !signsIn(q.host) {
		q.user = b.user
	}
	q.address = "192.0.2." + string(rune('1'+b.number))
	sent := w.cookies(b, q, stolen)
	q.cookie = strings.Join(sent, "; ")
	w.truth.act(begun{browser: b.number, site: q.host, tab: tab})
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	reached := func(_ http.ResponseWriter, r *http.Request) error {
		w.reached(q, sent, r)
		return nil
	}
	got := w.nodes[w.node].serve(ctx, w.t, q, reached)
	synctest.Wait() // what goes on behind this request is done in its name
	w.keep(b, q, sent, got.Result().Cookies())
	w.truth.act(begun{browser: -1})
	w.rt.Logf("browser %d (%s) at node %d: %s %s%s: %d", b.number, b.user, w.node, q.method, q.host, short(q.path), got.Code)
	return answer{got.Code, got.Header().Get("Location"), got.Body.Bytes()}
}

func short(path string) string { return path[:min(len(path), 30)] }

// cookies are what a request brings along: stolen ones replace the browser's
// own, and one of the name "second" is a session cookie besides.
func (w *walk) cookies(b *browser, q ask, stolen []map[string]string) (sent []string) {
	jar := map[string]string{}
	for _, from := range append([]map[string]string{b.jars[q.host]}, stolen...) {
		for name, value := range from {
			jar[name] = value
		}
	}
	for name, value := range jar {
		if name == "second" {
			name = sessionCookie
		}
		sent = append(sent, name+"="+value)
	}
	slices.Sort(sent)
	return sent
}

const sessionCookie = "__Host-mfa"

// sessionsIn are the values of session cookies that a request brought along.
func sessionsIn(sent []string) (values []string) {
	for _, cookie := range sent {
		if value, found := strings.CutPrefix(cookie, sessionCookie+"="); found {
			values = append(values, value)
		}
	}
	return values
}

// keep puts an answer's cookies into the browser's jar.
func (w *walk) keep(b *browser, q ask, sent []string, set []*http.Cookie) {
	for _, c := range set {
		if c.MaxAge < 0 {
			delete(b.jars[q.host], c.Name)
			continue
		}
		b.jars[q.host][c.Name] = c.Value
		if c.Name == sessionCookie {
			w.truth.born(c.Value, sessionsIn(sent))
			b.former[q.host] = append(b.former[q.host], c.Value)
			w.reach.sessions.Add(1)
		}
	}
}

// reached judges a request that the app got to see.
func (w *walk) reached(q ask, sent []string, r *http.Request) {
	want := walkRoutes(q.host)[0] // an unknown path takes what the site does
	for _, known := range walkRoutes(q.host) {
		if known.path == q.path {
			want = known
		}
	}
	userID := userIDs[q.user]
	if signsIn(q.host) {
		userID = userIDs[r.Header.Get("X-Mfa-User")] // whom the app is told
	}
	w.truth.reached(q.host, q.path, want, sessionsIn(sent), userID)
	if !want.exempt {
		w.reach.apps.Add(1)
	}
}
