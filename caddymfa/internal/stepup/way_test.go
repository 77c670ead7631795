package stepup_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// dora has one device of every kind.
func dora() simulator.User {
	return simulator.User{ID: 200, Username: "dora", Email: "dora@example.com", Devices: []simulator.Device{
		{ID: 2001, Factor: simulator.Protect, Name: "Phone", Default: true},
		{ID: 2002, Factor: simulator.SMS, Name: "Number"},
		{ID: 2003, Factor: simulator.Email, Name: "Mail"},
		{ID: 2004, Factor: simulator.TOTP, Name: "App"},
		{ID: 2005, Factor: simulator.Voice, Name: "Desk"},
		{ID: 2006, Factor: simulator.YubiKey, Name: "Key"},
		{ID: 2007, Factor: simulator.Duo, Name: "Duo"},
	}}
}

// linda has a mail device that brings links.
func linda() simulator.User {
	return simulator.User{ID: 201, Username: "linda", Devices: []simulator.Device{{ID: 2011, Factor: simulator.MagicLink, Name: "Mail"}}}
}

// speaking returns a client of one MFA API.
func speaking(api string) func(*onelogin.Config) {
	return func(c *onelogin.Config) { c.API = api }
}

func TestCodesOfEveryFactorInBothAPIs(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		for factor, onPhone := range map[policy.Factor]simulator.Factor{
			policy.SMS: simulator.SMS, policy.Email: simulator.Email, policy.TOTP: simulator.TOTP,
			policy.Protect: simulator.Protect, policy.YubiKey: simulator.YubiKey, policy.Duo: simulator.Duo,
		} {
			t.Run(api+" "+string(factor), func(t *testing.T) {
				inBubbleOn(t, speaking(api), func(t *testing.T, k *kit) {
					k.sim.AddUser(dora())
					v := k.visit("dora")
					r := v.start(factor)
					push := factor == policy.Protect
					if !r.AcceptsCode || r.NeedsCode == push || r.Polled != push || r.VoiceCode != "" {
						t.Errorf("started = %+v", r)
					}
					right := k.code("dora", onPhone)
					other := "cccccccccccccccccccccccccccccccccccccccccccc"
					if factor != policy.YubiKey {
						other = wrong(right, 0)
					}
					v.want(v.verify(other), stepup.Pending, stepup.WrongCode)
					v.refused()
					v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
					if proof, won := v.finish(); !won || proof.Factor != factor || proof.User != "dora" {
						t.Errorf("Finish = %+v, %v, want a proof by %s", proof, won, factor)
					}
				})
			})
		}
	}
}

func TestPushInBothAPIs(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		for _, tt := range []struct {
			name   string
			answer func(*kit)
			state  stepup.State
		}{
			{"denied", func(k *kit) { k.sim.Deny("alice") }, stepup.Denied},
			{"unanswered", func(*kit) {}, stepup.Expired},
			{"approved", func(k *kit) { k.sim.Approve("alice") }, stepup.Verified},
		} {
			t.Run(api+" "+tt.name, func(t *testing.T) {
				inBubbleOn(t, speaking(api), func(t *testing.T, k *kit) {
					v := k.visit("alice")
					started := v.start(policy.Protect)
					tt.answer(k)
					v.want(v.wait(started.Revision), tt.state, stepup.NoticeNone)
					if _, won := v.finish(); won != (tt.state == stepup.Verified) {
						t.Errorf("Finish = %v for %s", won, tt.state)
					}
					if sent := len(k.sim.Sent()); sent != 1 {
						t.Errorf("%d pushes were sent, want 1", sent)
					}
				})
			})
		}
	}
}

func TestOnlyTheAPIThatWasChosenIsSpoken(t *testing.T) {
	for api, ops := range map[string][]string{
		"v1": {simulator.OpDevices, simulator.OpActivate, simulator.OpVerify, simulator.OpPoll, simulator.OpOneShot},
		"v2": {simulator.OpV1Devices, simulator.OpV1Trigger, simulator.OpV1Verify},
	} {
		inBubbleOn(t, speaking(api), func(t *testing.T, k *kit) {
			v := k.visit("alice")
			v.start(policy.TOTP)
			v.verify(wrong(k.code("alice", simulator.TOTP), 0))
			started := v.start(policy.Protect)
			k.sim.Approve("alice")
			v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
			for _, op := range ops {
				k.calls(op, 0)
			}
		})
	}
}

func TestCallIsEndedOnThePhone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		keyIn func(code string) string
		state stepup.State
	}{
		{"wrong number", func(code string) string { return wrong(code, 0) }, stepup.Denied},
		{"right number", func(code string) string { return code }, stepup.Verified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *kit) {
				k.sim.AddUser(dora())
				v := k.visit("dora")
				r := v.start(policy.Voice)
				if r.VoiceCode == "" || r.VoiceCode != k.sim.VoiceCode("dora") || r.AcceptsCode || r.NeedsCode || !r.Polled {
					t.Fatalf("started = %+v, want a code to key in and none to type", r)
				}
				v.want(v.verify(r.VoiceCode), stepup.Pending, stepup.NotPending)
				other := &visitor{kit: k, demand: v.demand, cookie: "guess"}
				if seen := other.look(); seen.VoiceCode != "" {
					t.Error("another browser sees the code to key in")
				}
				k.sim.KeyIn("dora", tt.keyIn(r.VoiceCode))
				ended := v.wait(r.Revision)
				v.want(ended, tt.state, stepup.NoticeNone)
				if ended.VoiceCode != "" {
					t.Error("the code is still shown at the end")
				}
				if proof, won := v.finish(); won != (tt.state == stepup.Verified) || won && proof.Factor != policy.Voice {
					t.Errorf("Finish = %+v, %v", proof, won)
				}
				k.calls("verify", 0)
			})
		})
	}
}

func withLink(c *stepup.Config) { c.EmailLink = "https://app.example.com/.mfa/" }

func TestLinkInAMailVerifiesTheBrowserThatAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(linda())
		v, bystander := k.visit("linda"), k.visit("linda")
		started := v.start(policy.Email)
		if !started.Polled || !started.AcceptsCode || started.NeedsCode {
			t.Errorf("started = %+v, want a link to be awaited and a code to be taken", started)
		}
		v.refused()
		k.pass(time.Minute)
		// Whoever opens the link, in whatever browser, gets no proof from it.
		led, ok := k.sim.OpenLink("linda")
		if !ok || led != k.config.EmailLink {
			t.Errorf("the link leads to %q, want the configured address", led)
		}
		bystander.want(bystander.look(), stepup.Choosing, stepup.NoticeNone)
		bystander.refused()
		(&visitor{kit: k, demand: v.demand, cookie: "of another browser"}).refused()
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if proof, won := v.finish(); !won || proof.Factor != policy.Email {
			t.Errorf("Finish = %+v, %v, want a proof by mail", proof, won)
		}
	}, withLink)
}

func TestUnopenedLinkExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(linda())
		v := k.visit("linda")
		started := v.start(policy.Email)
		v.want(v.wait(started.Revision), stepup.Expired, stepup.NoticeNone)
		k.sim.OpenLink("linda")
		k.pass(time.Minute)
		v.refused()
		k.calls("poll", 16) // every 5 s, every 15 s after a minute
	}, withLink)
}

func TestMailWithACodeIsTakenWhereLinksAreExpected(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		v.start(policy.Email)
		v.want(v.verify(k.code("alice", simulator.Email)), stepup.Verified, stepup.NoticeNone)
	}, withLink)
}

func TestMailIsNotPolledWhereCodesAreExpected(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("alice")
		if r := v.start(policy.Email); r.Polled || !r.NeedsCode {
			t.Errorf("started = %+v, want only a code", r)
		}
		requests := k.sim.Requests()
		if body := requests[len(requests)-1].Body; strings.Contains(body, "redirect_to") {
			t.Errorf("activated with %s, want no address to be led to", body)
		}
		k.pass(time.Minute)
		k.calls("poll", 0)
	})
}

// unwilling is a OneLogin that activates nothing.
type unwilling struct {
	http.RoundTripper
	status int
}

func (u unwilling) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		sent, _ := io.ReadAll(r.Body)
		body = string(sent)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/verifications") && !strings.Contains(body, `"otp"`) {
		return &http.Response{StatusCode: u.status, Header: http.Header{}, Request: r,
			Body: io.NopCloser(strings.NewReader(`{"statusCode":422,"name":"ValidationError","message":"no"}`))}, nil
	}
	return u.RoundTripper.RoundTrip(r)
}

// A device that shows codes by itself can do without an activation. Codes that
// were sent never go without theirs.
func TestDevicesThatOneLoginWillNotActivate(t *testing.T) {
	for _, tt := range []struct {
		factor  policy.Factor
		status  int
		unbound bool
	}{
		{policy.SMS, 422, false},
		{policy.Email, 404, false},
		{policy.Protect, 400, false},
		{policy.TOTP, 403, false},
		{policy.TOTP, 500, false},
		{policy.TOTP, 422, true},
		{policy.YubiKey, 404, true},
		{policy.Duo, 400, true},
	} {
		t.Run(string(tt.factor)+" "+http.StatusText(tt.status), func(t *testing.T) {
			inBubbleOn(t, func(c *onelogin.Config) { c.Transport = unwilling{c.Transport, tt.status} }, func(t *testing.T, k *kit) {
				k.sim.AddUser(dora())
				v := k.visit("dora")
				r, err := k.engine.Start(t.Context(), v.demand, "", v.offer(tt.factor))
				if (err == nil) != tt.unbound {
					t.Fatalf("Start = %+v, %v, want it to go on: %v", r, err, tt.unbound)
				}
				if err != nil {
					v.want(v.look(), stepup.Choosing, stepup.NoticeNone)
					k.calls(simulator.OpOneShot, 0)
					return
				}
				v.cookie = r.CookieValue
				right := k.code("dora", simulator.Factor(tt.factor))
				v.want(v.verify("cccccccccccc"), stepup.Pending, stepup.WrongCode)
				v.refused()
				v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
				k.calls(simulator.OpOneShot, 2)
				second := k.visit("dora")
				second.start(tt.factor)
				second.want(second.verify(right), stepup.Pending, stepup.UsedCode)
				k.calls(simulator.OpOneShot, 2)
			})
		})
	}
}
