package stepup_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func helpDesk(c *stepup.Config) { c.HelpDesk = true }

// issue has the help desk make a code.
func (k *kit) issue(i stepup.Issue) onelogin.TemporaryCode {
	k.t.Helper()
	code, notice, err := k.engine.IssueTemporary(k.t.Context(), i)
	if err != nil || notice != stepup.NoticeNone {
		k.t.Fatalf("IssueTemporary = %v, %v", notice, err)
	}
	return code
}

// lost visits a site that takes temporary codes.
func (k *kit) lost(user string) *visitor {
	v := k.visit(user)
	v.demand.Features.HelpDesk = true
	return v
}

// offered returns the factors that there are to choose from.
func (v *visitor) offered() (factors []policy.Factor) {
	v.t.Helper()
	for _, o := range v.look().Offers {
		factors = append(factors, o.Factor)
	}
	return factors
}

func TestTemporaryCodeIsIssuedToActiveUsersOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetStatus("bob", 2, 1)
		for _, user := range []string{"bob", "nobody", "b*b", ""} {
			code, notice, err := k.engine.IssueTemporary(t.Context(), stepup.Issue{User: user, By: "root", Reason: "lost"})
			if err != nil || notice != stepup.NoAccess || code.Code != "" {
				t.Errorf("IssueTemporary(%q) = %v, %v, %v, want no access", user, code, notice, err)
			}
		}
		k.calls(simulator.OpMFAToken, 0)
		for _, e := range k.seen() {
			if e.Name != stepup.EventTemporaryRefused || e.By != "root" || e.Reason != "lost" {
				t.Errorf("event %+v, want who was refused", e)
			}
		}
	}, helpDesk)
}

func TestTemporaryCodeLastsFromMinutesToDays(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for _, lifetime := range []time.Duration{-time.Minute, time.Second, 2*time.Minute - 1, 72*time.Hour + 1} {
			if code, _, err := k.engine.IssueTemporary(t.Context(), stepup.Issue{User: "bob", Lifetime: lifetime}); err == nil {
				t.Errorf("a code was made for %v: %v", lifetime, code)
			}
		}
		k.calls(simulator.OpMFAToken, 0)
		for lifetime, want := range map[time.Duration]time.Duration{
			0: 15 * time.Minute, 2 * time.Minute: 2 * time.Minute, 72 * time.Hour: 72 * time.Hour,
		} {
			if got := time.Until(k.issue(stepup.Issue{User: "bob", Lifetime: lifetime}).ExpiresAt); got != want {
				t.Errorf("a code of %v lasts %v, want %v", lifetime, got, want)
			}
		}
	}, helpDesk)
}

func TestTemporaryCodeNeedsTheHelpDesk(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		if _, _, err := k.engine.IssueTemporary(t.Context(), stepup.Issue{User: "bob"}); err == nil {
			t.Error("a code was made though the help desk is off")
		}
		if n := k.allCalls(); n != 0 {
			t.Errorf("OneLogin saw %d calls, want none", n)
		}
	})
}

func TestTemporaryCodeIsOfferedOnlyWhereItIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		named, _ := policy.ParseFactors([]string{"sms", "protect"})
		only, _ := policy.ParseFactors([]string{"temporary"})
		sms, both := []policy.Factor{policy.SMS}, []policy.Factor{policy.SMS, policy.Temporary}
		if got := k.lost("bob").offered(); !slices.Equal(got, sms) {
			t.Errorf("before there is a code: offers %v, want %v", got, sms)
		}
		k.issue(stepup.Issue{User: "bob"})
		for _, tt := range []struct {
			name    string
			desk    bool
			factors policy.FactorSet
			want    []policy.Factor
		}{
			{"help desk off", false, policy.AnyFactor, sms},
			{"other factors named", true, named, sms},
			{"named alone", true, only, []policy.Factor{policy.Temporary}},
			{"any factor", true, policy.AnyFactor, both},
		} {
			v := k.visit("bob")
			v.demand.Features.HelpDesk, v.demand.Factors = tt.desk, tt.factors
			if got := v.offered(); !slices.Equal(got, tt.want) {
				t.Errorf("%s: offers %v, want %v", tt.name, got, tt.want)
			}
		}
		if got := k.lost("alice").offered(); slices.Contains(got, policy.Temporary) {
			t.Errorf("alice is offered %v, but the code is bob's", got)
		}
	}, helpDesk)
}

// Where temporary codes are not taken, one is neither a device that could be
// used nor the lack of one that opens an enrolment.
func TestTemporaryCodeIsNoDeviceElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.issue(stepup.Issue{User: "carol"})
		r := k.fresh("carol").look()
		if r.Notice != stepup.NoDevice || r.NotOffered != nil || r.Offers != nil || r.Enrollable != nil {
			t.Errorf("look = %+v, want no device and nothing else", r)
		}
	}, helpDesk)
}

// redemptions are the ways in which a tenant may take temporary codes.
func redemptions() map[string]struct{ api, taken string } {
	return map[string]struct{ api, taken string }{
		"listed":       {"v2", "listed"},
		"not listed":   {"v2", "one_shot"},
		"both":         {"v2", ""},
		"v1, device 0": {"v1", "v1"},
	}
}

func TestTemporaryCodeVerifiesOnce(t *testing.T) {
	for name, tt := range redemptions() {
		t.Run(name, func(t *testing.T) {
			inBubbleOn(t, speaking(tt.api), func(t *testing.T, k *kit) {
				k.sim.SetSwitches(func(w *simulator.Switches) { w.TemporaryCode = tt.taken })
				k.lost("carol").look() // without a code yet
				code := k.issue(stepup.Issue{User: "carol", By: "root", Reason: "lost phone"}).Code
				k.pass(2 * time.Second)
				v, late := k.lost("carol"), k.lost("carol")
				late.start(policy.Temporary)
				r := v.start(policy.Temporary)
				if !r.NeedsCode || r.Polled || r.Factor.Name != "" || len(k.sim.Sent()) != 0 {
					t.Errorf("started = %+v, want only a code to be awaited", r)
				}
				v.want(v.verify(wrong(code, 0)), stepup.Pending, stepup.WrongCode)
				v.refused()
				v.want(v.verify(code), stepup.Verified, stepup.NoticeNone)
				if proof, won := v.finish(); !won || proof.Factor != policy.Temporary || proof.UserID != "103" {
					t.Errorf("Finish = %+v, %v, want carol's proof by a temporary code", proof, won)
				}
				late.want(late.verify(code), stepup.Pending, stepup.UsedCode)
				if got := k.lost("carol").offered(); len(got) != 0 {
					t.Errorf("a used code is still offered: %v", got)
				}
				last := k.seen()[len(k.seen())-2]
				if last.Name != stepup.EventVerified || last.Factor != policy.Temporary {
					t.Errorf("event %+v, want the use of the code", last)
				}
			}, helpDesk)
		})
	}
}

func TestReusableTemporaryCodeVerifiesAgainUntilItExpires(t *testing.T) {
	for name, tt := range redemptions() {
		t.Run(name, func(t *testing.T) {
			inBubbleOn(t, speaking(tt.api), func(t *testing.T, k *kit) {
				k.sim.SetSwitches(func(w *simulator.Switches) { w.TemporaryCode = tt.taken })
				code := k.issue(stepup.Issue{User: "carol", Reusable: true, Lifetime: 10 * time.Minute}).Code
				for range 3 {
					v := k.lost("carol")
					v.start(policy.Temporary)
					v.want(v.verify(code), stepup.Verified, stepup.NoticeNone)
				}
				k.pass(10 * time.Minute)
				if got := k.lost("carol").offered(); len(got) != 0 {
					t.Errorf("an expired code is offered: %v", got)
				}
			}, helpDesk)
		})
	}
}

func TestGuessesAtATemporaryCodeAreLimited(t *testing.T) {
	for name, tt := range redemptions() {
		t.Run(name, func(t *testing.T) {
			inBubbleOn(t, speaking(tt.api), func(t *testing.T, k *kit) {
				k.sim.SetSwitches(func(w *simulator.Switches) { w.TemporaryCode, w.Tries = tt.taken, 1000 })
				code := k.issue(stepup.Issue{User: "carol"}).Code
				for i := range 9 {
					v := k.lost("carol")
					if r := v.start(policy.Temporary); r.State == stepup.Pending {
						v.verify(wrong(code, i))
					}
					v.refused()
				}
				if n := k.sim.Calls(simulator.OpVerify) + k.sim.Calls(simulator.OpOneShot) + k.sim.Calls(simulator.OpV1Verify); n != 5 {
					t.Errorf("OneLogin saw %d guesses, want 5", n)
				}
			}, helpDesk)
		})
	}
}

func TestTheNewestTemporaryCodeCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.issue(stepup.Issue{User: "carol"})
		second := k.issue(stepup.Issue{User: "carol"})
		v := k.lost("carol")
		v.start(policy.Temporary)
		v.want(v.verify(second.Code), stepup.Verified, stepup.NoticeNone)
		requests := k.sim.Requests()
		i := slices.IndexFunc(requests, func(r simulator.Request) bool { return r.Op == simulator.OpActivate })
		if !strings.Contains(requests[i].Body, second.DeviceID) {
			t.Errorf("activated %s, want the newest device", requests[i].Body)
		}
	}, helpDesk)
}

func TestIssuedCodeIsLoggedButNotShown(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		code := k.issue(stepup.Issue{User: "bob", By: "root", Reason: "lost phone", Lifetime: time.Hour})
		e := k.seen()[0]
		if e.Name != stepup.EventTemporaryIssued || e.UserID != "102" || e.By != "root" || e.Reason != "lost phone" || time.Until(e.Until) != time.Hour {
			t.Errorf("event %+v, want who made it, for whom, why and until when", e)
		}
		if text := fmt.Sprintf("%+v %+v", e, code); strings.Contains(text, code.Code) || strings.Contains(text, code.DeviceID) {
			t.Error("the code can be read in what is printed")
		}
	}, helpDesk)
}
