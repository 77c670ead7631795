package conformance_test

import (
	"testing"
	"time"

	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin"
	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin/models"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// codeStep is how long an authenticator shows a code.
const codeStep = 30 * time.Second

// login returns the only element of the answer's data.
func login(t *testing.T, result any, err error) map[string]any {
	t.Helper()
	return object(t, list(t, object(t, result, err)["data"], nil, 1)[0], nil)
}

func begin(t *testing.T, sdk *onelogin.OneloginSDK, name, password string) (any, error) {
	t.Helper()
	return sdk.CreateSessionLoginToken(models.CreateSessionLoginRequest{
		UsernameOrEmail: name, Password: password, Subdomain: "acme",
	})
}

func TestLoginByPassword(t *testing.T) {
	sdk, _ := newSDK(t, simulator.Options{})
	if _, err := begin(t, sdk, "carol", "wrong"); err == nil {
		t.Error("a wrong password = nil error")
	}
	done, err := begin(t, sdk, "carol", "demo")
	want(t, login(t, done, err), "status", "Authenticated")
}

func TestLoginByFactor(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	asked, err := begin(t, sdk, "alice", "demo")
	fields := login(t, asked, err)
	list(t, fields["devices"], nil, 4)
	request := models.VerifyFactorRequest{DeviceID: "1001", DoNotNotify: false}
	request.StateToken, _ = fields["state_token"].(string)
	waiting, err := sdk.VerifyFactor(request)
	want(t, object(t, object(t, waiting, err)["status"], nil), "message", "Authentication pending on OL Protect")
	if !sim.Approve("alice") {
		t.Fatal("no push to approve")
	}
	request.DoNotNotify = true
	done, err := sdk.VerifyFactor(request)
	if token, _ := login(t, done, err)["session_token"].(string); len(token) != 40 {
		t.Errorf("session_token = %q", token)
	}
}

// The SDK sends JSON's null where a call has no body.
func TestAccountCalls(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	out, err := sdk.LogOutUser(bob)
	want(t, object(t, object(t, out, err)["status"], nil), "message", "Success")
	locked, err := sdk.LockUserAccount(bob, map[string]int{"locked_until": 0})
	want(t, object(t, object(t, locked, err)["status"], nil), "message", "Success")
	state, err := sdk.SetUserState(bob, map[string]int{"state": 2})
	want(t, object(t, object(t, state, err)["status"], nil), "message", "Success")
	if u := sim.Users()[1]; u.Status != 3 || u.State != 2 {
		t.Errorf("bob's status, state = %d, %d; want locked and rejected", u.Status, u.State)
	}
	if _, err := sdk.LogOutUser(999); err == nil {
		t.Error("logging nobody out = nil error")
	}
	all, err := sdk.ListEvents(nil)
	list(t, object(t, all, err)["data"], nil, 2)
}

// The SDK has no typed calls for version 1 of the MFA API, but makes any call.
func TestVersion1(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	path := "/api/1/users/101/otp_devices"
	devices, err := answered(sdk.Client.Get(&path, nil))
	list(t, object(t, object(t, devices, err)["data"], nil)["otp_devices"], nil, 4)
	path = "/api/1/users/101/otp_devices/1002/trigger"
	sent, err := answered(sdk.Client.Post(&path, map[string]bool{"numeric_sms_otp": true}))
	state := login(t, sent, err)["state_token"]
	path = "/api/1/users/101/otp_devices/1002/verify"
	done, err := answered(sdk.Client.Post(&path, map[string]any{"otp_token": sim.Code("alice", simulator.SMS), "state_token": state}))
	want(t, object(t, object(t, done, err)["status"], nil), "type", "success")
}
