package stepup_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestWrongCodeIsRefusedAndTheRightOneAfterItPasses(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.SMS)
		v.want(started, stepup.Pending, stepup.NoticeNone)
		if !started.NeedsCode || !started.AcceptsCode || started.Factor.Name != "Alice's number" {
			t.Errorf("started = %+v, want a code to be needed for Alice's number", started)
		}
		right := k.code("alice", simulator.SMS)

		r := v.verify(wrong(right, 0))
		v.want(r, stepup.Pending, stepup.WrongCode)
		if r.TriesLeft != 4 {
			t.Errorf("TriesLeft = %d, want 4", r.TriesLeft)
		}
		v.refused()

		now := time.Now()
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		proof, won := v.finish()
		want := stepup.Proof{UserID: "101", User: "alice", Factor: policy.SMS, AuthTime: proof.AuthTime}
		if !won || proof != want || !proof.AuthTime.Equal(now) {
			t.Errorf("Finish = %+v, %v, want %+v at %v", proof, won, want, now)
		}
		v.refused()
		k.calls("verify", 2)
	})
}

func TestEveryFactorTakesItsCode(t *testing.T) {
	for factor, onPhone := range map[policy.Factor]simulator.Factor{
		policy.SMS: simulator.SMS, policy.Email: simulator.Email,
		policy.TOTP: simulator.TOTP, policy.Protect: simulator.Protect,
	} {
		t.Run(string(factor), func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.visit("alice")
				r := v.start(factor)
				if !r.AcceptsCode || r.NeedsCode != (factor != policy.Protect) {
					t.Errorf("AcceptsCode, NeedsCode = %v, %v", r.AcceptsCode, r.NeedsCode)
				}
				v.want(v.verify(k.code("alice", onPhone)), stepup.Verified, stepup.NoticeNone)
				if proof, won := v.finish(); !won || proof.Factor != factor {
					t.Errorf("Finish = %+v, %v, want a proof by %s", proof, won, factor)
				}
				k.calls("verify", 1)
			})
		})
	}
}

func TestMalformedCodeCostsNeitherCallNorTry(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		for _, typed := range []string{"", "123", "-", "12345678901234567890", "12 34 x6", "١٢٣٤٥٦", "1e5.0"} {
			r := v.verify(typed)
			v.want(r, stepup.Pending, stepup.MalformedCode)
			if r.TriesLeft != 5 {
				t.Errorf("TriesLeft = %d after %q, want 5", r.TriesLeft, typed)
			}
		}
		k.calls("verify", 0)
	})
}

func TestCodeIsNotTakenBeforeAFactorIsStarted(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.want(v.verify("123456"), stepup.Choosing, stepup.NotPending)
		v.refused()
		if n := k.allCalls(); n != 0 {
			t.Errorf("OneLogin saw %d calls, want none", n)
		}
	})
}

func TestAcceptedCodeIsRefusedInASecondChallenge(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first, second := k.visit("alice"), k.visit("alice")
		first.start(policy.TOTP)
		second.start(policy.TOTP)
		code := k.code("alice", simulator.TOTP)
		first.want(first.verify(code), stepup.Verified, stepup.NoticeNone)

		second.want(second.verify(code), stepup.Pending, stepup.UsedCode)
		second.want(second.verify(" "+code[:3]+" "+code[3:]), stepup.Pending, stepup.UsedCode)
		second.refused()
		k.calls("verify", 1)
		if !slices.Contains(k.names(), stepup.EventCodeReplayed) {
			t.Errorf("events = %v, want the replay among them", k.names())
		}
	})
}

func TestTwoChallengesThatRaceWithOneCodeGiveOneProof(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "verify", time.Second })
		visitors := []*visitor{k.visit("alice"), k.visit("alice"), k.visit("alice")}
		for _, v := range visitors {
			v.start(policy.TOTP)
		}
		code := k.code("alice", simulator.TOTP)
		var racing sync.WaitGroup
		for _, v := range visitors {
			racing.Go(func() { v.verify(code) })
		}
		racing.Wait()
		proofs := 0
		for _, v := range visitors {
			if _, won := v.finish(); won {
				proofs++
			}
		}
		if proofs != 1 {
			t.Errorf("%d proofs for one code, want 1", proofs)
		}
	})
}

func TestDoubleSubmissionMakesOneCallAndOneProof(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "verify", 2*time.Second })
		v := k.visit("bob")
		v.start(policy.SMS)
		code := k.code("bob", simulator.SMS)
		var racing sync.WaitGroup
		var mu sync.Mutex
		proofs := 0
		for range 8 {
			racing.Go(func() {
				r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, code)
				if err != nil || r.State != stepup.Verified {
					t.Errorf("Verify = %s, %v, want verified for every click", r.State, err)
				}
				if _, won, _ := k.engine.Finish(t.Context(), v.demand, v.cookie); won {
					mu.Lock()
					proofs++
					mu.Unlock()
				}
			})
		}
		racing.Wait()
		if proofs != 1 {
			t.Errorf("%d proofs, want 1", proofs)
		}
		k.calls("verify", 1)
	})
}

func TestDoubleSubmissionOfAWrongCodeIsChargedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "verify", 2*time.Second })
		v := k.visit("bob")
		v.start(policy.SMS)
		code := wrong(k.code("bob", simulator.SMS), 0)
		var racing sync.WaitGroup
		for range 3 {
			racing.Go(func() {
				r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, code)
				if err != nil || r.Notice != stepup.WrongCode || r.TriesLeft != 4 {
					t.Errorf("Verify = %+v, %v, want a wrong code and 4 tries left", r, err)
				}
			})
		}
		racing.Wait()
		v.want(v.verify(code), stepup.Pending, stepup.WrongCode)
		k.calls("verify", 1)
	})
}

func TestClientThatLeavesDoesNotSaveItsTry(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "verify", 2*time.Second })
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		leaving, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		k.engine.Verify(leaving, v.demand, v.cookie, wrong(right, 0))
		if r := v.look(); r.TriesLeft != 4 {
			t.Errorf("TriesLeft = %d after the client left, want 4", r.TriesLeft)
		}

		leaving, leaveAgain := context.WithTimeout(t.Context(), time.Second)
		defer leaveAgain()
		go k.engine.Verify(leaving, v.demand, v.cookie, right)
		<-leaving.Done()
		synctest.Wait()
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		if _, won, err := k.engine.Finish(leaving, v.demand, v.cookie); won || err == nil {
			t.Errorf("Finish for a client that left = %v, %v, want an error", won, err)
		}
		if _, won := v.finish(); !won {
			t.Error("the retry got no proof")
		}
		k.calls("verify", 2)
	})
}

func TestSuspendedUserIsNotVerified(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		k.sim.SetStatus("bob", 2, 1)
		r := v.verify(k.code("bob", simulator.SMS))
		v.want(r, stepup.Denied, stepup.NoAccess)
		v.refused()
		k.sim.SetStatus("bob", 1, 1)
		v.want(v.look(), stepup.Denied, stepup.NoAccess)
		v.want(v.verify(k.code("bob", simulator.SMS)), stepup.Denied, stepup.NoAccess)
		v.refused()
		k.calls("verify", 1)
	})
}

func TestLateCodeIsNotAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		k.pass(2*time.Minute + time.Second)
		v.want(v.verify(k.code("bob", simulator.SMS)), stepup.Expired, stepup.NoticeNone)
		v.refused()
		k.calls("verify", 0)
	})
}

func TestCodeForAForgottenVerificationExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		k.sim.Advance(5 * time.Minute)
		v.want(v.verify(k.code("bob", simulator.SMS)), stepup.Expired, stepup.NoticeNone)
		v.refused()
	})
}

func TestCodeThatOneLoginRefusesForGoodEndsTheChallenge(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.WrongCode = "rejected" })
		v.want(v.verify(wrong(right, 0)), stepup.Denied, stepup.WrongCode)
		v.want(v.verify(right), stepup.Denied, stepup.WrongCode)
		v.refused()
		k.calls("verify", 1)
	})
}

func TestFollowersOfACodeWithoutAnAnswerAreToldSo(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		k.sim.SetSwitches(func(w *simulator.Switches) {
			w.Only, w.HTML502, w.Slow = "verify", true, 2*time.Second
		})
		var racing sync.WaitGroup
		for range 3 {
			racing.Go(func() {
				if r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, right); err == nil {
					t.Errorf("Verify = %+v, want an error", r)
				}
			})
		}
		racing.Wait()
		k.calls("verify", 1)
		v.refused()
	})
}

func TestEventsNeverCarrySecrets(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		v.verify(wrong(right, 0))
		v.verify(right)
		want := []string{stepup.EventStarted, stepup.EventActivated, stepup.EventCodeWrong, stepup.EventVerified}
		if got := k.names(); !slices.Equal(got, want) {
			t.Errorf("events = %v, want %v", got, want)
		}
		for _, e := range k.seen() {
			if e.User != "bob" || e.UserID != "102" || len(e.ChallengeRef) != 12 || e.Cause != nil {
				t.Errorf("event %+v does not name bob's challenge", e)
			}
		}
	})
}
