package stepup_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// knock visits a site that asks for a password.
func (k *kit) knock() *visitor {
	v := k.visit("")
	v.demand.Features.Password = &stepup.Password{Subdomain: "acme"}
	v.demand.Address = "203.0.113.7"
	return v
}

func (v *visitor) login(username, password string) stepup.Result {
	v.t.Helper()
	return v.must(v.engine.Login(v.t.Context(), v.demand, v.cookie, username, password))
}

func TestPasswordAloneVerifiesNobody(t *testing.T) {
	for _, tt := range []struct {
		name               string
		username, password string
		set                func(*kit)
		notice             stepup.Notice
		asked              int
	}{
		{"unknown user", "nobody", "demo", nil, stepup.WrongPassword, 1},
		{"wrong password", "alice", "demo1", nil, stepup.WrongPassword, 1},
		{"suspended user", "alice", "demo", func(k *kit) { k.sim.SetStatus("alice", 2, 1) }, stepup.WrongPassword, 1},
		{"no name", " ", "demo", nil, stepup.WrongPassword, 0},
		{"no password", "alice", "", nil, stepup.WrongPassword, 0},
		{"no factor enrolled", "carol", "demo", nil, stepup.NoAccess, 1},
		{"no factor asked for", "alice", "demo", func(k *kit) {
			k.sim.SetSwitches(func(w *simulator.Switches) { w.LoginWithoutMFA = true })
		}, stepup.NoAccess, 1},
		{"not active by the user's record", "alice", "demo", func(k *kit) {
			status := 3
			k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.UserStatus = simulator.OpUser, &status })
		}, stepup.NoAccess, 1},
		{"right", "alice", "demo", nil, stepup.NoticeNone, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				if tt.set != nil {
					tt.set(k)
				}
				v := k.knock()
				if r := v.look(); !r.NeedsLogin || r.Offers != nil || r.Notice != stepup.NoticeNone {
					t.Errorf("at first = %+v, want a login to be asked for", r)
				}
				r := v.login(tt.username, tt.password)
				v.want(r, stepup.Choosing, tt.notice)
				if in := tt.notice == stepup.NoticeNone; r.NeedsLogin == in || (len(r.Offers) > 0) != in || (r.CookieValue != "") != in {
					t.Errorf("Login = %+v", r)
				}
				v.refused()
				v.want(v.verify("123456"), stepup.Choosing, stepup.NotPending)
				k.calls(simulator.OpLogin, tt.asked)
				if tt.notice != stepup.NoticeNone && k.store.(*memory.Store).Len(session.KindChallenge) != 0 {
					t.Error("a refused password left a challenge in the store")
				}
			})
		})
	}
}

func TestLoginIsProvenByItsOwnDevices(t *testing.T) {
	for factor, onPhone := range map[policy.Factor]simulator.Factor{
		policy.SMS: simulator.SMS, policy.Email: simulator.Email, policy.TOTP: simulator.TOTP,
		policy.YubiKey: simulator.YubiKey, policy.Protect: simulator.Protect,
	} {
		t.Run(string(factor), func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.AddUser(dora())
				v := k.knock()
				v.login("dora", "demo")
				r := v.start(factor)
				v.want(r, stepup.Pending, stepup.NoticeNone)
				other := "cccccccccccccccccccccccccccccccccccccccccccc"
				right := k.code("dora", onPhone)
				if factor != policy.YubiKey {
					other = wrong(right, 0)
				}
				v.want(v.verify(other), stepup.Pending, stepup.WrongCode)
				v.refused()
				v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
				proof, won := v.finish()
				if !won || proof.Factor != factor || proof.UserID != "200" || proof.User != "dora" || proof.SessionToken != "" {
					t.Errorf("Finish = %+v, %v, want dora's proof and no session token", proof, won)
				}
				k.calls(simulator.OpActivate, 0)
				k.calls(simulator.OpVerify, 0)
			})
		})
	}
}

func TestPushOfALoginIsSentOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(*kit)
		state  stepup.State
	}{
		{"denied", func(k *kit) { k.sim.Deny("alice") }, stepup.Denied},
		{"unanswered", func(*kit) {}, stepup.Expired},
		{"approved", func(k *kit) { k.sim.Approve("alice") }, stepup.Verified},
	} {
		for _, pending := range []string{"pending", "success"} {
			t.Run(tt.name+" "+pending, func(t *testing.T) {
				inBubble(t, func(t *testing.T, k *kit) {
					k.sim.SetSwitches(func(w *simulator.Switches) { w.LoginPendingType = pending })
					v := k.knock()
					v.login("alice", "demo")
					started := v.start(policy.Protect)
					k.pass(20 * time.Second)
					v.refused()
					tt.answer(k)
					r := v.wait(started.Revision)
					if r.State != tt.state {
						t.Errorf("the push ended %s, want %s", r.State, tt.state)
					}
					if _, won := v.finish(); won != (tt.state == stepup.Verified) {
						t.Errorf("Finish = %v for %s", won, r.State)
					}
					if sent := len(k.sim.Sent()); sent != 1 {
						t.Errorf("%d pushes were sent, want 1", sent)
					}
				})
			})
		}
	}
}

func TestSessionTokenIsGivenOnceToWhoWantsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.knock()
		v.demand.Features.Password.Session = true
		v.login("alice", "demo")
		v.start(policy.TOTP)
		v.want(v.verify(k.code("alice", simulator.TOTP)), stepup.Verified, stepup.NoticeNone)
		(&visitor{kit: k, demand: v.demand, cookie: "guess"}).refused()
		proof, won := v.finish()
		if !won || proof.SessionToken == "" {
			t.Errorf("Finish = %+v, %v, want a session token", proof, won)
		}
		v.refused()
		if text := fmt.Sprintf("%+v", k.seen()); strings.Contains(text, proof.SessionToken) || strings.Contains(text, "demo\"") {
			t.Error("an event carries a secret")
		}
	})
}

func TestPasswordsAreLimitedByTheNameThatWasTyped(t *testing.T) {
	for _, user := range []string{"alice", "nobody"} {
		t.Run(user, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				began := time.Now()
				for i, spelling := range []string{user, strings.ToUpper(user), " " + user + " ", user, user} {
					v := k.knock()
					v.want(v.login(spelling, fmt.Sprint("guess ", i)), stepup.Choosing, stepup.WrongPassword)
				}
				r := k.knock().login(user, "demo")
				if r.Notice != stepup.TooManyTries || !r.RetryAt.Equal(began.Add(15*time.Minute)) || r.CookieValue != "" {
					t.Errorf("the sixth = %+v, want too many tries and when to come back", r)
				}
				k.calls(simulator.OpLogin, 5)
				v := k.knock()
				v.want(v.login("bob", "demo"), stepup.Choosing, stepup.NoticeNone)
				k.pass(15 * time.Minute)
				r = k.knock().login(user, "demo")
				if (r.Notice == stepup.NoticeNone) != (user == "alice") {
					t.Errorf("after the window = %+v", r)
				}
			})
		})
	}
}

func TestParallelPasswordsNeverExceedTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Slow = simulator.OpLogin, time.Second })
		var racing sync.WaitGroup
		for i := range 40 {
			v := k.knock()
			racing.Go(func() { k.engine.Login(t.Context(), v.demand, "", "alice", fmt.Sprint("guess ", i)) })
		}
		racing.Wait()
		k.calls(simulator.OpLogin, 5)
	})
}

func TestLoginBelongsToTheBrowserThatLoggedIn(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.knock()
		v.login("alice", "demo")
		totp := v.offer(policy.TOTP)
		thief := &visitor{kit: k, demand: v.demand}
		thief.want(thief.look(), stepup.Choosing, stepup.OtherBrowser)
		thief.want(thief.login("bob", "demo"), stepup.Choosing, stepup.OtherBrowser)
		thief.want(thief.must(k.engine.Start(t.Context(), v.demand, "", totp)), stepup.Choosing, stepup.OtherBrowser)
		k.calls(simulator.OpLogin, 1)

		old := v.cookie
		v.login("bob", "demo") // somebody else at the same keyboard
		(&visitor{kit: k, demand: v.demand, cookie: old}).refused()
		v.want(v.must(k.engine.Start(t.Context(), v.demand, v.cookie, totp)), stepup.Choosing, stepup.UnknownFactor)
		v.start(policy.SMS)
		v.want(v.login("alice", "demo"), stepup.Pending, stepup.NoticeNone)
		k.calls(simulator.OpLogin, 2)
		v.want(v.verify(k.code("bob", simulator.SMS)), stepup.Verified, stepup.NoticeNone)
		if proof, _ := v.finish(); proof.UserID != "102" {
			t.Errorf("proof of %+v, want bob", proof)
		}
	})
}

func TestDeadLoginExpires(t *testing.T) {
	for _, status := range []int{400, 401} {
		for _, factor := range []policy.Factor{policy.Protect, policy.SMS} {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.knock()
				v.login("alice", "demo")
				offer := v.offer(factor)
				k.sim.SetSwitches(func(w *simulator.Switches) { w.StateTokenStatus = status })
				k.sim.Advance(time.Hour)
				r := v.must(k.engine.Start(t.Context(), v.demand, v.cookie, offer))
				v.want(r, stepup.Expired, stepup.NoticeNone)
				v.refused()
			})
		}
	}
}

func TestLoginOffersOnlyWhatTheRouteWants(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.knock()
		v.demand.Factors, _ = policy.ParseFactors([]string{"protect", "totp"})
		v.login("alice", "demo")
		if got := v.offered(); len(got) != 2 {
			t.Errorf("offers = %v, want protect and totp", got)
		}
		v = k.knock()
		v.demand.Factors, _ = policy.ParseFactors([]string{"protect", "totp"})
		v.want(v.login("bob", "demo"), stepup.Choosing, stepup.NoDevice)
	})
}

func TestSiteWithoutPasswordsTakesNone(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		if r, err := k.engine.Login(t.Context(), v.demand, "", "alice", "demo"); err == nil || r.State != "" {
			t.Errorf("Login = %+v, %v, want an error", r, err)
		}
		k.calls(simulator.OpLogin, 0)
	})
}
