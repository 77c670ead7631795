package stepup_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// risky visits a site that proves people by Smart MFA.
func (k *kit) risky(user string, s stepup.Smart) *visitor {
	v := k.visit(user)
	v.demand.Features.Smart = &s
	v.demand.Address, v.demand.UserAgent = "203.0.113.7", "Firefox"
	return v
}

// known lets Smart MFA know a user from earlier, and sets their risk.
func (k *kit) known(user string, score int) {
	k.t.Helper()
	v := k.risky(user, stepup.Smart{})
	v.start(policy.Email)
	v.want(v.verify(k.code(user, simulator.Email)), stepup.Verified, stepup.NoticeNone)
	k.sim.SetRisk("203.0.113.7", score)
	k.pass(10 * time.Minute)
}

func TestSmartCodeVerifies(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.risky("alice", stepup.Smart{Threshold: 50})
		seen := v.look()
		if len(seen.Offers) != 1 || seen.Offers[0].Factor != policy.Email || seen.Offers[0].Name != "a•••@example.com" {
			t.Fatalf("offers = %+v, want the masked address alone", seen.Offers)
		}
		r := v.start(policy.Email)
		if r.State != stepup.Pending || !r.NeedsCode || r.Polled || r.CookieValue == "" {
			t.Errorf("started = %+v, want a code to be awaited", r)
		}
		right := k.code("alice", simulator.Email)
		v.want(v.verify(wrong(right, 0)), stepup.Pending, stepup.WrongCode)
		v.refused()
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		if proof, won := v.finish(); !won || proof.Factor != policy.Email || proof.UserID != "101" {
			t.Errorf("Finish = %+v, %v, want alice's proof by mail", proof, won)
		}
		k.calls(simulator.OpDevices, 0)
	})
}

// What OneLogin is told of a person comes from its own record of them; the
// browser only lends its address and name.
func TestSmartSendsNothingThatWasTyped(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.risky("ALICE@example.com", stepup.Smart{Threshold: 70, AllowLowRisk: true})
		v.start(policy.Email)
		requests := k.sim.Requests()
		var body map[string]any
		if err := json.Unmarshal([]byte(requests[len(requests)-1].Body), &body); err != nil {
			t.Fatal(err)
		}
		context, _ := body["context"].(map[string]any)
		if body["email"] != "alice@example.com" || !strings.HasPrefix(body["user_identifier"].(string), "caddymfa-101-") ||
			body["risk_threshold"] != 70.0 || context["ip"] != "203.0.113.7" || context["user_agent"] != "Firefox" || len(body) != 5 {
			t.Errorf("OneLogin was sent %v", body)
		}
	})
}

func TestLowRiskCountsOnlyWhereItMay(t *testing.T) {
	named, _ := policy.ParseFactors([]string{"email", "sms", "temporary"})
	for _, tt := range []struct {
		name    string
		smart   stepup.Smart
		factors policy.FactorSet
		score   int
		passes  bool
	}{
		{"not allowed", stepup.Smart{Threshold: 50}, policy.AnyFactor, 5, false},
		{"factors are named", stepup.Smart{Threshold: 50, AllowLowRisk: true}, named, 5, false},
		{"the risk is high", stepup.Smart{Threshold: 50, AllowLowRisk: true}, policy.AnyFactor, 50, false},
		{"no threshold", stepup.Smart{AllowLowRisk: true}, policy.AnyFactor, 0, false},
		{"low risk", stepup.Smart{Threshold: 50, AllowLowRisk: true}, policy.AnyFactor, 49, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.known("alice", tt.score)
				v := k.risky("alice", tt.smart)
				v.demand.Factors = tt.factors
				sent := len(k.sim.Sent())
				r := v.start(policy.Email)
				if (r.State == stepup.Verified) != tt.passes || (len(k.sim.Sent()) == sent) != tt.passes {
					t.Fatalf("Start = %s with %d codes sent, want it to pass without: %v", r.State, len(k.sim.Sent())-sent, tt.passes)
				}
				if !tt.passes {
					v.refused()
					v.want(v.verify(k.code("alice", simulator.Email)), stepup.Verified, stepup.NoticeNone)
				}
				proof, won := v.finish()
				if want := map[bool]policy.Factor{true: policy.LowRisk, false: policy.Email}[tt.passes]; !won || proof.Factor != want {
					t.Errorf("Finish = %+v, %v, want a proof by %s", proof, won, want)
				}
				v.refused()
			})
		})
	}
}

func TestUnknownPersonIsNeverALowRisk(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetRisk("203.0.113.7", 0)
		v := k.risky("alice", stepup.Smart{Threshold: 50, AllowLowRisk: true})
		v.want(v.start(policy.Email), stepup.Pending, stepup.NoticeNone)
		v.refused()
	})
}

func TestLowRiskOfASuspendedUserIsDenied(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.known("alice", 5)
		v := k.risky("alice", stepup.Smart{Threshold: 50, AllowLowRisk: true})
		mail := v.offer(policy.Email)
		k.sim.SetStatus("alice", 2, 1)
		v.want(v.must(k.engine.Start(t.Context(), v.demand, "", mail)), stepup.Denied, stepup.NoAccess)
		v.refused()
	})
}

func TestSmartAnswersThatDecideNothing(t *testing.T) {
	for name, set := range map[string]func(*simulator.Switches){
		"502":       func(w *simulator.Switches) { w.HTML502 = true },
		"empty":     func(w *simulator.Switches) { w.Empty200 = true },
		"truncated": func(w *simulator.Switches) { w.TruncateBody = true },
		"throttled": func(w *simulator.Switches) { w.Edge429 = 1 },
	} {
		for _, op := range []string{simulator.OpSmart, simulator.OpSmartVerify} {
			t.Run(op+" "+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, k *kit) {
					k.known("alice", 5)
					v := k.risky("alice", stepup.Smart{Threshold: 50, AllowLowRisk: op == simulator.OpSmart})
					mail := v.offer(policy.Email)
					k.sim.SetSwitches(func(w *simulator.Switches) { set(w); w.Only = op })
					r, err := k.engine.Start(t.Context(), v.demand, "", mail)
					if err == nil {
						v.cookie = r.CookieValue
						r, _ = k.engine.Verify(t.Context(), v.demand, v.cookie, k.code("alice", simulator.Email))
					}
					if r.State == stepup.Verified {
						t.Errorf("verified by an answer that says nothing: %+v, %v", r, err)
					}
					v.refused()
				})
			})
		}
	}
}

func TestSmartCodeExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.risky("alice", stepup.Smart{})
		v.start(policy.Email)
		right := k.code("alice", simulator.Email)
		k.sim.Advance(10 * time.Minute)
		v.want(v.verify(right), stepup.Expired, stepup.NoticeNone)
		v.refused()
	})
}

func TestSmartSendsAndGuessesAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Tries = 1000 })
		v := k.risky("alice", stepup.Smart{})
		v.start(policy.Email)
		right := k.code("alice", simulator.Email)
		for i := range 5 {
			v.verify(wrong(right, i))
		}
		v.want(v.verify(right), stepup.Locked, stepup.TooManyTries)
		k.calls(simulator.OpSmartVerify, 5)
		k.pass(15 * time.Minute)
		for range 5 {
			k.risky("alice", stepup.Smart{}).start(policy.Email)
		}
		v = k.risky("alice", stepup.Smart{})
		v.want(v.start(policy.Email), stepup.Choosing, stepup.TooManySends)
		k.calls(simulator.OpSmart, 6)
	})
}

func TestSmartTurnsAwayWhomOneLoginDoesNotKnow(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(simulator.User{ID: 204, Username: "mute"})
		k.sim.SetStatus("bob", 2, 1)
		sms, _ := policy.ParseFactors([]string{"sms"})
		for _, tt := range []struct {
			user    string
			factors policy.FactorSet
			notice  stepup.Notice
		}{
			{"nobody", policy.AnyFactor, stepup.NoAccess},
			{"bob", policy.AnyFactor, stepup.NoAccess},
			{"mute", policy.AnyFactor, stepup.NoDevice},
			{"alice", sms, stepup.NoDevice},
		} {
			v := k.risky(tt.user, stepup.Smart{})
			v.demand.Factors = tt.factors
			v.want(v.look(), stepup.Choosing, tt.notice)
			v.want(v.must(k.engine.Start(t.Context(), v.demand, "", strings.Repeat("a", 32))), stepup.Choosing, tt.notice)
		}
		k.calls(simulator.OpSmart, 0)
	})
}

func TestSmartNeedsTheAddressOfTheBrowser(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.risky("alice", stepup.Smart{})
		v.demand.Address, v.demand.UserAgent = "", ""
		if _, err := k.engine.Start(t.Context(), v.demand, "", v.offer(policy.Email)); err == nil {
			t.Error("a risk was judged without an address")
		}
		v.demand.Address = "2001:db8::1"
		v.want(v.start(policy.Email), stepup.Pending, stepup.NoticeNone)
	})
}
