package caddymfa

import (
	"encoding/json"
	goflag "flag"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// reach counts what all walks came to, so that they are known to prove
// something.
type reach struct{ walks, sessions, apps atomic.Int64 }

const (
	walkSteps  = 20
	walkShares = 4 // that are walked at once
)

// walks is how many walks there are: ten thousand, and a few for those in a
// hurry.
func walks() int {
	if testing.Short() {
		return 2000 // of which rapid takes a fifth
	}
	return 10_000
}

// TestWalkReachesTheAppOnlyWithAProofOfItsOwn lets three browsers do what
// browsers, their people and attackers can do, in any order, on four sites and
// two nodes, with time going by. Whatever they do: a request reaches the app
// only if OneLogin has accepted a verification that this very browser began on
// this site, of the user that the request is for, by a factor that the route
// takes, within its max_age, and the session that came of it has not ended. One
// proof gives one session, and no code is accepted twice.
func TestWalkReachesTheAppOnlyWithAProofOfItsOwn(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // little lives on, and time is short
	checks := goflag.Lookup("rapid.checks").Value
	before := checks.String()
	if err := checks.Set(strconv.Itoa(walks() / walkShares)); err != nil {
		t.Fatal(err)
	}
	sites, reach := walkSites(t), new(reach)
	t.Run("share", func(t *testing.T) {
		for n := range walkShares {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(rt *rapid.T) { walkOnce(t, rt, sites, reach) })
			})
		}
	})
	_ = checks.Set(before)
	t.Logf("%d walks of %d steps: %d sessions, %d requests at the app", reach.walks.Load(), walkSteps, reach.sessions.Load(), reach.apps.Load())
	if n := reach.walks.Load(); reach.sessions.Load() < n/4 || reach.apps.Load() < n/4 {
		t.Error("too few walks came to a session: the test proves little")
	}
}

func walkOnce(t *testing.T, rt *rapid.T, sites map[string]*Handler, reach *reach) {
	home := walkHosts[rapid.IntRange(0, len(walkHosts)-1).Draw(rt, "home")]
	steps := rapid.SliceOfN(rapid.Uint32(), walkSteps, walkSteps).Draw(rt, "steps")
	var wrongs []string
	synctest.Test(t, func(t *testing.T) {
		w := newWalk(t, rt, sites, reach)
		for _, drawn := range steps {
			w.step(home, dice(scatter(drawn)))
			if wrongs = w.truth.told(); len(wrongs) > 0 {
				break
			}
		}
	})
	reach.walks.Add(1)
	if len(wrongs) > 0 {
		rt.Fatalf("%s", strings.Join(wrongs, "\n"))
	}
}

// scatter makes all bits of what was drawn equally likely; what is drawn leans
// to small numbers. It leaves zero as it is.
func scatter(x uint32) uint32 {
	x = (x ^ x>>16) * 0x7feb352d
	x = (x ^ x>>15) * 0x846ca68b
	return x ^ x>>16
}

// dice are random bits that are used up as a step is decided.
type dice uint32

func (d *dice) of(n int) int {
	picked := int(*d) % n
	*d /= dice(n)
	return picked
}

func one[T any](d *dice, of []T) T { return of[d.of(len(of))] }

// step does one of the things that can be done.
func (w *walk) step(home string, d dice) {
	action := d.of(64)
	b, host := w.browsers[d.of(len(w.browsers))], home
	if d.of(4) == 3 {
		host = one(&d, walkHosts[:])
	}
	w.node = d.of(2)
	switch {
	case action < 34:
		w.proceed(b, host, &d)
	case action < 42:
		w.visit(b, host, &d)
	case action < 52:
		w.attack(action-42, b, host, &d)
	case action < 57:
		w.leave(action-52, b, host, &d)
	default:
		w.happen(action-57, b, &d)
	}
}

// proceed does what a person would do next: ask, begin, prove, ask again.
func (w *walk) proceed(b *browser, host string, d *dice) {
	open := b.tabs[host]
	switch {
	case open == nil || open.shown.CSRF == "":
		w.open(b, host, d)
	case len(open.shown.Needs) == 1:
		w.name(b, open, d)
	case len(open.shown.Needs) == 2:
		open.user = one(d, []string{"alice", "alice", "bob", "dave"})
		w.post(b, open, "login", map[string]string{"user": open.user, "password": "demo"})
	case len(open.shown.Enroll) > 0:
		w.post(b, open, "enroll", map[string]string{"factor": one(d, open.shown.Enroll).ID})
	case open.shown.Enrolment != nil:
		w.post(b, open, "confirm", map[string]string{"code": w.sim.Code(open.user, simulator.Factor(open.shown.Enrolment.Kind))})
	case open.shown.State == "choosing" && len(open.shown.Factors) > 0:
		w.post(b, open, "start", map[string]string{"factor": one(d, open.shown.Factors).ID})
	case open.shown.State == "pending":
		w.prove(b, open)
	default:
		b.tabs[host] = nil
	}
}

// open asks for a page and opens the challenge that it leads to, if any.
func (w *walk) open(b *browser, host string, d *dice) {
	got := w.get(b, host, one(d, walkRoutes(host)).path)
	address := got.challengeURL()
	if address == "" {
		return
	}
	open := &tab{owner: b, user: b.user, site: host, address: address}
	w.tabs, b.tabs[host] = append(w.tabs, open), open
	w.show(open, w.send(b, open, ask{method: http.MethodGet, host: host, path: address}))
}

func (a answer) challengeURL() string {
	var p problem
	if a.status == http.StatusUnauthorized {
		_ = json.Unmarshal(a.body, &p)
	}
	return p.ChallengeURL
}

func (w *walk) get(b *browser, host, path string) answer {
	return w.send(b, nil, ask{method: http.MethodGet, host: host, path: path})
}

// show takes over what an answer says of a challenge.
func (w *walk) show(open *tab, got answer) {
	shown := got.challenge()
	if over(shown.State) || got.status == http.StatusGone {
		shown = challengeJSON{}
	}
	if shown.CSRF == "" && shown.State == "" {
		open.owner.tabs[open.site] = nil
		return
	}
	open.shown = shown
}

// over tells whether a state is final.
func over(state string) bool {
	return slices.Contains([]string{"verified", "denied", "expired", "locked"}, state)
}

// name gives a name on a site without passwords. The redirect leads to the
// challenge of that name.
func (w *walk) name(b *browser, open *tab, d *dice) {
	open.user = one(d, []string{"alice", "alice", "bob", "dave", "nobody"})
	got := w.send(b, open, ask{method: http.MethodPost, host: open.site, path: "/.mfa/name", accept: "text/html",
		body: object(map[string]string{"csrf": open.shown.CSRF, "user": open.user})})
	if got.location == "" {
		return
	}
	open.address = got.location
	w.show(open, w.send(b, open, ask{method: http.MethodGet, host: open.site, path: open.address}))
}

// post sends a form of a challenge with its own csrf value.
func (w *walk) post(b *browser, open *tab, endpoint string, fields map[string]string, stolen ...map[string]string) {
	fields["csrf"] = open.shown.CSRF
	got := w.send(b, open, ask{method: http.MethodPost, host: open.site, path: "/.mfa/" + endpoint, body: object(fields)}, stolen...)
	if b == open.owner {
		w.show(open, got)
	}
}

// kind is the factor that was activated in a tab.
func (open *tab) kind() simulator.Factor {
	for _, f := range open.shown.Factors {
		if f.ID == open.shown.Factor {
			return simulator.Factor(f.Kind)
		}
	}
	return ""
}

// prove does what the challenge waits for: types the code, or approves the push
// and looks again.
func (w *walk) prove(b *browser, open *tab) {
	if open.kind() == simulator.Protect && w.sim.Approve(open.user) {
		time.Sleep(3 * time.Second)
		w.show(open, w.send(b, open, ask{method: http.MethodGet, host: open.site, path: open.status()}))
		return
	}
	w.used = w.sim.Code(open.user, open.kind())
	w.post(b, open, "verify", map[string]string{"code": w.used})
}

func (open *tab) status() string { return strings.Replace(open.address, "/.mfa/?", "/.mfa/status?", 1) }

// visit asks for a page as it may be asked for.
func (w *walk) visit(b *browser, host string, d *dice) {
	path := one(d, walkRoutes(host)).path
	switch d.of(4) {
	case 0:
		w.send(b, nil, ask{method: http.MethodPost, host: host, path: path, body: "{}"})
	case 1:
		w.send(b, nil, ask{method: http.MethodGet, host: host, path: path, accept: "text/html"})
	default:
		w.get(b, host, path)
	}
}

// attack does what somebody does who has seen what is not theirs.
func (w *walk) attack(n int, b *browser, host string, d *dice) {
	var foreign *tab
	if len(w.tabs) > 0 {
		foreign = one(d, w.tabs)
	}
	loot := w.loot(b, host, d)
	switch {
	case n < 3: // somebody else's session, alone or beside one's own
		if n == 2 {
			loot = map[string]string{"second": loot[sessionCookie]}
		}
		w.send(b, nil, ask{method: http.MethodGet, host: host, path: one(d, walkRoutes(host)).path}, loot)
	case foreign == nil:
		w.get(b, host, "/.mfa/?c="+strings.Repeat("A", 100))
	case n < 5: // somebody else's challenge, or an old one
		address := one(d, []string{foreign.address, foreign.status()})
		w.send(b, foreign, ask{method: http.MethodGet, host: host, path: address}, one(d, []map[string]string{nil, loot}))
	case n == 5: // a form of somebody else's, or of another site, with the right code
		stolen := one(d, []map[string]string{nil, loot})
		w.send(b, foreign, ask{method: http.MethodPost, host: host, path: "/.mfa/verify",
			body: object(map[string]string{"csrf": foreign.shown.CSRF, "code": w.sim.Code(foreign.user, foreign.kind())})}, stolen)
	case n == 6:
		w.start(b, host, foreign, d)
	default:
		w.mistype(b, host, foreign, d)
	}
}

// start begins with somebody else's form, by one's own or their factor.
func (w *walk) start(b *browser, host string, foreign *tab, d *dice) {
	fields := map[string]string{"csrf": foreign.shown.CSRF, "factor": "1"}
	if own := b.tabs[host]; own != nil && len(own.shown.Factors) > 0 {
		fields["factor"] = one(d, own.shown.Factors).ID
	} else if len(foreign.shown.Factors) > 0 {
		fields["factor"] = one(d, foreign.shown.Factors).ID
	}
	w.send(b, foreign, ask{method: http.MethodPost, host: host, path: "/.mfa/start", body: object(fields)})
}

// mistype types what is no proof: a code of another device or user, one that
// was used, a wrong one, none.
func (w *walk) mistype(b *browser, host string, foreign *tab, d *dice) {
	open := b.tabs[host]
	if open == nil || open.shown.CSRF == "" {
		open = foreign
	}
	codes := []string{w.used, "000000", "12345", "", w.sim.Code("bob", open.kind()), w.sim.Code("dave", open.kind())}
	for _, other := range []simulator.Factor{simulator.SMS, simulator.Email, simulator.TOTP, simulator.Protect} {
		if other != open.kind() {
			codes = append(codes, w.sim.Code(open.user, other))
		}
	}
	if open.site == host {
		w.post(b, open, one(d, []string{"verify", "verify", "confirm", "login"}), map[string]string{"code": one(d, codes)})
	}
}

// loot are cookies that were stolen: of a browser whose first login was never
// this user's, of another site, or of one's own past. A cookie that is used in place of its
// owner's, with the first login of its owner, is the owner's to any server.
func (w *walk) loot(b *browser, host string, d *dice) map[string]string {
	if former := b.former[host]; len(former) > 0 && d.of(2) == 0 {
		return map[string]string{sessionCookie: one(d, former)} // its own, kept beyond its end
	}
	victim, from := one(d, w.browsers[:]), one(d, walkHosts[:])
	if from == host && (signsIn(host) || slices.Contains(victim.users, b.user)) {
		from = one(d, slices.DeleteFunc(slices.Clone(walkHosts[:]), func(h string) bool { return h == host }))
	}
	return victim.jars[from]
}

// leave ends what there is.
func (w *walk) leave(n int, b *browser, host string, d *dice) {
	switch n {
	case 0:
		if open := b.tabs[host]; open != nil {
			w.post(b, open, "cancel", map[string]string{})
			b.tabs[host] = nil
		}
	case 1:
		w.logOut(b, host)
	default:
		w.endSessions(b, host, d)
	}
}

func (w *walk) logOut(b *browser, host string) {
	home := w.get(b, host, "/.mfa/").challenge()
	sent := b.jars[host][sessionCookie]
	got := w.send(b, nil, ask{method: http.MethodPost, host: host, path: "/.mfa/logout", body: object(map[string]string{"csrf": home.CSRF})})
	if got.status == http.StatusNoContent {
		w.truth.endWhere(func(site string, s *held) bool { return s == w.truth.held[host+" "+sent] })
	}
}

// endSessions looks where a person is verified, and ends one or all of it.
func (w *walk) endSessions(b *browser, host string, d *dice) {
	var list ownedJSON
	_ = json.Unmarshal(w.get(b, host, "/.mfa/sessions").body, &list)
	own := w.truth.held[host+" "+b.jars[host][sessionCookie]]
	for _, s := range list.Sessions {
		if s.Current && own != nil {
			own.handle = s.ID
		}
	}
	fields := map[string]string{"csrf": list.CSRF}
	if d.of(2) == 0 || len(list.Sessions) == 0 {
		fields["all"] = "yes"
	} else {
		fields["session"] = one(d, list.Sessions).ID
	}
	got := w.send(b, nil, ask{method: http.MethodPost, host: host, path: "/.mfa/sessions/end", body: object(fields)})
	if got.status/100 == 2 && own != nil {
		w.truth.endWhere(func(_ string, s *held) bool {
			return fields["all"] != "" && s.userID == own.userID || s.handle != "" && s.handle == fields["session"]
		})
	}
}

// happen is what happens elsewhere: on phones, at desks, and in time.
func (w *walk) happen(n int, b *browser, d *dice) {
	user := one(d, []string{"alice", "dave", "bob"})
	w.rt.Logf("happening %d to %s", n, user)
	switch n {
	case 0, 1, 2:
		time.Sleep(one(d, []time.Duration{4 * time.Second, 40 * time.Second, 4 * time.Minute, 19 * time.Minute, 50 * time.Minute, 3 * time.Hour}))
	case 3:
		if one(d, []bool{true, false}) {
			w.sim.Approve(user)
		} else {
			w.sim.Deny(user)
		}
	case 4:
		w.changeAccount(user, d)
	case 5:
		w.desk(user, d)
	default:
		if d.of(2) == 0 {
			b.user = one(d, []string{"alice", "bob", "carol", "dave"})
			b.users = append(b.users, b.user)
			return
		}
		// A second rotation would give nodes different memories of used codes.
		if w.rotated {
			return
		}
		w.rotated = true
		if err := w.nodes[w.node].keys.rotate(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	}
	synctest.Wait()
}

// changeAccount suspends a user, lets them back in, or takes a device away.
func (w *walk) changeAccount(user string, d *dice) {
	w.truth.mu.Lock()
	defer w.truth.mu.Unlock()
	switch id := userIDs[user]; {
	case d.of(2) == 0:
		w.sim.RemoveDevice(user, int64(1001+d.of(8)))
	case w.truth.suspended[id]:
		w.truth.suspended[id] = false
		w.sim.SetStatus(user, 1, 1)
	default:
		w.truth.suspended[id] = true
		w.sim.SetStatus(user, 2, 1)
	}
}

// desk ends a user's sessions from outside: by the help desk, or by a webhook
// of OneLogin's, which may come without its secret.
func (w *walk) desk(user string, d *dice) {
	n := w.nodes[w.node]
	switch d.of(3) {
	case 0:
		ended, err := n.App.sessions().EndAll(w.t.Context(), session.Filter{User: user}, time.Time{})
		n.logEnded(ended, "the desk", "")
		if err != nil {
			w.t.Error(err)
		}
	case 1:
		q := ask{method: http.MethodPost, host: hostApp, path: "/.mfa/events", secret: hookSecret,
			body: fmt.Sprintf(`[{"uuid":"5a0ba80a","event_type_id":19,"user_id":%s,"actor_user_id":1}]`, userIDs[user])}
		if got := w.send(w.browsers[0], nil, q); got.status != http.StatusNoContent {
			w.t.Errorf("webhook: %d %s", got.status, got.body)
		}
	default:
		w.send(w.browsers[0], nil, ask{method: http.MethodPost, host: hostApp, path: "/.mfa/events", secret: "wrong", body: "[]"})
		return
	}
	w.truth.endWhere(func(_ string, s *held) bool { return s.userID == userIDs[user] })
}

// object writes fields as JSON.
func object(fields map[string]string) string {
	encoded, _ := json.Marshal(fields) // of strings: always works
	return string(encoded)
}
