package simulator_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// deviation is one switch and the answer that it changes.
type deviation struct {
	name     string // of the switch that the case shows
	switches simulator.Switches
	call     func(*peer) answer
	status   int
	want     string // ID stands for the verification's id
}

// Calls of the deviations. Each opens what it needs.
func activateSMS(p *peer) answer { return p.call("POST", verifications, `{"device_id":1002}`) }
func rightCode(p *peer) answer {
	return p.verify(p.activate("1002"), "1002", p.sim.Code("alice", simulator.SMS))
}
func wrongCode(p *peer) answer { return p.verify(p.activate("1002"), "1002", "wrong") }
func pollPush(p *peer) answer  { return p.poll(p.activate("1001")) }
func pollExpired(p *peer) answer {
	id := p.activate("1001")
	p.sim.Advance(time.Hour)
	return p.poll(id)
}
func verifyExpired(p *peer) answer {
	id := p.activate("1002")
	p.sim.Advance(time.Hour)
	return p.verify(id, "1002", p.sim.Code("alice", simulator.SMS))
}
func pollUnknown(p *peer) answer { return p.poll("x") }
func listDevices(p *peer) answer { return p.call("GET", "/api/2/mfa/users/102/devices", "") }
func findUser(p *peer) answer {
	return p.call("GET", users+"?fields=id,status,state&username=alice", "")
}
func findAny(p *peer) answer { return p.call("GET", users+"?fields=id&username=*", "") }
func oneShotWrong(p *peer) answer {
	p.activate("1002")
	return p.call("POST", verifications, `{"otp":"wrong"}`)
}
func oneShotTOTP(p *peer) answer {
	return p.call("POST", verifications, `{"device_id":1004,"otp":"`+p.sim.Code("alice", simulator.TOTP)+`"}`)
}

func listFactors(p *peer) answer { return p.call("GET", carolFactors, "") }
func enrolWrong(p *peer) answer {
	_, id := p.enrol(`{"factor_id":58958}`)
	return p.call("PUT", carolRegistrations+"/"+id, `{"otp":"wrong"}`)
}
func enrolLate(p *peer) answer {
	_, id := p.enrol(`{"factor_id":58958}`)
	p.sim.Advance(time.Hour)
	return p.call("GET", carolRegistrations+"/"+id, "")
}
func enrolPollUnknown(p *peer) answer { return p.call("GET", carolRegistrations+"/x", "") }
func listV1(p *peer) answer           { return p.call("GET", "/api/1/users/102/otp_devices", "") }
func protectV1(p *peer) answer {
	p.call("DELETE", aliceDevices+"/1002", "")
	p.call("DELETE", aliceDevices+"/1003", "")
	p.call("DELETE", aliceDevices+"/1004", "")
	return p.call("GET", aliceV1, "")
}
func untriggeredV1(p *peer) answer { return p.verifyV1("1001", "", "") }
func staleV1(p *peer) answer       { return p.verifyV1("1002", "x", "1") }
func pollLogin(p *peer) answer {
	return p.factor(stateOf(logInAlice(p)), "1001", "", true)
}
func smartRight(p *peer) answer {
	return p.verifySmart(stateOf(validate(p)), p.sim.Code("alice", simulator.Email))
}
func smartLater(p *peer) answer {
	smartRight(p)
	return validate(p)
}
func smartAlias(p *peer) answer { return p.call("POST", "/api/2/verify", `{"state_token":"x"}`) }

func deviations() []deviation {
	const (
		accepted = `{"id":"ID","status":"accepted","device_id":"1002"}`
		pending  = `{"id":"ID","status":"pending","device_id":"1002"}`
		rejected = `{"id":"ID","status":"rejected","device_id":"1002"}`
		waiting  = `{"id":"ID","status":"pending","device_id":"1001"}`
		notFound = `{"status":{"error":true,"code":404,"type":"not found","message":"The resource can't be found or the server has not found anything matching the Request-URI"}}`
	)
	return []deviation{
		{"arrays", simulator.Switches{Arrays: true}, rightCode, 200, `[` + accepted + `]`},
		{"arrays", simulator.Switches{Arrays: true}, pollPush, 200, `[` + waiting + `]`},
		{"double_array", simulator.Switches{DoubleArray: true}, wrongCode, 200, `[[` + pending + `]]`},
		{"ids_as_numbers", simulator.Switches{IDsAsNumbers: true}, rightCode, 200, `{"id":"ID","status":"accepted","device_id":1002}`},
		{"ids_as_numbers", simulator.Switches{IDsAsNumbers: true}, listDevices, 200, `[{"device_id":1005,"user_display_name":"Bob's number","type_display_name":"OneLogin SMS","auth_factor_name":"SMS","default":true}]`},
		{"device_id_mismatch", simulator.Switches{DeviceIDMismatch: true}, rightCode, 200, `{"id":"ID","status":"accepted","device_id":"1003"}`},
		{"verify_body", simulator.Switches{VerifyBody: "object"}, rightCode, 200, success},
		{"verify_body", simulator.Switches{VerifyBody: "flat"}, rightCode, 200, `{"type":"success","code":200,"message":"Success","error":false}`},
		{"verify_body", simulator.Switches{VerifyBody: "string"}, rightCode, 200, accepted},
		{"verify_body", simulator.Switches{VerifyBody: "string"}, oneShotTOTP, 200, `{"status":"accepted","device_id":"1004"}`},
		{"wrong_code", simulator.Switches{WrongCode: "pending"}, wrongCode, 200, pending},
		{"wrong_code", simulator.Switches{WrongCode: "rejected"}, wrongCode, 200, rejected},
		{"wrong_code", simulator.Switches{WrongCode: "401_factor"}, wrongCode, 401, factorFails},
		{"wrong_code", simulator.Switches{WrongCode: "pending"}, oneShotWrong, 200, pending},
		{"tries", simulator.Switches{Tries: 1}, wrongCode, 200, rejected},
		{"expired", simulator.Switches{Expired: "rejected"}, pollExpired, 200, `{"id":"ID","status":"rejected","device_id":"1001"}`},
		{"expired", simulator.Switches{Expired: "rejected"}, verifyExpired, 200, rejected},
		{"expired", simulator.Switches{Expired: "pending_forever"}, pollExpired, 200, waiting},
		{"expired", simulator.Switches{Expired: "pending_forever"}, verifyExpired, 200, pending},
		{"expired", simulator.Switches{Expired: "404"}, pollExpired, 404, notFoundB},
		{"extra_unknown_status", simulator.Switches{ExtraUnknownStatus: "approved"}, rightCode, 200, strings.Replace(accepted, "accepted", "approved", 1)},
		{"extra_unknown_status", simulator.Switches{ExtraUnknownStatus: "approved"}, wrongCode, 200, pending},
		{"error_envelope_on_poll", simulator.Switches{ErrorEnvelopeOnPoll: "A"}, pollUnknown, 404, notFound},
		{"error_envelope_on_poll", simulator.Switches{ErrorEnvelopeOnPoll: "B", SameTokenAfter401: true}, pollUnknown, 401, invalidB},
		{"same_token_after_401", simulator.Switches{SameTokenAfter401: true}, listDevices, 401, invalidB},
		{"no_devices", simulator.Switches{NoDevices: true}, listDevices, 200, `[]`},
		{"unknown_factor_name", simulator.Switches{UnknownFactorName: true}, listDevices, 200, `[{"device_id":"1005","user_display_name":"Bob's number","type_display_name":"OneLogin Carrier Pigeon","auth_factor_name":"Carrier Pigeon","default":true}]`},
		{"user_status", simulator.Switches{UserStatus: new(0)}, findUser, 200, `[{"id":101,"state":1,"status":0}]`},
		{"user_state", simulator.Switches{UserState: new(3)}, findUser, 200, `[{"id":101,"state":3,"status":1}]`},
		{"duplicate_users", simulator.Switches{DuplicateUsers: true}, findUser, 200, `[{"id":101,"state":1,"status":1},{"id":500101,"state":1,"status":1}]`},
		{"wildcards", simulator.Switches{Wildcards: "off"}, findAny, 200, `[]`},
		{"wildcards", simulator.Switches{Wildcards: "on"}, findAny, 200, `[{"id":101},{"id":102},{"id":103}]`},
		{"edge_429", simulator.Switches{Edge429: 1}, listDevices, 429, "<html><body><h1>429 Too Many Requests</h1>\nYou have sent too many requests in a given amount of time.\n</body></html>\n"},
		{"quota_429", simulator.Switches{Quota429: true}, listDevices, 429, `{"status":{"error":true,"code":429,"type":"too many requests","message":"Rate limit exceeded"}}`},
		{"html_502", simulator.Switches{HTML502: true}, listDevices, 502, "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n"},
		{"empty_200", simulator.Switches{Empty200: true}, listDevices, 200, ""},
		{"arrays", simulator.Switches{Arrays: true}, enrolWrong, 200, `[{"id":"ID","status":"pending"}]`},
		{"wrong_code", simulator.Switches{WrongCode: "rejected"}, enrolWrong, 200, `{"id":"ID","status":"rejected"}`},
		{"expired", simulator.Switches{Expired: "404"}, enrolLate, 404, notFoundB},
		{"expired", simulator.Switches{Expired: "pending_forever"}, enrolLate, 200, `{"id":"ID","status":"pending"}`},
		{"error_envelope_on_poll", simulator.Switches{ErrorEnvelopeOnPoll: "A"}, enrolPollUnknown, 404, notFound},
		{"error_envelope_on_poll", simulator.Switches{ErrorEnvelopeOnPoll: "B"}, enrolPollUnknown, 404, notFoundB},
		{"lone_factor", simulator.Switches{LoneFactor: true}, listFactors, 200, `{"factor_id":58957,"name":"OneLogin Protect","auth_factor_name":"OneLogin"}`},
		{"no_devices", simulator.Switches{NoDevices: true}, listV1, 200, `{"data":{"otp_devices":[]},"status":{"error":false,"code":200,"type":"success","message":"Success"}}`},
		{"unknown_factor_name", simulator.Switches{UnknownFactorName: true}, listV1, 200, `{"data":{"otp_devices":[{"active":true,"default":true,"auth_factor_name":"Carrier Pigeon","needs_trigger":true,"phone_number":"+1xxxxxxxxxx","type_display_name":"Carrier Pigeon","user_display_name":"Bob's number","id":1005}]},"status":{"error":false,"code":200,"type":"success","message":"Success"}}`},
		{"v1_protect_no_trigger", simulator.Switches{V1ProtectNoTrigger: true}, protectV1, 200, `{"data":{"otp_devices":[{"active":true,"default":true,"auth_factor_name":"OneLogin Protect","needs_trigger":false,"type_display_name":"OneLogin Protect","user_display_name":"Alice's phone","id":1001}]},"status":{"error":false,"code":200,"type":"success","message":"Success"}}`},
		{"v1_protect_no_trigger", simulator.Switches{V1ProtectNoTrigger: true}, untriggeredV1, 401, pendingA},
		{"state_token_status", simulator.Switches{StateTokenStatus: 401}, staleV1, 401, inA(401, "Unauthorized", `"State token is invalid or expired"`)},
		{"login_pending_type", simulator.Switches{LoginPendingType: "success"}, pollLogin, 200, strings.Replace(waitingA, "pending", "success", 1)},
		{"risk_score", simulator.Switches{RiskScore: new(49)}, smartLater, 200, `{"user_id":101,"risk":{"score":49,"reasons":[]},"mfa":{"otp_sent":false}}`},
		{"smart_mfa_ok", simulator.Switches{SmartMFAOK: "json"}, smartRight, 200, `"OK"`},
		{"smart_mfa_text_booleans", simulator.Switches{SmartMFATextBooleans: true}, smartLater, 200, `{"user_id":101,"risk":{"score":5,"reasons":[]},"mfa":{"otp_sent":"false"}}`},
		{"node_smart_mfa_alias", simulator.Switches{NodeSmartMFAAlias: true}, smartAlias, 400, staleStateB},
		{"only", simulator.Switches{Only: "poll, verify", HTML502: true}, pollUnknown, 502, "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n"},
		{"only", simulator.Switches{Only: "users", NoDevices: true, HTML502: true}, pollPush, 200, waiting},
	}
}

func TestSwitchChangesTheAnswer(t *testing.T) {
	for _, test := range deviations() {
		name, _ := json.Marshal(test.switches)
		t.Run(test.name+string(name), func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			p.sim.SetSwitches(func(w *simulator.Switches) { *w = test.switches })
			got := test.call(p)
			want := test.want
			if sent := p.sim.Sent(); len(sent) > 0 {
				want = strings.ReplaceAll(want, `"ID"`, `"`+sent[0].VerificationID+`"`)
			}
			check(t, test.name, got, test.status, want)
		})
	}
}

// shownElsewhere are switches that need more than one answer to show.
func shownElsewhere() []string {
	return []string{"times", "numeric_verification_ids", "verification_id_mismatch", "activate_status", "alphanumeric_codes",
		"token_wrapped", "token_no_refresh_field", "token_created_at_skew", "token_killed_by_other_client", "slow", "truncate_body",
		"enrol_status", "mfa_token_status", "temporary_code", "mfs_alias", "quota", "login_without_mfa", "lock_after",
		"webhook_duplicates", "webhook_reversed", "webhook_ids_as_text"}
}

func TestEverySwitchIsShown(t *testing.T) {
	shown := shownElsewhere()
	for _, test := range deviations() {
		shown = append(shown, test.name)
	}
	for f := range reflect.TypeFor[simulator.Switches]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !slices.Contains(shown, name) {
			t.Errorf("no test shows what switch %s changes", name)
		}
	}
}

func TestSwitchesSurviveJSON(t *testing.T) {
	want := simulator.Switches{Only: "poll", Slow: 1500 * time.Millisecond, TokenCreatedAtSkew: -time.Hour, UserStatus: new(0), Arrays: true}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const wire = `{"only":"poll","arrays":true,"user_status":0,"token_created_at_skew":"-1h0m0s","slow":"1.5s"}`
	if string(text) != wire {
		t.Errorf("Marshal = %s, want %s", text, wire)
	}
	var got simulator.Switches
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Unmarshal = %+v, %v, want %+v", got, err, want)
	}
}

func TestSetByName(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        simulator.Switches
		err         string
	}{
		{"nonsense", "1", simulator.Switches{}, "nonsense"},
		{"html_502", "maybe", simulator.Switches{}, "html_502"},
		{"slow", "5", simulator.Switches{}, "not a duration"},
		{"slow", "-1s", simulator.Switches{}, "negative"},
		{"verify_body", "round", simulator.Switches{}, "string, object, flat"},
		{"activate_status", "204", simulator.Switches{}, "neither 200 nor 201"},
		{"only", "polls", simulator.Switches{}, "polls"},
		{"temporary_code", "listed,often", simulator.Switches{}, "often"},
		{"mfa_token_status", "204", simulator.Switches{}, "neither 200 nor 201"},
		{"state_token_status", "404", simulator.Switches{}, "neither 400 nor 401"},
		{"risk_score", "101", simulator.Switches{}, "within 0 and 100"},
		{"quota", "-1", simulator.Switches{}, "negative"},
		{"html_502", "true", simulator.Switches{HTML502: true}, ""},
		{"edge_429", "3", simulator.Switches{Edge429: 3}, ""},
		{"user_state", "0", simulator.Switches{UserState: new(0)}, ""},
		{"slow", "2s", simulator.Switches{Slow: 2 * time.Second}, ""},
		{"expired", "404", simulator.Switches{Expired: "404"}, ""},
		{"extra_unknown_status", "true", simulator.Switches{ExtraUnknownStatus: "true"}, ""},
		{"only", "poll,verify", simulator.Switches{Only: "poll,verify"}, ""},
	} {
		var got simulator.Switches
		err := got.Set(test.name, test.value)
		if (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
			t.Errorf("Set(%s, %s) = %v, want an error with %q", test.name, test.value, err, test.err)
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("Set(%s, %s) gives %+v, want %+v", test.name, test.value, got, test.want)
		}
	}
}

func TestUnknownSwitchValuePanics(t *testing.T) {
	for name, set := range map[string]func(){
		"New": func() { simulator.New(simulator.Options{Switches: simulator.Switches{Only: "polls"}}) },
		"SetSwitches": func() {
			simulator.New(simulator.Options{}).SetSwitches(func(w *simulator.Switches) { w.WrongCode = "x" })
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s with an unknown value did not panic", name)
				}
			}()
			set()
		}()
	}
}

func TestStatusAndPathSwitches(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{EnrolStatus: 200, MFATokenStatus: 200, MFSAlias: true}})
	if got := enrolSMS(p).status; got != 200 {
		t.Errorf("enrol_status = %d, want 200", got)
	}
	if got := p.call("POST", mfaToken, `{}`).status; got != 200 {
		t.Errorf("mfa_token_status = %d, want 200", got)
	}
	if got := p.call("POST", "/api/2/mfs/users/101/mfa_token", `{}`); got.status != 200 || len(p.sim.TemporaryCodes("alice")) != 2 {
		t.Errorf("mfs_alias = %d %s", got.status, got.body)
	}
}

func TestTemporaryCodeSwitchHidesTheDevice(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{TemporaryCode: "none"}})
	code, deviceID := p.temporary(`{}`)
	if got := p.call("GET", aliceDevices, "").body; strings.Contains(got, deviceID) {
		t.Errorf("devices = %s", got)
	}
	check(t, "listed", redeemListed(p, code, deviceID), 404, notFoundB)
	check(t, "one-shot", redeemOneShot(p, code, deviceID), 401, factorFails)
	check(t, "version 1", redeemV1(p, code, deviceID), 401, wrongCodeA)
}

func TestLoginSwitches(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{LoginWithoutMFA: true, LockAfter: 2}})
	if sessionTokenOf(logInAlice(p)) == "" {
		t.Error("login_without_mfa: the password alone did not do")
	}
	for range 2 { // a right one between them starts the count afresh
		check(t, "wrong password", p.call("POST", loginPath, loginBody("alice", "x")), 401, badLogin)
		if got := logInAlice(p).status; got != 200 {
			t.Errorf("lock_after: the right password = %d", got)
		}
	}
	for range 2 {
		check(t, "wrong password", p.call("POST", loginPath, loginBody("alice", "x")), 401, badLogin)
	}
	check(t, "lock_after", logInAlice(p), 401, badLogin)
	if got := p.sim.Users()[0].Status; got != 3 || !slices.Contains(kinds(p.sim.Events()), 19) {
		t.Errorf("lock_after: status = %d, events %v; want 3 and a lock", got, kinds(p.sim.Events()))
	}
}
