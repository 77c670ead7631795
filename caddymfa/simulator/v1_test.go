package simulator_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	aliceV1 = "/api/1/users/101/otp_devices"
	carolV1 = "/api/1/users/103/otp_devices"
)

// inA is an error in version 1's form.
func inA(status int, kind, message string) string {
	return `{"status":{"error":true,"code":` + strconv.Itoa(status) + `,"type":"` + kind + `","message":` + message + `}}`
}

var (
	wrongCodeA  = inA(401, "Unauthorized", `"Failed authentication with this factor"`)
	pendingA    = inA(401, "pending", `"Authentication pending on OL Protect"`)
	staleStateA = inA(400, "bad request", `"State token is invalid or expired"`)
	blankA      = inA(400, "bad request", `"OTP token blank"`)
	noFactorA   = inA(400, "bad request", `"Factor could not be found"`)
	badJSONA    = inA(400, "bad request", `"Input JSON is not valid"`)
	badIDA      = inA(400, "bad request", `{"attribute":"id","description":"ID is incorrect"}`)
	nobodyA     = inA(404, "not found", `"User for id 999 was not found"`)
)

// trigger activates a device of alice's in version 1 and returns the state token.
func (p *peer) trigger(deviceID, body string) string {
	p.t.Helper()
	got := p.call("POST", aliceV1+"/"+deviceID+"/trigger", body)
	match := regexp.MustCompile(`"state_token":"([0-9a-f]{40})"`).FindStringSubmatch(got.body)
	if match == nil {
		p.t.Fatalf("trigger of %s = %d %s, want a state token", deviceID, got.status, got.body)
	}
	return match[1]
}

// verifyV1 sends a code, or asks with an empty one how a push stands.
func (p *peer) verifyV1(deviceID, stateToken, code string) answer {
	p.t.Helper()
	return p.call("POST", aliceV1+"/"+deviceID+"/verify", `{"otp_token":"`+code+`","state_token":"`+stateToken+`"}`)
}

func TestV1Lists(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	check(t, "no token", p.send("GET", aliceV1, "", "Bearer x"), 401, authFailure)
	check(t, "nobody", p.call("GET", "/api/1/users/999/otp_devices", ""), 404, nobodyA)
	check(t, "no number", p.call("GET", "/api/1/users/alice/otp_devices", ""), 400, badIDA)
	const ok = `,"status":{"error":false,"code":200,"type":"success","message":"Success"}}`
	check(t, "no device", p.call("GET", carolV1, ""), 200, `{"data":{"otp_devices":[]}`+ok)
	check(t, "alice", p.call("GET", aliceV1, ""), 200, `{"data":{"otp_devices":[`+
		`{"active":true,"default":true,"auth_factor_name":"OneLogin Protect","needs_trigger":true,"type_display_name":"OneLogin Protect","user_display_name":"Alice's phone","id":1001},`+
		`{"active":true,"default":false,"auth_factor_name":"OneLogin SMS","needs_trigger":true,"phone_number":"+1xxxxxxxxxx","type_display_name":"OneLogin SMS","user_display_name":"Alice's number","id":1002},`+
		`{"active":true,"default":false,"auth_factor_name":"OneLogin Email","needs_trigger":true,"type_display_name":"OneLogin Email","user_display_name":"Alice's mail","id":1003},`+
		`{"active":true,"default":false,"auth_factor_name":"Google Authenticator","needs_trigger":false,"type_display_name":"Google Authenticator","user_display_name":"Alice's authenticator","id":1004}]}`+ok)
	for _, path := range []string{"/auth_factors", "/auth_factor"} {
		check(t, path, p.call("GET", "/api/1/users/102"+path, ""), 200, `{"data":{"auth_factors":[`+
			`{"name":"OneLogin Protect","factor_id":58957},{"name":"OneLogin Email","factor_id":58960},`+
			`{"name":"Google Authenticator","factor_id":58961},{"name":"YubiKey","factor_id":58962},{"name":"Duo","factor_id":58963}]}`+ok)
	}
	check(t, "factors of nobody", p.call("GET", "/api/1/users/999/auth_factors", ""), 404, nobodyA)
	others := otherFactors(t)
	if got := others.call("GET", aliceV1, "").body; strings.Contains(got, "desk") || strings.Contains(got, "mail") || !strings.Contains(got, `"Duo"`) {
		t.Errorf("devices = %s, want neither calls nor links", got)
	}
}

func TestV1Trigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		got := p.call("POST", aliceV1+"/1002/trigger", `{"state_token_expires_in":900,"sms_message":"Use {{otp_code}} in {{expiration}} min"}`)
		want := regexp.MustCompile(`^{"status":{"error":false,"code":200,"type":"success","message":"SMS token sent to your mobile device. Authentication pending."},` +
			`"data":\[{"id":101,"device_id":1002,"active":true,"auth_factor_name":"OneLogin SMS","type_display_name":"OneLogin SMS","user_display_name":"Alice's number",` +
			`"state_token":"[0-9a-f]{40}","state_token_expires_at":"2000-01-01T00:15:00.000Z"}\]}$`)
		if got.status != 200 || !want.MatchString(got.body) {
			t.Errorf("trigger = %d %s", got.status, got.body)
		}
		code := p.sim.Code("alice", simulator.SMS)
		if !regexp.MustCompile(`^[A-Z]\d{5}$`).MatchString(code) {
			t.Errorf("code = %q, want a letter and five digits", code)
		}
		shows(t, open(t, p.sim, "GET", "/people/alice", ""), "Use "+code+" in 15 min")
		p.trigger("1002", `{"numeric_sms_otp":true}`)
		if code := p.sim.Code("alice", simulator.SMS); !regexp.MustCompile(`^\d{6}$`).MatchString(code) {
			t.Errorf("numeric code = %q", code)
		}
	})
}

func TestV1TriggerRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"bob's device", aliceV1 + "/1005/trigger", `{}`, 400, noFactorA},
		{"no number", aliceV1 + "/x/trigger", `{}`, 400, noFactorA},
		{"nobody", "/api/1/users/999/otp_devices/1002/trigger", `{}`, 404, nobodyA},
		{"no JSON", aliceV1 + "/1002/trigger", `{`, 400, badJSONA},
		{"too long", aliceV1 + "/1002/trigger", `{"state_token_expires_in":901}`, 400,
			inA(400, "bad request", `{"attribute":"state_token_expires_in","description":"state_token_expires_in is out of range"}`)},
	} {
		check(t, test.name, p.call("POST", test.path, test.body), test.status, test.want)
	}
	if got := p.sim.Sent(); len(got) != 0 {
		t.Errorf("sent = %v, want nothing", got)
	}
}

func TestV1Codes(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	state := p.trigger("1002", "")
	code := p.sim.Code("alice", simulator.SMS)
	for _, test := range []struct {
		name, device, state, code string
		status                    int
		want                      string
	}{
		{"no state token", "1002", "", code, 400, staleStateA},
		{"another device's", "1003", state, code, 400, staleStateA},
		{"no code", "1002", state, "", 400, blankA},
		{"wrong code", "1002", state, "wrong", 401, wrongCodeA},
		{"authenticator, wrong", "1004", "", "wrong", 401, wrongCodeA},
		{"authenticator, no code", "1004", "", "", 400, blankA},
		{"right code", "1002", state, code, 200, successA},
		{"used", "1002", state, code, 400, staleStateA},
		{"authenticator", "1004", "", p.sim.Code("alice", simulator.TOTP), 200, successA},
		{"protect's typed code without a trigger", "1001", "", p.sim.Code("alice", simulator.Protect), 400, staleStateA},
		{"protect's push without a trigger", "1001", "", "", 400, staleStateA},
		{"protect's typed code", "1001", p.trigger("1001", ""), p.sim.Code("alice", simulator.Protect), 200, successA},
	} {
		check(t, test.name, p.verifyV1(test.device, test.state, test.code), test.status, test.want)
	}
	check(t, "nobody", p.call("POST", "/api/1/users/999/otp_devices/1/verify", `{}`), 400, inA(400, "bad request", `"User does not exist"`))
	check(t, "no JSON", p.call("POST", aliceV1+"/1002/verify", `[`), 400, badJSONA)
	state = p.trigger("1002", "")
	for range 5 {
		check(t, "guess", p.verifyV1("1002", state, "wrong"), 401, wrongCodeA)
	}
	check(t, "after five", p.verifyV1("1002", state, p.sim.Code("alice", simulator.SMS)), 400, staleStateA)
	state = p.trigger("1002", "")
	p.sim.Advance(2 * time.Minute)
	check(t, "expired", p.verifyV1("1002", state, p.sim.Code("alice", simulator.SMS)), 400, staleStateA)
}

// A push that nobody has answered is a 401 in version 1.
func TestV1Push(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*simulator.Simulator) bool
		status int
		want   string
	}{
		{"denied", func(s *simulator.Simulator) bool { return s.Deny("alice") }, 401, wrongCodeA},
		{"approved", func(s *simulator.Simulator) bool { return s.Approve("alice") }, 200, successA},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			state := p.trigger("1001", `{"ipaddr":"203.0.113.7"}`)
			check(t, "before", p.call("POST", aliceV1+"/1001/verify", `{"otp_token":null,"state_token":"`+state+`"}`), 401, pendingA)
			if got := p.sim.Pushes("alice"); len(got) != 1 || got[0].IP != "203.0.113.7" {
				t.Errorf("Pushes = %+v, want one with the browser's address", got)
			}
			if !test.answer(p.sim) {
				t.Error("nothing to answer")
			}
			check(t, "after", p.verifyV1("1001", state, ""), test.status, test.want)
			if got := len(p.sim.Sent()); got != 1 {
				t.Errorf("pushes sent = %d, want 1", got)
			}
		})
	}
}

func TestV1Enrolment(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, body := range []string{`{}`, `{"factor_id":58962}`, `{"factor_id":58959}`, `{"factor_id":58961,"verified":true}`} {
		check(t, body, p.call("POST", carolV1, body), 400, noFactorA)
	}
	check(t, "no JSON", p.call("POST", carolV1, `{`), 400, badJSONA)
	check(t, "nobody", p.call("POST", "/api/1/users/999/otp_devices", `{}`), 404, nobodyA)
	got := p.call("POST", carolV1, `{"factor_id":58958,"display_name":"New","number":"+12025550199"}`)
	want := regexp.MustCompile(`^{"status":{"error":false,"code":200,"type":"success","message":"Success"},"data":\[{"active":false,"default":false,"state_token":"([0-9a-f]{40})",` +
		`"auth_factor_name":"OneLogin SMS","needs_trigger":true,"phone_number":"\+1xxxxxxxxxx","type_display_name":"OneLogin SMS","user_display_name":"New","id":9001}\]}$`)
	state := want.FindStringSubmatch(got.body)
	if state == nil {
		t.Fatalf("enrol = %d %s", got.status, got.body)
	}
	if list := p.call("GET", carolV1, "").body; !strings.Contains(list, `"active":false`) {
		t.Errorf("list = %s, want the new device as not active", list)
	}
	check(t, "not in version 2", p.call("GET", carolDevices, ""), 200, `[]`)
	verify := func(code string) answer {
		return p.call("POST", carolV1+"/9001/verify", `{"otp_token":"`+code+`","state_token":"`+state[1]+`"}`)
	}
	check(t, "wrong", verify("wrong"), 401, wrongCodeA)
	check(t, "right", verify(p.sim.Code("carol", simulator.SMS)), 200, successA)
	if list := p.call("GET", carolV1, "").body; !strings.Contains(list, `"active":true,"default":true`) || strings.Contains(list, `"active":false`) {
		t.Errorf("list = %s, want the new device as active", list)
	}
	if got := p.call("POST", carolV1, `{"factor_id":58960,"verified":true}`).body; !strings.Contains(got, `"active":true`) {
		t.Errorf("without proof = %s", got)
	}
	check(t, "remove", p.call("DELETE", carolV1+"/9001", ""), 200, `{}`)
	check(t, "again", p.call("DELETE", carolV1+"/9001", ""), 400, noFactorA)
	check(t, "nobody's", p.call("DELETE", "/api/1/users/999/otp_devices/1", ""), 404, nobodyA)
}

func TestV1TemporaryCode(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	const path = "/api/1/users/101/mfa_token"
	check(t, "nobody", p.call("POST", "/api/1/users/999/mfa_token", `{}`), 404, nobodyA)
	check(t, "no JSON", p.call("POST", path, ``), 400, badJSONA)
	check(t, "too short", p.call("POST", path, `{"expires_in":1}`), 400, inA(400, "bad request", `{"attribute":"expires_in","description":"expires_in is out of range"}`))
	got := p.call("POST", path, `{"expires_in":300}`)
	code := regexp.MustCompile(`"data":\[{"mfa_token":"(\d{8})","expires_at":"[^"]+","reusable":false}\]}$`).FindStringSubmatch(got.body)
	if got.status != 200 || code == nil {
		t.Fatalf("mfa_token = %d %s", got.status, got.body)
	}
	check(t, "redeem", redeemV1(p, code[1], ""), 200, successA)
	check(t, "again", redeemV1(p, code[1], ""), 401, wrongCodeA)
}

// Only version 1 counts, and the hour ends.
func TestQuotaCountsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{Switches: simulator.Switches{Quota: 3}})
		for _, want := range []string{"2", "1", "0"} {
			p.call("GET", aliceDevices, "")
			got := p.call("GET", aliceV1, "")
			if got.status != 200 || got.header.Get("X-Ratelimit-Remaining") != want || got.header.Get("X-Ratelimit-Limit") != "3" {
				t.Errorf("%d, remaining = %s, want %s", got.status, got.header.Get("X-Ratelimit-Remaining"), want)
			}
		}
		got := p.call("POST", aliceV1+"/1002/trigger", `{}`)
		check(t, "spent", got, 429, inA(429, "too many requests", `"Rate limit exceeded"`))
		if got.header.Get("X-Ratelimit-Remaining") != "0" || len(p.sim.Sent()) != 0 {
			t.Errorf("spent: remaining = %s, sent %d", got.header.Get("X-Ratelimit-Remaining"), len(p.sim.Sent()))
		}
		if got := p.call("GET", "/auth/rate_limit", "").body; !strings.Contains(got, `"X-RateLimit-Limit":3,"X-RateLimit-Remaining":0,"X-RateLimit-Reset":3600`) {
			t.Errorf("rate limit = %s", got)
		}
		p.sim.Advance(time.Hour)
		if got := p.call("GET", aliceV1, "").header.Get("X-Ratelimit-Remaining"); got != "2" {
			t.Errorf("in the next hour remaining = %s, want 2", got)
		}
	})
}
