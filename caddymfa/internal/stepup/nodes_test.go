package stepup_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestGuessesOverTwoNodesNeverExceedTheLimit(t *testing.T) {
	for name, challenges := range map[string]int{"in one challenge": 1, "in twenty challenges": 20} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.SetSwitches(func(w *simulator.Switches) { w.Tries = 1000 })
				nodes := []*kit{k, k.another()}
				var visitors []*visitor
				for i := range challenges {
					v := nodes[i%2].visit("alice")
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
					v := visitors[i%len(visitors)].on(nodes[i/2%2])
					racing.Go(func() {
						if _, err := v.engine.Verify(t.Context(), v.demand, v.cookie, code); err != nil {
							t.Errorf("Verify returned %v", err)
						}
					})
				}
				racing.Wait()
				k.calls(simulator.OpVerify, 5)
				for _, v := range visitors {
					v.refused()
				}
			})
		})
	}
}

func TestStartsOverTwoNodesActivateOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		sms := v.offer(policy.SMS)
		var racing sync.WaitGroup
		for i := range 20 {
			node := []*visitor{v, v.on(k.another())}[i%2]
			racing.Go(func() { node.engine.Start(t.Context(), v.demand, "", sms) })
		}
		racing.Wait()
		k.calls(simulator.OpActivate, 1)
	})
}

func TestChallengeOfOneNodeIsVerifiedOnAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		started := v.start(policy.SMS)
		there := v.on(k.another())
		right := k.code("bob", simulator.SMS)
		there.want(there.verify(wrong(right, 0)), stepup.Pending, stepup.WrongCode)
		v.refused()
		go func() {
			k.pass(3200 * time.Millisecond)
			there.want(there.verify(right), stepup.Verified, stepup.NoticeNone)
		}()
		began := time.Now()
		if r := v.wait(started.Revision + 2); r.State != stepup.Verified || time.Since(began) != 3500*time.Millisecond {
			t.Errorf("the other node sees %s after %v, want it verified within half a second", r.State, time.Since(began))
		}
		proofs := 0
		var mu sync.Mutex
		var racing sync.WaitGroup
		for i := range 40 {
			at := []*visitor{v, there}[i%2]
			racing.Go(func() {
				if _, won := at.finish(); won {
					mu.Lock()
					proofs++
					mu.Unlock()
				}
			})
		}
		racing.Wait()
		if proofs != 1 {
			t.Errorf("%d proofs were given over two nodes, want 1", proofs)
		}
	})
}

func TestOneCodeOnTwoNodesIsSentOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = time.Second })
		v := k.visit("bob")
		v.start(policy.SMS)
		there := v.on(k.another())
		code := k.code("bob", simulator.SMS)
		var racing sync.WaitGroup
		for _, at := range []*visitor{v, there, v, there} {
			racing.Go(func() { at.want(at.verify(code), stepup.Verified, stepup.NoticeNone) })
		}
		racing.Wait()
		k.calls(simulator.OpVerify, 1)

		again := k.visit("bob").on(k.another())
		again.start(policy.SMS)
		again.want(again.verify(code), stepup.Pending, stepup.UsedCode)
		k.calls(simulator.OpVerify, 1)
	})
}

// pollsOfAMinute counts the polls of a push that nobody answers for a minute.
func pollsOfAMinute(t *testing.T, nodes int) (polls int) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var tabs sync.WaitGroup
		for range nodes {
			at := v
			if nodes > 1 {
				at = v.on(k.another())
			}
			tabs.Go(func() {
				at.want(at.must(at.engine.Wait(ctx, at.demand, at.cookie, started.Revision)), stepup.Pending, stepup.NoticeNone)
			})
		}
		tabs.Wait()
		polls = k.sim.Calls(simulator.OpPoll)
	})
	return polls
}

func TestManyNodesPollNoMoreThanOne(t *testing.T) {
	alone, together := pollsOfAMinute(t, 1), pollsOfAMinute(t, 4)
	if alone == 0 || together != alone {
		t.Errorf("five nodes polled %d times, want the %d times of one", together, alone)
	}
}

func TestNodeThatClosesHandsItsPollOn(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		synctest.Wait() // this node polls
		there := v.on(k.another())
		go func() {
			k.pass(11 * time.Second)
			k.engine.Close()
			k.sim.Approve("alice")
		}()
		closed := time.Now().Add(11 * time.Second)
		there.want(there.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		// At most 2 s until the lease is taken, and one wait between polls.
		if took := time.Since(closed); took > 4200*time.Millisecond {
			t.Errorf("the approval was seen %v after the node closed, want 4.2 s at most", took)
		}
		if _, won := there.finish(); !won {
			t.Error("no proof for an approved push")
		}
	})
}

// mortal is the store as a node sees it that stops in the middle of its work:
// it does nothing more until it is thawed, if ever.
type mortal struct {
	session.Store
	frozen atomic.Pointer[chan struct{}]
}

func (m *mortal) freeze() (thaw func()) {
	frozen := make(chan struct{})
	m.frozen.Store(&frozen)
	return func() {
		m.frozen.Store(nil)
		close(frozen)
	}
}

func (m *mortal) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	if frozen := m.frozen.Load(); frozen != nil {
		select {
		case <-*frozen:
		case <-ctx.Done():
			return session.Record{}, false, ctx.Err()
		}
	}
	return m.Store.Load(ctx, key)
}

func TestNodeThatDiesIsReplacedWithin15Seconds(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		there := k.another() // before its store can die
		doomed := &mortal{Store: k.store}
		k.config.Store = doomed
		v := k.visit("alice").on(k.another())
		started := v.start(policy.Protect)
		synctest.Wait() // this node polls
		there.engine.Look(t.Context(), v.demand, v.cookie)
		k.pass(20 * time.Second)
		doomed.freeze()
		died, polls := time.Now(), k.sim.Calls(simulator.OpPoll)
		k.sim.Approve("alice")
		survivor := v.on(there)
		survivor.want(survivor.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if took := time.Since(died); took > 15*time.Second {
			t.Errorf("the approval was seen %v after the node died, want 15 s at most", took)
		}
		k.calls(simulator.OpPoll, polls+1)
	})
}

// A lease that lapsed under a node that was merely frozen is another's from
// then on.
func TestNodeThatWasFrozenPollsNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		stopped := &mortal{Store: k.store}
		there := k.another()
		k.config.Store = stopped
		v := k.visit("alice").on(k.another())
		v.start(policy.Protect)
		synctest.Wait() // this node polls
		there.engine.Look(t.Context(), v.demand, v.cookie)
		k.pass(time.Second)
		thaw := stopped.freeze()
		k.pass(20 * time.Second)
		thaw()
		before := k.sim.Calls(simulator.OpPoll)
		k.pass(time.Minute)
		// Every five seconds, and perhaps once more by the one that woke up.
		if n := k.sim.Calls(simulator.OpPoll) - before; n < 11 || n > 13 {
			t.Errorf("%d polls in a minute, want the 12 of one node", n)
		}
	})
}

func TestEveryPollerLeavesNoLeaseBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		started := v.start(policy.Protect)
		k.pass(5 * time.Second)
		k.sim.Approve("alice")
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		synctest.Wait()
		leases, _, err := k.store.Scan(t.Context(), session.KindLease, "", 100)
		if err != nil || len(leases) > 1 || len(leases) == 1 && leases[0].Record.Value != "" {
			t.Errorf("leases = %+v, %v, want none that anybody holds", leases, err)
		}
	})
}

func TestNoCodeIsTakenWithoutThePepper(t *testing.T) {
	asked := 0
	broken := errors.New("storage is away")
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		if asked != 0 {
			t.Errorf("the pepper was asked for %d times before it was needed", asked)
		}
		if r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, right); !errors.Is(err, broken) || r.State != "" {
			t.Errorf("Verify without a pepper = %+v, %v, want the error", r, err)
		}
		v.refused()
		k.calls(simulator.OpVerify, 0)
		v.want(v.verify(wrong(right, 0)), stepup.Pending, stepup.WrongCode)
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		if asked != 2 {
			t.Errorf("the pepper was asked for %d times, want once more after the error", asked)
		}
	}, func(c *stepup.Config) {
		c.Pepper = func(context.Context) ([32]byte, error) {
			if asked++; asked == 1 {
				return [32]byte{}, broken
			}
			return [32]byte{2}, nil
		}
	})
}

func TestEngineWithoutAPepperHasOneOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.visit("bob").typed("bob", policy.SMS)
	}, func(c *stepup.Config) { c.Pepper = nil })
}
