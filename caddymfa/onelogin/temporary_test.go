package onelogin_test

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func TestTemporaryCodeRequest(t *testing.T) {
	for _, tt := range []struct {
		lifetime time.Duration
		reusable bool
		want     string
	}{
		{0, false, `{"expires_in":120,"reusable":false}`},
		{-time.Hour, false, `{"expires_in":120,"reusable":false}`},
		{15 * time.Minute, true, `{"expires_in":900,"reusable":true}`},
		{1000 * time.Hour, false, `{"expires_in":259200,"reusable":false}`},
	} {
		f := newFake(t)
		f.on("create temporary code", reply{status: 201, body: fixture(t, "temporary_code.json")})
		if _, err := f.client().CreateTemporaryCode(t.Context(), userID, tt.lifetime, tt.reusable); err != nil {
			t.Fatal(err)
		}
		got := f.requests("create temporary code")[0]
		if got.method != "POST" || got.target != "/api/2/mfa/users/64515901/mfa_token" || got.body != tt.want {
			t.Errorf("CreateTemporaryCode(%v) sent %s %s %s, want %s", tt.lifetime, got.method, got.target, got.body, tt.want)
		}
	}
}

func TestTemporaryCodeAnswers(t *testing.T) {
	const device = `,"device_id":"user_temp_otp_36216766"`
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		asked    bool   // for a reusable one
		want     string // the code, "" for an error
		reusable bool
	}{
		{"documented", 201, fixture(t, "temporary_code.json"), false, "25992782", false},
		{"documented with 200", 200, fixture(t, "temporary_code.json"), false, "25992782", false},
		{"once though asked for more", 200, fixture(t, "temporary_code.json"), true, "25992782", false},
		{"more as asked", 200, `{"mfa_token":"25992782","reusable":true` + device + `}`, true, "25992782", true},
		{"letters in a list", 201, `[{"mfa_token":"A2c4E6g8I0k"` + device + `}]`, false, "A2c4E6g8I0k", false},
		{"more than asked", 200, `{"mfa_token":"25992782","reusable":true` + device + `}`, false, "", false},
		{"number", 201, `{"mfa_token":25992782` + device + `}`, false, "", false},
		{"too short", 201, `{"mfa_token":"259"` + device + `}`, false, "", false},
		{"with markup", 201, `{"mfa_token":"<b>2599</b>"` + device + `}`, false, "", false},
		{"no code", 201, `{"reusable":false` + device + `}`, false, "", false},
		{"no device", 201, `{"mfa_token":"25992782"}`, false, "", false},
		{"device of an enrolled one", 201, `{"mfa_token":"25992782","device_id":"3920371"}`, false, "", false},
		{"device that is a path", 201, `{"mfa_token":"25992782","device_id":"user_temp_otp_1/.."}`, false, "", false},
		{"later", 202, fixture(t, "temporary_code.json"), false, "", false},
		{"empty", 201, ``, false, "", false},
		{"scope", 403, fixture(t, "error_403.json"), false, "", false},
		{"invalid", 422, fixture(t, "error_422.json"), false, "", false},
	} {
		f := newFake(t)
		f.on("create temporary code", reply{status: tt.status, body: tt.body})
		got, err := f.client().CreateTemporaryCode(t.Context(), userID, time.Hour, tt.asked)
		if tt.want == "" {
			if !refused(err, tt.status) || got != (onelogin.TemporaryCode{}) {
				t.Errorf("%s: CreateTemporaryCode = %q, %v, want *Error with status %d", tt.name, got.Code, err, tt.status)
			}
			continue
		}
		if err != nil || got.Code != tt.want || got.DeviceID != "user_temp_otp_36216766" || got.Reusable != tt.reusable {
			t.Errorf("%s: CreateTemporaryCode = %q, %q, %v, %v", tt.name, got.Code, got.DeviceID, got.Reusable, err)
		}
	}
}

func TestTemporaryCodeEnds(t *testing.T) {
	f := newFake(t)
	f.on("create temporary code", reply{status: 201, body: fixture(t, "temporary_code.json")})
	got, err := f.client().CreateTemporaryCode(t.Context(), userID, time.Hour, false)
	if want := time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC); err != nil || !got.ExpiresAt.Equal(want) {
		t.Errorf("ExpiresAt = %v, %v, want %v", got.ExpiresAt, err, want)
	}
}

// A code that is tried without a verification is never a success when OneLogin
// answers as if it had made one.
func TestUnboundCode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   onelogin.Verdict
	}{
		{"documented", 200, fixture(t, "verification_success.json"), accepted},
		{"accepted", 200, fixture(t, "verification_accepted.json"), accepted},
		{"other device", 200, `{"status":"accepted","device_id":"1"}`, denied},
		{"other user", 200, `{"status":"accepted","user_id":"1"}`, denied},
		{"wrong", 200, fixture(t, "verification_pending.json"), wrongCode},
		{"a verification was made", 201, fixture(t, "activation.json"), denied},
		{"accepted with 201", 201, fixture(t, "verification_accepted.json"), denied},
		{"a verification was made, 200", 200, fixture(t, "activation.json"), denied},
		{"wrong with 401", 401, envelopeB("Failed authentication with this factor"), wrongCode},
		{"scope", 403, fixture(t, "error_403.json"), undecided},
	} {
		f := newFake(t)
		f.on("verify unbound", reply{status: tt.status, body: tt.body})
		got, err := f.client().VerifyUnbound(t.Context(), userID, deviceID, "012345")
		if got != tt.want || (err != nil) != (tt.want == undecided) {
			t.Errorf("%s: VerifyUnbound = %v, %v, want %v", tt.name, got, err, tt.want)
		}
		sent := f.requests("verify unbound")[0]
		if sent.method != "POST" || sent.target != "/api/2/mfa/users/64515901/verifications" || sent.body != `{"otp":"012345","device_id":3920371}` {
			t.Errorf("VerifyUnbound sent %s %s %s", sent.method, sent.target, sent.body)
		}
	}
}

func TestUnboundCodeNeedsADevice(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		f := newFake(t)
		client := f.client(speaking(api))
		for _, bad := range []string{"", "a/b", ".."} {
			if got, err := client.VerifyUnbound(t.Context(), userID, bad, "012345"); got != undecided || !refused(err, 0) {
				t.Errorf("%s: VerifyUnbound(%q) = %v, %v, want undecided", api, bad, got, err)
			}
		}
		if got, err := client.VerifyUnbound(t.Context(), userID, deviceID, ""); got != wrongCode || err != nil {
			t.Errorf("%s: VerifyUnbound without code = %v, %v, want wrong code", api, got, err)
		}
		f.wantCalls("token", 0)
	}
}
