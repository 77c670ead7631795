package stepup_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestOffers(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(simulator.User{ID: 200, Username: "dora", Devices: []simulator.Device{
			{ID: 1, Factor: simulator.TOTP, Name: "Old phone"},
			{ID: 2, Factor: simulator.YubiKey, Name: "Key"},
			{ID: 3, Factor: simulator.TOTP, Name: "New phone", Default: true},
			{ID: 4, Factor: simulator.SMS},
		}})
		v := k.visit("dora")
		r := v.look()
		var names []string
		for _, o := range r.Offers {
			names = append(names, o.Name)
			if len(o.ID) != 32 || o.Default != (o.Name == "New phone") {
				t.Errorf("offer %+v, want an opaque id and the right default", o)
			}
		}
		if want := []string{"New phone", "Old phone", "Key", "OneLogin SMS"}; !slices.Equal(names, want) || r.NotOffered != nil {
			t.Errorf("offers = %v (not offered %v), want %v alone", names, r.NotOffered, want)
		}
		// The one that was chosen is the one that is activated.
		v.must(k.engine.Start(t.Context(), v.demand, "", r.Offers[1].ID))
		requests := k.sim.Requests()
		if last := requests[len(requests)-1]; last.Op != "activate" || !strings.Contains(last.Body, `"device_id":1,`) {
			t.Errorf("OneLogin saw %s %s, want device 1 to be activated", last.Op, last.Body)
		}
	})
}

func TestWhoCannotVerifyIsToldWhy(t *testing.T) {
	onlyOther := simulator.User{ID: 201, Username: "vera", Devices: []simulator.Device{{Factor: "RSA SecurID", Name: "Fob"}}}
	suspended := simulator.User{ID: 202, Username: "sam", Status: 2, State: 1, Devices: []simulator.Device{{Factor: simulator.SMS}}}
	for _, tt := range []struct {
		name, user string
		factors    []string
		notice     stepup.Notice
		notOffered []string
	}{
		{"unknown user", "nobody", nil, stepup.NoAccess, nil},
		{"pattern for a name", "al*ce", nil, stepup.NoAccess, nil},
		{"suspended user", "sam", nil, stepup.NoAccess, nil},
		{"no device", "carol", nil, stepup.NoDevice, nil},
		{"no usable device", "vera", nil, stepup.NoDevice, []string{"Fob"}},
		{"no allowed device", "bob", []string{"totp", "protect"}, stepup.NoDevice, []string{"Bob's number"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.AddUser(onlyOther)
				k.sim.AddUser(suspended)
				v := k.visit(tt.user)
				factors, err := policy.ParseFactors(tt.factors)
				if err != nil {
					t.Fatal(err)
				}
				v.demand.Factors = factors
				r := v.look()
				v.want(r, stepup.Choosing, tt.notice)
				if len(r.Offers) != 0 || !slices.Equal(r.NotOffered, tt.notOffered) {
					t.Errorf("offers %v, not offered %v, want none and %v", r.Offers, r.NotOffered, tt.notOffered)
				}
				v.want(v.must(k.engine.Start(t.Context(), v.demand, "", strings.Repeat("a", 32))), stepup.Choosing, tt.notice)
				k.calls("activate", 0)
			})
		})
	}
}

func TestOfferOfAnotherChallengeOrFactorIsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		foreign := k.visit("alice").offer(policy.SMS)
		v := k.visit("alice")
		sms := v.offer(policy.SMS)
		v.want(v.must(k.engine.Start(t.Context(), v.demand, "", foreign)), stepup.Choosing, stepup.UnknownFactor)
		narrowed := v.demand
		narrowed.Factors, _ = policy.ParseFactors([]string{"protect"})
		v.want(v.must(k.engine.Start(t.Context(), narrowed, "", sms)), stepup.Choosing, stepup.UnknownFactor)
		k.calls("activate", 0)
	})
}

func TestStartReadsDevicesAgainThatItDoesNotKnow(t *testing.T) {
	bob := simulator.User{ID: 102, Username: "bob", Devices: []simulator.Device{{ID: 1005, Factor: simulator.SMS}}}
	for name, devices := range map[string][]simulator.Device{"one before": bob.Devices, "none before": nil} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				before, after := bob, bob
				before.Devices = devices
				after.Devices = append(slices.Clone(devices), simulator.Device{ID: 1006, Factor: simulator.Email})
				k.sim.AddUser(before)
				v := k.visit("bob")
				other := stepup.New(k.config) // another process, which saw bob earlier
				defer other.Close()
				if _, err := other.Look(t.Context(), v.demand, ""); err != nil {
					t.Fatal(err)
				}
				k.sim.AddUser(after)
				k.pass(3 * time.Second)
				mail := v.offer(policy.Email)
				v.want(v.must(other.Start(t.Context(), v.demand, "", mail)), stepup.Pending, stepup.NoticeNone)
			})
		})
	}
}

func TestNewDeviceIsSeenSoon(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("carol")
		v.want(v.look(), stepup.Choosing, stepup.NoDevice)
		k.sim.AddUser(simulator.User{ID: 103, Username: "carol", Devices: []simulator.Device{{Factor: simulator.SMS}}})
		k.pass(2 * time.Second)
		v.want(v.look(), stepup.Choosing, stepup.NoticeNone)
	})
}

func TestUserIsFoundByNameOrMailExactly(t *testing.T) {
	for _, tt := range []struct{ user, userID string }{
		{"102", ""},
		{"bo*", ""},
		{"bob@example", ""},
		{"bob", "102"},
		{"BOB", "102"},
		{"bob@example.com", "102"},
	} {
		t.Run(tt.user, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				v := k.visit(tt.user)
				if tt.userID == "" {
					v.want(v.look(), stepup.Choosing, stepup.NoAccess)
					return
				}
				v.start(policy.SMS)
				v.verify(k.code("bob", simulator.SMS))
				if proof, won := v.finish(); !won || proof.UserID != tt.userID {
					t.Errorf("Finish = %+v, %v, want user %s", proof, won, tt.userID)
				}
			})
		})
	}
}

func TestManyPeopleAreReadOnceAtATimeAndErrorsAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.Edge429 = "users", 1 })
		v := k.visit("bob")
		if _, err := k.engine.Look(t.Context(), v.demand, ""); err == nil {
			t.Error("Look without OneLogin returned no error")
		}
		k.sim.SetSwitches(func(w *simulator.Switches) { *w = simulator.Switches{Slow: time.Second} })
		k.pass(time.Second) // calls pause after the 429
		before := k.sim.Calls("users")
		var racing sync.WaitGroup
		for range 20 {
			racing.Go(func() { v.want(v.look(), stepup.Choosing, stepup.NoticeNone) })
		}
		racing.Wait()
		k.calls("users", before+1)
		k.calls("devices", 1)
	})
}

func TestNameThatBecameSomebodyElseCannotGoOn(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		k.sim.AddUser(simulator.User{ID: 300, Username: "bob", Devices: []simulator.Device{{ID: 31, Factor: simulator.SMS, Name: "Other"}}})
		k.pass(time.Minute)
		v.want(v.start(policy.SMS), stepup.Pending, stepup.NoAccess)
		k.calls("activate", 1)
	})
}

func TestPendingPageDoesNotNeedTheDeviceList(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		k.pass(time.Minute)
		k.sim.SetSwitches(func(w *simulator.Switches) { w.Only, w.HTML502 = "users,devices", true })
		r := v.look()
		v.want(r, stepup.Pending, stepup.NoticeNone)
		if r.Factor.Name != "Bob's number" || r.Offers != nil {
			t.Errorf("Look = %+v, want the pending factor alone", r)
		}
	})
}

func TestLongDeviceNameIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(simulator.User{Username: "lena", Devices: []simulator.Device{{Factor: simulator.SMS, Name: strings.Repeat("é", 9000)}}})
		v := k.visit("lena")
		r := v.start(policy.SMS)
		if want := strings.Repeat("é", 64); r.Factor.Name != want {
			t.Errorf("name has %d bytes, want 128", len(r.Factor.Name))
		}
	})
}
