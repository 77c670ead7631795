package stepup_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// walker is a visitor who takes steps in no order, and what they have earned.
type walker struct {
	*visitor
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
	}
}

// TestNoOrderOfStepsGivesAProofThatWasNotEarned lets two browsers of one user
// take steps at random. A proof needs a right code or an approval for the
// browser's own last activation, and is given once.
func TestNoOrderOfStepsGivesAProofThatWasNotEarned(t *testing.T) {
	proofs := 0
	var steps []int // of either browser; those that lead to a proof more often
	for step := range 12 {
		often := 1
		if step == 0 || step == 3 || step == 10 {
			often = 6
		}
		for range often {
			steps = append(steps, 2*step, 2*step+1)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom(steps), 10, 40).Draw(rt, "steps")
		inBubble(t, func(_ *testing.T, k *kit) {
			walkers := []*walker{{visitor: k.visit("alice")}, {visitor: k.visit("alice")}}
			for _, n := range steps {
				walkers[n%2].step(n / 2)
			}
			for i, w := range walkers {
				if w.cheated || w.proofs > 1 {
					rt.Logf("browser %d: %+v", i, w)
					t.Fail()
				}
				proofs += w.proofs
			}
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
	if proofs == 0 {
		t.Error("no walk ever gave a proof: the test proves nothing")
	}
}
