package stepup_test

import (
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestLookingSendsNothingAndStoresNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		for range 5 {
			v.want(v.look(), stepup.Choosing, stepup.NoticeNone)
		}
		if n := k.store.(*memory.Store).Len(session.KindChallenge); n != 0 || len(k.sim.Sent()) != 0 {
			t.Errorf("looking left %d records and sent %v, want nothing", n, k.sim.Sent())
		}
		if n := k.allCalls(); n != 3 { // access token, user, devices
			t.Errorf("five looks made %d calls, want 3", n)
		}
	})
}

func TestReloadingAPendingPageSendsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.Protect)
		before := k.allCalls()
		for range 5 {
			v.want(v.look(), stepup.Pending, stepup.NoticeNone)
		}
		if n := k.allCalls() - before; n != 0 || len(k.sim.Sent()) != 1 {
			t.Errorf("five reloads made %d calls and sent %d messages, want none more", n, len(k.sim.Sent())-1)
		}
	})
}

func TestRepeatedStartSendsNothingUntilItMay(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		first := v.start(policy.SMS)
		cookie := v.cookie
		for range 3 {
			r := v.start(policy.SMS)
			v.want(r, stepup.Pending, stepup.NoticeNone)
			if r.CookieValue != "" || v.cookie != cookie || r.Revision != first.Revision {
				t.Errorf("a repeated start changed something: %+v", r)
			}
		}
		k.calls("activate", 1)

		k.pass(time.Until(first.ResendAt))
		old := k.code("alice", simulator.SMS)
		v.start(policy.SMS)
		if v.cookie == cookie {
			t.Error("the cookie value was not rotated by a second activation")
		}
		k.calls("activate", 2)
		v.want(v.verify(old), stepup.Pending, stepup.WrongCode)
		v.want(v.verify(k.code("alice", simulator.SMS)), stepup.Verified, stepup.NoticeNone)
	})
}

func TestOtherFactorKillsTheFirstOne(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.SMS)
		smsCode := k.code("alice", simulator.SMS)
		v.start(policy.Protect)
		v.want(v.verify(smsCode), stepup.Pending, stepup.WrongCode)
		r := v.start(policy.Email)
		k.sim.Approve("alice")
		polls := k.sim.Calls("poll")
		k.pass(20 * time.Second)
		k.calls("poll", polls)
		v.want(v.look(), stepup.Pending, stepup.NoticeNone)
		if r.TriesLeft != 4 {
			t.Errorf("TriesLeft = %d after a wrong code and another factor, want 4", r.TriesLeft)
		}
		v.refused()
		v.want(v.verify(k.code("alice", simulator.Email)), stepup.Verified, stepup.NoticeNone)
		if proof, _ := v.finish(); proof.Factor != policy.Email {
			t.Errorf("proof by %s, want email", proof.Factor)
		}
	})
}

func TestOtherBrowserLearnsAndDoesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.SMS)
		old := v.cookie
		k.pass(time.Minute)
		v.start(policy.SMS)
		sms := v.offer(policy.SMS)
		before := k.allCalls()
		for _, cookie := range []string{"", "guess", old} {
			other := &visitor{kit: k, demand: v.demand, cookie: cookie}
			empty := stepup.Result{State: stepup.Choosing, Notice: stepup.OtherBrowser}
			for step, r := range map[string]stepup.Result{
				"look": other.look(), "wait": other.wait(0), "verify": other.verify(k.code("alice", simulator.SMS)),
				"start": other.must(k.engine.Start(k.t.Context(), v.demand, cookie, sms)),
			} {
				if r.State != empty.State || r.Notice != empty.Notice || r.Offers != nil || r.Revision != 0 || r.Factor != empty.Factor {
					t.Errorf("%s with cookie %q = %+v, want %+v", step, cookie, r, empty)
				}
			}
			if err := k.engine.Cancel(t.Context(), v.demand, cookie); err != nil {
				t.Errorf("Cancel returned %v", err)
			}
			other.refused()
		}
		if n := k.allCalls() - before; n != 0 {
			t.Errorf("OneLogin saw %d calls for other browsers, want none", n)
		}
		v.want(v.verify(k.code("alice", simulator.SMS)), stepup.Verified, stepup.NoticeNone)
		(&visitor{kit: k, demand: v.demand, cookie: old}).refused()
		if _, won := v.finish(); !won {
			t.Error("the challenge's own browser got no proof")
		}
	})
}

func TestChallengeIsBoundToUserAndSite(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.TOTP)
		for _, change := range []func(*stepup.Demand){
			func(d *stepup.Demand) { d.User = "bob" },
			func(d *stepup.Demand) { d.Site = "https://other.example.com" },
		} {
			other := *v
			change(&other.demand)
			other.want(other.verify(k.code("alice", simulator.TOTP)), stepup.Choosing, stepup.OtherBrowser)
			other.want(other.look(), stepup.Choosing, stepup.OtherBrowser)
			other.refused()
		}
		k.calls("verify", 0)
	})
}

func TestRacingStartsActivateOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "activate", time.Second })
		v := k.visit("alice")
		push := v.offer(policy.Protect)
		var mu sync.Mutex
		var cookies []string
		var racing sync.WaitGroup
		for range 10 {
			racing.Go(func() {
				r, err := k.engine.Start(t.Context(), v.demand, "", push)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("Start returned %v", err)
				}
				if r.CookieValue != "" {
					cookies = append(cookies, r.CookieValue)
				}
			})
		}
		racing.Wait()
		if len(cookies) != 1 || len(k.sim.Sent()) != 1 {
			t.Fatalf("%d cookies and %d pushes, want one of each", len(cookies), len(k.sim.Sent()))
		}
		v.cookie = cookies[0]
		v.want(v.look(), stepup.Pending, stepup.NoticeNone)
	})
}

func TestClientThatLeavesDoesNotStopAnActivation(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		sms := v.offer(policy.SMS)
		r := v.must(k.engine.Start(gone(t.Context()), v.demand, "", sms))
		v.want(r, stepup.Pending, stepup.NoticeNone)
		k.calls("activate", 1)
	})
}

func TestTwoChallengesOfOneUserFinishInReverseOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first, second := k.visit("alice"), k.visit("alice")
		started := first.start(policy.Protect)
		k.pass(time.Second)
		second.start(policy.SMS)
		second.want(second.verify(k.code("alice", simulator.SMS)), stepup.Verified, stepup.NoticeNone)
		if proof, won := second.finish(); !won || proof.Factor != policy.SMS {
			t.Errorf("second Finish = %+v, %v, want a proof by sms", proof, won)
		}
		first.refused()
		k.sim.Approve("alice")
		first.want(first.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if proof, won := first.finish(); !won || proof.Factor != policy.Protect {
			t.Errorf("first Finish = %+v, %v, want a proof by protect", proof, won)
		}
	})
}

func TestApprovedPushVerifiesItsOwnChallengeOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first, second := k.visit("alice"), k.visit("alice")
		first.start(policy.Protect)
		pushed := k.sim.Pushes("alice")[0].VerificationID
		first.start(policy.SMS) // which drops the push
		other := second.start(policy.Protect)
		k.sim.Answer("alice", pushed, true)
		k.pass(10 * time.Second)
		first.refused()
		second.refused()
		k.sim.Approve("alice")
		second.want(second.wait(other.Revision), stepup.Verified, stepup.NoticeNone)
		first.refused()
	})
}

func TestCancelledChallengeStaysShut(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		if err := k.engine.Cancel(t.Context(), v.demand, ""); err != nil {
			t.Fatalf("Cancel before the start returned %v", err)
		}
		v.start(policy.Protect)
		if err := k.engine.Cancel(t.Context(), v.demand, v.cookie); err != nil {
			t.Fatalf("Cancel returned %v", err)
		}
		k.sim.Approve("alice")
		k.pass(time.Minute)
		v.want(v.look(), stepup.Expired, stepup.NoticeNone)
		v.refused()
		k.calls("poll", 0)
	})
}

func TestSendingAgainAfterTheDemandExpiredEndsTheChallenge(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		k.pass(9*time.Minute + 30*time.Second)
		v.start(policy.SMS)
		k.pass(time.Minute)
		v.want(v.look(), stepup.Pending, stepup.NoticeNone)
		v.want(v.start(policy.SMS), stepup.Expired, stepup.NoticeNone)
		k.calls("activate", 1)
	})
}

func TestNothingIsStartedAfterTheDemandExpired(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		sms := v.offer(policy.SMS)
		k.pass(10*time.Minute + 1)
		v.want(v.must(k.engine.Start(t.Context(), v.demand, "", sms)), stepup.Expired, stepup.NoticeNone)
		v.want(v.look(), stepup.Expired, stepup.NoticeNone)
		k.calls("activate", 0)
	})
}
