package onelogin_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func TestActivationRequest(t *testing.T) {
	for _, tt := range []struct {
		deviceID string
		lifetime time.Duration
		want     string
	}{
		{"3920371", 2 * time.Minute, `{"device_id":3920371,"expires_in":120}`},
		{"3920371", 0, `{"device_id":3920371,"expires_in":120}`},
		{"3920371", -time.Hour, `{"device_id":3920371,"expires_in":120}`},
		{"3920371", 300*time.Second + 900*time.Millisecond, `{"device_id":3920371,"expires_in":300}`},
		{"3920371", time.Hour, `{"device_id":3920371,"expires_in":900}`},
		{"007", 0, `{"device_id":"007","expires_in":120}`},
		{"12345678901234567890123", 0, `{"device_id":"12345678901234567890123","expires_in":120}`},
		{"user_temp_otp_5", 0, `{"device_id":"user_temp_otp_5","expires_in":120}`},
	} {
		f := newFake(t)
		f.on("activate", reply{status: 201, body: `{"id":"` + verifID + `"}`})
		if _, err := f.client().Activate(t.Context(), userID, tt.deviceID, onelogin.Activation{Lifetime: tt.lifetime}); err != nil {
			t.Fatal(err)
		}
		got := f.requests("activate")[0]
		if got.method != "POST" || got.target != "/api/2/mfa/users/64515901/verifications" || got.body != tt.want {
			t.Errorf("Activate(%s, %v) sent %s %s %s, want %s", tt.deviceID, tt.lifetime, got.method, got.target, got.body, tt.want)
		}
	}
}

func TestMagicLinkLeadsWhereItIsConfiguredTo(t *testing.T) {
	f := newFake(t)
	f.on("activate", reply{status: 201, body: `{"id":"a"}`})
	activation := onelogin.Activation{RedirectTo: "https://app.example/?a=b"}
	if _, err := f.client().Activate(t.Context(), userID, deviceID, activation); err != nil {
		t.Fatal(err)
	}
	const want = `{"device_id":3920371,"expires_in":120,"redirect_to":"https://app.example/?a=b"}`
	if got := f.requests("activate")[0].body; got != want {
		t.Errorf("Activate sent %s, want %s", got, want)
	}
}

func TestCallTellsTheCodeToKeyIn(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"documented", fixture(t, "activation_array.json"), "144613"},
		{"leading zero", `{"id":"a","auth_factor_name":"Voice","factor_data":{"verification_token":"012345"}}`, "012345"},
		{"push", `{"id":"a","auth_factor_name":"OneLogin","factor_data":{"verification_token":"144613"}}`, ""},
		{"no code", `{"id":"a","auth_factor_name":"Voice"}`, ""},
		{"code with markup", `{"id":"a","auth_factor_name":"Voice","factor_data":{"verification_token":"1 <b>"}}`, ""},
		{"code as number", `{"id":"a","auth_factor_name":"Voice","factor_data":{"verification_token":144613}}`, ""},
	} {
		f := newFake(t)
		f.on("activate", reply{status: 201, body: tt.body})
		v, err := f.client().Activate(t.Context(), userID, deviceID, onelogin.Activation{})
		if err != nil || v.VoiceCode != tt.want {
			t.Errorf("%s: VoiceCode = %q, %v, want %q", tt.name, v.VoiceCode, err, tt.want)
		}
	}
}

func TestActivationAnswers(t *testing.T) {
	expires := time.Date(2026, 3, 2, 8, 2, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		status  int
		body    string
		wantID  string // "" for an error
		expires time.Time
	}{
		{"documented", 201, fixture(t, "activation.json"), verifID, expires},
		{"documented with 200", 200, fixture(t, "activation.json"), verifID, expires},
		{"array with numbers", 201, fixture(t, "activation_array.json"), verifID, expires},
		{"array of array", 201, `[[{"id":"a-B_9"}]]`, "a-B_9", time.Time{}},
		{"number", 201, `{"id":99,"status":"pending"}`, "99", time.Time{}},
		{"unreadable end", 201, `{"id":"a","expires_at":"soon"}`, "a", time.Time{}},
		{"end as number", 201, `{"id":"a","expires_at":5}`, "a", time.Time{}},
		{"no id", 201, `{"user_id":"64515901"}`, "", time.Time{}},
		{"empty id", 201, `{"id":""}`, "", time.Time{}},
		{"id that is a path", 201, `{"id":"a/../../b"}`, "", time.Time{}},
		{"id too long", 201, `{"id":"` + strings.Repeat("a", 129) + `"}`, "", time.Time{}},
		{"id twice", 201, `{"id":"a","id":"b"}`, "", time.Time{}},
		{"two", 201, `[{"id":"a"},{"id":"b"}]`, "", time.Time{}},
		{"other user", 201, `{"id":"a","user_id":"1"}`, "", time.Time{}},
		{"other device", 201, `{"id":"a","device_id":1}`, "", time.Time{}},
		{"success of a code", 200, fixture(t, "verification_success.json"), "", time.Time{}},
		{"empty", 201, ``, "", time.Time{}},
		{"html", 200, `<html>`, "", time.Time{}},
		{"accepted", 202, `{"id":"a"}`, "", time.Time{}},
		{"no content", 204, ``, "", time.Time{}},
		{"redirect", 307, `{"id":"a"}`, "", time.Time{}},
		{"unauthorized", 401, fixture(t, "error_401.json"), "", time.Time{}},
		{"scope", 403, fixture(t, "error_403.json"), "", time.Time{}},
		{"no device", 404, fixture(t, "error_404.json"), "", time.Time{}},
		{"invalid", 422, fixture(t, "error_422.json"), "", time.Time{}},
		{"throttled", 429, fixture(t, "throttled.html"), "", time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("activate", reply{status: tt.status, body: tt.body})
			got, err := f.client().Activate(t.Context(), userID, deviceID, onelogin.Activation{})
			if tt.wantID == "" {
				refusal, ok := errors.AsType[*onelogin.Error](err)
				if !ok || refusal.StatusCode != tt.status || got != (onelogin.Verification{}) {
					t.Errorf("Activate = %s, %v, want *Error with status %d", got.ID, err, tt.status)
				}
				return
			}
			if err != nil || got.ID != tt.wantID || got.UserID != userID || got.DeviceID != deviceID || !got.ExpiresAt.Equal(tt.expires) {
				t.Errorf("Activate = %s until %v, %v, want %s until %v", got.ID, got.ExpiresAt, err, tt.wantID, tt.expires)
			}
		})
	}
}

func TestCodeRequestKeepsLeadingZeros(t *testing.T) {
	f := newFake(t)
	f.on("verify", reply{status: 200, body: `{"status":"pending"}`})
	f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
	client := f.client()
	if _, err := client.Verify(t.Context(), verification, "012345"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Poll(t.Context(), verification); err != nil {
		t.Fatal(err)
	}
	path := "/api/2/mfa/users/64515901/verifications/" + verifID
	if got := f.requests("verify")[0]; got.method != "PUT" || got.target != path || got.body != `{"otp":"012345","device_id":3920371}` {
		t.Errorf("Verify sent %+v", got)
	}
	if got := f.requests("poll")[0]; got.method != "GET" || got.target != path || got.body != "" {
		t.Errorf("Poll sent %+v", got)
	}
}

func TestCodesThatCannotBeRightAreNotSent(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for _, code := range []string{"", strings.Repeat("1", 129)} {
		if got, err := client.Verify(t.Context(), verification, code); got != wrongCode || err != nil {
			t.Errorf("Verify(%q) = %v, %v, want wrong code", code, got, err)
		}
	}
	f.wantCalls("verify", 0)
}

func TestIDsThatAreNoRecordAreNeverSent(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for _, bad := range []string{"", "..", "a/b", "%2e%2e", "a b", "a?b", "a#b", "ä", strings.Repeat("a", 129)} {
		for _, v := range []onelogin.Verification{
			{ID: bad, UserID: userID, DeviceID: deviceID},
			{ID: verifID, UserID: bad, DeviceID: deviceID},
			{ID: verifID, UserID: userID, DeviceID: bad},
		} {
			if got, err := client.Verify(t.Context(), v, "012345"); got != undecided || err == nil {
				t.Errorf("Verify with id %q = %v, %v, want undecided", bad, got, err)
			}
			if got, err := client.Poll(t.Context(), v); got != undecided || err == nil {
				t.Errorf("Poll with id %q = %v, %v, want undecided", bad, got, err)
			}
		}
		if _, err := client.Activate(t.Context(), userID, bad, onelogin.Activation{}); err == nil {
			t.Errorf("Activate(%q) did not refuse", bad)
		}
	}
	f.wantCalls("token", 0)
}
