package stepup_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestApprovedPushVerifies(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		v.want(started, stepup.Pending, stepup.NoticeNone)
		v.refused()
		sent := time.Now()
		go func() {
			k.pass(7 * time.Second)
			k.sim.Approve("alice")
		}()
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		// The fourth poll finds it, and the one who waits is woken at once.
		if waited := time.Since(sent); waited != 8800*time.Millisecond {
			t.Errorf("the approval after 7 s was seen after %v, want 8.8 s", waited)
		}
		if proof, won := v.finish(); !won || proof.Factor != policy.Protect || proof.UserID != "101" {
			t.Errorf("Finish = %+v, %v, want alice's proof", proof, won)
		}
		v.refused()
	})
}

func TestDeniedPushIsFinalAndNotSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		push := v.offer(policy.Protect)
		k.sim.Deny("alice")
		v.want(v.wait(started.Revision), stepup.Denied, stepup.NoticeNone)
		polls := k.sim.Calls("poll")
		k.pass(time.Minute)
		v.want(v.must(k.engine.Start(t.Context(), v.demand, v.cookie, push)), stepup.Denied, stepup.NoticeNone)
		v.want(v.verify(k.code("alice", simulator.Protect)), stepup.Denied, stepup.NoticeNone)
		v.refused()
		k.calls("activate", 1)
		k.calls("poll", polls)
		k.calls("verify", 0)
		if !slices.Contains(k.names(), stepup.EventPushDenied) {
			t.Errorf("events = %v, want the denial among them", k.names())
		}
	})
}

func TestUnansweredPushExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		v.want(v.wait(started.Revision), stepup.Expired, stepup.NoticeNone)
		if waited := time.Until(started.ExpiresAt); waited != 0 {
			t.Errorf("expired %v before its deadline", waited)
		}
		polls := k.sim.Calls("poll")
		k.sim.Approve("alice")
		k.pass(time.Minute)
		v.want(v.look(), stepup.Expired, stepup.NoticeNone)
		v.refused()
		k.calls("poll", polls)
	})
}

func TestApprovalInTheLastSecondCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		requests := k.sim.Requests()
		if body := requests[len(requests)-1].Body; !strings.Contains(body, `"expires_in":150`) {
			t.Errorf("activated with %s, want OneLogin to outlive our 120 seconds", body)
		}
		go func() {
			k.pass(time.Until(started.ExpiresAt) - time.Second)
			k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = 1500 * time.Millisecond })
			k.sim.Approve("alice")
		}()
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if _, won := v.finish(); !won {
			t.Error("no proof for an approval before the deadline")
		}
	})
}

func TestManyTabsShareOnePoller(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		var tabs sync.WaitGroup
		for range 30 {
			tabs.Go(func() {
				v.look()
				v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
			})
		}
		k.pass(10 * time.Second)
		k.sim.Approve("alice")
		tabs.Wait()
		k.calls("poll", 5) // after 2.2, 4.4, 6.6, 8.8 and 11 seconds
		k.calls("activate", 1)
	})
}

func TestPushOfHalfAMinuteStaysInItsBudget(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.visit("alice").look() // warm: the user, the devices and the access token are known
		before := k.allCalls()
		v := k.visit("alice")
		started := v.start(policy.Protect)
		go func() {
			k.pass(30 * time.Second)
			k.sim.Approve("alice")
		}()
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if n := k.allCalls() - before; n > 12 {
			t.Errorf("OneLogin saw %d calls for a push of 30 s, want at most 12", n)
		}
	})
}

func TestUserSuspendedBeforeTheApprovalIsNotVerified(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		k.sim.SetStatus("alice", 3, 1)
		k.sim.Approve("alice")
		v.want(v.wait(started.Revision), stepup.Denied, stepup.NoAccess)
		v.refused()
	})
}

func TestPushSurvivesOutagesOfOneLogin(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
		k.pass(40 * time.Second)
		v.want(v.look(), stepup.Pending, stepup.NoticeNone)
		v.refused()
		k.sim.SetSwitches(func(w *simulator.Switches) { *w = simulator.Switches{} })
		k.sim.Approve("alice")
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
	})
}

func TestUnreadablePushExpiresWithItsCause(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Quota429 = "poll", true })
		k.sim.Approve("alice")
		v.want(v.wait(started.Revision), stepup.Expired, stepup.NoticeNone)
		v.refused()
		events := k.seen()
		if last := events[len(events)-1]; last.Name != stepup.EventExpired || last.Cause == nil {
			t.Errorf("last event = %+v, want the expiry and its cause", last)
		}
	})
}

func TestForgottenPushExpiresAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		k.sim.Advance(5 * time.Minute)
		v.want(v.wait(started.Revision), stepup.Expired, stepup.NoticeNone)
		k.calls("poll", 1)
	})
}

func TestSecondEngineCarriesAPushOn(t *testing.T) {
	for name, ensure := range map[string]func(v *visitor, revision uint64){
		"after a look":  func(v *visitor, _ uint64) { v.look() },
		"after a start": func(v *visitor, _ uint64) { v.start(policy.Protect) },
		"while waiting": func(v *visitor, revision uint64) {
			ctx, cancel := context.WithTimeout(v.t.Context(), time.Second)
			defer cancel()
			v.engine.Wait(ctx, v.demand, v.cookie, revision)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.visit("alice")
				started := v.start(policy.Protect)
				k.engine.Close()
				k.engine.Close()
				k.pass(10 * time.Second)
				k.calls("poll", 0)

				k.engine = stepup.New(k.config)
				ensure(v, started.Revision)
				k.sim.Approve("alice")
				k.pass(10 * time.Second)
				v.want(v.look(), stepup.Verified, stepup.NoticeNone)
				k.calls("activate", 1)
			})
		})
	}
}

func TestWaitSeesAChangeMadeByAnotherEngine(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		other := stepup.New(k.config)
		defer other.Close()
		v := k.visit("bob")
		started := v.start(policy.SMS)
		began := time.Now()
		go func() {
			k.pass(5700 * time.Millisecond)
			other.Verify(t.Context(), v.demand, v.cookie, k.code("bob", simulator.SMS))
		}()
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if waited := time.Since(began); waited != 6*time.Second {
			t.Errorf("the change after 5.7 s was seen after %v, want 6 s", waited)
		}
		k.calls("poll", 0)
	})
}

func TestWaitReturnsAtEveryChange(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		seen := v.start(policy.SMS).Revision
		right := k.code("bob", simulator.SMS)
		go func() {
			k.pass(5 * time.Second)
			v.verify(wrong(right, 0))
		}()
		if r := v.wait(seen); r.State != stepup.Pending || r.TriesLeft != 4 || r.Revision == seen {
			t.Errorf("Wait = %+v, want 4 tries left and a new revision", r)
		}
	})
}

func TestWaitReturnsWithItsContextAndSeesNothingOfOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		started := v.start(policy.SMS)
		before := k.allCalls()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		r := v.must(k.engine.Wait(ctx, v.demand, v.cookie, started.Revision))
		v.want(r, stepup.Pending, stepup.NoticeNone)
		r = v.must(k.engine.Wait(t.Context(), v.demand, "another cookie", started.Revision))
		v.want(r, stepup.Choosing, stepup.OtherBrowser)
		if n := k.allCalls() - before; n != 0 {
			t.Errorf("waiting made %d calls to OneLogin, want none", n)
		}
	})
}

func TestCloseEndsEveryPoller(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(dora())
		for _, user := range []string{"alice", "dora"} {
			k.visit(user).start(policy.Protect)
		}
		k.pass(3 * time.Second)
		k.engine.Close()
		polls := k.sim.Calls("poll")
		synctest.Wait()
		k.pass(time.Minute)
		k.calls("poll", polls)
	})
}
