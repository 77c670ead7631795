package caddymfa_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// fromEnvironment returns the number that a variable holds, or preset.
func fromEnvironment(t *testing.T, name string, preset int) int {
	t.Helper()
	written := os.Getenv(name)
	if written == "" {
		return preset
	}
	n, err := strconv.Atoi(written)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Caddy is killed at random moments, with 10,000 sessions in its journal and
// while people verify, verify by another factor and are revoked: whoever was
// told that they are verified is let in after the next start, and whoever was
// said to be revoked is not. CADDYMFA_KILLS is the number of kills.
func TestKilledNodeLosesNothingThatWasAnswered(t *testing.T) {
	const seeded = 10_000
	rounds := fromEnvironment(t, "CADDYMFA_KILLS", 8)
	c := newCluster(t, nil)
	l := newLedger(c, seedJournal(t, c.folder, "north", seeded))
	n := c.start("north", "", "idle 12h\nrequire /pay {\nfactors sms\n}")
	for round := range rounds {
		l.loadUntilKilled(n)
		if round%4 == 3 { // and again while it starts
			n.launch()
			<-time.After(rand.N(500 * time.Millisecond))
			n.end(os.Kill)
		}
		n.run()
		l.check(n)
	}
	l.checkAll(n)
	t.Logf("%d kills: %d sessions at first, %d created, %d of them in place of an older one, %d revoked; %d answers cut off; lost %d, revived %d",
		rounds, seeded, l.created, l.replaced, l.revoked, l.cut, l.lost, l.revived)
	if l.lost+l.revived > 0 || l.created == 0 || l.replaced == 0 || l.revoked == 0 {
		t.Error("want some of each, and none lost or revived")
	}
}

// ledger is what a node has answered.
type ledger struct {
	c *cluster

	mu    sync.Mutex
	users int
	alive map[string]holder // by handle; nobody has asked for their end
	ended map[string]holder // whose end was answered
	fresh []holder          // made or ended since the last check

	created, replaced, revoked, cut, lost, revived int
}

func newLedger(c *cluster, seeds []holder) *ledger {
	l := &ledger{c: c, alive: make(map[string]holder), ended: make(map[string]holder)}
	for _, h := range seeds {
		l.alive[h.handle()] = h
	}
	return l
}

func (l *ledger) begin(h holder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive[h.handle()] = h
	l.fresh = append(l.fresh, h)
	l.created++
}

// take makes h somebody of whom nothing is known: their end is asked for.
func (l *ledger) take(h holder) holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.alive, h.handle())
	return h
}

// takeAny takes somebody.
func (l *ledger) takeAny() (h holder) {
	l.mu.Lock()
	for _, h = range l.alive {
		break
	}
	l.mu.Unlock()
	return l.take(h)
}

func (l *ledger) end(h holder, count *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended[h.handle()] = h
	l.fresh = append(l.fresh, h)
	*count++
}

// newUser makes somebody who has verified nowhere: codes and limits are theirs.
func (l *ledger) newUser() (name string, turn int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
	name = fmt.Sprintf("user%d", l.users)
	l.c.addUser(name)
	return name, l.users
}

// loadUntilKilled has people verify and be revoked, and kills the node at some
// moment after it has answered some of them.
func (l *ledger) loadUntilKilled(n *node) {
	n.t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answered := make(chan struct{}, 1024)
	var people sync.WaitGroup
	for range 4 {
		people.Go(func() {
			err := l.visit(n, transport, answered)
			for err == nil {
				err = l.visit(n, transport, answered)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.cut++; !errors.Is(err, errCut) {
				n.t.Error(err)
			}
		})
	}
	gone := make(chan struct{})
	go func() { people.Wait(); close(gone) }()
	for range rand.N(25) {
		select {
		case <-answered:
		case <-gone: // with errors
		}
	}
	<-time.After(rand.N(20 * time.Millisecond))
	n.end(os.Kill)
	<-gone
}

// visit has one new person verify. Some of them verify by another factor then,
// and some are revoked, or somebody else is.
func (l *ledger) visit(n *node, transport http.RoundTripper, answered chan<- struct{}) error {
	user, turn := l.newUser()
	v := n.visitor(user, transport)
	cookieValue, err := v.verify("/", simulator.TOTP)
	if cookieValue == "" {
		return err
	}
	own := holder{user, cookieValue}
	l.begin(own)
	if err != nil {
		return err
	}
	answered <- struct{}{}
	switch turn % 4 {
	case 0:
		cookieValue, err = v.verify("/pay", simulator.SMS)
		if cookieValue != "" {
			l.end(l.take(own), &l.replaced)
			l.begin(holder{user, cookieValue})
		} else {
			l.take(own)
		}
	case 1:
		err = l.revoke(n, l.take(own))
	case 2:
		err = l.revoke(n, l.takeAny())
	}
	if err == nil {
		answered <- struct{}{}
	}
	return err
}

func (l *ledger) revoke(n *node, h holder) error {
	status, err := n.revoke(h.handle())
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("DELETE of a session of %s = %d", h.user, status)
	}
	l.end(h, &l.revoked)
	return nil
}

// check compares the list of sessions with what was answered, and asks as those
// who were verified or revoked since the last check.
func (l *ledger) check(n *node) {
	n.t.Helper()
	listed := n.handles()
	for handle, h := range l.alive {
		if !listed[handle] {
			l.lost++
			n.t.Errorf("the session of %s is not there after the start", h.user)
		}
	}
	for handle, h := range l.ended {
		if listed[handle] {
			l.revived++
			n.t.Errorf("the ended session of %s is there after the start", h.user)
		}
	}
	l.try(n, l.fresh)
	l.fresh = nil
}

// checkAll asks as everybody who was ever revoked or verified here, and as some
// of those from before.
func (l *ledger) checkAll(n *node) {
	n.t.Helper()
	var some []holder
	for _, h := range l.ended {
		some = append(some, h)
	}
	seeds := 0
	for _, h := range l.alive {
		if h.user[0] != 's' {
			some = append(some, h)
		} else if seeds++; seeds <= 500 {
			some = append(some, h)
		}
	}
	l.try(n, some)
}

// try asks for a page as each of holders. What the app sees decides.
func (l *ledger) try(n *node, holders []holder) {
	n.t.Helper()
	for _, h := range holders {
		_, alive := l.alive[h.handle()]
		_, ended := l.ended[h.handle()]
		before := len(n.app.requests())
		status := n.asks(h)
		reached := len(n.app.requests()) > before
		switch {
		case alive && !(reached && status == http.StatusOK):
			l.lost++
			n.t.Errorf("%s was told to be verified and is refused with %d", h.user, status)
		case ended && (reached || status != http.StatusUnauthorized):
			l.revived++
			n.t.Errorf("%s was told to be signed out and is let in with %d", h.user, status)
		}
	}
}
