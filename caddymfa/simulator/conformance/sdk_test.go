package conformance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin"
	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin/models"
	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin/utilities"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	alice   = 101
	protect = 1001
	sms     = 1002
	totp    = 1004
)

// numeric is how the SDK's typed calls can name a verification at all: they
// take int.
func numeric() simulator.Options {
	return simulator.Options{Switches: simulator.Switches{NumericVerificationIDs: true}}
}

// newSDK returns the SDK as its documentation builds it, talking TLS to a
// simulator. It replaces http.DefaultTransport, so tests must not be parallel.
func newSDK(t *testing.T, o simulator.Options) (*onelogin.OneloginSDK, *simulator.Simulator) {
	t.Helper()
	sim := simulator.New(o)
	server := httptest.NewTLSServer(sim.API())
	t.Cleanup(server.Close)
	divert(t, server)
	t.Setenv("ONELOGIN_SUBDOMAIN", "acme")
	t.Setenv("ONELOGIN_CLIENT_ID", "demo-client")
	t.Setenv("ONELOGIN_CLIENT_SECRET", "demo-secret")
	sdk, err := onelogin.NewOneloginSDK()
	if err != nil {
		t.Fatalf("NewOneloginSDK: %v", err)
	}
	return sdk, sim
}

// divert sends every connection of http.DefaultTransport to server, and the
// SDK's log nowhere.
func divert(t *testing.T, server *httptest.Server) {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"},
	}
	before, writer := http.DefaultTransport, log.Writer()
	http.DefaultTransport = transport
	log.SetOutput(io.Discard)
	t.Cleanup(func() {
		http.DefaultTransport = before
		log.SetOutput(writer)
		transport.CloseIdleConnections()
	})
}

// object fails the test unless the SDK understood a JSON object.
func object(t *testing.T, result any, err error) map[string]any {
	t.Helper()
	fields, ok := result.(map[string]any)
	if err != nil || !ok {
		t.Fatalf("the SDK returned %v, %v; want an object", result, err)
	}
	return fields
}

// list fails the test unless the SDK understood a JSON array of n objects.
func list(t *testing.T, result any, err error, n int) []any {
	t.Helper()
	rows, ok := result.([]any)
	if err != nil || !ok || len(rows) != n {
		t.Fatalf("the SDK returned %v, %v; want an array of %d", result, err, n)
	}
	return rows
}

func want(t *testing.T, fields map[string]any, name string, value any) {
	t.Helper()
	if fields[name] != value {
		t.Errorf("%s = %v, want %v in %v", name, fields[name], value, fields)
	}
}

func TestWrongSecretIsRefused(t *testing.T) {
	newSDK(t, simulator.Options{})
	t.Setenv("ONELOGIN_CLIENT_SECRET", "wrong")
	if _, err := onelogin.NewOneloginSDK(); err == nil {
		t.Error("NewOneloginSDK with a wrong secret = nil error")
	}
}

func TestAccessToken(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	if accessToken, err := sdk.GetToken(); err != nil || len(accessToken) != 64 {
		t.Errorf("GetToken = %d characters, %v", len(accessToken), err)
	}
	if got := sim.Requests()[0].Authorization; got != "Basic [redacted]" {
		t.Errorf("the SDK sent its credential as %q", got)
	}
}

func TestUsers(t *testing.T) {
	sdk, _ := newSDK(t, simulator.Options{})
	name, nobody := "alice", "nobody"
	found, err := sdk.GetUsers(&models.UserQuery{Username: &name})
	row := object(t, list(t, found, err, 1)[0], nil)
	want(t, row, "email", "alice@example.com")
	none, err := sdk.GetUsers(&models.UserQuery{Username: &nobody})
	list(t, none, err, 0)
	one, err := sdk.GetUserByID(alice, nil)
	want(t, object(t, one, err), "username", "alice")
	if _, err := sdk.GetUserByID(999, nil); err == nil {
		t.Error("GetUserByID of nobody = nil error")
	}
}

func TestEnrolledFactors(t *testing.T) {
	sdk, _ := newSDK(t, simulator.Options{})
	devices, err := sdk.GetEnrolledFactor(alice)
	first := object(t, list(t, devices, err, 4)[0], nil)
	want(t, first, "device_id", "1001")
	want(t, first, "auth_factor_name", "OneLogin")
	want(t, first, "default", true)
}

func TestCodeWithTypedCalls(t *testing.T) {
	for _, test := range []struct {
		name     string
		deviceID int
		factor   simulator.Factor
	}{
		{"sms", sms, simulator.SMS},
		{"authenticator", totp, simulator.TOTP},
	} {
		t.Run(test.name, func(t *testing.T) {
			sdk, sim := newSDK(t, numeric())
			verificationID := activate(t, sdk, test.deviceID)
			wrong, err := sdk.VerifyAuthFactor(alice, verificationID,
				models.VerificationFactorRequest{OTP: "not-it", DeviceID: test.deviceID})
			want(t, object(t, wrong, err), "status", "pending")
			right, err := sdk.VerifyAuthFactor(alice, verificationID,
				models.VerificationFactorRequest{OTP: sim.Code("alice", test.factor), DeviceID: test.deviceID})
			want(t, object(t, right, err), "status", "accepted")
		})
	}
}

// activate opens a verification whose id is a number.
func activate(t *testing.T, sdk *onelogin.OneloginSDK, deviceID int) int {
	t.Helper()
	opened, err := sdk.ActivateMFAFactor(alice, models.ActivateFactorRequest{DeviceID: deviceID, ExpiresIn: 120})
	text, _ := object(t, opened, err)["id"].(string)
	verificationID, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("id of the verification: %v", err)
	}
	return verificationID
}

func TestPushIsPolledToItsEnd(t *testing.T) {
	for _, test := range []struct {
		name, want string
		answer     func(*simulator.Simulator) bool
	}{
		{"denied", "rejected", func(s *simulator.Simulator) bool { return s.Deny("alice") }},
		{"approved", "accepted", func(s *simulator.Simulator) bool { return s.Approve("alice") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			sdk, sim := newSDK(t, numeric())
			verificationID := activate(t, sdk, protect)
			before, err := sdk.VerifyAuthFactorGet(alice, verificationID)
			want(t, object(t, before, err), "status", "pending")
			if !test.answer(sim) {
				t.Fatal("no push to answer")
			}
			after, err := sdk.VerifyAuthFactorGet(alice, verificationID)
			want(t, object(t, after, err), "status", test.want)
		})
	}
}

func TestCodeWithRawCallsAndUUID(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	opened, err := sdk.ActivateMFAFactor(alice, models.ActivateFactorRequest{DeviceID: sms})
	verificationID, _ := object(t, opened, err)["id"].(string)
	if strings.Count(verificationID, "-") != 4 {
		t.Fatalf("id = %q, want a UUID", verificationID)
	}
	path := "/api/2/mfa/users/101/verifications/" + verificationID
	before, err := answered(sdk.Client.Get(&path, nil))
	want(t, object(t, before, err), "status", "pending")
	after, err := answered(sdk.Client.Put(&path, map[string]string{"otp": sim.Code("alice", simulator.SMS)}))
	want(t, object(t, after, err), "status", "accepted")
}

// answered reads an answer as the SDK's typed calls do.
func answered(resp *http.Response, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return utilities.CheckHTTPResponse(resp)
}

func TestOneShotCode(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	done, err := sdk.ActivateMFAFactor(alice, models.ActivateFactorRequest{
		DeviceID: totp, OTP: sim.Code("alice", simulator.TOTP),
	})
	status := object(t, object(t, done, err)["status"], nil)
	want(t, status, "type", "success")
	if got := sim.Calls(simulator.OpOneShot); got != 1 {
		t.Errorf("one-shot calls = %d, want 1", got)
	}
}

func TestRateLimit(t *testing.T) {
	sdk, _ := newSDK(t, simulator.Options{})
	limit, err := sdk.GetRateLimit()
	values := object(t, object(t, limit, err)["data"], nil)
	want(t, values, "X-RateLimit-Limit", float64(5000))
}

// The SDK repeats a refused call with the access token that was refused, and
// has the new one only from the next call on.
func TestKilledAccessTokenIsReplaced(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{Switches: simulator.Switches{TokenKilledByOtherClient: true}})
	if _, err := sdk.GetEnrolledFactor(alice); err == nil {
		t.Error("the call under which the access token died = nil error")
	}
	devices, err := sdk.GetEnrolledFactor(alice)
	list(t, devices, err, 4)
	if got := sim.Calls(simulator.OpToken); got != 2 {
		t.Errorf("access tokens fetched = %d, want 2", got)
	}
}
