package stepup_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// journey is one way to a proof, from the moment at which the page is shown and
// the access token is known.
type journey struct {
	name   string
	client func(*onelogin.Config)
	config func(*stepup.Config)
	set    func(*simulator.Switches)
	walk   func(k *kit)
	want   map[string]int
}

// after answers once the person has taken a while.
func (v *visitor) after(d time.Duration, seen uint64, answer func()) {
	v.t.Helper()
	go func() {
		v.pass(d)
		answer()
	}()
	v.want(v.wait(seen), stepup.Verified, stepup.NoticeNone)
}

// typed starts a factor and types its code.
func (v *visitor) typed(user string, f policy.Factor) {
	v.t.Helper()
	v.start(f)
	v.want(v.verify(v.code(user, simulator.Factor(f))), stepup.Verified, stepup.NoticeNone)
}

func journeys() []journey {
	type calls = map[string]int
	return []journey{
		{name: "code", walk: func(k *kit) { k.visit("dora").typed("dora", policy.SMS) },
			want: calls{"activate": 1, "verify": 1, "user": 1}},
		{name: "push of 30 s", walk: func(k *kit) {
			v := k.visit("dora")
			v.after(30*time.Second, v.start(policy.Protect).Revision, func() { k.sim.Approve("dora") })
		}, want: calls{"activate": 1, "poll": 10, "user": 1}},
		{name: "call of 30 s", walk: func(k *kit) {
			v := k.visit("dora")
			r := v.start(policy.Voice)
			v.after(30*time.Second, r.Revision, func() { k.sim.KeyIn("dora", r.VoiceCode) })
		}, want: calls{"activate": 1, "poll": 10, "user": 1}},
		{name: "link opened after 29 s", config: withLink, walk: func(k *kit) {
			v := k.visit("linda")
			v.after(29*time.Second, v.start(policy.Email).Revision, func() { k.sim.OpenLink("linda") })
		}, want: calls{"activate": 1, "poll": 6, "user": 1}},
		{name: "v1, text message", client: speaking("v1"), walk: func(k *kit) { k.visit("dora").typed("dora", policy.SMS) },
			want: calls{"v1_devices": 1, "v1_trigger": 1, "v1_verify": 1, "user": 1}},
		{name: "v1, app", client: speaking("v1"), walk: func(k *kit) { k.visit("dora").typed("dora", policy.TOTP) },
			want: calls{"v1_devices": 1, "v1_verify": 1, "user": 1}},
		{name: "v1, push of 30 s", client: speaking("v1"), walk: func(k *kit) {
			v := k.visit("dora")
			v.after(30*time.Second, v.start(policy.Protect).Revision, func() { k.sim.Approve("dora") })
		}, want: calls{"v1_devices": 1, "v1_trigger": 1, "v1_verify": 10, "user": 1}},
		{name: "device that is not activated",
			client: func(c *onelogin.Config) { c.Transport = unwilling{c.Transport, http.StatusUnprocessableEntity} },
			walk:   func(k *kit) { k.visit("dora").typed("dora", policy.TOTP) },
			want:   calls{"one_shot": 1, "user": 1}}, // and the one that was refused before it
		{name: "enrolment and proof", walk: func(k *kit) {
			v := k.fresh("carol")
			v.enrol(policy.SMS)
			v.want(v.confirm(k.code("carol", simulator.SMS)), stepup.Choosing, stepup.NoticeNone)
			v.typed("carol", policy.SMS)
		}, want: calls{"factors": 1, "enrol": 1, "enrol_verify": 1, "devices": 1, "activate": 1, "verify": 1, "user": 1}},
		{name: "temporary code, listed", config: helpDesk, walk: func(k *kit) {
			code := k.issue(stepup.Issue{User: "dora"})
			k.pass(2 * time.Second) // until its device is looked for
			v := k.lost("dora")
			v.start(policy.Temporary)
			v.want(v.verify(code.Code), stepup.Verified, stepup.NoticeNone)
		}, want: calls{"mfa_token": 1, "devices": 1, "activate": 1, "verify": 1, "user": 1}},
		{name: "temporary code, remembered", config: helpDesk,
			set: func(w *simulator.Switches) { w.TemporaryCode = "one_shot" }, walk: func(k *kit) {
				code := k.issue(stepup.Issue{User: "dora"})
				k.pass(2 * time.Second)
				v := k.lost("dora")
				v.start(policy.Temporary)
				v.want(v.verify(code.Code), stepup.Verified, stepup.NoticeNone)
			}, want: calls{"mfa_token": 1, "devices": 1, "one_shot": 1, "user": 1}},
		{name: "Smart MFA with a code", walk: func(k *kit) {
			k.risky("dora", stepup.Smart{}).typed("dora", policy.Email)
		}, want: calls{"smart": 1, "smart_verify": 1, "user": 1}},
		{name: "passwordless, code", walk: func(k *kit) { k.stranger("dora").blindly("dora", policy.TOTP) },
			want: calls{"users": 1, "devices": 1, "activate": 1, "verify": 1, "user": 1}},
		{name: "passwordless, push of 30 s", walk: func(k *kit) {
			v := k.stranger("dora")
			v.after(30*time.Second, v.settled(policy.Protect).Revision, func() { k.sim.Approve("dora") })
		}, want: calls{"users": 1, "devices": 1, "activate": 1, "poll": 10, "user": 1}},
		{name: "passwordless, nobody", walk: func(k *kit) {
			v := k.stranger("nobody")
			v.settled(policy.TOTP)
			v.verify("123456")
		}, want: calls{"users": 1, "poll": 3}}, // in place of devices, activate and verify
		{name: "password and code", walk: func(k *kit) {
			v := k.knock()
			v.login("dora", "demo")
			v.typed("dora", policy.TOTP)
		}, want: calls{"login": 1, "login_verify": 1, "user": 2}},
		{name: "password and push of 30 s", walk: func(k *kit) {
			v := k.knock()
			v.login("dora", "demo")
			v.after(30*time.Second, v.start(policy.Protect).Revision, func() { k.sim.Approve("dora") })
		}, want: calls{"login": 1, "login_verify": 11, "user": 2}},
	}
}

// blindly is typed for a blind challenge.
func (v *visitor) blindly(user string, f policy.Factor) {
	v.t.Helper()
	v.settled(f)
	v.want(v.verify(v.code(user, simulator.Factor(f))), stepup.Verified, stepup.NoticeNone)
}

func nothing[T any](*T) {}

func TestEveryJourneyStaysInItsBudget(t *testing.T) {
	for _, j := range journeys() {
		t.Run(j.name, func(t *testing.T) {
			client, config, set := j.client, j.config, j.set
			if client == nil {
				client = nothing[onelogin.Config]
			}
			if config == nil {
				config = nothing[stepup.Config]
			}
			if set == nil {
				set = nothing[simulator.Switches]
			}
			inBubbleOn(t, client, func(t *testing.T, k *kit) {
				k.sim.AddUser(dora())
				k.sim.AddUser(linda())
				k.sim.SetSwitches(set)
				for _, user := range []string{"dora", "linda", "carol"} {
					k.visit(user).look()
				}
				before := k.tally()
				j.walk(k)
				spent := k.tally()
				for op, n := range before {
					if spent[op] -= n; spent[op] == 0 {
						delete(spent, op)
					}
				}
				if !maps.Equal(spent, j.want) {
					t.Errorf("OneLogin saw %v, want %v", spent, j.want)
				}
			}, config)
		})
	}
}

// optIn are the calls that only features make.
func optIn() []string {
	return []string{simulator.OpMFAToken, simulator.OpOneShot, simulator.OpFactors, simulator.OpEnrol,
		simulator.OpEnrolVerify, simulator.OpEnrolPoll, simulator.OpSmart, simulator.OpSmartVerify, simulator.OpLogin,
		simulator.OpLoginVerify, simulator.OpRemove, simulator.OpV1Enrol, simulator.OpV1Factors, simulator.OpV1Remove,
		simulator.OpV1MFAToken, simulator.OpSession, simulator.OpUnknown}
}

// everything takes every step that there is as several users, with the demand
// and configuration as they are.
func (k *kit) everything(change func(*stepup.Demand)) {
	ctx := k.t.Context()
	for _, user := range []string{"dora", "carol", "nobody", "linda"} {
		for _, factor := range []policy.Factor{policy.SMS, policy.TOTP, policy.Voice, policy.Protect, policy.Email, policy.Temporary} {
			v := k.visit(user)
			v.demand.Address = "203.0.113.7"
			change(&v.demand)
			r := v.look()
			for _, o := range append(slices.Clone(r.Offers), r.Enrollable...) {
				if o.Factor == factor {
					r = v.must(k.engine.Start(ctx, v.demand, v.cookie, o.ID))
					r = v.must(k.engine.Enroll(ctx, v.demand, v.cookie, o.ID))
				}
			}
			k.pass(2 * time.Second)
			v.verify("123456")
			v.confirm("123456")
			k.engine.Login(ctx, v.demand, v.cookie, user, "demo")
			k.pass(10 * time.Second)
			v.look()
			v.finish()
		}
		k.engine.IssueTemporary(ctx, stepup.Issue{User: user})
	}
}

func TestFeaturesThatAreOffAreNotAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		feature func(*stepup.Demand)
		config  func(*stepup.Config)
		adds    []string // what it must add, the first ones
		may     []string // and may add
	}{
		{"all off", nothing[stepup.Demand], nothing[stepup.Config], nil, nil},
		{"blind", func(d *stepup.Demand) { d.Blind = true }, nothing[stepup.Config], nil, nil},
		{"mail links", nothing[stepup.Demand], withLink, nil, nil},
		{"enrolment", func(d *stepup.Demand) { d.Features.Enroll = policy.AnyFactor }, nothing[stepup.Config],
			[]string{simulator.OpFactors, simulator.OpEnrol, simulator.OpEnrolVerify}, []string{simulator.OpEnrolPoll}},
		{"help desk", func(d *stepup.Demand) { d.Features.HelpDesk = true }, helpDesk,
			[]string{simulator.OpMFAToken}, []string{simulator.OpOneShot}},
		{"Smart MFA", func(d *stepup.Demand) { d.Features.Smart = &stepup.Smart{Threshold: 50} }, nothing[stepup.Config],
			[]string{simulator.OpSmart, simulator.OpSmartVerify}, nil},
		{"password", func(d *stepup.Demand) { d.Features.Password = &stepup.Password{Subdomain: "acme"} }, nothing[stepup.Config],
			[]string{simulator.OpLogin}, []string{simulator.OpLoginVerify}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.AddUser(dora())
				k.sim.AddUser(linda())
				k.everything(tt.feature)
				for _, op := range optIn() {
					n := k.sim.Calls(op)
					switch {
					case slices.Contains(tt.adds, op) && n == 0:
						t.Errorf("no call of %q: the test proves nothing", op)
					case !slices.Contains(tt.adds, op) && !slices.Contains(tt.may, op) && n != 0:
						t.Errorf("%d calls of %q", n, op)
					}
				}
			}, tt.config)
		})
	}
}

// With few calls left, what costs one call goes before what costs many, and
// what is polled is polled less.
func TestFewCallsAreSpentWell(t *testing.T) {
	few := func(c *onelogin.Config) { c.HourlyBudget = 40 }
	inBubbleOn(t, few, func(t *testing.T, k *kit) {
		k.sim.AddUser(dora())
		v := k.visit("dora")
		if r := v.look(); r.Scarce || r.Offers[0].Factor != policy.Protect {
			t.Errorf("with a full budget = %+v, want the default device first", r)
		}
		for !k.client.Budget().Scarce {
			if _, err := k.client.RateLimit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r := v.look()
		want := []policy.Factor{policy.SMS, policy.Email, policy.TOTP, policy.YubiKey, policy.Duo, policy.Protect, policy.Voice}
		if got := v.offered(); !r.Scarce || !slices.Equal(got, want) || !r.Offers[5].Default {
			t.Errorf("with few calls left: scarce %v, offers %v, want %v", r.Scarce, got, want)
		}
		v.start(policy.Protect)
		polls := k.sim.Calls(simulator.OpPoll)
		k.pass(14 * time.Second)
		k.calls(simulator.OpPoll, polls+2)
	})
}

func TestSpentBudgetVerifiesNobody(t *testing.T) {
	few := func(c *onelogin.Config) { c.HourlyBudget = 5 }
	inBubbleOn(t, few, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		k.client.RateLimit(t.Context())
		if r, err := k.engine.Verify(t.Context(), v.demand, v.cookie, right); err == nil || r.State != "" {
			t.Errorf("Verify = %+v, %v, want an error", r, err)
		}
		v.refused()
		k.pass(30 * time.Minute)
		v.want(v.look(), stepup.Expired, stepup.NoticeNone)
	})
}
