package onelogin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const canary = "canary"

// carriers hold the canary in every member that is text.
func carriers() []any {
	verification := onelogin.Verification{ID: canary, UserID: canary, DeviceID: canary, VoiceCode: canary}
	registration := onelogin.Registration{ID: canary, UserID: canary, TOTPURL: canary, Secret: canary, VoiceCode: canary}
	code := onelogin.TemporaryCode{Code: canary, DeviceID: canary}
	login := onelogin.Login{UserID: canary, Username: canary, Email: canary, StateToken: canary, SessionToken: canary, Devices: []onelogin.Device{{ID: canary}}}
	request := onelogin.LoginRequest{UsernameOrEmail: canary, Password: canary, Subdomain: canary, IP: canary}
	smart := onelogin.SmartRequest{Identifier: canary, Email: canary, Phone: canary, UserAgent: canary, IP: canary, Lifetime: time.Minute}
	answer := onelogin.SmartAnswer{UserID: canary, StateToken: canary}
	config := onelogin.Config{BaseURL: canary, ClientID: canary, ClientSecret: canary}
	return []any{
		verification, &verification, []onelogin.Verification{verification},
		registration, &registration, map[string]onelogin.Registration{"a": registration},
		code, &code, struct{ Code onelogin.TemporaryCode }{code},
		login, &login, []*onelogin.Login{&login}, request, &request,
		smart, &smart, answer, &answer, config, &config,
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	for _, carrier := range carriers() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%20.3v"} {
			if got := fmt.Sprintf(verb, carrier); holds(got) {
				t.Errorf("%T with %s prints %s", carrier, verb, got)
			}
		}
		if got := fmt.Sprint(fmt.Errorf("start: %v", carrier)); holds(got) {
			t.Errorf("%T in an error: %s", carrier, got)
		}
	}
}

// zap writes a Stringer as its String, and all else as encoding/json does.
func TestSecretsAreNotLogged(t *testing.T) {
	for _, carrier := range carriers() {
		if encoded, err := json.Marshal(carrier); err != nil || holds(string(encoded)) {
			t.Errorf("%T as JSON: %s, %v", carrier, encoded, err)
		}
		if s, ok := carrier.(fmt.Stringer); ok && s.String() != "[redacted]" {
			t.Errorf("%T as text: %s", carrier, s)
		}
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("start", "carrier", carrier, slog.Group("group", "inside", carrier))
		}
		if holds(out.String()) || !strings.Contains(out.String(), "[redacted]") && !strings.Contains(out.String(), "0x") {
			t.Errorf("%T logs %s", carrier, &out)
		}
	}
}

// holds looks for the canary as text and as the hexadecimal digits of %x.
func holds(printed string) bool {
	printed = strings.ToLower(printed)
	return strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary))
}

// A client is printed by mistake, if ever, with its configuration in mind.
func TestClientPrintsNoSecret(t *testing.T) {
	f := newFake(t)
	f.on("devices", reply{status: 200, body: `[]`})
	client := f.client()
	if _, err := client.Devices(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if got := fmt.Sprintf(verb, client); strings.Contains(got, clientSecret) || strings.Contains(got, "Bearer T1") {
			t.Errorf("the client with %s prints %s", verb, got)
		}
	}
}

// Whatever goes wrong, neither errors nor observers are told what was sent.
func TestFailedCallsTellNoSecrets(t *testing.T) {
	secrets := []string{clientSecret, "012345", "jdoe", userID, registrationID, "canary", "203.0.113.7", stateToken, waitingLogin.StateToken, "Mobile", "58958"}
	for _, answer := range []reply{
		{status: 200, body: `{"message":"jdoe 012345"}`},
		{status: 201, body: `{"id":"` + registrationID + `"}`},
		{status: 400, body: envelopeA("jdoe 012345")},
		{status: 401, body: envelopeB("canary password")},
		{err: fmt.Errorf("lost while sending 012345")},
	} {
		for _, operation := range operations {
			f := newFake(t)
			f.on(operation.op, answer)
			f.on("devices", reply{status: 200, body: fixture(t, "v1_devices.json")})
			var calls []onelogin.Call
			client := f.client(speaking(operation.api), func(c *onelogin.Config) {
				c.Observe = func(call onelogin.Call) { call.Err = nil; calls = append(calls, call) }
			})
			said := fmt.Sprint(operation.call(t.Context(), client), fmt.Sprintf("%+v", calls))
			for _, secret := range secrets {
				if strings.Contains(said, secret) {
					t.Errorf("%s on %d: %q holds %q", operation, answer.status, said, secret)
				}
			}
		}
	}
}
