package stepup_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// stranger visits a site that asks for nothing but a name.
func (k *kit) stranger(name string) *visitor {
	v := k.visit(name)
	v.demand.Blind = true
	return v
}

// settled lets the engine find out who a start was for.
func (v *visitor) settled(f policy.Factor) stepup.Result {
	v.t.Helper()
	r := v.start(f)
	v.want(r, stepup.Pending, stepup.NoticeNone)
	synctest.Wait()
	return r
}

func TestBlindChallengeVerifiesWhoeverCanProveIt(t *testing.T) {
	for _, name := range []string{"alice", "ALICE", "alice@example.com"} {
		for factor, onPhone := range map[policy.Factor]simulator.Factor{
			policy.SMS: simulator.SMS, policy.Email: simulator.Email, policy.TOTP: simulator.TOTP, policy.Protect: simulator.Protect,
		} {
			t.Run(name+" "+string(factor), func(t *testing.T) {
				inBubble(t, func(t *testing.T, k *kit) {
					v := k.stranger(name)
					v.settled(factor)
					right := k.code("alice", onPhone)
					v.want(v.verify(wrong(right, 0)), stepup.Pending, stepup.WrongCode)
					v.refused()
					v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
					proof, won := v.finish()
					if !won || proof.UserID != "101" || proof.User != "alice" || proof.Factor != factor {
						t.Errorf("Finish = %+v, %v, want alice's proof by %s", proof, won, factor)
					}
				})
			})
		}
	}
}

func TestApprovedPushOfABlindChallengeVerifies(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.stranger("alice")
		started := v.settled(policy.Protect)
		k.pass(10 * time.Second)
		v.refused()
		k.sim.Approve("alice")
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if _, won := v.finish(); !won {
			t.Error("no proof for an approved push")
		}
	})
}

// strangers are names that must look the same within each list: users who have
// any device or some, nobody, and what nobody can be called. An address may take
// one call more than a name.
func strangers() [][]string {
	return [][]string{
		{"alice", "nobody", "suspended", "carol", "bob", "a*", "ali\x00ce", strings.Repeat("x", 300)},
		{"alice@example.com", "nobody@example.com", "carol@example.com", "eve@example.com", "sam@example.com", "*@example.com"},
	}
}

// trace is all that a browser can see of a challenge: results without what is
// random, and how long they took.
type trace struct {
	*visitor
	timeless bool // time is left out: OneLogin takes its own
	lines    []string
}

func (tr *trace) note(step string, began time.Time, r stepup.Result, err error) stepup.Result {
	if r.CookieValue != "" {
		tr.cookie, r.CookieValue = r.CookieValue, "fresh"
	}
	took := time.Since(began)
	for _, at := range []*time.Time{&r.ExpiresAt, &r.SentAt, &r.ResendAt, &r.RetryAt} {
		switch {
		case tr.timeless:
			*at = time.Time{}
		case !at.IsZero():
			*at = time.Time{}.Add(at.Sub(began)) // as a page would show it
		}
	}
	if tr.timeless {
		took = 0
	}
	tr.lines = append(tr.lines, fmt.Sprintf("%s: %v %+v error %v", step, took, r, err != nil))
	return r
}

func (tr *trace) do(step string, what func() (stepup.Result, error)) stepup.Result {
	began := time.Now()
	r, err := what()
	return tr.note(step, began, r, err)
}

func (tr *trace) begin(f policy.Factor) stepup.Result {
	ctx := tr.t.Context()
	r := tr.do("look", func() (stepup.Result, error) { return tr.engine.Look(ctx, tr.demand, tr.cookie) })
	for _, o := range r.Offers {
		if o.Factor == f {
			return tr.do("start "+string(f), func() (stepup.Result, error) { return tr.engine.Start(ctx, tr.demand, tr.cookie, o.ID) })
		}
	}
	return r
}

func (tr *trace) guess(code string) stepup.Result {
	return tr.do("verify", func() (stepup.Result, error) { return tr.engine.Verify(tr.t.Context(), tr.demand, tr.cookie, code) })
}

func (tr *trace) await(seen uint64) stepup.Result {
	return tr.do("wait", func() (stepup.Result, error) { return tr.engine.Wait(tr.t.Context(), tr.demand, tr.cookie, seen) })
}

// scripts are what somebody may try who wants to know whether a user exists.
// None of them has a right code.
func scripts() map[string]func(tr *trace) {
	return map[string]func(tr *trace){
		"look and wait to the end": func(tr *trace) {
			for _, f := range []policy.Factor{policy.SMS, policy.Protect} {
				r := tr.begin(f)
				if r = tr.await(r.Revision); r.State.Final() {
					return
				}
			}
		},
		"guess at once until locked": func(tr *trace) {
			tr.begin(policy.TOTP)
			for i := range 7 {
				tr.guess(fmt.Sprint(100001 + i))
			}
			tr.guess("nonsense!")
			tr.await(0)
		},
		"the same guess twice, and another factor": func(tr *trace) {
			tr.begin(policy.Email)
			tr.guess("100001")
			tr.guess("100001")
			tr.begin(policy.SMS)
			tr.begin(policy.SMS)
			tr.guess("100001")
			tr.pass(40 * time.Second)
			tr.begin(policy.SMS)
			tr.guess("abcd1234")
		},
		"start until nothing is sent": func(tr *trace) {
			for range 5 {
				tr.cookie, tr.demand.Nonce[0] = "", tr.demand.Nonce[0]+1
				tr.begin(policy.Protect)
				tr.guess("100001")
			}
		},
		"a push that is declined": func(tr *trace) {
			r := tr.begin(policy.Protect)
			tr.pass(5 * time.Second)
			tr.sim.Deny("alice")
			tr.guess("100002")
			r = tr.await(r.Revision)
			tr.await(r.Revision)
		},
		"a push after one that was declined": func(tr *trace) {
			tr.begin(policy.Protect)
			tr.pass(5 * time.Second)
			tr.sim.Deny("alice")
			tr.pass(5 * time.Second)
			tr.cookie, tr.demand.Nonce[0] = "", 2
			r := tr.begin(policy.Protect)
			tr.guess("100001")
			tr.await(r.Revision + 2)
		},
		"two pushes at once": func(tr *trace) {
			first := tr.begin(policy.Protect)
			cookie := tr.cookie
			tr.pass(300 * time.Millisecond)
			tr.cookie, tr.demand.Nonce[0] = "", 2
			tr.begin(policy.Protect)
			tr.guess("100001")
			tr.cookie, tr.demand.Nonce[0] = cookie, 1
			tr.guess("100001")
			tr.await(first.Revision + 2)
		},
		"a verification that OneLogin forgets": func(tr *trace) {
			r := tr.begin(policy.Protect)
			tr.pass(5 * time.Second)
			tr.sim.Advance(time.Hour)
			tr.guess("100003")
			tr.await(r.Revision + 2)
		},
	}
}

// TestNobodyCanTellWhetherThereIsAUser lets each script run for each name, in a
// OneLogin whose every call takes 100 ms. What a browser sees, and when, is the
// same for all of them.
func TestNobodyCanTellWhetherThereIsAUser(t *testing.T) {
	for _, weather := range []struct {
		name     string
		set      func(*simulator.Switches)
		timeless bool // the client's waits between tries are random
	}{
		{"fine", func(w *simulator.Switches) {}, false},
		{"slow", func(w *simulator.Switches) { w.Slow = 900 * time.Millisecond }, false},
		{"codes rejected", func(w *simulator.Switches) { w.WrongCode = "rejected" }, false},
		{"codes unanswered", func(w *simulator.Switches) { w.Only, w.HTML502 = "verify,poll", true }, false},
		{"nobody found", func(w *simulator.Switches) { w.Only, w.HTML502 = "users,devices,activate", true }, true},
	} {
		for name, script := range scripts() {
			t.Run(weather.name+", "+name, func(t *testing.T) {
				for _, users := range strangers() {
					first := watched(t, users[0], weather.set, weather.timeless, script)
					for _, user := range users[1:] {
						for i, line := range watched(t, user, weather.set, weather.timeless, script) {
							if line != first[i] {
								t.Fatalf("%s differs from %s in step %d:\n%s\n%s", user, users[0], i, line, first[i])
							}
						}
					}
				}
			})
		}
	}
}

// watched returns what a script shows of a user.
func watched(t *testing.T, user string, set func(*simulator.Switches), timeless bool, script func(*trace)) (lines []string) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(simulator.User{ID: 205, Username: "suspended", Status: 2, State: 1, Devices: dora().Devices})
		k.sim.AddUser(simulator.User{ID: 206, Username: "sam@example.com", Status: 2, State: 1, Devices: dora().Devices})
		k.sim.AddUser(simulator.User{ID: 207, Username: "eve@example.com", Devices: dora().Devices})
		if _, err := k.client.RateLimit(t.Context()); err != nil { // there is an access token
			t.Fatal(err)
		}
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = 100 * time.Millisecond; set(w) })
		tr := &trace{visitor: k.stranger(user), timeless: timeless}
		tr.demand.Nonce = [16]byte{1}
		script(tr)
		tr.refused()
		lines = tr.lines
	})
	return lines
}

func TestNobodyIsSentAnything(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(simulator.User{ID: 205, Username: "suspended", Status: 2, State: 1, Devices: dora().Devices})
		for _, user := range []string{"nobody", "suspended", "carol", "a*"} {
			v := k.stranger(user)
			v.settled(policy.SMS)
			v.want(v.verify("123456"), stepup.Pending, stepup.WrongCode)
			v.refused()
		}
		if sent := k.sim.Sent(); len(sent) != 0 {
			t.Errorf("sent %v, want nothing", sent)
		}
		k.calls(simulator.OpVerify, 0)
		var why []stepup.Notice
		for _, e := range k.seen() {
			if e.Name == stepup.EventNotActivated {
				why = append(why, e.Notice)
			}
		}
		want := []stepup.Notice{stepup.NoAccess, stepup.NoAccess, stepup.NoDevice, stepup.NoAccess}
		if !slices.Equal(why, want) {
			t.Errorf("the log says %v, want %v", why, want)
		}
	})
}

func TestNobodyIsJustWrongInBothAPIs(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		inBubbleOn(t, speaking(api), func(t *testing.T, k *kit) {
			v := k.stranger("nobody")
			v.settled(policy.TOTP)
			v.want(v.verify("123456"), stepup.Pending, stepup.WrongCode)
			v = k.stranger("alice")
			v.settled(policy.TOTP)
			right := k.code("alice", simulator.TOTP)
			v.want(v.verify(wrong(right, 0)), stepup.Pending, stepup.WrongCode)
			v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		})
	}
}

// The user's own limits hold behind the ones that show, whatever name was typed.
func TestBlindSendsCountForTheUser(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for _, name := range []string{"alice", "alice@example.com", "alice", "alice@example.com", "alice"} {
			v := k.stranger(name)
			v.want(v.settled(policy.Protect), stepup.Pending, stepup.NoticeNone)
		}
		if sent := len(k.sim.Sent()); sent != 3 {
			t.Errorf("%d pushes were sent, want 3", sent)
		}
		v := k.visit("alice")
		v.want(v.start(policy.Protect), stepup.Choosing, stepup.TooManySends)
	})
}

// Guesses under several names are guesses at one user, but cost that user
// nothing at sites where strangers cannot guess.
func TestBlindGuessesCountForTheUserApart(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Tries = 1000 })
		for _, name := range []string{"alice", "alice@example.com"} {
			v := k.stranger(name)
			v.settled(policy.TOTP)
			for i := range 5 {
				v.verify(wrong(k.code("alice", simulator.TOTP), i))
			}
			v.want(v.look(), stepup.Locked, stepup.TooManyTries)
		}
		k.calls(simulator.OpVerify, 5)
		v := k.visit("alice")
		v.start(policy.TOTP)
		v.want(v.verify(k.code("alice", simulator.TOTP)), stepup.Verified, stepup.NoticeNone)
	})
}

func TestBlindSuccessGivesEverythingBack(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		for range 3 {
			v := k.stranger("alice")
			v.settled(policy.SMS)
			right := k.code("alice", simulator.SMS)
			for i := range 4 {
				v.want(v.verify(wrong(right, i)), stepup.Pending, stepup.WrongCode)
			}
			v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		}
	})
}

func TestUsedCodeIsJustWrongInABlindChallenge(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		first, second := k.stranger("alice"), k.stranger("alice")
		first.settled(policy.TOTP)
		second.settled(policy.TOTP)
		code := k.code("alice", simulator.TOTP)
		first.want(first.verify(code), stepup.Verified, stepup.NoticeNone)
		r := second.verify(code)
		second.want(r, stepup.Pending, stepup.WrongCode)
		if r.TriesLeft != 4 {
			t.Errorf("TriesLeft = %d, want 4", r.TriesLeft)
		}
		k.calls(simulator.OpVerify, 1)
	})
}

func TestUserSuspendedMeanwhileIsJustWrongInABlindChallenge(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.stranger("bob")
		v.settled(policy.SMS)
		right := k.code("bob", simulator.SMS)
		k.sim.SetStatus("bob", 2, 1)
		v.want(v.verify(right), stepup.Pending, stepup.WrongCode)
		v.refused()
		k.sim.SetStatus("bob", 1, 1)
		v.want(v.verify(wrong(right, 1)), stepup.Pending, stepup.WrongCode)
		v.refused()
	})
}

func TestEarlierStartOfABlindChallengeIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = 2 * time.Second })
		v := k.stranger("alice")
		v.start(policy.SMS)
		v.start(policy.TOTP)
		right := k.code("alice", simulator.TOTP)
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		if proof, _ := v.finish(); proof.Factor != policy.TOTP {
			t.Errorf("proof by %s, want totp", proof.Factor)
		}
	})
}

func TestBlindStartIsAnsweredAtOnceAndOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = 3 * time.Second })
		v := k.stranger("alice")
		began := time.Now()
		v.start(policy.SMS)
		cookie := v.cookie
		v.start(policy.SMS)
		if waited := time.Since(began); waited != 0 || v.cookie != cookie {
			t.Errorf("two starts took %v, and changed the cookie: %v", waited, v.cookie != cookie)
		}
		k.pass(time.Minute)
		k.calls(simulator.OpActivate, 1)
	})
}

func TestOnlySoManyStrangersAreLookedUpAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = 5 * time.Second })
		refused := 0
		var mu sync.Mutex
		var racing sync.WaitGroup
		for i := range 100 {
			v := k.stranger(fmt.Sprint("user ", i))
			v.demand.Address = fmt.Sprint("203.0.113.", i)
			id := v.offer(policy.SMS)
			racing.Go(func() {
				if _, err := k.engine.Start(t.Context(), v.demand, "", id); err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		racing.Wait()
		if refused < 36 || refused > 68 { // each counts twice while it begins
			t.Errorf("%d of 100 starts were refused, want 64 to go on at most", refused)
		}
		if n := k.store.(*memory.Store).Len(session.KindChallenge); n != 100-refused {
			t.Errorf("%d challenges are stored, want none of those that were refused", n)
		}
		k.pass(time.Minute)
		for i := range 100 {
			k.stranger(fmt.Sprint("later ", i)).start(policy.TOTP)
			k.pass(20 * time.Second)
		}
	})
}

// The last calls of the hour are for those who have logged in.
func TestStrangersAreRefusedWhileCallsAreScarce(t *testing.T) {
	few := func(c *onelogin.Config) { c.HourlyBudget = 30 }
	inBubbleOn(t, few, func(t *testing.T, k *kit) {
		for !k.client.Budget().Scarce {
			k.client.RateLimit(t.Context())
		}
		before := k.allCalls()
		for _, name := range []string{"bob", "nobody"} {
			v := k.stranger(name)
			if r, err := k.engine.Start(t.Context(), v.demand, "", v.offer(policy.SMS)); err == nil {
				t.Errorf("Start = %+v, want an error", r)
			}
		}
		if n := k.allCalls() - before; n != 0 {
			t.Errorf("strangers made %d calls", n)
		}
	})
}

func TestCloseEndsTheSearchForStrangers(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = 5 * time.Second })
		v := k.stranger("alice")
		v.start(policy.SMS)
		k.engine.Close()
		synctest.Wait()
		if sent := len(k.sim.Sent()); sent != 0 {
			t.Errorf("%d messages were sent, want none", sent)
		}
		other := k.stranger("alice")
		if _, err := k.engine.Start(t.Context(), other.demand, "", other.offer(policy.SMS)); err == nil {
			t.Error("a closed engine began to look for somebody")
		}
		k.engine = stepup.New(k.config)
		ctx := gone(t.Context())
		if _, err := k.engine.Verify(ctx, v.demand, v.cookie, "123456"); err == nil {
			t.Error("a code was judged though nobody knows whom it is for")
		}
		v.refused()
	})
}

func TestLookingBlindlyAsksNobodyAndStoresNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.stranger("alice")
		for range 3 {
			r := v.look()
			v.want(r, stepup.Choosing, stepup.NoticeNone)
			if len(r.Offers) != 4 || r.NotOffered != nil || r.Enrollable != nil {
				t.Errorf("look = %+v, want the four kinds", r)
			}
		}
		if n := k.allCalls(); n != 0 || k.store.(*memory.Store).Len(session.KindChallenge) != 0 {
			t.Errorf("looking made %d calls and %d records", n, k.store.(*memory.Store).Len(session.KindChallenge))
		}
		v.demand.Factors, _ = policy.ParseFactors([]string{"totp", "yubikey", "temporary"})
		if got := v.offered(); !slices.Equal(got, []policy.Factor{policy.TOTP}) {
			t.Errorf("offers = %v, want totp alone", got)
		}
	})
}

// A challenge that was begun blindly is none for somebody who has logged in,
// and the other way round.
func TestBlindAndSightedChallengesAreApart(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.stranger("alice")
		v.settled(policy.TOTP)
		v.demand.Blind = false
		v.want(v.verify(k.code("alice", simulator.TOTP)), stepup.Choosing, stepup.OtherBrowser)
		v.refused()
		v = k.visit("alice")
		v.start(policy.TOTP)
		v.demand.Blind = true
		v.want(v.verify(k.code("alice", simulator.TOTP)), stepup.Choosing, stepup.OtherBrowser)
		v.refused()
	})
}

// TestDeviatingAnswersNeverPassAStranger has nobody's word for who somebody is,
// and a OneLogin that differs: the right code passes where the difference is
// harmless, a wrong one never does, and nothing is sent twice.
func TestDeviatingAnswersNeverPassAStranger(t *testing.T) {
	for _, deviation := range deviations() {
		for _, op := range []string{"activate", "verify"} {
			for _, isRight := range []bool{true, false} {
				t.Run(fmt.Sprint(op, " ", deviation.name, " ", isRight), func(t *testing.T) {
					inBubble(t, func(t *testing.T, k *kit) {
						v := k.stranger("bob")
						k.sim.SetSwitches(func(w *simulator.Switches) { deviation.set(w); w.Only = op })
						v.settled(policy.SMS)
						k.pass(10 * time.Second) // a slow answer comes behind the start
						code := cmp.Or(k.sim.Code("bob", simulator.SMS), "123456")
						if !isRight {
							code = wrong(code, 0)
						}
						r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, code)
						_, won := v.finish()
						if won != (err == nil && r.State == stepup.Verified) || won && !isRight || !won && isRight && deviation.passesOnce() {
							t.Errorf("Verify = %s, %v, and Finish = %v", r.State, err, won)
						}
						if sent := len(k.sim.Sent()); sent > 1 {
							t.Errorf("one start sent %d messages", sent)
						}
					})
				})
			}
		}
	}
}
