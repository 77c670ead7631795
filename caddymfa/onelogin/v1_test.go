package onelogin_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const (
	smsV1      = "525509"
	protectV1  = "526532"
	appV1      = "526551"
	inactiveV1 = "526552"
	voiceV1    = "526553"
	stateToken = "7eca471e256fffa4d8760dcf893f134279652ab1"
)

// triggered is a verification of the API v1 whose message went out.
var triggered = onelogin.Verification{ID: stateToken, UserID: userID, DeviceID: smsV1}

func TestDevicesOfV1(t *testing.T) {
	f := newFake(t)
	f.on("devices", reply{status: 200, body: fixture(t, "v1_devices.json")})
	got, err := f.client(speaking("v1")).Devices(t.Context(), userID)
	want := []onelogin.Device{
		{ID: smsV1, Name: "Mobile", TypeName: "OneLogin SMS", FactorName: "OneLogin SMS", Default: true},
		{ID: protectV1, Name: "Mobile", TypeName: "OneLogin Protect", FactorName: "OneLogin Protect"},
		{ID: appV1, Name: "App", TypeName: "Google Authenticator", FactorName: "Google Authenticator"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Devices = %+v, %v, want %+v: none inactive, no calls", got, err, want)
	}
	if got := f.requests("devices")[0].target; got != "/api/1/users/64515901/otp_devices" {
		t.Errorf("asked %s", got)
	}
}

func TestDeviceListsOfV1(t *testing.T) {
	const ok = `"status":{"type":"success","code":200,"message":"Success","error":false}`
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   int // devices, -1 for an error
	}{
		{"none", 200, `{` + ok + `,"data":{"otp_devices":[]}}`, 0},
		{"none as empty data", 200, `{` + ok + `,"data":[]}`, 0},
		{"none as list in list", 200, `{` + ok + `,"data":[[]]}`, 0},
		{"data in a list", 200, `{` + ok + `,"data":[{"otp_devices":[{"id":1}]}]}`, 1},
		{"id of the new API", 200, `{` + ok + `,"data":{"otp_devices":[{"device_id":1}]}}`, -1},
		{"no object", 200, `{` + ok + `,"data":{"otp_devices":[1]}}`, -1},
		{"no list", 200, `{` + ok + `,"data":{"otp_devices":null}}`, -1},
		{"no data", 200, `{` + ok + `}`, -1},
		{"data twice spelled", 200, `{` + ok + `,"data":{"otp_devices":[]},"Data":{}}`, -1},
		{"error with 200", 200, `{"status":{"code":200,"error":true},"data":{"otp_devices":[]}}`, -1},
		{"other code", 200, `{"status":{"code":500,"error":false},"data":{"otp_devices":[]}}`, -1},
		{"bare list", 200, `[{"id":1}]`, -1},
		{"html", 200, `<html>`, -1},
		{"other success", 201, `{` + ok + `,"data":{"otp_devices":[]}}`, -1},
		{"scope", 401, envelopeA("Insufficient Permission"), -1},
	} {
		f := newFake(t)
		f.on("devices", reply{status: tt.status, body: tt.body})
		devices, err := f.client(speaking("v1")).Devices(t.Context(), userID)
		if tt.want < 0 {
			if !refused(err, tt.status) || devices != nil {
				t.Errorf("%s: Devices = %+v, %v, want *Error with status %d", tt.name, devices, err, tt.status)
			}
		} else if err != nil || len(devices) != tt.want {
			t.Errorf("%s: Devices = %+v, %v, want %d", tt.name, devices, err, tt.want)
		}
	}
}

func TestOnlyWhatNeedsATriggerIsTriggeredInV1(t *testing.T) {
	for _, tt := range []struct {
		deviceID string
		triggers int
	}{{smsV1, 1}, {protectV1, 1}, {appV1, 0}} {
		f := newFake(t)
		f.on("devices", reply{status: 200, body: fixture(t, "v1_devices.json")})
		f.on("activate", reply{status: 200, body: `{"status":{"code":200,"error":false},"data":[{"state_token":"` + stateToken + `"}]}`})
		v, err := f.client(speaking("v1")).Activate(t.Context(), userID, tt.deviceID, onelogin.Activation{Lifetime: 5 * time.Minute})
		if err != nil || v.UserID != userID || v.DeviceID != tt.deviceID || (v.ID == "") != (tt.triggers == 0) {
			t.Errorf("Activate(%s) = id %q, %v", tt.deviceID, v.ID, err)
		}
		f.wantCalls("activate", tt.triggers)
		for _, got := range f.requests("activate") {
			if got.method != "POST" || got.target != "/api/1/users/64515901/otp_devices/"+tt.deviceID+"/trigger" || got.body != `{"state_token_expires_in":300}` {
				t.Errorf("sent %s %s %s", got.method, got.target, got.body)
			}
		}
	}
}

// Listing and triggering are one call to whoever waits.
func TestTimeoutBoundsBothRequestsOfAnActivationInV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("devices", reply{status: 200, body: fixture(t, "v1_devices.json")})
		f.on("activate", reply{status: 200, body: fixture(t, "v1_trigger.json")})
		f.slow["devices"], f.slow["activate"] = 6*time.Second, 6*time.Second
		started := time.Now()
		_, err := f.client(speaking("v1")).Activate(t.Context(), userID, smsV1, onelogin.Activation{})
		if took := time.Since(started); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
			t.Errorf("Activate = %v after %v, want its deadline after 10s", err, took)
		}
	})
}

func TestDevicesThatAreNotThereAreNotTriggeredInV1(t *testing.T) {
	for _, bad := range []string{inactiveV1, "1", "", "0/../1", "user_temp_otp_5"} {
		f := newFake(t)
		f.on("devices", reply{status: 200, body: fixture(t, "v1_devices.json")})
		if _, err := f.client(speaking("v1")).Activate(t.Context(), userID, bad, onelogin.Activation{}); !refused(err, 0) {
			t.Errorf("Activate(%q) = %v, want an error", bad, err)
		}
		f.wantCalls("activate", 0)
	}
}

func TestTriggerAnswersOfV1(t *testing.T) {
	const ok = `{"status":{"code":200,"error":false},"data":`
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   string // the verification's id, "" for an error
	}{
		{"documented", 200, fixture(t, "v1_trigger.json"), stateToken},
		{"bare data", 200, ok + `{"state_token":"a+b/c=="}}`, "a+b/c=="},
		{"no state token", 200, ok + `[{"id":64515901}]}`, ""},
		{"empty state token", 200, ok + `[{"state_token":""}]}`, ""},
		{"state token with space", 200, ok + `[{"state_token":"a b"}]}`, ""},
		{"state token as number", 200, ok + `[{"state_token":5}]}`, ""},
		{"two", 200, ok + `[{"state_token":"a"},{"state_token":"b"}]}`, ""},
		{"other user", 200, ok + `[{"state_token":"a","id":1}]}`, ""},
		{"other device", 200, ok + `[{"state_token":"a","device_id":1}]}`, ""},
		{"error with 200", 200, `{"status":{"code":200,"error":true},"data":[{"state_token":"a"}]}`, ""},
		{"created", 201, fixture(t, "v1_trigger.json"), ""},
		{"pending", 401, fixture(t, "v1_pending.json"), ""},
		{"throttled", 429, fixture(t, "throttled.html"), ""},
	} {
		f := newFake(t)
		f.on("devices", reply{status: 200, body: fixture(t, "v1_devices.json")})
		f.on("activate", reply{status: tt.status, body: tt.body})
		v, err := f.client(speaking("v1")).Activate(t.Context(), userID, smsV1, onelogin.Activation{})
		if tt.want == "" {
			if !refused(err, tt.status) || v != (onelogin.Verification{}) {
				t.Errorf("%s: Activate = %q, %v, want *Error with status %d", tt.name, v.ID, err, tt.status)
			}
		} else if err != nil || v.ID != tt.want {
			t.Errorf("%s: Activate = %q, %v, want %q", tt.name, v.ID, err, tt.want)
		}
	}
}

// verdictsOfV1 are of a code (put) and of a poll (get), which are both POST.
var verdictsOfV1 = []verdictCase{
	{"success", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false}}`, accepted, accepted},
	{"success with data", 200, `{"status":{"type":"Success","code":200,"message":"SUCCESS","error":false},"data":[]}`, accepted, accepted},
	{"pending with 200", 200, `{"status":{"type":"success","code":200,"message":"Authentication pending on OL Protect","error":false}}`, pending, pending},
	{"success in other words", 200, `{"status":{"type":"success","code":200,"message":"SMS token sent","error":false}}`, denied, denied},
	{"success without message", 200, `{"status":{"type":"success","code":200,"error":false}}`, denied, denied},
	{"success about somebody", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false},"data":[{"user_id":1}]}`, denied, denied},
	{"success with error", 200, `{"status":{"type":"success","code":200,"message":"Success","error":true}}`, denied, denied},
	{"success of another type", 200, `{"status":{"type":"ok","code":200,"message":"Success","error":false}}`, denied, denied},
	{"success twice spelled", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false},"Status":{}}`, denied, denied},
	{"word of v2", 200, `{"status":"accepted"}`, denied, denied},
	{"flat", 200, `{"type":"success","code":200,"message":"Success","error":false}`, denied, denied},
	{"empty", 200, ``, denied, denied},
	{"OK", 200, `OK`, denied, denied},
	{"created", 201, `{"status":{"type":"success","code":200,"message":"Success","error":false}}`, denied, denied},
	{"push pending", 401, `{"status":{"error":true,"code":401,"type":"Unauthorized","message":"Authentication pending on OL Protect"}}`, pending, pending},
	{"wrong", 401, envelopeA("Failed authentication with this factor"), wrongCode, denied},
	{"no code", 401, envelopeA("OTP token blank"), wrongCode, pending},
	{"no code as 400", 400, envelopeA("OTP token blank"), wrongCode, pending},
	{"expired", 400, envelopeA("State token is invalid or expired"), gone, gone},
	{"no user", 400, envelopeA("User does not exist"), denied, denied},
	{"scope", 401, envelopeA("Insufficient Permission"), undecided, undecided},
	{"live access token", 401, envelopeA("Authentication Failure"), wrongCode, denied},
	{"forbidden", 403, envelopeA("user is not authorized to access this User"), undecided, undecided},
	{"no device", 404, envelopeA("Factor could not be found"), gone, gone},
	{"no route", 404, envelopeA("No Route Exists"), undecided, undecided},
	{"throttled", 429, `<html>`, undecided, undecided},
	{"out of order", 503, ``, undecided, undecided},
}

func TestVerdictsOfV1(t *testing.T) {
	for _, tt := range verdictsOfV1 {
		f := newFake(t)
		f.on("verify", reply{status: tt.status, body: tt.body})
		f.on("poll", reply{status: tt.status, body: tt.body})
		got, err := f.client(speaking("v1")).Verify(t.Context(), triggered, "012345")
		if got != tt.put || (err != nil) != (tt.put == undecided) {
			t.Errorf("%s: Verify = %v, %v, want %v", tt.name, got, err, tt.put)
		}
		got, err = f.client(speaking("v1")).Poll(t.Context(), triggered)
		if got != tt.get || (err != nil) != (tt.get == undecided) {
			t.Errorf("%s: Poll = %v, %v, want %v", tt.name, got, err, tt.get)
		}
		f.wantCalls("verify", 1)
		f.wantCalls("poll", 1)
	}
}

func TestRequestsOfV1(t *testing.T) {
	f := newFake(t)
	f.on("verify", reply{status: 401, body: envelopeA("Failed authentication with this factor")})
	f.on("poll", reply{status: 401, body: fixture(t, "v1_pending.json")})
	client := f.client(speaking("v1"))
	untriggered := onelogin.Verification{UserID: userID, DeviceID: appV1}
	_, _ = client.Verify(t.Context(), triggered, "012345")
	_, _ = client.Verify(t.Context(), untriggered, "012345")
	_, _ = client.VerifyUnbound(t.Context(), userID, appV1, "012345")
	_, _ = client.VerifyUnbound(t.Context(), userID, "user_temp_otp_5", "25992782")
	_, _ = client.Poll(t.Context(), triggered)
	if got, err := client.Poll(t.Context(), untriggered); got != pending || err != nil {
		t.Errorf("Poll of what was not sent = %v, %v, want pending", got, err)
	}
	const path = "/api/1/users/64515901/otp_devices/"
	want := []struct{ target, body string }{
		{path + smsV1 + "/verify", `{"otp_token":"012345","state_token":"` + stateToken + `"}`},
		{path + appV1 + "/verify", `{"otp_token":"012345"}`},
		{path + appV1 + "/verify", `{"otp_token":"012345"}`},
		{path + "0/verify", `{"otp_token":"25992782"}`},
		{path + smsV1 + "/verify", `{"state_token":"` + stateToken + `"}`},
	}
	got := append(f.requests("verify"), f.requests("poll")...)
	if len(got) != len(want) {
		t.Fatalf("sent %d requests, want %d", len(got), len(want))
	}
	for i, s := range got {
		if s.method != "POST" || s.target != want[i].target || s.body != want[i].body {
			t.Errorf("request %d: %s %s %s, want %s %s", i, s.method, s.target, s.body, want[i].target, want[i].body)
		}
	}
}

func TestIDsThatAreNoRecordAreNeverSentInV1(t *testing.T) {
	f := newFake(t)
	client := f.client(speaking("v1"))
	for _, v := range []onelogin.Verification{
		{ID: "a\nb", UserID: userID, DeviceID: smsV1},
		{ID: stateToken, UserID: "1/2", DeviceID: smsV1},
		{ID: stateToken, UserID: userID, DeviceID: "../x"},
		{ID: stateToken, UserID: userID},
	} {
		if got, err := client.Verify(t.Context(), v, "012345"); got != undecided || err == nil {
			t.Errorf("Verify(%q) = %v, %v, want undecided", v.ID, got, err)
		}
		if got, err := client.Poll(t.Context(), v); got != undecided || err == nil {
			t.Errorf("Poll(%q) = %v, %v, want undecided", v.ID, got, err)
		}
	}
	f.wantCalls("token", 0)
}

func TestOtherAPIsAreRefused(t *testing.T) {
	for _, api := range []string{"V2", "v3", "2", " "} {
		if _, err := onelogin.New(onelogin.Config{BaseURL: "acme", ClientID: "a", ClientSecret: "b", API: api}); err == nil {
			t.Errorf("New accepted the API %q", api)
		}
	}
}
