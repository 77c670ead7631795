package stepup_test

import (
	"testing"
	"testing/synctest"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// errands are ways to a proof whose steps may all fail: each returns a visitor
// who has been everywhere but at the right code, and that code.
func errands() map[string]func(k *kit) (*visitor, string) {
	type result = stepup.Result
	keep := func(v *visitor, r result, _ error) result {
		if r.CookieValue != "" {
			v.cookie = r.CookieValue
		}
		return r
	}
	start := func(v *visitor, f policy.Factor) {
		ctx := v.t.Context()
		r, _ := v.engine.Look(ctx, v.demand, v.cookie)
		for _, o := range r.Offers {
			if o.Factor == f {
				r, err := v.engine.Start(ctx, v.demand, v.cookie, o.ID)
				keep(v, r, err)
			}
		}
		synctest.Wait()
	}
	return map[string]func(k *kit) (*visitor, string){
		"blind": func(k *kit) (*visitor, string) {
			v := k.stranger("bob")
			start(v, policy.SMS)
			return v, k.sim.Code("bob", simulator.SMS)
		},
		"password": func(k *kit) (*visitor, string) {
			v := k.knock()
			v.demand.Features.Password.Session = true
			r, err := k.engine.Login(k.t.Context(), v.demand, v.cookie, "alice", "demo")
			keep(v, r, err)
			start(v, policy.TOTP)
			return v, k.sim.Code("alice", simulator.TOTP)
		},
		"smart": func(k *kit) (*visitor, string) {
			v := k.risky("bob", stepup.Smart{Threshold: 50, AllowLowRisk: true})
			start(v, policy.Email)
			return v, k.sim.Code("bob", simulator.Email)
		},
		"temporary": func(k *kit) (*visitor, string) {
			code, _, _ := k.engine.IssueTemporary(k.t.Context(), stepup.Issue{User: "carol"})
			v := k.lost("carol")
			start(v, policy.Temporary)
			return v, code.Code
		},
		"enrolment": func(k *kit) (*visitor, string) {
			v := k.fresh("carol")
			r, _ := k.engine.Look(k.t.Context(), v.demand, v.cookie)
			for _, o := range r.Enrollable {
				if o.Factor == policy.SMS {
					r, err := k.engine.Enroll(k.t.Context(), v.demand, v.cookie, o.ID)
					keep(v, r, err)
				}
			}
			code := k.sim.Code("carol", simulator.SMS)
			k.engine.ConfirmEnrolment(k.t.Context(), v.demand, v.cookie, wrong(code, 0))
			k.engine.ConfirmEnrolment(k.t.Context(), v.demand, v.cookie, code)
			start(v, policy.SMS)
			return v, k.sim.Code("carol", simulator.SMS)
		},
	}
}

// TestBrokenStoreNeverPassesAnybodyByAnyWay is TestBrokenStoreNeverPassesAnybody
// for the further ways.
func TestBrokenStoreNeverPassesAnybodyByAnyWay(t *testing.T) {
	for name, errand := range errands() {
		proven := 0
		for _, mode := range []breakage{{}, {failLate: true}, {forGood: true}} {
			for failAt := int64(1); failAt <= 60; failAt++ {
				inBubble(t, func(t *testing.T, k *kit) {
					store := k.config.Store.(*brokenStore)
					store.breakage = mode
					store.failAt = store.calls.Load() + failAt
					v, right := errand(k)
					r, _ := k.engine.Verify(t.Context(), v.demand, v.cookie, wrong(right, 0))
					if _, won, _ := k.engine.Finish(t.Context(), v.demand, v.cookie); won || r.State == stepup.Verified {
						t.Fatalf("%s: a wrong code passed with a store that breaks at call %d", name, failAt)
					}
					r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, right)
					if err != nil && r.State != "" {
						t.Errorf("%s: Verify = %+v with error %v, want nothing with an error", name, r, err)
					}
					proofs := 0
					for range 3 {
						if _, won, _ := k.engine.Finish(t.Context(), v.demand, v.cookie); won {
							proofs++
						}
					}
					if proven += proofs; proofs > 1 {
						t.Errorf("%s: %d proofs with a store that breaks at call %d", name, proofs, failAt)
					}
				}, helpDesk, func(c *stepup.Config) { c.Store = &brokenStore{Store: memory.New(memory.Config{})} })
			}
		}
		if proven == 0 {
			t.Errorf("%s: no proof ever: the test proves nothing", name)
		}
	}
}
