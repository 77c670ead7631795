package caddymfa

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// hostile is how many requests the tests of this file make together. More of
// them, such as a million: CADDYMFA_HOSTILE=1000000.
func hostile(t *testing.T) int {
	asked := os.Getenv("CADDYMFA_HOSTILE")
	if asked == "" {
		return 50_000
	}
	n, err := strconv.Atoi(asked)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const loaders = 8 // that send at once

// state is what a gateway holds on to.
type state struct {
	heap       uint64 // bytes, after collecting the garbage
	goroutines int
	entries    map[session.Kind]int // of the store
	calls      int                  // to OneLogin
	app        int64                // requests that it saw
}

func (g *gateway) state() state {
	synctest.Wait()
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	s := state{heap: memory.HeapAlloc, goroutines: runtime.NumGoroutine(), entries: map[session.Kind]int{}, app: g.app.Load()}
	for kind := session.KindSession; kind.Valid(); kind++ {
		s.entries[kind] = g.store.Len(kind)
	}
	for _, op := range []string{simulator.OpToken, simulator.OpUsers, simulator.OpUser, simulator.OpDevices, simulator.OpActivate,
		simulator.OpOneShot, simulator.OpVerify, simulator.OpPoll, simulator.OpFactors, simulator.OpEnrol, simulator.OpLogin} {
		s.calls += g.sim.Calls(op)
	}
	return s
}

func (s state) all() (n int) {
	for _, kept := range s.entries {
		n += kept
	}
	return n
}

func (s state) String() string {
	return fmt.Sprintf("heap %.1f MiB, %d goroutines, %d entries %v, %d calls to OneLogin, %d requests at the app",
		float64(s.heap)/(1<<20), s.goroutines, s.all(), s.entries, s.calls, s.app)
}

// inParallel calls send with the numbers below n.
func inParallel(n int, send func(i int)) {
	var all sync.WaitGroup
	for first := range loaders {
		all.Go(func() {
			for i := first; i < n; i += loaders {
				send(i)
			}
		})
	}
	all.Wait()
}

// hostileAsk is the i-th of many requests that nobody who has proved themselves
// makes. Real is the address of a challenge of another user.
func hostileAsk(i int, real string) ask {
	q := ask{method: http.MethodGet, path: "/page/" + strconv.Itoa(i), host: walkHosts[i/8%4], user: "alice",
		address: fmt.Sprintf("198.51.%d.%d", i/250%250, i%250)}
	noise := rand.Text() + rand.Text()
	switch i % 8 {
	case 0: // the user is one of very many
		q.user = noise[:20]
	case 1:
		q.accept, q.path = "text/html", "/admin/..%2f"+noise
	case 2: // as our session cookies are spelled
		q.cookie = sessionCookie + "=" + noise[:43]
	case 3:
		q.cookie = strings.Repeat("a=b; ", i%50) + sessionCookie + "=" + strings.Repeat(noise, i%20) + "; " + sessionCookie + "=%00"
	case 4:
		q.path = "/.mfa/?c=" + noise + noise + noise
	case 5:
		q.path, q.host = strings.Replace(real, "/.mfa/?", "/.mfa/status?", i%2), hostApp
	case 6:
		q.method, q.path, q.secret, q.body = http.MethodPost, "/.mfa/events", noise, `[{"event_type_id":19,"user_id":101}]`
	case 7:
		endpoints := []string{"start", "verify", "name", "login", "enroll", "confirm", "cancel", "logout", "sessions/end"}
		q.method, q.path = http.MethodPost, "/.mfa/"+endpoints[i/8%len(endpoints)]
		q.body = object(map[string]string{"csrf": noise, "code": "123456", "factor": "1", "user": noise, "password": noise})
	}
	return q
}

// TestHostileRequestsLeaveNothingBehind sends pages asked for without proof,
// cookies that were made up, challenge addresses that were forged or are
// somebody else's, and webhooks and forms without a secret: of all of it
// nothing is stored, remembered or asked of OneLogin.
func TestHostileRequestsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		dave := g.client(hostApp, "dave", 0)
		demanded := dave.get("/")
		real := answer{status: demanded.Code, body: demanded.Body.Bytes()}.challengeURL()
		send := func(i int) { g.nodes[0].serve(t.Context(), t, hostileAsk(i, real), g.counted) }
		inParallel(1000, send) // what is made once is there
		before, n := g.state(), hostile(t)*4/5
		inParallel(n, send)
		after := g.state()
		t.Logf("before: %v", before)
		t.Logf("after %d: %v", n, after)
		if after.app != 0 || after.calls != before.calls || after.all() != before.all() {
			t.Error("something reached the app, OneLogin or the store")
		}
		if after.heap > before.heap+8<<20 || after.goroutines > before.goroutines {
			t.Error("memory or goroutines were left behind")
		}
	})
}

func (g *gateway) counted(http.ResponseWriter, *http.Request) error {
	g.app.Add(1)
	return nil
}

// TestRandomNamesFromEverywhereStayBounded types names that nobody has on a
// site without a first login, each from an address of its own, and begins: that
// costs no more calls than the hour's budget and a bounded number of records,
// which end by themselves.
func TestRandomNamesFromEverywhereStayBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.store = memory.New(memory.Config{SweepEvery: sweepEvery})
		defer g.store.Close()
		site := map[string]*Handler{hostName: walkSites(t)[hostName]}
		g.nodes[0] = newNode(t, g.sim.Transport(), g.store, new(drawer), site)
		defer g.nodes[0].close()
		begin := func(i int) {
			c := &client{gateway: g, node: g.nodes[0], host: hostName, jar: map[string]string{},
				address: fmt.Sprintf("2001:db8:%x:%x::1", i/65536, i%65536)}
			c.beginAs(rand.Text(), simulator.SMS)
		}
		inParallel(20, begin)
		before, flows := g.state(), hostile(t)/20 // of four requests each
		inParallel(flows, begin)
		after := g.state()
		time.Sleep(25 * time.Hour)
		later := g.state()
		t.Logf("before: %v", before)
		t.Logf("after %d names: %v", flows, after)
		t.Logf("a day later: %v", later)
		if after.app != 0 || after.calls > 4000 || after.all() > 3*4000 {
			t.Error("calls to OneLogin or entries of the store are not bounded, or the app was reached")
		}
		if after.heap > before.heap+48<<20 || after.goroutines > before.goroutines+64 {
			t.Error("memory or goroutines are not bounded")
		}
		if later.all() != 0 || later.goroutines > before.goroutines {
			t.Error("something is left a day later")
		}
	})
}
