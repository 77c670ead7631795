package simulator_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const mfaToken = "/api/2/mfa/users/101/mfa_token"

// temporary makes a code for alice and returns it with its device id.
func (p *peer) temporary(body string) (code, deviceID string) {
	p.t.Helper()
	got := p.call("POST", mfaToken, body)
	return field(p.t, got.body, "mfa_token"), field(p.t, got.body, "device_id")
}

// The three ways to redeem a code. Each returns what came back.
func redeemListed(p *peer, code, deviceID string) answer {
	opened := p.call("POST", verifications, `{"device_id":"`+deviceID+`"}`)
	if opened.status != 201 {
		return opened
	}
	return p.call("PUT", verifications+"/"+field(p.t, opened.body, "id"), `{"otp":"`+code+`","device_id":"`+deviceID+`"}`)
}

func redeemOneShot(p *peer, code, deviceID string) answer {
	return p.call("POST", verifications, `{"otp":"`+code+`","device_id":"`+deviceID+`"}`)
}

func redeemV1(p *peer, code, _ string) answer {
	return p.call("POST", "/api/1/users/101/otp_devices/0/verify", `{"otp_token":"`+code+`"}`)
}

func TestTemporaryCodeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		for body, rest := range map[string]string{
			`{}`:                                   `"expires_at":"2000-01-04T00:00:00Z","reusable":false,`,
			`{"expires_in":"300","reusable":true}`: `"expires_at":"2000-01-01T00:05:00Z","reusable":true,`,
			`{"expires_in":120,"reusable":false}`:  `"expires_at":"2000-01-01T00:02:00Z","reusable":false,`,
		} {
			got := p.call("POST", mfaToken, body)
			want := `^{"mfa_token":"\d{8}",` + rest + `"device_id":"user_temp_otp_\d+"}$`
			if got.status != 201 || !regexp.MustCompile(want).MatchString(got.body) {
				t.Errorf("%s = %d %s, want %s", body, got.status, got.body, want)
			}
		}
		if got := p.sim.TemporaryCodes("alice"); len(got) != 3 {
			t.Errorf("TemporaryCodes = %+v, want three", got)
		}
	})
}

func TestTemporaryCodeRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{`, 400, badJSON},
		{`{"expires_in":119}`, 422, invalid("expires_in")},
		{`{"expires_in":259201}`, 422, invalid("expires_in")},
		{`{"expires_in":"x"}`, 422, invalid("body")},
	} {
		check(t, test.body, p.call("POST", mfaToken, test.body), test.status, test.want)
	}
	check(t, "nobody", p.call("POST", "/api/2/mfa/users/999/mfa_token", `{}`), 404, notFoundB)
	check(t, "misspelt path", p.call("POST", "/api/2/mfs/users/101/mfa_token", `{}`), 404, notFoundB)
	if got := p.sim.TemporaryCodes("alice"); len(got) != 0 || len(p.sim.TemporaryCodes("nobody")) != 0 {
		t.Errorf("TemporaryCodes = %+v, want none", got)
	}
}

func TestTemporaryCodeIsRedeemedInThreeWays(t *testing.T) {
	ways := map[string]func(*peer, string, string) answer{"listed": redeemListed, "one_shot": redeemOneShot, "v1": redeemV1}
	accepted := func(a answer) bool { return a.status == 200 && !strings.Contains(a.body, "pending") }
	for way, redeem := range ways {
		t.Run(way, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			code, deviceID := p.temporary(`{"expires_in":300}`)
			if got := redeem(p, "00000000x", deviceID); accepted(got) {
				t.Errorf("a wrong code = %d %s", got.status, got.body)
			}
			if got := redeem(p, code, deviceID); !accepted(got) {
				t.Errorf("the code = %d %s", got.status, got.body)
			}
			if got := redeem(p, code, deviceID); accepted(got) {
				t.Errorf("the used code = %d %s", got.status, got.body)
			}
			code, deviceID = p.temporary(`{"reusable":true}`)
			for range 2 {
				if got := redeem(p, code, deviceID); !accepted(got) {
					t.Errorf("a reusable code = %d %s", got.status, got.body)
				}
			}
			p.sim.Advance(72 * time.Hour)
			p.login("demo-client", "demo-secret")
			if got := redeem(p, code, deviceID); accepted(got) {
				t.Errorf("an expired code = %d %s", got.status, got.body)
			}
			for other := range ways {
				p.sim.SetSwitches(func(w *simulator.Switches) { w.TemporaryCode = other })
				code, deviceID = p.temporary(`{}`)
				if got := redeem(p, code, deviceID); accepted(got) != (other == way) {
					t.Errorf("with only %s = %d %s", other, got.status, got.body)
				}
			}
		})
	}
}

func TestTemporaryCodeIsListedUntilItIsUsedOrRemoved(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	listed := func(deviceID string) bool {
		return strings.Contains(p.call("GET", aliceDevices, "").body, `{"device_id":"`+deviceID+`",`)
	}
	code, first := p.temporary(`{}`)
	_, second := p.temporary(`{}`)
	if !listed(first) || !listed(second) {
		t.Error("a fresh code's device is not in the list")
	}
	redeemOneShot(p, code, first)
	if got := p.call("DELETE", aliceDevices+"/"+second, ""); got.status != 204 {
		t.Errorf("remove = %d %s", got.status, got.body)
	}
	if listed(first) || listed(second) || len(p.sim.TemporaryCodes("alice")) != 0 {
		t.Error("a used or revoked code's device is in the list")
	}
	check(t, "again", p.call("DELETE", aliceDevices+"/"+second, ""), 404, notFoundB)
}

// One code, two verifications of it: it opens one.
func TestTemporaryCodeOpensOneOfTwoVerifications(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	code, deviceID := p.temporary(`{}`)
	var ids []string
	for range 2 {
		ids = append(ids, field(t, p.call("POST", verifications, `{"device_id":"`+deviceID+`"}`).body, "id"))
	}
	body := `{"otp":"` + code + `"}`
	check(t, "first", p.call("PUT", verifications+"/"+ids[0], body), 200, `{"id":"`+ids[0]+`","status":"accepted","device_id":"`+deviceID+`"}`)
	check(t, "second", p.call("PUT", verifications+"/"+ids[1], body), 200, `{"id":"`+ids[1]+`","status":"pending","device_id":"`+deviceID+`"}`)
}

func TestTemporaryCodeIsOnlyThatPersons(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	code, deviceID := p.temporary(`{}`)
	check(t, "bob, one-shot", p.call("POST", "/api/2/mfa/users/102/verifications", `{"otp":"`+code+`","device_id":"`+deviceID+`"}`), 401, factorFails)
	check(t, "bob, listed", p.call("POST", "/api/2/mfa/users/102/verifications", `{"device_id":"`+deviceID+`"}`), 404, notFoundB)
	check(t, "bob, v1", p.call("POST", "/api/1/users/102/otp_devices/0/verify", `{"otp_token":"`+code+`"}`), 401, wrongCodeA)
	check(t, "no device named", p.call("POST", verifications, `{"otp":"`+code+`"}`), 401, factorFails)
	if page := open(t, p.sim, "GET", "/people/alice", ""); strings.Contains(page.body, code) {
		t.Error("the phone shows the help desk's code")
	}
}
