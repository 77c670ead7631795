package caddymfa_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestLoginOnOneNodePassesOnAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	north, south := f.pair()
	alice, stranger := north.person("alice"), south.person("alice")
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	f.app.wantCount(t, 0)
	alice.verifyBy(simulator.TOTP, "/")
	stranger.get("/").wantStatus(t, http.StatusUnauthorized)
	south.holding("bob", alice.cookieValue()).get("/").wantStatus(t, http.StatusUnauthorized)
	f.app.wantCount(t, 0)
	alice.at(south).get("/").wantStatus(t, http.StatusOK)
	alice.get("/").wantStatus(t, http.StatusOK)
	f.app.wantCount(t, 2)
	for _, n := range []*node{north, south} {
		_, got := n.ask("GET", "/mfa/sessions?user=alice", "")
		if all := got["sessions"].([]any); len(all) != 1 || all[0].(map[string]any)["node"] != "north" {
			t.Errorf("node %s lists %v, want one session, made by north", n.name, all)
		}
	}
}

func TestChallengeOfOneNodeIsFinishedOnAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	north, south := f.pair()
	bob := north.person("bob")
	c, _ := bob.begin("/")
	bob.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	there := bob.at(south)
	wrong := there.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}).wantStatus(t, http.StatusUnprocessableEntity).json(t)
	if wrong.TriesLeft == nil || *wrong.TriesLeft != 4 {
		t.Errorf("after a wrong code on the other node: %+v, want 4 tries left", wrong)
	}
	bob.get("/").wantStatus(t, http.StatusUnauthorized)
	there.get("/").wantStatus(t, http.StatusUnauthorized)
	f.app.wantCount(t, 0)
	there.post("verify", map[string]string{"csrf": c.CSRF, "code": f.sim.Code("bob", simulator.SMS)}).wantStatus(t, http.StatusOK)

	alice := north.person("alice")
	pushed, address := alice.begin("/")
	alice.post("start", map[string]string{"csrf": pushed.CSRF, "factor": pushed.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	waits := alice.at(south)
	approved := make(chan bool)
	go func() { approved <- f.sim.Approve("alice") }()
	waits.waitFor(address, "verified")
	if !<-approved {
		t.Fatal("there was no push to approve")
	}
	f.app.wantCount(t, 0)
	waits.get(status(address)).wantStatus(t, http.StatusOK)
	for _, b := range []*browser{bob, there, alice, waits} {
		b.get("/").wantStatus(t, http.StatusOK)
	}
	f.app.wantCount(t, 4)
	if sent := f.sim.Sent(); len(sent) != 2 {
		t.Errorf("two challenges sent %v", sent)
	}
}

// The most that reach OneLogin is a user's limit, however many browsers guess.
func TestGuessesOverTwoNodesReachOneLoginFiveTimes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	f.sim.SetSwitches(func(s *simulator.Switches) { s.Tries = 1000 }) // OneLogin itself does not stop anybody
	north, south := f.pair()
	for i, challenges := range []int{1, 20} {
		user := fmt.Sprint("guessed", i)
		f.newcomer(user, int64(300+i), simulator.TOTP)
		before := f.sim.Calls(simulator.OpVerify)
		started := make(map[*browser]string) // csrf
		for range challenges {
			b := north.person(user)
			c, _ := b.begin("/")
			b.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
			started[b] = c.CSRF
		}
		guess(t, started, []*node{north, south}, f.sim.Code(user, simulator.TOTP))
		if calls := f.sim.Calls(simulator.OpVerify) - before; calls == 0 || calls > 5 {
			t.Errorf("100 codes in %d challenges reached OneLogin %d times, want 1 to 5", challenges, calls)
		}
		before = f.sim.Calls(simulator.OpVerify)
		for b, csrf := range started {
			for _, n := range []*node{north, south} {
				code := f.sim.Code(user, simulator.TOTP)
				if got := b.at(n).post("verify", map[string]string{"csrf": csrf, "code": code}); got.StatusCode == http.StatusOK {
					t.Errorf("the right code after the limit: %s %s", got.Status, got.body)
				}
				b.at(n).get("/").wantStatus(t, http.StatusUnauthorized)
			}
		}
		if calls := f.sim.Calls(simulator.OpVerify) - before; calls > 0 {
			t.Errorf("%d codes reached OneLogin after the limit", calls)
		}
	}
	f.app.wantCount(t, 0)
}

// guess sends 100 wrong codes at once, over all challenges and nodes.
func guess(t *testing.T, started map[*browser]string, nodes []*node, right string) {
	var racing sync.WaitGroup
	var browsers []*browser
	for b := range started {
		browsers = append(browsers, b)
	}
	for i := range 100 {
		code := fmt.Sprintf("%06d", i+1)
		if code == right {
			code = "999999"
		}
		b := browsers[i%len(browsers)]
		at := b.at(nodes[i/2%len(nodes)])
		racing.Go(func() {
			if status, text := at.try("POST", "/.mfa/verify", fmt.Sprintf(`{"csrf":%q,"code":%q}`, started[b], code)); status < 400 {
				t.Errorf("a wrong code: %d %s", status, text)
			}
		})
	}
	racing.Wait()
}

// polls is how often OneLogin was asked about a user's pushes.
func (c *cluster) polls(userID int64) (n int) {
	for _, r := range c.sim.Requests() {
		if r.Op == simulator.OpPoll && strings.Contains(r.Path, fmt.Sprintf("/%d/", userID)) {
			n++
		}
	}
	return n
}

func TestPushWatchedOnTwoNodesIsPolledByOne(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	north, south := f.pair()
	const alone, twice = 401, 402
	f.newcomer("alone", alone, simulator.Protect)
	f.newcomer("twice", twice, simulator.Protect)
	var tabs sync.WaitGroup
	for user, nodes := range map[string][]*node{"alone": {north}, "twice": {north, south, south}} {
		b := north.person(user)
		c, address := b.begin("/")
		b.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
		for _, n := range nodes {
			at := b.at(n)
			tabs.Go(func() { at.waitFor(address, "verified") })
		}
	}
	redistest.Eventually(t, time.Minute, "OneLogin was asked five times", func() bool { return f.polls(alone) >= 5 })
	one, two := f.polls(alone), f.polls(twice)
	t.Logf("polls of a push: watched on one node %d, on two nodes %d", one, two)
	if two == 0 || two > one+1 { // the two pushes began a moment apart
		t.Errorf("a push that two nodes watch was polled %d times, one that one watches %d times", two, one)
	}
	f.sim.Approve("alone")
	f.sim.Approve("twice")
	tabs.Wait()
	if most := f.polls(alone) + 2; f.polls(twice) > most {
		t.Errorf("a push that two nodes watch was polled %d times, want %d at most", f.polls(twice), most)
	}
	f.app.wantCount(t, 0)
}

func TestKilledNodesPushIsFinishedElsewhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	north, south := f.pair()
	const userID = 403
	f.newcomer("erin", userID, simulator.Protect)
	bob := north.person("bob")
	bob.verifyBy(simulator.SMS, "/")
	erin := north.person("erin")
	c, address := erin.begin("/")
	erin.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	// Only north knows of the push by now, so it is north that polls.
	redistest.Eventually(t, time.Minute, "north polls", func() bool { return f.polls(userID) > 0 })
	there := erin.at(south)
	if got := there.get(address).wantStatus(t, http.StatusOK).json(t); got.State != "pending" {
		t.Fatalf("on the other node: %+v, want the pending push", got)
	}
	north.end(syscall.SIGKILL)
	killed, before := time.Now(), f.polls(userID)
	if !f.sim.Approve("erin") {
		t.Fatal("no push to approve")
	}
	there.waitFor(address, "verified")
	took := time.Since(killed)
	t.Logf("the poller was killed: the other node finished the push %.1f s later, with %d polls of its own", took.Seconds(), f.polls(userID)-before)
	if took > 15*time.Second {
		t.Errorf("that took %v, more than 15 s", took)
	}
	there.get("/").wantStatus(t, http.StatusUnauthorized) // not before the browser fetched its session
	f.app.wantCount(t, 0)
	there.get(status(address)).wantStatus(t, http.StatusOK)
	there.get("/").wantStatus(t, http.StatusOK)
	bob.at(south).get("/").wantStatus(t, http.StatusOK) // north made his session
	f.app.wantCount(t, 2)
}

// ways are how a session ends on one node, as b's person or by the desk.
func ways(n *node) map[string]func(b *browser) {
	return map[string]func(b *browser){
		"DELETE /mfa/sessions/{id}": func(b *browser) {
			if status, got := n.ask("DELETE", "/mfa/sessions/"+b.handle(), ""); status != http.StatusOK || got["ended"] != 1.0 {
				b.t.Fatalf("DELETE = %d %v", status, got)
			}
		},
		"POST /mfa/revoke": func(b *browser) {
			if status, got := n.ask("POST", "/mfa/revoke", fmt.Sprintf(`{"user":%q}`, b.user)); status != http.StatusOK || got["ended"] != 1.0 {
				b.t.Fatalf("POST /mfa/revoke = %d %v", status, got)
			}
		},
		"signing out": func(b *browser) { b.at(n).endSession() },
	}
}

// TestRevokedSessionIsRefusedOnTheOtherNode ends 1,000 sessions on one node, each
// of which the other has just let pass.
func TestRevokedSessionIsRefusedOnTheOtherNode(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	north, south := f.pair()
	const rounds = 1000
	all, names := ways(north), []string{"DELETE /mfa/sessions/{id}", "POST /mfa/revoke", "signing out"}
	var spans []time.Duration
	var ended []*browser
	passed, cut := 0, 0
	for i := range rounds {
		b := f.verified(south, fmt.Sprintf("user%04d", i))
		b.get("/").wantStatus(t, http.StatusOK)
		// Signing out asks for a page first, which is none of the app's.
		all[names[i%len(names)]](south.holding(b.user, b.cookieValue()))
		took, more, torn := untilRefused(b)
		passed, cut = passed+1+more, cut+torn
		spans, ended = append(spans, took), append(ended, b)
		b.client.CloseIdleConnections()
	}
	seen := len(f.app.requests())
	if seen < passed || seen > passed+cut {
		t.Errorf("the app saw %d requests, and %d passed and %d were cut off", seen, passed, cut)
	}
	for _, b := range ended {
		for _, n := range []*node{north, south} {
			at := n.holding(b.user, b.cookieValue())
			at.get("/").wantStatus(t, http.StatusUnauthorized)
			at.client.CloseIdleConnections()
		}
	}
	f.app.wantCount(t, seen)
	t.Logf("refused on the other node, after the answer to the revocation: %s (%d rounds; meanwhile %d requests passed and %d were cut off)",
		spread(spans), rounds, passed-rounds, cut)
}

// untilRefused asks until b is refused, and returns how long that took, how
// often b passed, and how many requests passed and were cut off half-way.
func untilRefused(b *browser) (took time.Duration, passed, cut int) {
	b.t.Helper()
	for began := time.Now(); ; {
		got := b.get("/")
		took = time.Since(began)
		switch got.StatusCode {
		case http.StatusUnauthorized:
			return took, passed, cut
		case http.StatusBadGateway: // by reverse_proxy
			cut++
		default:
			got.wantStatus(b.t, http.StatusOK)
			passed++
		}
		if took > 5*time.Second {
			b.t.Fatalf("%s still passes %v after the revocation", b.user, took)
		}
	}
}

// spread shows how long things took.
func spread(spans []time.Duration) string {
	slices.Sort(spans)
	at := func(percent int) time.Duration {
		return spans[min(len(spans)*percent/100, len(spans)-1)].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, max %v", at(50), at(99), at(100))
}

func TestRevocationCutsOpenStreamsOnTheOtherNode(t *testing.T) {
	t.Parallel()
	f := newFleet(t, http.HandlerFunc(endless))
	north, south := f.pair()
	bob := f.verified(south, "bob")
	others := bob.stream("/events", "")
	for name, end := range ways(north) {
		alice := f.verified(south, "alice")
		streams := map[string]net.Conn{
			"WebSocket": alice.stream("/socket", upgrade), "event stream": alice.stream("/events", ""), "download": alice.stream("/download", ""),
		}
		var cuts sync.WaitGroup
		var mu sync.Mutex
		cut := make(map[string]time.Time)
		for kind, conn := range streams {
			cuts.Go(func() {
				wantCut(t, kind, conn)
				mu.Lock()
				defer mu.Unlock()
				cut[kind] = time.Now()
			})
		}
		asked := time.Now()
		end(alice)
		answered := time.Now()
		cuts.Wait()
		for kind, at := range cut {
			t.Logf("%s on one node cut the %s on the other %v after the request, %v after the answer", name, kind,
				at.Sub(asked).Round(100*time.Microsecond), at.Sub(answered).Round(100*time.Microsecond))
		}
		alice.get("/").wantStatus(t, http.StatusUnauthorized)
	}
	_ = others.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := io.Copy(io.Discard, others); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("bob's stream ended with %v, want it open", err)
	}
	f.app.wantCount(t, 1+3*len(ways(north)))
}
