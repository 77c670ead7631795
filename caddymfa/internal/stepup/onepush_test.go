package stepup_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// elsewhere is the same user at another site, in another browser, at another
// node.
func (v *visitor) elsewhere() *visitor {
	other := v.another().visit(v.demand.User)
	other.demand.Site = "https://other.example.com"
	return other
}

func TestSecondPushIsRefusedWhileOneIsPending(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first := k.visit("alice")
		started := first.start(policy.Protect)
		k.pass(10 * time.Second)
		second := first.elsewhere()
		r := second.start(policy.Protect)
		second.want(r, stepup.Choosing, stepup.PushPending)
		if !r.RetryAt.Equal(started.ExpiresAt) || len(r.Offers) == 0 || r.CookieValue != "" {
			t.Errorf("refused = %+v, want the other offers, and the end of the first", r)
		}
		k.calls(simulator.OpActivate, 1)
		events := k.seen()
		if last := events[len(events)-1]; last.Name != stepup.EventSendsLimited || last.Notice != stepup.PushPending {
			t.Errorf("last event = %+v, want the refusal and why", last)
		}
		second.typed("alice", policy.SMS)
		k.sim.Approve("alice")
		first.want(first.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
	})
}

// However the first push ends, the next one may be sent, and what was refused
// meanwhile was charged to nobody.
func TestPushMayBeSentOnceTheOtherHasEnded(t *testing.T) {
	for name, end := range map[string]func(v *visitor){
		"approved":  func(v *visitor) { v.sim.Approve("alice"); v.pass(5 * time.Second) },
		"code":      func(v *visitor) { v.verify(v.code("alice", simulator.Protect)) },
		"cancelled": func(v *visitor) { v.cancel() },
		"expired":   func(v *visitor) { v.pass(2 * time.Minute) },
		"forgotten": func(v *visitor) { v.sim.Advance(10 * time.Minute); v.pass(5 * time.Second) },
		"another factor": func(v *visitor) {
			v.start(policy.SMS)
		},
		"locked": func(v *visitor) {
			for i := range 5 {
				v.verify(wrong(v.code("alice", simulator.Protect), i))
			}
			v.pass(15 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.SetSwitches(func(w *simulator.Switches) { w.Tries = 1000 })
				first := k.visit("alice")
				first.start(policy.Protect)
				second := first.elsewhere()
				for range 5 {
					second.want(second.start(policy.Protect), stepup.Choosing, stepup.PushPending)
				}
				end(first)
				if name == "locked" || name == "expired" {
					second = first.elsewhere() // its demand may be over
				}
				second.want(second.start(policy.Protect), stepup.Pending, stepup.NoticeNone)
				k.sim.Approve("alice")
				k.pass(5 * time.Second)
				second.want(second.look(), stepup.Verified, stepup.NoticeNone)
			})
		})
	}
}

func TestPushThatWasNotSentIsInNobodysWay(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first := k.visit("alice")
		push := first.offer(policy.Protect)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.HTML502 = "activate", true })
		if _, err := k.engine.Start(t.Context(), first.demand, "", push); err == nil {
			t.Fatal("a push was started without an answer of OneLogin")
		}
		k.sim.SetSwitches(func(w *simulator.Switches) { *w = simulator.Switches{} })
		second := first.elsewhere()
		second.want(second.start(policy.Protect), stepup.Pending, stepup.NoticeNone)
	})
}

func TestPushOnItsWayIsInTheWayOfOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first := k.visit("alice")
		second := first.elsewhere()
		push := second.offer(policy.Protect)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "activate", 5*time.Second })
		go first.start(policy.Protect)
		k.pass(time.Second)
		r := second.must(second.engine.Start(t.Context(), second.demand, "", push))
		second.want(r, stepup.Choosing, stepup.PushPending)
		if !r.RetryAt.After(time.Now()) {
			t.Errorf("RetryAt = %v, want a time to come", r.RetryAt)
		}
		k.pass(10 * time.Second)
		k.calls(simulator.OpActivate, 1)
	})
}

func TestParallelPushesOfOneUserAreOne(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		nodes := []*kit{k, k.another()}
		var racing sync.WaitGroup
		pending := make(chan string, 40)
		for i := range 40 {
			v := nodes[i%2].visit("alice")
			push := v.offer(policy.Protect)
			racing.Go(func() {
				if r := v.must(v.engine.Start(t.Context(), v.demand, "", push)); r.State == stepup.Pending {
					pending <- v.cookie
				}
			})
		}
		racing.Wait()
		k.calls(simulator.OpActivate, 1)
		if len(pending) != 1 {
			t.Errorf("%d of 40 starts are pending, want 1", len(pending))
		}
	})
}

func TestPendingPushMayBeSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.Protect)
		k.pass(30 * time.Second)
		r := v.start(policy.Protect)
		v.want(r, stepup.Pending, stepup.NoticeNone)
		k.calls(simulator.OpActivate, 2)
		other := v.elsewhere()
		other.want(other.start(policy.Protect), stepup.Choosing, stepup.PushPending)
	})
}

func TestPushOfALoginIsOneOfTheUsers(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first := k.visit("alice")
		first.start(policy.Protect)
		v := k.knock()
		v.login("alice", "demo")
		v.want(v.start(policy.Protect), stepup.Choosing, stepup.PushPending)
		k.calls(simulator.OpLoginVerify, 0)
		bob := k.visit("dora")
		k.sim.AddUser(dora())
		bob.want(bob.start(policy.Protect), stepup.Pending, stepup.NoticeNone)
	})
}

// Among challenges that anybody may begin the newest push counts: the person
// who has just begun one is more likely the user than who began one earlier.
func TestNewestPushOfStrangersCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first := k.stranger("alice")
		started := first.settled(policy.Protect)
		second := k.another().stranger("alice@example.com")
		again := second.settled(policy.Protect)
		pushes := k.sim.Pushes("alice")
		if len(pushes) != 2 {
			t.Fatalf("%d pushes on the phone, want 2", len(pushes))
		}
		k.sim.Answer("alice", pushes[0].VerificationID, true)
		k.pass(10 * time.Second)
		first.want(first.look(), stepup.Pending, stepup.NoticeNone)
		second.want(second.look(), stepup.Pending, stepup.NoticeNone)
		k.sim.Answer("alice", pushes[1].VerificationID, true)
		second.want(second.wait(again.Revision), stepup.Verified, stepup.NoticeNone)
		first.want(first.wait(started.Revision), stepup.Expired, stepup.NoticeNone)
		first.refused()
	})
}

// A push that is still on its way when a newer one is asked for comes to
// nothing when it arrives.
func TestPushOfAStrangerOnItsWayGivesWay(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first, second := k.stranger("alice"), k.stranger("alice@example.com")
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "activate", 5*time.Second })
		first.settled(policy.Protect)
		k.pass(time.Second)
		second.settled(policy.Protect)
		k.pass(10 * time.Second)
		pushes := k.sim.Pushes("alice")
		if len(pushes) != 2 {
			t.Fatalf("%d pushes on the phone, want 2", len(pushes))
		}
		k.sim.Answer("alice", pushes[0].VerificationID, true)
		k.pass(10 * time.Second)
		first.refused()
		k.sim.Answer("alice", pushes[1].VerificationID, true)
		k.pass(10 * time.Second)
		second.want(second.look(), stepup.Verified, stepup.NoticeNone)
	})
}

// Whoever has logged in goes before strangers, who cannot keep pushes from
// them, nor take theirs away.
func TestStrangersGiveWayToWhoHasLoggedIn(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		stranger := k.stranger("alice")
		stranger.settled(policy.Protect)
		pushed := k.sim.Pushes("alice")[0].VerificationID
		known := k.visit("alice")
		started := known.start(policy.Protect)
		known.want(started, stepup.Pending, stepup.NoticeNone)
		k.sim.Answer("alice", pushed, true)
		k.pass(10 * time.Second)
		stranger.refused()

		late := k.stranger("alice")
		late.settled(policy.Protect)
		k.calls(simulator.OpActivate, 2)
		var why []stepup.Notice
		for _, e := range k.seen() {
			if e.Name == stepup.EventNotActivated {
				why = append(why, e.Notice)
			}
		}
		if !slices.Equal(why, []stepup.Notice{stepup.PushPending}) {
			t.Errorf("the log says %v, want that a push is pending", why)
		}
		k.sim.Approve("alice")
		known.want(known.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		synctest.Wait()
		late.refused()
	})
}
