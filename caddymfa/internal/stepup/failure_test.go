package stepup_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// deviation is a way in which OneLogin may answer activate, verify and poll,
// and whether the right code or an approval can pass then.
type deviation struct {
	name   string
	set    func(*simulator.Switches)
	passes bool
}

func deviations() []deviation {
	type w = simulator.Switches
	return []deviation{
		{"default", func(*w) {}, true},
		{"arrays", func(s *w) { s.Arrays = true }, true},
		{"double arrays", func(s *w) { s.DoubleArray = true }, true},
		{"ids as numbers", func(s *w) { s.IDsAsNumbers, s.NumericVerificationIDs = true, true }, true},
		{"another verification id", func(s *w) { s.VerificationIDMismatch = true }, false},
		{"another device id", func(s *w) { s.DeviceIDMismatch = true }, false},
		{"activate status 200", func(s *w) { s.ActivateStatus = 200 }, true},
		{"wrong code rejected", func(s *w) { s.WrongCode = "rejected" }, true},
		{"wrong code 401", func(s *w) { s.WrongCode = "401_factor" }, true},
		{"unknown status", func(s *w) { s.ExtraUnknownStatus = "approved" }, false},
		{"alphanumeric codes", func(s *w) { s.AlphanumericCodes = true }, true},
		{"envelope A", func(s *w) { s.ErrorEnvelopeOnPoll = "A" }, true},
		{"expired rejected", func(s *w) { s.Expired = "rejected" }, true},
		{"expired pending forever", func(s *w) { s.Expired = "pending_forever" }, true},
		{"dead access token", func(s *w) { s.TokenKilledByOtherClient = true }, true},
		{"edge 429", func(s *w) { s.Edge429 = 1 }, false},
		{"quota 429", func(s *w) { s.Quota429 = true }, false},
		{"502", func(s *w) { s.HTML502 = true }, false},
		{"slow", func(s *w) { s.Slow = 3 * time.Second }, true},
		{"no answer", func(s *w) { s.Slow = time.Minute }, false},
		{"truncated", func(s *w) { s.TruncateBody = true }, false},
		{"empty", func(s *w) { s.Empty200 = true }, false},
		{"living access token refused", func(s *w) { s.SameTokenAfter401 = true }, false},
	}
}

// passesOnce tells whether what is sent once passes. What meets a dead access
// token would have to be sent again, which only reading is.
func (d deviation) passesOnce() bool {
	return d.passes && !strings.HasPrefix(d.name, "dead")
}

// TestDeviatingAnswersNeverPassTheWrongPerson lets OneLogin deviate in one call
// at a time. A step never makes its call twice, the wrong code never passes,
// and the right one passes wherever the answer can be understood.
func TestDeviatingAnswersNeverPassTheWrongPerson(t *testing.T) {
	for _, deviation := range deviations() {
		for _, op := range []string{"activate", "verify"} {
			t.Run(op+" "+deviation.name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, k *kit) {
					v := k.visit("bob")
					sms := v.offer(policy.SMS)
					k.sim.SetSwitches(func(w *simulator.Switches) { deviation.set(w); w.Only = op })
					r, err := k.engine.Start(t.Context(), v.demand, "", sms)
					v.cookie = r.CookieValue
					if sent := len(k.sim.Sent()); sent > 1 {
						t.Fatalf("one start sent %d messages", sent)
					}
					if err != nil {
						v.refused()
						return
					}
					right := k.code("bob", simulator.SMS)
					r, err = k.engine.Verify(t.Context(), v.demand, v.cookie, right)
					_, won, _ := k.engine.Finish(t.Context(), v.demand, v.cookie)
					if won != (err == nil && r.State == stepup.Verified) {
						t.Errorf("Verify = %s, %v, but Finish = %v", r.State, err, won)
					}
					if want := deviation.passes || op == "activate"; won && !want || !won && deviation.passesOnce() {
						t.Errorf("the right code passed: %v, want %v (%v)", won, want, err)
					}
					if calls := k.sim.Calls("verify"); calls > 1 {
						t.Errorf("one code made %d calls", calls)
					}
				})
			})
		}
		t.Run("wrong code "+deviation.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.visit("bob")
				v.start(policy.SMS)
				k.sim.SetSwitches(func(w *simulator.Switches) { deviation.set(w); w.Only = "verify" })
				k.engine.Verify(t.Context(), v.demand, v.cookie, wrong(k.code("bob", simulator.SMS), 0))
				v.refused()
			})
		})
	}
}

// TestDeviatingPollsNeverPassWithoutApproval has every proof that is given
// elsewhere: an approved push, a number keyed in during a call, an opened link.
func TestDeviatingPollsNeverPassWithoutApproval(t *testing.T) {
	for factor, device := range map[policy.Factor]simulator.Factor{
		policy.Protect: simulator.Protect, policy.Voice: simulator.Voice, policy.Email: simulator.MagicLink,
	} {
		for _, deviation := range deviations() {
			for name, answer := range map[string]func(*kit){
				"approved":   func(k *kit) { k.sim.Approve("wanda") },
				"denied":     func(k *kit) { k.sim.Deny("wanda") },
				"unanswered": func(*kit) {},
			} {
				t.Run(string(factor)+" "+name+" "+deviation.name, func(t *testing.T) {
					inBubble(t, func(t *testing.T, k *kit) {
						k.sim.AddUser(simulator.User{ID: 301, Username: "wanda", Devices: []simulator.Device{{ID: 3001, Factor: device}}})
						v := k.visit("wanda")
						started := v.start(factor)
						k.sim.SetSwitches(func(w *simulator.Switches) { deviation.set(w); w.Only = "poll" })
						answer(k)
						r := v.wait(started.Revision)
						if want := name == "approved" && deviation.passes; (r.State == stepup.Verified) != want {
							t.Errorf("it ended %s, want it verified: %v", r.State, want)
						}
						if _, won := v.finish(); won != (r.State == stepup.Verified) {
							t.Errorf("Finish = %v for %s", won, r.State)
						}
						k.calls("activate", 1)
					}, func(c *stepup.Config) { c.EmailLink = "https://app.example.com/verified" })
				})
			}
		}
	}
}

func TestUnreadableUserIsNotVerified(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.HTML502 = "user", true })
		r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, k.code("bob", simulator.SMS))
		if err == nil || r.State != "" {
			t.Errorf("Verify = %+v, %v, want an error and nothing else", r, err)
		}
		v.want(v.look(), stepup.Pending, stepup.NoticeNone)
		v.refused()
	})
}

func TestCodeWithoutAnAnswerMayBeSentAgainAndIsChargedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.HTML502, w.Times = "verify", true, 1 })
		if _, err := k.engine.Verify(t.Context(), v.demand, v.cookie, right); err == nil {
			t.Error("Verify without an answer returned no error")
		}
		if r := v.look(); r.State != stepup.Pending || r.TriesLeft != 4 {
			t.Errorf("after an error = %s with %d tries, want pending with 4", r.State, r.TriesLeft)
		}
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		k.calls("verify", 2)
	})
}

func TestTriesWithoutAnswersLockToo(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.HTML502 = "verify", true })
		for range 5 {
			k.engine.Verify(t.Context(), v.demand, v.cookie, right)
		}
		v.want(v.verify(right), stepup.Locked, stepup.TooManyTries)
		k.calls("verify", 5)
	})
}

func TestFailedActivationLeavesTheChallengeAsItWas(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.SMS)
		code := k.code("alice", simulator.SMS)
		mail := v.offer(policy.Email)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.HTML502, w.Times = "activate", true, 1 })
		if r, err := k.engine.Start(t.Context(), v.demand, v.cookie, mail); err == nil || r.CookieValue != "" {
			t.Errorf("Start = %+v, %v, want an error", r, err)
		}
		v.want(v.look(), stepup.Pending, stepup.NoticeNone)
		v.want(v.start(policy.Email), stepup.Pending, stepup.NoticeNone)
		v.want(v.verify(code), stepup.Pending, stepup.WrongCode)
	})
}

// breakage says which call of a store fails: the n-th, or every call from it on
// for good. A change that fails late has taken effect.
type breakage struct {
	failAt            int64
	forGood, failLate bool
}

// brokenStore is a store with a breakage.
type brokenStore struct {
	session.Store
	breakage
	calls atomic.Int64
}

var errBroken = errors.New("store is broken")

func (b *brokenStore) broken() bool {
	n := b.calls.Add(1)
	return n == b.failAt || b.forGood && n > b.failAt
}

func (b *brokenStore) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	if b.broken() {
		return session.Record{}, false, errBroken
	}
	return b.Store.Load(ctx, key)
}

func (b *brokenStore) Add(ctx context.Context, key session.Key, value string, expires time.Time, groups ...session.Group) (bool, error) {
	if b.broken() {
		if b.failLate {
			b.Store.Add(ctx, key, value, expires, groups...)
		}
		return false, errBroken
	}
	return b.Store.Add(ctx, key, value, expires, groups...)
}

func (b *brokenStore) Update(ctx context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	if b.broken() {
		if b.failLate {
			b.Store.Update(ctx, key, old, value, expires)
		}
		return false, errBroken
	}
	return b.Store.Update(ctx, key, old, value, expires)
}

func (b *brokenStore) Delete(ctx context.Context, key session.Key) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.Delete(ctx, key)
}

func (b *brokenStore) Increment(ctx context.Context, key session.Key, window time.Duration) (int64, time.Time, error) {
	if b.broken() {
		return 0, time.Time{}, errBroken
	}
	return b.Store.Increment(ctx, key, window)
}

func (b *brokenStore) Count(ctx context.Context, key session.Key) (int64, time.Time, error) {
	if b.broken() {
		return 0, time.Time{}, errBroken
	}
	return b.Store.Count(ctx, key)
}

// TestBrokenStoreNeverPassesAnybody breaks the store at every call of a
// challenge in turn. Whatever breaks, a wrong code never passes, no step that
// returned an error says that it verified, and at most one proof is given.
func TestBrokenStoreNeverPassesAnybody(t *testing.T) {
	for _, mode := range []breakage{{}, {failLate: true}, {forGood: true}} {
		for failAt := int64(1); failAt <= 45; failAt++ {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.visit("bob")
				sms := v.offer(policy.SMS)
				store := k.config.Store.(*brokenStore)
				store.breakage = mode
				store.failAt = store.calls.Load() + failAt
				r, _ := k.engine.Start(t.Context(), v.demand, "", sms)
				v.cookie = r.CookieValue
				right := k.sim.Code("bob", simulator.SMS)
				r, _ = k.engine.Verify(t.Context(), v.demand, v.cookie, wrong(right, 0))
				if _, won, _ := k.engine.Finish(t.Context(), v.demand, v.cookie); won || r.State == stepup.Verified {
					t.Fatalf("wrong code passed with a store that breaks at call %d", failAt)
				}
				r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, right)
				if err != nil && r.State != "" {
					t.Errorf("Verify = %+v with error %v, want nothing with an error", r, err)
				}
				proofs := 0
				for range 3 {
					if _, won, _ := k.engine.Finish(t.Context(), v.demand, v.cookie); won {
						proofs++
					}
				}
				if proofs > 1 || mode.forGood && failAt < 20 && proofs != 0 {
					t.Errorf("%d proofs with a store that breaks at call %d", proofs, failAt)
				}
				k.calls("activate", min(1, k.sim.Calls("activate")))
			}, func(c *stepup.Config) { c.Store = &brokenStore{Store: memory.New(memory.Config{})} })
		}
	}
}
