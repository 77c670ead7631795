package onelogin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func TestErrorsUseOurWords(t *testing.T) {
	for _, tt := range []struct {
		reply reply
		want  string
	}{
		{reply{status: 400, body: envelopeB("canary")}, "request refused (status 400)"},
		{reply{status: 401, body: envelopeB("canary")}, "credential not accepted (status 401)"},
		{reply{status: 401, body: envelopeA("Insufficient Permission canary")}, "forbidden to this credential (status 401)"},
		{reply{status: 403, body: envelopeB("canary")}, "forbidden to this credential (status 403)"},
		{reply{status: 404, body: envelopeB("canary")}, "not found (status 404)"},
		{reply{status: 404, body: envelopeA("No Route Exists canary")}, "no such route (status 404)"},
		{reply{status: 422, body: envelopeB("canary")}, "request refused (status 422)"},
		{reply{status: 302, body: "canary"}, "unexpected status (status 302)"},
		{reply{status: 429, header: map[string]string{"Retry-After": "60"}}, "throttled (status 429)"},
		{reply{status: 502, header: map[string]string{"Retry-After": "60"}}, "out of order (status 502)"},
		{reply{status: 200, body: "canary"}, "unreadable answer (status 200)"},
		{reply{err: fmt.Errorf("canary")}, "no connection"},
		{reply{status: 404, header: map[string]string{"X-Request-Id": "5F188C90-49E1609A"}}, "not found (status 404) (request id 5F188C90-49E1609A)"},
		{reply{status: 404, header: map[string]string{"X-Request-Id": "canary\x1b[31m"}}, "not found (status 404)"},
		{reply{status: 404, header: map[string]string{"X-Request-Id": strings.Repeat("a", 129)}}, "not found (status 404)"},
	} {
		f := newFake(t)
		f.on("devices", tt.reply)
		_, err := f.client().Devices(t.Context(), userID)
		if want := "onelogin: list devices: " + tt.want; err == nil || err.Error() != want {
			t.Errorf("Devices on %+v = %v, want %q", tt.reply, err, want)
		}
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	secrets := []string{clientSecret, "T1", "012345", "jdoe", userID, verifID}
	for _, answer := range []reply{
		{status: 400, body: envelopeB("jdoe 012345")},
		{status: 503, header: map[string]string{"Retry-After": "60"}},
		{status: 200, body: "jdoe"},
		{err: fmt.Errorf("lost while sending 012345")},
	} {
		f := newFake(t)
		for _, op := range []string{"find", "user", "devices", "activate", "verify", "poll"} {
			f.on(op, answer)
		}
		client := f.client()
		_, _, e1 := client.UserByUsername(t.Context(), "jdoe")
		_, _, e2 := client.UserByID(t.Context(), userID)
		_, e3 := client.Devices(t.Context(), userID)
		_, e4 := client.Activate(t.Context(), userID, deviceID, onelogin.Activation{})
		_, e5 := client.Verify(t.Context(), verification, "012345")
		_, e6 := client.Poll(t.Context(), verification)
		for _, err := range []error{e1, e2, e3, e4, e5, e6} {
			for _, secret := range secrets {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("error %q holds %q", err, secret)
				}
			}
		}
	}
}

func TestErrorUnwrapsToItsCause(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("start verification: %w", &onelogin.Error{Op: "activate", StatusCode: 403, Message: "forbidden", Err: cause})
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if refusal, ok := errors.AsType[*onelogin.Error](err); !ok || refusal.StatusCode != 403 {
		t.Errorf("AsType = %+v, %v", refusal, ok)
	}
}
