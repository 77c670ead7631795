package simulator_test

import (
	"encoding/base32"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	carolFactors       = "/api/2/mfa/users/103/factors"
	carolDevices       = "/api/2/mfa/users/103/devices"
	carolRegistrations = "/api/2/mfa/users/103/registrations"
)

// enrol begins an enrolment of carol's and returns the answer and its id.
func (p *peer) enrol(body string) (answer, string) {
	p.t.Helper()
	got := p.call("POST", carolRegistrations, body)
	return got, field(p.t, strings.Trim(got.body, "[]"), "id")
}

func enrolSMS(p *peer) answer {
	got, _ := p.enrol(`{"factor_id":58958,"display_name":"New"}`)
	return got
}

func TestAvailableFactors(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	check(t, "no token", p.send("GET", carolFactors, "", "Bearer x"), 401, invalidB)
	check(t, "nobody", p.call("GET", "/api/2/mfa/users/999/factors", ""), 404, notFoundB)
	check(t, "all kinds", p.call("GET", carolFactors, ""), 200,
		`[{"factor_id":58957,"name":"OneLogin Protect","auth_factor_name":"OneLogin"},`+
			`{"factor_id":58958,"name":"SMS","auth_factor_name":"SMS"},`+
			`{"factor_id":58959,"name":"OneLogin Voice","auth_factor_name":"OneLogin Voice"},`+
			`{"factor_id":58960,"name":"OneLogin Email","auth_factor_name":"OneLogin Email"},`+
			`{"factor_id":58961,"name":"Authenticator","auth_factor_name":"Google Authenticator"},`+
			`{"factor_id":58962,"name":"YubiKey","auth_factor_name":"YubiKey"},`+
			`{"factor_id":58963,"name":"Duo Security","auth_factor_name":"Duo Security"}]`)
	p.sim.AddUser(simulator.User{ID: 103, Username: "carol", MayEnrol: []simulator.Factor{}})
	check(t, "a policy without factors", p.call("GET", carolFactors, ""), 200, `[]`)
	p.sim.AddUser(simulator.User{ID: 103, Username: "carol", MayEnrol: []simulator.Factor{simulator.MagicLink, simulator.SMS},
		Devices: []simulator.Device{{Factor: simulator.Email}}})
	check(t, "what is enrolled is not offered", p.call("GET", carolFactors, ""), 200,
		`[{"factor_id":58958,"name":"SMS","auth_factor_name":"SMS"}]`)
}

func TestEnrolmentRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no JSON", `{`, 400, badJSON},
		{"no factor", `{}`, 422, invalid("factor_id")},
		{"unknown factor", `{"factor_id":1}`, 422, invalid("factor_id")},
		{"enrolled by hand only", `{"factor_id":58962}`, 422, invalid("factor_id")},
		{"by hand only too", `{"factor_id":58963}`, 422, invalid("factor_id")},
		{"too short", `{"factor_id":58958,"expires_in":119}`, 422, invalid("expires_in")},
		{"too long", `{"factor_id":58958,"expires_in":"901"}`, 422, invalid("expires_in")},
		{"authenticator without proof", `{"factor_id":58961,"verified":true}`, 422, invalid("verified")},
		{"protect without proof", `{"factor_id":58957,"verified":true}`, 422, invalid("verified")},
	} {
		check(t, test.name, p.call("POST", carolRegistrations, test.body), test.status, test.want)
	}
	check(t, "already enrolled", p.call("POST", "/api/2/mfa/users/101/registrations", `{"factor_id":58958}`), 422, invalid("factor_id"))
	check(t, "nobody", p.call("POST", "/api/2/mfa/users/999/registrations", `{}`), 404, notFoundB)
	if len(p.sim.Sent())+len(p.sim.Registrations("carol")) != 0 {
		t.Error("a refused enrolment began")
	}
}

func TestEnrolmentByCode(t *testing.T) {
	for _, test := range []struct {
		name, factorID string
		factor         simulator.Factor
		typeName       string
	}{
		{"sms", "58958", simulator.SMS, "OneLogin SMS"},
		{"mail", "58960", simulator.Email, "OneLogin Email"},
		{"authenticator", "58961", simulator.TOTP, "Authenticator"},
		{"protect's typed code", "58957", simulator.Protect, "OneLogin Protect"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			_, id := p.enrol(`{"factor_id":` + test.factorID + `,"display_name":"Carol's new one","expires_in":"300"}`)
			path := carolRegistrations + "/" + id
			check(t, "poll", p.call("GET", path, ""), 200, `{"id":"`+id+`","status":"pending"}`)
			check(t, "no device yet", p.call("GET", carolDevices, ""), 200, `[]`)
			check(t, "no code", p.call("PUT", path, `{}`), 422, invalid("otp"))
			check(t, "wrong code", p.call("PUT", path, `{"otp":"wrong"}`), 200, `{"id":"`+id+`","status":"pending"}`)
			accepted := `{"id":"` + id + `","status":"accepted","device_id":"9001"}`
			check(t, "right code", p.call("PUT", path, `{"otp":"`+p.sim.Code("carol", test.factor)+`"}`), 200, accepted)
			check(t, "poll after", p.call("GET", path, ""), 200, accepted)
			check(t, "used up", p.call("PUT", path, `{"otp":"`+p.sim.Code("carol", test.factor)+`"}`), 404, notFoundB)
			devices := p.call("GET", carolDevices, "").body
			for _, part := range []string{`"device_id":"9001","user_display_name":"Carol's new one"`, `"type_display_name":"` + test.typeName, `"default":true`} {
				if !strings.Contains(devices, part) {
					t.Errorf("devices = %s, want %s", devices, part)
				}
			}
			if got := p.call("GET", carolFactors, "").body; strings.Contains(got, test.factorID) {
				t.Errorf("the factor can still be enrolled: %s", got)
			}
			stepUp := p.call("POST", "/api/2/mfa/users/103/verifications", `{"device_id":9001}`)
			code := `{"device_id":9001,"otp":"` + p.sim.Code("carol", test.factor) + `"}`
			done := p.call("PUT", "/api/2/mfa/users/103/verifications/"+field(t, stepUp.body, "id"), code)
			if !strings.Contains(done.body, `"accepted"`) {
				t.Errorf("the new device's code = %s", done.body)
			}
		})
	}
}

func TestEnrolmentOnThePhone(t *testing.T) {
	voice := func(s *simulator.Simulator) bool { return s.KeyIn("carol", s.VoiceCode("carol")) }
	wrong := func(s *simulator.Simulator) bool { return s.KeyIn("carol", s.VoiceCode("carol")+"0") }
	link := func(s *simulator.Simulator) bool { _, ok := s.OpenLink("carol"); return ok }
	for _, test := range []struct {
		name, factorID string
		answer         func(*simulator.Simulator) bool
		want           string
	}{
		{"protect refused", "58957", func(s *simulator.Simulator) bool { return s.DenyRegistration("carol") }, `"rejected"}`},
		{"wrong number", "58959", wrong, `"rejected"}`},
		{"protect", "58957", func(s *simulator.Simulator) bool { return s.ApproveRegistration("carol") }, `"accepted","device_id":"9001"}`},
		{"voice", "58959", voice, `"accepted","device_id":"9001"}`},
		{"link", "58960", link, `"accepted","device_id":"9001"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			p.sim.AddUser(simulator.User{ID: 103, Username: "carol",
				MayEnrol: []simulator.Factor{simulator.Protect, simulator.Voice, simulator.MagicLink}})
			if test.answer(p.sim) {
				t.Error("answered before there was anything")
			}
			_, id := p.enrol(`{"factor_id":` + test.factorID + `}`)
			if p.sim.Approve("carol") || len(p.sim.Pushes("carol")) != 0 {
				t.Error("an enrolment counts as a push")
			}
			if !test.answer(p.sim) {
				t.Error("nothing to answer")
			}
			check(t, "poll", p.call("GET", carolRegistrations+"/"+id, ""), 200, `{"id":"`+id+`","status":`+test.want)
		})
	}
}

// What the documents print for each factor, key by key.
func TestEnrolmentAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		const begin = `^{"id":"[0-9a-f-]{36}","status":"pending",`
		for factorID, want := range map[string]string{
			"58957": `"auth_factor_name":"OneLogin","type_display_name":"OneLogin Protect","user_display_name":"x","factor_data":{"verification_token":"(01-\d{7})","totp_url":"otpauth://totp/acme%3Acarol\?secret=(01-\d{7})"}}$`,
			"58958": `"auth_factor_name":"SMS","type_display_name":"OneLogin SMS","user_display_name":"x","expires_at":"2000-01-01T00:02:00Z"}$`,
			"58959": `"auth_factor_name":"OneLogin Voice","type_display_name":"OneLogin Voice","user_display_name":"x","expires_at":"2000-01-01T00:02:00Z","factor_data":{"verification_token":"\d{6}"}}$`,
			"58960": `"auth_factor_name":"OneLogin Email","type_display_name":"OneLogin Email","user_display_name":"x","expires_at":"2000-01-01T00:02:00Z"}$`,
			"58961": `"auth_factor_name":"Google Authenticator","type_display_name":"Authenticator","user_display_name":"x","expires_at":"2000-01-01T00:02:00Z","factor_data":{"verification_token":"[A-Z2-7]{32}","totp_url":"otpauth://totp/acme%3Acarol\?secret=[A-Z2-7]{32}\\u0026issuer=OneLogin"}}$`,
		} {
			got, _ := p.enrol(`{"factor_id":` + factorID + `,"display_name":"x"}`)
			if got.status != 201 || !regexp.MustCompile(begin+want).MatchString(got.body) {
				t.Errorf("%s = %d %s, want %s", factorID, got.status, got.body, want)
			}
		}
		for _, m := range p.sim.Sent() {
			if m.Factor == simulator.Protect || m.Factor == simulator.TOTP {
				t.Errorf("a device that scans a picture was sent %+v", m)
			}
		}
	})
}

// Whoever scans the picture has the codes: the secret in it is the real one.
func TestSecretInTheURLMakesTheCodes(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	got, id := p.enrol(`{"factor_id":58961}`)
	type body struct {
		FactorData struct {
			URL string `json:"totp_url"`
		} `json:"factor_data"`
	}
	u, err := url.Parse(decode[body](t, got.body).FactorData.URL)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.DecodeString(u.Query().Get("secret"))
	if err != nil || len(secret) != 20 {
		t.Fatalf("secret of %s: %v", u, err)
	}
	code := simulator.CodeOf(secret, p.sim.Now())
	check(t, "code", p.call("PUT", carolRegistrations+"/"+id, `{"otp":"`+code+`"}`), 200, `{"id":"`+id+`","status":"accepted","device_id":"9001"}`)
}

func TestEnrolmentWithoutProof(t *testing.T) {
	for factorID, factor := range map[string]simulator.Factor{"58958": simulator.SMS, "58959": simulator.Voice, "58960": simulator.Email} {
		p := newPeer(t, simulator.Options{})
		got, _ := p.enrol(`{"factor_id":` + factorID + `,"display_name":"x","verified":true}`)
		if !strings.Contains(got.body, `"status":"accepted"`) || field(t, got.body, "device_id") != "9001" || len(p.sim.Sent()) != 0 {
			t.Errorf("%s = %s, sent %v", factor, got.body, p.sim.Sent())
		}
		if devices := p.sim.Users()[2].Devices; len(devices) != 1 || devices[0].Factor != factor {
			t.Errorf("devices = %+v, want one of %s", devices, factor)
		}
	}
}

func TestEnrolmentEnds(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	_, late := p.enrol(`{"factor_id":58958}`)
	code := p.sim.Code("carol", simulator.SMS)
	p.sim.Advance(2 * time.Minute)
	rejected := `{"id":"` + late + `","status":"rejected"}`
	check(t, "poll after the deadline", p.call("GET", carolRegistrations+"/"+late, ""), 200, rejected)
	check(t, "right code after the deadline", p.call("PUT", carolRegistrations+"/"+late, `{"otp":"`+code+`"}`), 200, rejected)
	_, guessed := p.enrol(`{"factor_id":58958}`)
	for range 4 {
		p.call("PUT", carolRegistrations+"/"+guessed, `{"otp":"wrong"}`)
	}
	check(t, "fifth wrong code", p.call("PUT", carolRegistrations+"/"+guessed, `{"otp":"wrong"}`), 200, `{"id":"`+guessed+`","status":"rejected"}`)
	check(t, "right code then", p.call("PUT", carolRegistrations+"/"+guessed, `{"otp":"`+p.sim.Code("carol", simulator.SMS)+`"}`), 404, notFoundB)
	if got := p.sim.Users()[2].Devices; len(got) != 0 {
		t.Errorf("devices = %v, want none", got)
	}
	if got := p.sim.Registrations("Carol"); len(got) != 2 || got[0].Status != "expired" || got[1].Status != "rejected" {
		t.Errorf("Registrations = %+v", got)
	}
}

// A registration is no verification and the other way round, and neither is
// anybody else's.
func TestEnrolmentsAndVerificationsDoNotMix(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	_, id := p.enrol(`{"factor_id":58958}`)
	verification := p.activate("1002")
	for _, path := range []string{
		"/api/2/mfa/users/103/verifications/" + id, "/api/2/mfa/users/101/registrations/" + id,
		"/api/2/mfa/users/101/registrations/" + verification, carolRegistrations + "/x",
	} {
		check(t, path, p.call("GET", path, ""), 404, notFoundB)
		check(t, path, p.call("PUT", path, `{"otp":"1","device_id":1002}`), 404, notFoundB)
	}
	code := p.sim.Code("carol", simulator.SMS)
	check(t, "one-shot", p.call("POST", "/api/2/mfa/users/103/verifications", `{"otp":"`+code+`"}`), 401, factorFails)
}

// The documentation's table says number: the digits then count as they are.
func TestEnrolmentTakesACodeAsNumber(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for range 100 {
		_, id := p.enrol(`{"factor_id":58958}`)
		code := p.sim.Code("carol", simulator.SMS)
		number := strings.TrimLeft(code, "0")
		if number == "" {
			continue
		}
		got := p.call("PUT", carolRegistrations+"/"+id, `{"otp":`+number+`}`).body
		if lost := number != code; strings.Contains(got, "accepted") == lost {
			t.Fatalf("code %s sent as number = %s", code, got)
		} else if !lost {
			return
		}
	}
	t.Error("no code without a leading zero in a hundred")
}

func TestRemoveDevice(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	check(t, "no token", p.send("DELETE", aliceDevices+"/1002", "", "Bearer x"), 401, invalidB)
	check(t, "bob's", p.call("DELETE", aliceDevices+"/1005", ""), 404, notFoundB)
	check(t, "no number", p.call("DELETE", aliceDevices+"/x", ""), 404, notFoundB)
	id := p.activate("1002")
	got := p.call("DELETE", aliceDevices+"/1002", "")
	if got.status != 204 || got.body != "" || got.header.Get("Content-Type") != "" {
		t.Errorf("remove = %d %q %v", got.status, got.body, got.header)
	}
	check(t, "again", p.call("DELETE", aliceDevices+"/1002", ""), 404, notFoundB)
	check(t, "what was pending", p.verify(id, "1002", p.sim.Code("alice", simulator.SMS)), 404, notFoundB)
	check(t, "activate", p.call("POST", verifications, `{"device_id":1002}`), 404, notFoundB)
	if got := p.call("GET", "/api/2/mfa/users/101/factors", "").body; !strings.Contains(got, `"SMS"`) {
		t.Errorf("a removed factor cannot be enrolled again: %s", got)
	}
}
