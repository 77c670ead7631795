package onelogin_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func TestDocumentedDevices(t *testing.T) {
	f := newFake(t)
	f.on("devices", reply{status: 200, body: fixture(t, "devices.json")})
	got, err := f.client().Devices(t.Context(), userID)
	want := []onelogin.Device{
		{ID: "3920360", Name: "Jane's phone", TypeName: "OneLogin Protect", FactorName: "OneLogin", Default: true},
		{ID: "3920371", Name: "Mobile", TypeName: "OneLogin SMS", FactorName: "SMS"},
		{ID: "3920372", Name: "Desk key", TypeName: "YubiKey", FactorName: "YubiKey"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Devices = %+v, %v, want %+v", got, err, want)
	}
	if got := f.requests("devices")[0].target; got != "/api/2/mfa/users/64515901/devices" {
		t.Errorf("asked %s", got)
	}
}

func TestDeviceLists(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   int // devices, -1 for an error
	}{
		{"none", 200, `[]`, 0},
		{"one bare", 200, `{"device_id":"1"}`, 1},
		{"id as number", 200, `[{"device_id":1}]`, 1},
		{"temporary code", 200, `[{"device_id":"user_temp_otp_36216766"}]`, 1},
		{"inactive left out", 200, `[{"device_id":"1","active":false},{"device_id":"2","active":true}]`, 1},
		{"names of other types", 200, `[{"device_id":"1","user_display_name":5,"default":"true"}]`, 1},
		{"no id", 200, `[{"device_id":"1"},{}]`, -1},
		{"id of the old API", 200, `[{"id":1}]`, -1},
		{"empty id", 200, `[{"device_id":""}]`, -1},
		{"id that is a path", 200, `[{"device_id":"1/2"}]`, -1},
		{"id with fraction", 200, `[{"device_id":1.5}]`, -1},
		{"null", 200, `null`, -1},
		{"list of list", 200, `[[]]`, -1},
		{"wrapped", 200, `{"data":[]}`, -1},
		{"error with 200", 200, `{"statusCode":401,"name":"Unauthorized","message":"x"}`, -1},
		{"empty", 200, ``, -1},
		{"html", 200, `<html>`, -1},
		{"no content", 204, ``, -1},
		{"other success", 201, `[]`, -1},
		{"scope", 403, fixture(t, "error_403.json"), -1},
		{"no user", 404, fixture(t, "error_404.json"), -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("devices", reply{status: tt.status, body: tt.body})
			devices, err := f.client().Devices(t.Context(), userID)
			if tt.want < 0 {
				refusal, ok := errors.AsType[*onelogin.Error](err)
				if !ok || refusal.StatusCode != tt.status || devices != nil {
					t.Errorf("Devices = %+v, %v, want *Error with status %d", devices, err, tt.status)
				}
				return
			}
			if err != nil || len(devices) != tt.want {
				t.Errorf("Devices = %+v, %v, want %d", devices, err, tt.want)
			}
		})
	}
}

func TestKindsOfDevices(t *testing.T) {
	for _, tt := range []struct {
		factorName string
		want       onelogin.Kind
	}{
		{"OneLogin", onelogin.KindProtect},
		{"OneLogin Protect", onelogin.KindProtect},
		{"SMS", onelogin.KindSMS},
		{"onelogin sms", onelogin.KindSMS},
		{"OneLogin Email", onelogin.KindEmail},
		{"Email", onelogin.KindEmail},
		{"OneLogin Voice", onelogin.KindVoice},
		{"Voice", onelogin.KindVoice},
		{"Google Authenticator", onelogin.KindTOTP},
		{"Authenticator", onelogin.KindTOTP},
		{"YubiKey", onelogin.KindYubiKey},
		{"Yubico YubiKey", onelogin.KindYubiKey},
		{"OneLogin OTP SMS", onelogin.KindSMS},
		{"Duo Security", onelogin.KindDuo},
		{"Duo", onelogin.KindDuo},
		{"", onelogin.KindUnknown},
		{"RSA SecurID", onelogin.KindUnknown},
		{"WebAuthn", onelogin.KindUnknown},
		{"OneLogin Protect ", onelogin.KindUnknown},
		{"\u212aVoice", onelogin.KindUnknown},
	} {
		device := onelogin.Device{ID: "1", FactorName: tt.factorName, TypeName: "OneLogin Protect"}
		if got := device.Kind(); got != tt.want {
			t.Errorf("Kind of %q = %q, want %q", tt.factorName, got, tt.want)
		}
	}
	temporary := onelogin.Device{ID: "user_temp_otp_5", FactorName: "OneLogin"}
	if got := temporary.Kind(); got != onelogin.KindTemporary {
		t.Errorf("Kind of a temporary code = %q, want temporary", got)
	}
}
