package stepup_test

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// decline starts a push at another site, which the person declines, and waits
// until that was seen.
func (k *kit) decline() {
	k.t.Helper()
	v := k.visit("alice").elsewhere()
	started := v.start(policy.Protect)
	k.sim.Deny("alice")
	v.want(v.wait(started.Revision), stepup.Denied, stepup.NoticeNone)
}

// last returns the last event of a name.
func (k *kit) last(name string) stepup.Event {
	k.t.Helper()
	events := k.seen()
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Name == name {
			return events[i]
		}
	}
	k.t.Fatalf("no event %s among %v", name, k.names())
	return stepup.Event{}
}

func TestDeclinedPushLocksPushes(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.decline()
		until := time.Now().Add(5 * time.Minute)
		v := k.visit("alice")
		push := v.offer(policy.Protect)
		r := v.must(k.engine.Start(t.Context(), v.demand, "", push))
		v.want(r, stepup.Choosing, stepup.PushLocked)
		if !r.RetryAt.Equal(until) {
			t.Errorf("RetryAt = %v, want 5 minutes", time.Until(r.RetryAt))
		}
		last := len(r.Offers) - 1
		for i, o := range r.Offers {
			if locked := o.Factor == policy.Protect; locked != (i == last) || locked != o.LockedUntil.Equal(until) {
				t.Errorf("offer %d = %+v, want the push alone to be locked, and last", i, o)
			}
		}
		k.calls(simulator.OpActivate, 1)
		if e := k.last(stepup.EventPushDenied); !e.Until.Equal(until) || e.UserID != "101" {
			t.Errorf("event = %+v, want until when pushes are locked", e)
		}
		v.typed("alice", policy.SMS)

		k.pass(time.Until(until))
		v = k.visit("alice")
		if r := v.look(); r.Offers[0].Factor != policy.Protect || !r.Offers[0].LockedUntil.IsZero() {
			t.Errorf("offers = %+v, want the push to be back", r.Offers)
		}
		v.want(v.start(policy.Protect), stepup.Pending, stepup.NoticeNone)
	})
}

// Every further denial of a day doubles the pause, to an hour, and no success
// in between changes that.
func TestFurtherDenialsDoubleThePause(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first := time.Now()
		for i, minutes := range []time.Duration{5, 10, 20, 40, 60, 60} {
			k.decline()
			k.visit("alice").typed("alice", policy.SMS)
			v := k.visit("alice")
			r := v.start(policy.Protect)
			v.want(r, stepup.Choosing, stepup.PushLocked)
			if left := time.Until(r.RetryAt); left != minutes*time.Minute {
				t.Errorf("after %d denials pushes are locked for %v, want %v", i+1, left, minutes*time.Minute)
			}
			k.pass(time.Until(r.RetryAt))
		}
		k.pass(time.Until(first.Add(25 * time.Hour)))
		k.decline()
		if left := time.Until(k.last(stepup.EventPushDenied).Until); left != 5*time.Minute {
			t.Errorf("a day later pushes are locked for %v, want 5 minutes", left)
		}
	})
}

// Strangers see nothing of it, and are sent nothing.
func TestDeclinedPushOfAStrangerLocksPushesUnseen(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.stranger("alice")
		v.settled(policy.Protect)
		k.sim.Deny("alice")
		k.pass(5 * time.Second)
		other := k.stranger("alice")
		for _, o := range other.look().Offers {
			if !o.LockedUntil.IsZero() {
				t.Errorf("offer %+v tells a stranger that there is a user", o)
			}
		}
		other.settled(policy.Protect)
		k.calls(simulator.OpActivate, 1)
		if e := k.last(stepup.EventNotActivated); e.Notice != stepup.PushLocked {
			t.Errorf("the log says %v, want that pushes are locked", e.Notice)
		}
		known := k.visit("alice")
		known.want(known.start(policy.Protect), stepup.Choosing, stepup.PushLocked)
	})
}

// What was not declined on a phone locks nothing.
func TestOtherRefusalsLockNoPushes(t *testing.T) {
	for name, refuse := range map[string]func(v *visitor){
		"a code that is refused for good": func(v *visitor) {
			v.sim.SetSwitches(func(w *simulator.Switches) { w.WrongCode = "rejected" })
			v.start(policy.Protect)
			v.want(v.verify("111111"), stepup.Denied, stepup.WrongCode)
		},
		"a call": func(v *visitor) {
			v.start(policy.Voice)
			v.sim.Deny("dora")
			v.pass(5 * time.Second)
			v.want(v.look(), stepup.Denied, stepup.NoticeNone)
		},
		"a push that nobody answers": func(v *visitor) {
			v.start(policy.Protect)
			v.pass(3 * time.Minute)
			v.want(v.look(), stepup.Expired, stepup.NoticeNone)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.AddUser(dora())
				refuse(k.visit("dora"))
				v := k.visit("dora")
				v.want(v.start(policy.Protect), stepup.Pending, stepup.NoticeNone)
			})
		})
	}
}

// deniedWith has a push declined with a store that fails once, at one of its
// calls, and returns how many calls there were before and after.
func deniedWith(t *testing.T, failAt int64) (before, after int64) {
	inBubble(t, func(t *testing.T, k *kit) {
		store := k.config.Store.(*brokenStore)
		v := k.visit("alice")
		v.start(policy.Protect)
		k.pass(2100 * time.Millisecond)
		before = store.calls.Load()
		k.sim.Deny("alice")
		k.pass(time.Second)
		after = store.calls.Load()
		k.pass(10 * time.Second)
		v.want(v.look(), stepup.Denied, stepup.NoticeNone)
		other := k.visit("alice")
		other.want(other.start(policy.Protect), stepup.Choosing, stepup.PushLocked)
	}, func(c *stepup.Config) {
		c.Store = &brokenStore{Store: memory.New(memory.Config{}), breakage: breakage{failAt: failAt}}
	})
	return before, after
}

// A denial counts once the pause is kept: until then OneLogin is asked again.
func TestDenialIsNotLostWithTheStore(t *testing.T) {
	before, after := deniedWith(t, 0)
	if after-before < 6 {
		t.Fatalf("%d calls of the store, want those of a denial among them", after-before)
	}
	for failAt := before + 1; failAt <= after; failAt++ {
		deniedWith(t, failAt)
	}
}

func TestReportedPushDeniesItsChallengeAndLocksPushes(t *testing.T) {
	for name, begin := range map[string]func(v *visitor){
		"pending":    func(v *visitor) { v.start(policy.Protect) },
		"on its way": func(v *visitor) { go v.start(policy.Protect); v.pass(time.Second) },
		"blind": func(v *visitor) {
			v.demand.Blind = true
			v.settled(policy.Protect)
		},
		"blind, on its way": func(v *visitor) {
			v.demand.Blind = true
			v.settled(policy.Protect)
			v.pass(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.visit("alice")
				v.look()
				if name == "on its way" || name == "blind, on its way" {
					k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "activate", 5*time.Second })
				}
				begin(v)
				if err := v.another().engine.ReportPush(t.Context(), "101", "alice", "https://app.example.com"); err != nil {
					t.Fatalf("ReportPush returned %v", err)
				}
				until := time.Now().Add(24 * time.Hour)
				k.pass(10 * time.Second)
				k.sim.Approve("alice")
				k.pass(10 * time.Second)
				v.refused()
				if r := v.look(); !v.demand.Blind && r.State != stepup.Denied || v.demand.Blind && r.State != stepup.Pending {
					t.Errorf("challenge is %s, want it denied, or not to show it", r.State)
				}
				if e := k.last(stepup.EventPushReported); !e.Until.Equal(until) || e.UserID != "101" || e.Site == "" {
					t.Errorf("event = %+v, want whose pushes are locked, and until when", e)
				}
				other := k.visit("alice")
				r := other.start(policy.Protect)
				other.want(r, stepup.Choosing, stepup.PushLocked)
				if !r.RetryAt.Equal(until) {
					t.Errorf("RetryAt = %v, want a day", time.Until(r.RetryAt))
				}
				other.typed("alice", policy.SMS)
			})
		})
	}
}

func TestReportWithoutAPushLocksThemAllTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(dora())
		if err := k.engine.ReportPush(t.Context(), "", "", ""); err == nil {
			t.Error("a report of nobody was taken")
		}
		texted := k.visit("alice")
		texted.start(policy.SMS)
		for range 2 {
			if err := k.engine.ReportPush(t.Context(), "101", "alice", "https://app.example.com"); err != nil {
				t.Fatalf("ReportPush returned %v", err)
			}
		}
		v := k.visit("alice")
		v.want(v.start(policy.Protect), stepup.Choosing, stepup.PushLocked)
		texted.want(texted.verify(k.code("alice", simulator.SMS)), stepup.Verified, stepup.NoticeNone)
		other := k.visit("dora")
		other.want(other.start(policy.Protect), stepup.Pending, stepup.NoticeNone)
	})
}

// A pause that is longer already is not made shorter.
func TestDenialDoesNotShortenTheDayOfAReport(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.Protect)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = "poll", 3*time.Second })
		k.sim.Deny("alice")
		k.pass(4 * time.Second) // and reports it while OneLogin is still answering
		if err := k.engine.ReportPush(t.Context(), "101", "alice", "https://app.example.com"); err != nil {
			t.Fatalf("ReportPush returned %v", err)
		}
		until := time.Now().Add(24 * time.Hour)
		k.pass(time.Minute)
		k.calls(simulator.OpPoll, 1)
		other := k.visit("alice")
		if r := other.start(policy.Protect); !r.RetryAt.Equal(until) {
			t.Errorf("RetryAt = %v, want a day after the report", time.Until(r.RetryAt))
		}
	})
}
