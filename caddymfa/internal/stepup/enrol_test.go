package stepup_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// fresh visits a site where users without a device may enrol any factor.
func (k *kit) fresh(user string) *visitor {
	v := k.visit(user)
	v.demand.Features.Enroll = policy.AnyFactor
	return v
}

// enrol begins to enrol a factor.
func (v *visitor) enrol(f policy.Factor) stepup.Result {
	v.t.Helper()
	for _, o := range v.look().Enrollable {
		if o.Factor == f {
			return v.must(v.engine.Enroll(v.t.Context(), v.demand, v.cookie, o.ID))
		}
	}
	v.t.Fatalf("%s cannot be enrolled", f)
	return stepup.Result{}
}

func (v *visitor) confirm(code string) stepup.Result {
	v.t.Helper()
	return v.must(v.engine.ConfirmEnrolment(v.t.Context(), v.demand, v.cookie, code))
}

// newCode is what the device that is being enrolled shows, or was sent.
func (k *kit) newCode(user string, f simulator.Factor) string {
	k.t.Helper()
	return k.code(user, f)
}

func TestWhoMayEnrolWhat(t *testing.T) {
	smsOnly, _ := policy.ParseFactors([]string{"sms"})
	strong, _ := policy.ParseFactors([]string{"protect", "totp", "yubikey", "duo", "temporary"})
	for _, tt := range []struct {
		name, user string
		enroll     policy.FactorSet
		factors    policy.FactorSet
		want       []policy.Factor
	}{
		{"off", "carol", 0, policy.AnyFactor, nil},
		{"has a device", "bob", policy.AnyFactor, policy.AnyFactor, nil},
		{"has a device that will not do", "bob", policy.AnyFactor, strong, nil},
		{"not active", "sam", policy.AnyFactor, policy.AnyFactor, nil},
		{"nobody", "nobody", policy.AnyFactor, policy.AnyFactor, nil},
		{"nothing in common", "carol", smsOnly, strong, nil},
		{"not by OneLogin's policy", "paul", policy.AnyFactor, policy.AnyFactor, nil},
		{"listed here", "carol", smsOnly, policy.AnyFactor, []policy.Factor{policy.SMS}},
		{"what the route wants", "carol", policy.AnyFactor, strong, []policy.Factor{policy.Protect, policy.TOTP}},
		{"any", "carol", policy.AnyFactor, policy.AnyFactor,
			[]policy.Factor{policy.Protect, policy.SMS, policy.Voice, policy.Email, policy.TOTP}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.AddUser(simulator.User{ID: 202, Username: "sam", Status: 2, State: 1})
				k.sim.AddUser(simulator.User{ID: 203, Username: "paul", MayEnrol: []simulator.Factor{}})
				v := k.visit(tt.user)
				v.demand.Features.Enroll, v.demand.Factors = tt.enroll, tt.factors
				var got []policy.Factor
				for _, o := range v.look().Enrollable {
					got = append(got, o.Factor)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("may enrol %v, want %v", got, tt.want)
				}
				if tt.want != nil {
					return
				}
				// An offer that another site made is no way in either.
				full := *v
				full.demand.Features.Enroll, full.demand.Factors, full.demand.User = policy.AnyFactor, policy.AnyFactor, "carol"
				for _, o := range full.look().Enrollable {
					r := v.must(k.engine.Enroll(t.Context(), v.demand, "", o.ID))
					if r.State != stepup.Choosing || r.Enrolment != nil || r.Notice == stepup.NoticeNone {
						t.Errorf("Enroll = %+v, want a refusal", r)
					}
				}
				k.calls(simulator.OpEnrol, 0)
			})
		})
	}
}

func TestEnrolledDeviceMustStillBeProven(t *testing.T) {
	for factor, onPhone := range map[policy.Factor]simulator.Factor{
		policy.SMS: simulator.SMS, policy.Email: simulator.Email, policy.TOTP: simulator.TOTP, policy.Protect: simulator.Protect,
	} {
		t.Run(string(factor), func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.fresh("carol")
				r := v.enrol(factor)
				app := factor == policy.TOTP || factor == policy.Protect
				e := r.Enrolment
				if r.State != stepup.Enrolling || e == nil || e.Factor != factor || (e.TOTPURL != "") != app || (e.Secret != "") != app ||
					!e.AcceptsCode || e.NeedsCode == e.Polled || e.Polled != (factor == policy.Protect) {
					t.Fatalf("Enroll = %+v with %+v", r, e)
				}
				right := k.newCode("carol", onPhone)
				v.want(v.verify(right), stepup.Enrolling, stepup.NotPending)
				v.want(v.confirm("12"), stepup.Enrolling, stepup.MalformedCode)
				v.want(v.confirm(wrong(right, 0)), stepup.Enrolling, stepup.WrongCode)
				v.refused()
				r = v.confirm(right)
				v.want(r, stepup.Choosing, stepup.NoticeNone)
				v.refused()
				if r.Enrolment != nil {
					t.Error("the secret is still shown after the enrolment")
				}
				v.start(factor)
				v.want(v.verify(right), stepup.Pending, stepup.UsedCode)
				k.pass(31 * time.Second)
				v.want(v.start(factor), stepup.Pending, stepup.NoticeNone)
				v.want(v.verify(k.code("carol", onPhone)), stepup.Verified, stepup.NoticeNone)
				if proof, won := v.finish(); !won || proof.Factor != factor {
					t.Errorf("Finish = %+v, %v, want a proof by %s", proof, won, factor)
				}
			})
		})
	}
}

func TestEnrolmentIsConfirmedOnThePhone(t *testing.T) {
	for _, factor := range []policy.Factor{policy.Protect, policy.Voice} {
		for approve, notice := range map[bool]stepup.Notice{false: stepup.EnrolFailed, true: stepup.NoticeNone} {
			t.Run(string(factor)+" "+notice.String(), func(t *testing.T) {
				inBubble(t, func(t *testing.T, k *kit) {
					v := k.fresh("carol")
					r := v.enrol(factor)
					if voice := factor == policy.Voice; (r.Enrolment.VoiceCode != "") != voice || r.Enrolment.AcceptsCode == voice {
						t.Errorf("enrolment = %+v", r.Enrolment)
					}
					if approve {
						k.sim.ApproveRegistration("carol")
					} else {
						k.sim.DenyRegistration("carol")
					}
					v.want(v.wait(r.Revision), stepup.Choosing, notice)
					v.refused()
					seen := v.look()
					if (len(seen.Offers) == 1) != approve || (len(seen.Enrollable) > 0) == approve {
						t.Errorf("afterwards = %+v", seen)
					}
					k.calls(simulator.OpEnrol, 1)
				})
			})
		}
	}
}

func TestEnrolmentEndsWithItsTimeAndLeavesNoSecret(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.fresh("carol")
		v.demand.Expires = time.Now().Add(20 * time.Minute)
		r := v.enrol(policy.TOTP)
		if left := time.Until(r.ExpiresAt); left != 10*time.Minute || !r.Enrolment.ExpiresAt.Equal(r.ExpiresAt) {
			t.Errorf("the enrolment lasts %v, want 10 minutes", left)
		}
		right := k.newCode("carol", simulator.TOTP)
		k.pass(10*time.Minute + 40*time.Second)
		r = v.look()
		v.want(r, stepup.Choosing, stepup.EnrolExpired)
		if r.Enrolment != nil || len(r.Enrollable) == 0 {
			t.Errorf("afterwards = %+v, want to be able to begin again", r)
		}
		v.want(v.confirm(right), stepup.Choosing, stepup.NotPending)
		k.calls(simulator.OpEnrolVerify, 0)
		v.enrol(policy.TOTP)
		v.want(v.confirm(k.newCode("carol", simulator.TOTP)), stepup.Choosing, stepup.NoticeNone)
	})
}

func TestWhoWaitsForAnEnrolmentIsToldThatItsTimeIsOver(t *testing.T) {
	for _, factor := range []policy.Factor{policy.TOTP, policy.Protect} {
		inBubble(t, func(t *testing.T, k *kit) {
			v := k.fresh("carol")
			v.demand.Expires = time.Now().Add(20 * time.Minute)
			r := v.enrol(factor)
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			v.want(v.must(k.engine.Wait(ctx, v.demand, v.cookie, r.Revision)), stepup.Choosing, stepup.EnrolExpired)
			if late := time.Since(r.Enrolment.ExpiresAt); late < 0 || late > 6*time.Second {
				t.Errorf("told %v after the end", late)
			}
		})
	}
}

func TestEnrolmentEndsWithTheDemand(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.fresh("carol")
		v.enrol(policy.TOTP)
		k.pass(10*time.Minute + 6*time.Second)
		v.want(v.look(), stepup.Expired, stepup.NoticeNone)
	})
}

func TestGuessesAtAnEnrolmentAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Tries = 1000 })
		v := k.fresh("carol")
		v.enrol(policy.SMS)
		right := k.newCode("carol", simulator.SMS)
		for i := range 4 {
			v.want(v.confirm(wrong(right, i)), stepup.Enrolling, stepup.WrongCode)
		}
		v.want(v.confirm(wrong(right, 4)), stepup.Locked, stepup.TooManyTries)
		again := k.fresh("carol")
		again.want(again.enrol(policy.SMS), stepup.Locked, stepup.TooManyTries)
		k.calls(simulator.OpEnrolVerify, 5)
		k.calls(simulator.OpEnrol, 1)
	})
}

func TestEnrolmentsAreLimitedAsSendsAre(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for range 5 {
			v := k.fresh("carol")
			r := v.enrol(policy.SMS)
			again := v.must(k.engine.Enroll(t.Context(), v.demand, v.cookie, r.Factor.ID))
			v.want(again, stepup.Enrolling, stepup.NoticeNone)
		}
		v := k.fresh("carol")
		v.want(v.enrol(policy.Voice), stepup.Choosing, stepup.TooManySends)
		k.calls(simulator.OpEnrol, 5)
	})
}

func TestOtherBrowserSeesNothingOfAnEnrolment(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.fresh("carol")
		v.enrol(policy.TOTP)
		right := k.newCode("carol", simulator.TOTP)
		other := &visitor{kit: k, demand: v.demand, cookie: "guess"}
		for _, r := range []stepup.Result{other.look(), other.confirm(right), other.wait(0)} {
			if r.Notice != stepup.OtherBrowser || r.Enrolment != nil {
				t.Errorf("another browser sees %+v", r)
			}
		}
		k.calls(simulator.OpEnrolVerify, 0)
		v.want(v.confirm(right), stepup.Choosing, stepup.NoticeNone)
	})
}

func TestEnrolmentIsToldToTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.fresh("carol")
		v.enrol(policy.SMS)
		v.confirm(k.newCode("carol", simulator.SMS))
		want := []string{stepup.EventStarted, stepup.EventEnrolStarted, stepup.EventEnrolled}
		if got := k.names(); !slices.Equal(got, want) {
			t.Errorf("events = %v, want %v", got, want)
		}
	})
}
