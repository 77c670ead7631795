package stepup_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestFifthWrongCodeLocks(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		began := time.Now()
		for i := range 4 {
			r := v.verify(wrong(right, i))
			v.want(r, stepup.Pending, stepup.WrongCode)
			if r.TriesLeft != 4-i {
				t.Errorf("TriesLeft = %d after %d wrong codes, want %d", r.TriesLeft, i+1, 4-i)
			}
		}
		r := v.verify(wrong(right, 4))
		v.want(r, stepup.Locked, stepup.TooManyTries)
		if !r.RetryAt.Equal(began.Add(15 * time.Minute)) {
			t.Errorf("RetryAt = %v, want 15 minutes after the first try", r.RetryAt.Sub(began))
		}
		v.want(v.verify(right), stepup.Locked, stepup.TooManyTries)
		if r := v.look(); !r.RetryAt.Equal(began.Add(15 * time.Minute)) {
			t.Errorf("Look after the lock: RetryAt = %v", r.RetryAt)
		}
		v.refused()
		k.calls("verify", 5)
	})
}

func TestFreshChallengesDoNotResetTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for i := range 5 {
			v := k.visit("alice")
			v.start(policy.TOTP)
			v.verify(wrong(k.code("alice", simulator.TOTP), i))
			v.refused()
		}
		sent := k.sim.Calls("activate")
		v := k.visit("alice")
		r := v.start(policy.TOTP)
		v.want(r, stepup.Locked, stepup.TooManyTries)
		if r.RetryAt.IsZero() {
			t.Error("RetryAt is not set")
		}
		v.want(v.verify(k.code("alice", simulator.TOTP)), stepup.Locked, stepup.TooManyTries)
		v.want(v.look(), stepup.Locked, stepup.TooManyTries)
		k.calls("activate", sent)
		k.calls("verify", 5)

		k.pass(time.Until(r.RetryAt))
		v = k.visit("alice")
		v.want(v.start(policy.TOTP), stepup.Pending, stepup.NoticeNone)
		v.want(v.verify(k.code("alice", simulator.TOTP)), stepup.Verified, stepup.NoticeNone)
	})
}

func TestOldChallengeIsLockedByTriesInNewOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		old := k.visit("alice")
		old.start(policy.SMS)
		v := k.visit("alice")
		v.start(policy.TOTP)
		for i := range 5 {
			v.verify(wrong(k.code("alice", simulator.TOTP), i))
		}
		old.want(old.verify(k.code("alice", simulator.SMS)), stepup.Locked, stepup.TooManyTries)
		old.refused()
		k.calls("verify", 5)
	})
}

func TestParallelGuessesNeverExceedTheLimit(t *testing.T) {
	for name, challenges := range map[string]int{"in one challenge": 1, "in twenty challenges": 20} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.SetSwitches(func(w *simulator.Switches) { w.Tries = 1000 })
				var visitors []*visitor
				for range challenges {
					v := k.visit("alice")
					v.start(policy.TOTP)
					visitors = append(visitors, v)
				}
				right := k.code("alice", simulator.TOTP)
				var racing sync.WaitGroup
				for i := range 100 {
					code := fmt.Sprintf("%06d", 100+i)
					if code == right {
						continue
					}
					v := visitors[i%len(visitors)]
					racing.Go(func() {
						if _, err := k.engine.Verify(t.Context(), v.demand, v.cookie, code); err != nil {
							t.Errorf("Verify returned %v", err)
						}
					})
				}
				racing.Wait()
				k.calls("verify", 5)
				for _, v := range visitors {
					v.refused()
				}
			})
		})
	}
}

func TestDayLimitOutlastsTheWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		var last stepup.Result
		for range 4 {
			v := k.visit("alice")
			v.start(policy.TOTP)
			for i := range 5 {
				last = v.verify(wrong(k.code("alice", simulator.TOTP), i))
			}
			k.pass(15 * time.Minute)
		}
		if last.State != stepup.Locked || time.Until(last.RetryAt) < 22*time.Hour {
			t.Errorf("after 20 wrong codes = %s until %v, want locked for the day", last.State, last.RetryAt)
		}
		v := k.visit("alice")
		v.want(v.start(policy.TOTP), stepup.Locked, stepup.TooManyTries)
		k.calls("verify", 20)
	})
}

func TestSuccessGivesTriesAndSendsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for round := range 3 {
			v := k.visit("bob")
			v.start(policy.SMS)
			right := k.code("bob", simulator.SMS)
			for i := range 4 {
				v.want(v.verify(wrong(right, i)), stepup.Pending, stepup.WrongCode)
			}
			v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
			k.calls("verify", 5*(round+1))
		}
	})
}

func TestSendsAreLimited(t *testing.T) {
	for _, tt := range []struct {
		factors      []policy.Factor
		window, aDay int // aDay 0: no limit
	}{
		{[]policy.Factor{policy.Protect}, 3, 10},
		{[]policy.Factor{policy.SMS, policy.Email}, 5, 20},
		{[]policy.Factor{policy.TOTP}, 20, 0},
	} {
		t.Run(string(tt.factors[0]), func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				began := time.Now()
				for i := range tt.window {
					v := k.visit("alice")
					v.want(v.start(tt.factors[i%len(tt.factors)]), stepup.Pending, stepup.NoticeNone)
					v.cancel()
				}
				v := k.visit("alice")
				r := v.start(tt.factors[0])
				v.want(r, stepup.Choosing, stepup.TooManySends)
				if !r.RetryAt.Equal(began.Add(10*time.Minute)) || len(r.Offers) == 0 {
					t.Errorf("refused = %+v, want a time to retry and the other offers", r)
				}
				k.calls("activate", tt.window)
				if !slices.Contains(k.names(), stepup.EventSendsLimited) {
					t.Errorf("events = %v, want the limit among them", k.names())
				}
				if tt.aDay == 0 {
					return
				}
				for range tt.aDay {
					k.pass(10 * time.Minute)
					r = k.visit("alice").start(tt.factors[0])
				}
				v.want(r, stepup.Choosing, stepup.TooManySends)
				if time.Until(r.RetryAt) < 20*time.Hour {
					t.Errorf("RetryAt = %v, want the day's end", r.RetryAt)
				}
				if sent := len(k.sim.Sent()); sent != tt.aDay {
					t.Errorf("%d messages went out, want %d", sent, tt.aDay)
				}
			})
		})
	}
}

func TestRefusedSendLeavesTheRunningChallengeAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.SMS)
		code := k.code("alice", simulator.SMS)
		cookie := v.cookie
		for range 3 {
			other := k.visit("alice")
			other.start(policy.Protect)
			other.cancel()
		}
		r := v.start(policy.Protect)
		v.want(r, stepup.Pending, stepup.TooManySends)
		if r.Factor.Factor != policy.SMS || v.cookie != cookie {
			t.Errorf("after a refused send = %+v, want the text message still to be pending", r)
		}
		v.want(v.verify(code), stepup.Verified, stepup.NoticeNone)
		k.calls("activate", 4)
	})
}

func TestWarmStepUpCostsThreeCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.visit("bob").look()
		before := k.allCalls()
		v := k.visit("bob")
		v.start(policy.SMS)
		v.verify(k.code("bob", simulator.SMS))
		if n := k.allCalls() - before; n != 3 { // activate, verify, user
			t.Errorf("a warm step-up made %d calls, want 3", n)
		}
	})
}
