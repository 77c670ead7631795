package simulator_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	badJSON     = `{"statusCode":400,"name":"BadRequestError","message":"Input JSON is not valid"}`
	factorFails = `{"statusCode":401,"name":"Unauthorized","message":"Failed authentication with this factor"}`
	success     = `{"status":{"type":"success","code":200,"message":"Success","error":false}}`
)

// invalid is the refusal of one field.
func invalid(name string) string {
	return `{"statusCode":422,"name":"ValidationError","message":"Validations failed","field":"` + name +
		`","details":{"parameters":["` + name + `"]}}`
}

// The exchange that docs/onelogin.md calls golden: one step-up by SMS.
func TestGoldenExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{Users: []simulator.User{{
			ID: 7, Username: "jdoe", Email: "jdoe@example.com",
			Devices: []simulator.Device{{ID: 3, Factor: simulator.SMS, Name: "p", Default: true}},
		}}})
		check(t, "devices", p.call("GET", "/api/2/mfa/users/7/devices", ""), 200,
			`[{"device_id":"3","user_display_name":"p","type_display_name":"OneLogin SMS","auth_factor_name":"SMS","default":true}]`)
		path := "/api/2/mfa/users/7/verifications"
		opened := p.call("POST", path, `{"device_id":3,"expires_in":120}`)
		id := field(t, opened.body, "id")
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("id = %q, want a version 4 UUID", id)
		}
		check(t, "activate", opened, 201, `{"id":"`+id+`","user_id":"7","device_id":"3","user_display_name":"p",`+
			`"type_display_name":"OneLogin SMS","auth_factor_name":"SMS","expires_at":"2000-01-01T00:02:00Z"}`)
		check(t, "verify", p.call("PUT", path+"/"+id, `{"otp":"`+p.sim.Code("jdoe", simulator.SMS)+`"}`), 200,
			`{"id":"`+id+`","status":"accepted","device_id":"3"}`)
	})
}

func TestDeviceList(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	check(t, "no token", p.send("GET", aliceDevices, "", "Bearer x"), 401, invalidB)
	check(t, "nobody", p.call("GET", "/api/2/mfa/users/999/devices", ""), 404, notFoundB)
	check(t, "no device", p.call("GET", "/api/2/mfa/users/103/devices", ""), 200, `[]`)
	check(t, "alice", p.call("GET", aliceDevices, ""), 200,
		`[{"device_id":"1001","user_display_name":"Alice's phone","type_display_name":"OneLogin Protect","auth_factor_name":"OneLogin","default":true},`+
			`{"device_id":"1002","user_display_name":"Alice's number","type_display_name":"OneLogin SMS","auth_factor_name":"SMS","default":false},`+
			`{"device_id":"1003","user_display_name":"Alice's mail","type_display_name":"OneLogin Email","auth_factor_name":"OneLogin Email","default":false},`+
			`{"device_id":"1004","user_display_name":"Alice's authenticator","type_display_name":"Authenticator","auth_factor_name":"Google Authenticator","default":false}]`)
}

func TestActivationRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no JSON", `{`, 400, badJSON},
		{"no content type", ``, 400, `{"statusCode":400,"name":"BadRequestError","message":"Content-Type header must be set to application/json"}`},
		{"no device", `{}`, 422, invalid("device_id")},
		{"unknown device", `{"device_id":9}`, 404, notFoundB},
		{"bob's device", `{"device_id":1005}`, 404, notFoundB},
		{"device of a wrong type", `{"device_id":[1001]}`, 422, invalid("body")},
		{"too short", `{"device_id":1002,"expires_in":119}`, 422, invalid("expires_in")},
		{"too long", `{"device_id":1002,"expires_in":901}`, 422, invalid("expires_in")},
	} {
		check(t, test.name, p.call("POST", verifications, test.body), test.status, test.want)
	}
	if got := p.sim.Sent(); len(got) != 0 {
		t.Errorf("refused activations sent %v", got)
	}
}

func TestActivationTakesBothForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		for _, body := range []string{
			`{"device_id":1002,"expires_in":900}`, `{"device_id":"1002","expires_in":"900"}`,
			`{"device_id":1002,"expires_in":900,"otp":null}`, `{"device_id":1002,"expires_in":900,"otp":""}`,
		} {
			got := p.call("POST", verifications+"/", body)
			if got.status != 201 || field(t, got.body, "expires_at") != "2000-01-01T00:15:00Z" {
				t.Errorf("%s = %d %s, want 201 for 15 minutes", body, got.status, got.body)
			}
		}
		if got := p.sim.Calls(simulator.OpActivate); got != 4 {
			t.Errorf("activations = %d, want 4", got)
		}
	})
}

func TestVerifyRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	sms, totp := p.activate("1002"), p.activate("1004")
	code := p.sim.Code("alice", simulator.SMS)
	for _, test := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"unknown verification", verifications + "/x", `{"otp":"1"}`, 404, notFoundB},
		{"another user's", "/api/2/mfa/users/102/verifications/" + sms, `{"otp":"` + code + `"}`, 404, notFoundB},
		{"no code", verifications + "/" + sms, `{}`, 422, invalid("otp")},
		{"empty code", verifications + "/" + sms, `{"otp":""}`, 422, invalid("otp")},
		{"code as a number", verifications + "/" + sms, `{"otp":1}`, 422, invalid("body")},
		{"another device", verifications + "/" + sms, `{"otp":"` + code + `","device_id":1003}`, 422, invalid("device_id")},
		{"authenticator without device", verifications + "/" + totp, `{"otp":"1"}`, 422, invalid("device_id")},
		{"no JSON", verifications + "/" + sms, `otp`, 400, badJSON},
	} {
		check(t, test.name, p.call("PUT", test.path, test.body), test.status, test.want)
	}
	if got := p.verify(sms, "1002", code); !strings.Contains(got.body, "accepted") {
		t.Errorf("after the refusals the right code = %s", got.body)
	}
}

func TestCodeBelongsToItsVerification(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	first := p.activate("1002")
	codeOfFirst := p.sim.Code("alice", simulator.SMS)
	p.sim.SetSwitches(func(w *simulator.Switches) { w.AlphanumericCodes = true }) // so that they differ
	second := p.activate("1002")
	if got := p.verify(second, "1002", codeOfFirst); !strings.Contains(got.body, "pending") {
		t.Errorf("the first code for the second verification = %s", got.body)
	}
	if got := p.verify(first, "1002", codeOfFirst); !strings.Contains(got.body, "accepted") {
		t.Errorf("the first code for the first verification = %s", got.body)
	}
}

func TestFifthWrongCodeRejects(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1002")
	for range 4 {
		check(t, "wrong code", p.verify(id, "1002", "wrong"), 200, `{"id":"`+id+`","status":"pending","device_id":"1002"}`)
	}
	rejected := `{"id":"` + id + `","status":"rejected","device_id":"1002"}`
	check(t, "fifth wrong code", p.verify(id, "1002", "wrong"), 200, rejected)
	check(t, "right code too late", p.verify(id, "1002", p.sim.Code("alice", simulator.SMS)), 404, notFoundB)
	check(t, "poll", p.poll(id), 200, rejected)
}

func TestVerificationIsUsedUp(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1002")
	code := p.sim.Code("alice", simulator.SMS)
	p.verify(id, "1002", code)
	check(t, "same code again", p.verify(id, "1002", code), 404, notFoundB)
}

func TestExpiry(t *testing.T) {
	for _, deviceID := range []string{"1001", "1002"} {
		p := newPeer(t, simulator.Options{})
		id := p.activate(deviceID)
		p.sim.Advance(120 * time.Second)
		if len(p.sim.Pushes("alice")) != 0 || p.sim.Approve("alice") {
			t.Error("an expired push is still on the phone")
		}
		check(t, "verify", p.verify(id, deviceID, p.sim.Code("alice", simulator.SMS)+"x"), 404, notFoundB)
		check(t, "poll", p.poll(id), 404, notFoundB)
	}
}

func TestPollRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1001")
	check(t, "dead token", p.send("GET", verifications+"/"+id, "", "Bearer x"), 401,
		`{"status":{"error":true,"code":401,"type":"Unauthorized","message":"Please provide valid credentials"}}`)
	check(t, "unknown", p.poll("x"), 404, notFoundB)
	check(t, "another user's", p.call("GET", "/api/2/mfa/users/102/verifications/"+id, ""), 404, notFoundB)
}

// otherFactors are those that no demo user has.
func otherFactors(t *testing.T) *peer {
	return newPeer(t, simulator.Options{Users: []simulator.User{{ID: 101, Username: "alice", Devices: []simulator.Device{
		{ID: 1, Factor: simulator.Voice, Name: "desk"}, {ID: 2, Factor: simulator.MagicLink, Name: "mail"},
		{ID: 3, Factor: simulator.YubiKey, Name: "key"}, {ID: 4, Factor: simulator.Duo, Name: "duo"},
	}}}})
}

func TestVoiceAndLinkTakeNoCode(t *testing.T) {
	p := otherFactors(t)
	opened := p.call("POST", verifications, `{"device_id":1}`)
	number := regexp.MustCompile(`"factor_data":{"verification_token":"(\d{6})"}}$`).FindStringSubmatch(opened.body)
	if number == nil {
		t.Fatalf("voice = %s, want a number to key in", opened.body)
	}
	voice, link := field(t, opened.body, "id"), p.activate("2")
	for _, id := range []string{voice, link} {
		check(t, "code", p.call("PUT", verifications+"/"+id, `{"otp":"`+number[1]+`"}`), 200,
			`{"id":"`+id+`","status":"pending","device_id":"`+map[bool]string{true: "1", false: "2"}[id == voice]+`"}`)
	}
	if !p.sim.Answer("alice", voice, false) || !p.sim.Answer("alice", link, true) {
		t.Error("nothing to answer")
	}
	check(t, "voice", p.poll(voice), 200, `{"id":"`+voice+`","status":"rejected","device_id":"1"}`)
	check(t, "link", p.poll(link), 200, `{"id":"`+link+`","status":"accepted","device_id":"2"}`)
}

func TestYubiKeyAndDuoShowCodes(t *testing.T) {
	p := otherFactors(t)
	for deviceID, factor := range map[string]simulator.Factor{"3": simulator.YubiKey, "4": simulator.Duo} {
		id := p.activate(deviceID)
		check(t, string(factor), p.verify(id, deviceID, p.sim.Code("alice", factor)), 200,
			`{"id":"`+id+`","status":"accepted","device_id":"`+deviceID+`"}`)
	}
	if got := p.sim.Sent(); len(got) != 0 {
		t.Errorf("devices that show codes were sent %v", got)
	}
}

func TestOneShot(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	check(t, "nothing outstanding", p.call("POST", verifications, `{"otp":"123456"}`), 401, factorFails)
	id := p.activate("1002")
	code := p.sim.Code("alice", simulator.SMS)
	check(t, "wrong code", p.call("POST", verifications, `{"otp":"wrong"}`), 401, factorFails)
	check(t, "wrong device", p.call("POST", verifications, `{"otp":"`+code+`","device_id":1003}`), 401, factorFails)
	check(t, "bob", p.call("POST", "/api/2/mfa/users/102/verifications", `{"otp":"`+code+`"}`), 401, factorFails)
	check(t, "outstanding code", p.call("POST", verifications, `{"otp":"`+code+`"}`), 200, success)
	check(t, "used code", p.call("POST", verifications, `{"otp":"`+code+`"}`), 401, factorFails)
	check(t, "poll", p.poll(id), 200, `{"id":"`+id+`","status":"accepted","device_id":"1002"}`)
	totp := `{"device_id":"1004","otp":"` + p.sim.Code("alice", simulator.TOTP) + `"}`
	check(t, "authenticator", p.call("POST", verifications, totp), 200, success)
	check(t, "wrong authenticator", p.call("POST", verifications, `{"device_id":1004,"otp":"wrong"}`), 401, factorFails)
	if got := len(p.sim.Sent()); got != 1 {
		t.Errorf("messages sent = %d, want the one of the activation", got)
	}
}

func TestCustomMessage(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.call("POST", verifications, `{"device_id":1002,"expires_in":300,"custom_message":"Use {{otp_code}} for {{otp_expiry}} min <b>"}`)
	want := "Use " + p.sim.Code("alice", simulator.SMS) + " for 5 min &lt;b&gt;"
	if page := open(t, p.sim, "GET", "/people/alice", ""); !strings.Contains(page.body, want) {
		t.Errorf("the phone does not show %q", want)
	}
}
