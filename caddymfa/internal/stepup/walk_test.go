package stepup_test

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// walker is a visitor who takes steps in no order, and what they have earned.
type walker struct {
	*visitor
	other   *stepup.Engine   // of the other node
	factor  simulator.Factor // of the last activation
	pushID  string           // its verification, if it is a push
	earned  bool             // the last activation was answered rightly
	proofs  int
	cheated bool // a proof was given that was not earned
}

func (w *walker) begin(f policy.Factor) {
	r := w.look()
	for _, o := range r.Offers {
		if o.Factor != f {
			continue
		}
		r = w.must(w.engine.Start(w.t.Context(), w.demand, w.cookie, o.ID))
		if r.CookieValue == "" {
			return
		}
		w.factor, w.pushID, w.earned = simulator.Factor(f), "", false
		if f == policy.Protect {
			pushes := w.sim.Pushes("alice")
			w.pushID = pushes[len(pushes)-1].VerificationID
		}
		return
	}
}

func (w *walker) typeCode(right bool) {
	code := w.sim.Code("alice", w.factor)
	if !right {
		code = wrong(code, 0)
	}
	w.verify(code)
	w.earned = w.earned || right
}

func (w *walker) collect(cookie string) {
	_, won, err := w.engine.Finish(w.t.Context(), w.demand, cookie)
	if err != nil || !won {
		return
	}
	w.proofs++
	w.cheated = w.cheated || !w.earned || cookie != w.cookie
}

// step takes one of the steps that a person, a phone or an attacker can take.
func (w *walker) step(n int) {
	switch n {
	case 0:
		w.begin(policy.SMS)
	case 1:
		w.begin(policy.TOTP)
	case 2:
		w.begin(policy.Protect)
	case 3:
		w.typeCode(true)
	case 4:
		w.typeCode(false)
	case 5:
		w.earned = w.sim.Answer("alice", w.pushID, w.pushID != "") && w.pushID != "" || w.earned
	case 6:
		w.sim.Deny("alice")
	case 7:
		w.pass(3 * time.Second)
	case 8:
		w.pass(40 * time.Second)
	case 9:
		w.engine.Cancel(w.t.Context(), w.demand, w.cookie)
	case 10:
		w.collect(w.cookie)
	case 11:
		w.collect("another cookie")
		w.engine.Verify(w.t.Context(), w.demand, "another cookie", w.sim.Code("alice", w.factor))
	case 12:
		w.engine, w.other = w.other, w.engine
	case 13:
		w.engine.ReportPush(w.t.Context(), "101", "alice", w.demand.Site)
	case 14:
		w.pass(6 * time.Minute)
	case 15:
		w.visitor = &visitor{kit: w.kit, demand: w.visit("alice").demand}
		w.factor, w.pushID, w.earned, w.proofs = "", "", false, 0
	}
}

// pushPending reports whether the browser waits for a push.
func (w *walker) pushPending() bool {
	r := w.look()
	return r.State == stepup.Pending && r.Factor.Factor == policy.Protect
}

// lockedPush returns a push that went out while pushes were locked, if any did.
func lockedPush(events []timed) (wrong timed, found bool) {
	var until time.Time
	for _, e := range events {
		if e.Name == stepup.EventActivated && e.Factor == policy.Protect && e.at.Before(until) {
			return e, true
		}
		if e.Name != stepup.EventTemporaryIssued && e.Until.After(until) {
			until = e.Until
		}
	}
	return timed{}, false
}

// timed is an event and when it was told.
type timed struct {
	stepup.Event
	at time.Time
}

// stepsOfBoth are the steps of either browser, by turns. Those that lead to a
// proof or a push are there more often.
func stepsOfBoth() (steps []int) {
	for step := range 16 {
		often := 1
		switch step {
		case 0, 3, 10:
			often = 6
		case 2, 15:
			often = 3
		}
		for range often {
			steps = append(steps, 2*step, 2*step+1)
		}
	}
	return steps
}

// TestNoOrderOfStepsGivesAProofThatWasNotEarned lets two browsers of one user
// take steps at random, at two nodes. A proof needs a right code or an approval
// for the browser's own last activation, and is given once. Never do both wait
// for a push, and none goes out while pushes are locked.
func TestNoOrderOfStepsGivesAProofThatWasNotEarned(t *testing.T) {
	proofs, pushes := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom(stepsOfBoth()), 10, 40).Draw(rt, "steps")
		var mu sync.Mutex
		var events []timed
		failed := false
		inBubble(t, func(_ *testing.T, k *kit) {
			node := k.another()
			walkers := []*walker{
				{visitor: k.another().visit("alice"), other: node.engine},
				{visitor: node.visit("alice"), other: k.engine},
			}
			for _, n := range steps {
				w := walkers[n%2]
				w.step(n / 2)
				if w.cheated || w.proofs > 1 || walkers[0].pushPending() && walkers[1].pushPending() {
					rt.Logf("browser %d after step %d: %+v", n%2, n/2, w)
					failed = true
				}
				if n/2 == 10 {
					proofs += w.proofs
				}
			}
		}, func(c *stepup.Config) {
			c.Observe = func(e stepup.Event) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, timed{e, time.Now()})
				if e.Name == stepup.EventActivated && e.Factor == policy.Protect {
					pushes++
				}
			}
		})
		if e, found := lockedPush(events); found {
			rt.Logf("sent though pushes were locked: %+v", e)
			failed = true
		}
		if failed {
			rt.FailNow()
		}
	})
	if proofs == 0 || pushes == 0 {
		t.Errorf("%d proofs and %d pushes in all walks: the test proves nothing", proofs, pushes)
	}
}
