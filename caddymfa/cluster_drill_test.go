package caddymfa_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// copiesLast is how long verified people may go on without Redis.
const copiesLast = 5 * time.Second

// askEvery is how often each person of a drill asks.
const askEvery = 50 * time.Millisecond

// drill is a node whose Redis gets into trouble, and people who ask it for
// pages all the while.
type drill struct {
	*fleet
	north, south *node    // south only where a second one takes part
	alice        *asker   // verified, and busy: the node has a copy of her session
	bob          *asker   // verified, and asks for the first time when trouble has begun
	strangers    []*asker // nobody of these is ever let in
	carol        *browser // of the strangers: her session was revoked
	idle         *browser // verified, and not seen for so long that it is to be noted
	stream       *openStream

	ctx    context.Context
	asking sync.WaitGroup
	stop   func()

	struck, undone time.Time
	health, login  string // what was told during the fault
	revoked, noted string // the same where Redis can be read
}

// asker is a person who asks for a page again and again.
type asker struct {
	*browser
	mu    sync.Mutex
	notes []note
}

// note is how one request went.
type note struct {
	begun, ended time.Time
	status       int
	body         string
}

func (d *drill) ask(b *browser) *asker {
	a := &asker{browser: b}
	d.asking.Go(func() {
		for often := time.NewTicker(askEvery); ; {
			n := note{begun: time.Now()}
			n.status, n.body = b.try("GET", "/", "")
			n.ended = time.Now()
			a.mu.Lock()
			a.notes = append(a.notes, n)
			a.mu.Unlock()
			select {
			case <-often.C:
			case <-d.ctx.Done():
				often.Stop()
				return
			}
		}
	})
	return a
}

// since returns the notes of requests that began at or after a moment.
func (a *asker) since(moment time.Time) []note {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, _ := slices.BinarySearchFunc(a.notes, moment, func(n note, t time.Time) int { return n.begun.Compare(t) })
	return slices.Clone(a.notes[i:])
}

// first returns when the first request since moment was answered so, or false.
func (a *asker) first(moment time.Time, status int) (time.Time, bool) {
	for _, n := range a.since(moment) {
		if n.status == status {
			return n.begun, true
		}
	}
	return time.Time{}, false
}

// last returns when the last request began that was begun and answered between
// two moments and so, or false.
func (a *asker) last(from, to time.Time, status int) (at time.Time, found bool) {
	for _, n := range a.since(from) {
		if n.status == status && !n.ended.After(to) {
			at, found = n.begun, true
		}
	}
	return at, found
}

// course tells in which order and for how long a was answered how.
func (a *asker) course(from time.Time) string {
	var parts []string
	notes := a.since(from)
	for i, begun := 0, from; i < len(notes); {
		next := i
		for next < len(notes) && notes[next].status == notes[i].status {
			next++
		}
		if next == len(notes) {
			parts = append(parts, fmt.Sprint(notes[i].status))
			break
		}
		ended := notes[next].begun
		parts = append(parts, fmt.Sprintf("%d for %.1f s", notes[i].status, ended.Sub(begun).Seconds()))
		i, begun = next, ended
	}
	return strings.Join(parts, ", then ")
}

// statuses names the different answers since a moment.
func statuses(moment time.Time, askers ...*asker) string {
	var all []int
	for _, a := range askers {
		for _, n := range a.since(moment) {
			all = append(all, n.status)
		}
	}
	slices.Sort(all)
	return strings.Trim(fmt.Sprint(slices.Compact(all)), "[]")
}

// openStream is an event stream, and when it was cut, if it was.
type openStream struct {
	mu  sync.Mutex
	cut time.Time
}

func (d *drill) listen(b *browser) *openStream {
	s, conn := new(openStream), b.stream("/events", "")
	_ = conn.SetReadDeadline(time.Time{})
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cut = time.Now()
	}()
	return s
}

// ended returns when the stream was cut, or false.
func (s *openStream) ended() (time.Time, bool) {
	if s == nil {
		return time.Time{}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut, !s.cut.IsZero()
}

// streamed tells how long the stream lasted.
func (d *drill) streamed() string {
	if d.stream == nil {
		return ""
	}
	if at, cut := d.stream.ended(); cut {
		return fmt.Sprintf("cut after %.1f s", at.Sub(d.struck).Seconds())
	}
	return "stays"
}

// newDrill brings all people into position, with a snapshot on Redis' disk in
// which carol still has her session. Where Redis is absent it ends before the
// node starts.
func newDrill(t *testing.T, fault fault) *drill {
	t.Helper()
	f := newFleet(t, http.HandlerFunc(told))
	d := &drill{fleet: f}
	d.ctx, d.stop = context.WithCancel(t.Context())
	t.Cleanup(func() { d.stop(); d.asking.Wait() })
	d.newcomer("before", 501, simulator.TOTP)
	d.newcomer("after", 502, simulator.TOTP)
	values := map[string]string{}
	for _, user := range []string{"alice", "bob", "carol", "dora", "idle"} {
		seen := 0 * time.Second
		if user == "idle" {
			seen = 2 * time.Minute
		}
		values[user] = seed(t, f.store, user, seen)
	}
	f.redis.Do("SAVE")
	if fault.absent {
		key, _ := session.SessionKey(clusterSite, values["carol"])
		if err := f.store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		f.redis.Do("SAVE")
		f.redis.Stop()
		d.struck = time.Now()
	}
	if strings.Contains(fault.store, "username") {
		f.redis.Do(append([]string{"ACL", "SETUSER", "caddymfa"}, strings.Fields(aclUser)...)...)
	}
	d.north = f.start("north", strings.ReplaceAll(fault.store, "ADDRESS", f.redis.Addr), "")
	d.bob = &asker{browser: d.north.holding("bob", values["bob"])}
	d.carol = d.north.holding("carol", values["carol"])
	d.idle = d.north.holding("idle", values["idle"])
	if fault.two {
		d.south = f.node("south")
		// News come in order: who hears of dora has heard of carol.
		dora := d.south.holding("dora", values["dora"])
		heard := d.listen(dora)
		d.carol.get("/.mfa/").wantStatus(t, http.StatusOK)
		redistest.Eventually(t, time.Minute, "both nodes listen for news", func() bool {
			return f.redis.Do("PUBSUB", "NUMSUB", "mfa:deleted") == "mfa:deleted\n2"
		})
		d.revoke(d.carol)
		d.revoke(dora)
		redistest.Eventually(t, time.Minute, "the other node has heard of it", func() bool { _, cut := heard.ended(); return cut })
		d.strangers = append(d.strangers, d.ask(d.carol.at(d.south)), d.ask(dora))
	} else if !fault.absent {
		d.revoke(d.carol)
	}
	for _, stranger := range []*browser{
		d.carol,
		d.north.person("dave"),           // no cookie
		d.north.holding("eve", invent()), // a cookie value of her own making
		d.north.holding("mallory", values["alice"]), // alice's cookie value
	} {
		d.strangers = append(d.strangers, d.ask(stranger))
	}
	d.alice = d.ask(d.north.holding("alice", values["alice"]))
	return d
}

// invent returns a cookie value as ours are spelled, which leads nowhere.
func invent() string {
	var random [32]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// revoke ends the session of b by the desk of north.
func (d *drill) revoke(b *browser) {
	d.t.Helper()
	if status, got := d.north.ask("DELETE", "/mfa/sessions/"+b.handle(), ""); status != http.StatusOK {
		d.t.Fatalf("DELETE = %d %v", status, got)
	}
}

// enter begins a challenge and goes on to a code, if it is let. It returns the
// first status that is not 200, or 200 for a user who is verified then.
func (b *browser) enter() int {
	var c challenge
	code, text := b.try("GET", "/", "")
	if code != http.StatusUnauthorized || json.Unmarshal([]byte(text), &c) != nil {
		return code
	}
	if code, text = b.try("GET", c.ChallengeURL, ""); code != http.StatusOK || json.Unmarshal([]byte(text), &c) != nil {
		return code
	}
	start := fmt.Sprintf(`{"csrf":%q,"factor":%q}`, c.CSRF, c.factor(b.t, "totp"))
	if code, _ = b.try("POST", "/.mfa/start", start); code != http.StatusOK {
		return code
	}
	code, _ = b.try("POST", "/.mfa/verify", fmt.Sprintf(`{"csrf":%q,"code":%q}`, c.CSRF, b.sim.Code(b.user, simulator.TOTP)))
	return code
}
