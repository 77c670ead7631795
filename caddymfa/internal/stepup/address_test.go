package stepup_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// fewStarts lets an address do little.
func fewStarts(c *stepup.Config) { c.Limits.StartsPerAddress = 4 }

// from starts for a name that nobody used before.
func (k *kit) from(address string) stepup.Result {
	k.t.Helper()
	v := k.stranger(fmt.Sprint("user ", k.sim.Calls(simulator.OpUsers)))
	v.demand.Address = address
	r := v.must(k.engine.Start(k.t.Context(), v.demand, "", v.offer(policy.SMS)))
	k.pass(time.Second)
	return r
}

func TestStrangersAreLimitedByTheirAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		began := time.Now()
		for i := range 4 {
			if r := k.from("203.0.113.7"); r.State != stepup.Pending {
				t.Fatalf("start %d = %+v, want it pending", i+1, r)
			}
		}
		calls, stored := k.allCalls(), k.store.(*memory.Store).Len(session.KindChallenge)
		r := k.from("203.0.113.7")
		if r.State != stepup.Choosing || r.Notice != stepup.AddressLimited || !r.RetryAt.Equal(began.Add(10*time.Minute)) {
			t.Errorf("start 5 = %+v, want it refused for ten minutes", r)
		}
		if n := k.allCalls() - calls; n != 0 || k.store.(*memory.Store).Len(session.KindChallenge) != stored {
			t.Errorf("a refused start made %d calls, or was stored", n)
		}
		if e := k.last(stepup.EventAddressLimited); e.Address != "203.0.113.7" || e.Notice != stepup.AddressLimited {
			t.Errorf("event = %+v, want the address", e)
		}
		if r := k.from("203.0.113.8"); r.State != stepup.Pending {
			t.Errorf("start from another address = %+v, want it pending", r)
		}
		known := k.visit("bob")
		known.demand.Address = "203.0.113.7"
		known.typed("bob", policy.SMS)
		k.pass(time.Until(began.Add(10 * time.Minute)))
		if r := k.from("203.0.113.7"); r.State != stepup.Pending {
			t.Errorf("start ten minutes later = %+v, want it pending", r)
		}
	}, fewStarts)
}

func TestAddressesThatCountTogether(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  string
		second string
		same   bool
	}{
		{"another IPv4", "203.0.113.7", "203.0.113.8", false},
		{"another /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"IPv4 and IPv6", "203.0.113.7", "2001:db8::1", false},
		{"none and one", "", "203.0.113.7", false},
		{"the same /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
		{"the same spelled out", "2001:db8::1", "2001:0DB8:0:0:0:0:0:1", true},
		{"an IPv4 within IPv6", "203.0.113.7", "::ffff:203.0.113.7", true},
		{"a zone", "fe80::1%eth0", "fe80::1%eth1", true},
		{"none", "", "", true},
		{"none and nonsense", "", "somewhere", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				for range 4 {
					k.from(tt.first)
				}
				if r := k.from(tt.second); (r.Notice == stepup.AddressLimited) != tt.same {
					t.Errorf("start from %q after 4 from %q met %q", tt.second, tt.first, r.Notice)
				}
			}, fewStarts)
		})
	}
}

func TestParallelStrangersOverTwoNodesNeverExceedTheirAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		nodes := []*kit{k, k.another()}
		var racing sync.WaitGroup
		for i := range 50 {
			v := nodes[i%2].stranger(fmt.Sprint("user ", i))
			sms := v.offer(policy.SMS)
			racing.Go(func() { v.engine.Start(t.Context(), v.demand, "", sms) })
		}
		racing.Wait()
		k.pass(10 * time.Second)
		k.calls(simulator.OpUsers, 4)
	}, fewStarts)
}

func TestPasswordsAreLimitedByAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.from("203.0.113.7") // starts and passwords count together
		for i := range 3 {
			v := k.knock()
			v.want(v.login(fmt.Sprint("user", i), "demo"), stepup.Choosing, stepup.WrongPassword)
		}
		calls := k.allCalls()
		for range 10 {
			v := k.knock()
			r := v.login("alice", "demo")
			v.want(r, stepup.Choosing, stepup.AddressLimited)
			if !r.NeedsLogin || r.RetryAt.IsZero() {
				t.Errorf("refused = %+v, want a time to retry", r)
			}
		}
		if n := k.allCalls() - calls; n != 0 {
			t.Errorf("refused passwords made %d calls", n)
		}
		v := k.knock() // the name was not charged for the address
		v.demand.Address = "203.0.113.8"
		v.want(v.login("alice", "demo"), stepup.Choosing, stepup.NoticeNone)
	}, fewStarts)
}

// Somebody with an account of their own could otherwise go on for ever.
func TestSuccessGivesAnAddressNothingBack(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for range 3 {
			k.from("")
		}
		k.stranger("alice").blindly("alice", policy.SMS)
		if r := k.from(""); r.Notice != stepup.AddressLimited {
			t.Errorf("start after a success = %+v, want it refused", r)
		}
	}, fewStarts)
}

// A name that nobody can have is looked for like any other, so that the calls
// tell nothing.
func TestNameThatNobodyCanHaveCostsTheSameCalls(t *testing.T) {
	spent := func(name string) (calls map[string]int) {
		inBubble(t, func(t *testing.T, k *kit) {
			v := k.stranger(name)
			v.settled(policy.SMS)
			v.want(v.verify("123456"), stepup.Pending, stepup.WrongCode)
			calls = k.tally()
		})
		return calls
	}
	for _, names := range [][]string{{"nobody", "a*", "!", "a\tb"}, {"nobody@example.com", "*@example.com", "\x7f@example.com"}} {
		want := fmt.Sprint(spent(names[0]))
		for _, name := range names[1:] {
			if got := fmt.Sprint(spent(name)); got != want {
				t.Errorf("%q costs %v, want %v", name, got, want)
			}
		}
	}
}
