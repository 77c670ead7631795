package onelogin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// These targets ask of each answer what a stranger could gain: an id that
// leaves its path, a success that is not on the allow-list, a verdict and an
// error at once.

func plainID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", r)
	})
}

func printableSecret(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// member reads a body a second time, with encoding/json's own maps.
func member(body string, path ...string) any {
	var value any
	if json.Unmarshal([]byte(body), &value) != nil {
		return nil
	}
	for {
		if list, ok := value.([]any); ok && len(list) == 1 {
			value = list[0]
		} else if len(path) == 0 {
			return value
		} else {
			record, _ := value.(map[string]any)
			value, path = record[path[0]], path[1:]
		}
	}
}

func FuzzRegistration(f *testing.F) {
	for _, name := range []string{"registration_protect.json", "registration_voice.json", "registration_sms.json", "registration_accepted.json"} {
		f.Add(201, fixture(f, name))
	}
	for _, tt := range verdictsOfRegistrations {
		f.Add(tt.status, tt.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		client := fuzzClient(t, constant{status, body})
		r, err := client.Register(t.Context(), userID, "1", "a", 0)
		switch {
		case err != nil && r != (onelogin.Registration{}):
			t.Errorf("Register on %d %q = %q and %v", status, body, r.ID, err)
		case err == nil && (!plainID(r.ID) || r.UserID != userID || member(body, "status") != "pending"):
			t.Errorf("Register on %d %q = %q", status, body, r.ID)
		case !printableSecret(r.TOTPURL+r.Secret+r.VoiceCode) || r.TOTPURL != "" && !strings.HasPrefix(strings.ToLower(r.TOTPURL), "otpauth://"):
			t.Errorf("Register on %d %q gives %q, %q, %q", status, body, r.TOTPURL, r.Secret, r.VoiceCode)
		}
		put, device, err := client.VerifyRegistration(t.Context(), registration, "012345")
		get, polled, pollErr := client.PollRegistration(t.Context(), registration)
		allowed := status == 200 && member(body, "status") == "accepted"
		if put == accepted && (!allowed || !plainID(device)) || get == accepted && (!allowed || !plainID(polled)) {
			t.Errorf("%d %q enrols %q, %q", status, body, device, polled)
		}
		if put != accepted && device != "" || get != accepted && polled != "" || (put == undecided) != (err != nil) || (get == undecided) != (pollErr != nil) {
			t.Errorf("%d %q = %v %q %v, %v %q %v", status, body, put, device, err, get, polled, pollErr)
		}
	})
}

func FuzzLogin(f *testing.F) {
	for _, name := range []string{"login.json", "login_mfa.json", "login_pending.json"} {
		f.Add(200, fixture(f, name))
	}
	f.Add(401, fixture(f, "login_refused.json"))
	for _, tt := range loginAnswers {
		f.Add(tt.status, tt.body)
	}
	for _, tt := range verdictsOfLogin {
		f.Add(tt.status, tt.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		client := fuzzClient(t, constant{status, body})
		l, err := client.Login(t.Context(), loginRequest)
		message, _ := member(body, "status", "message").(string)
		success := status == 200 && strings.EqualFold(message, "success")
		switch {
		case err != nil && l.Outcome != onelogin.LoginRefused:
			t.Errorf("Login on %d %q = %v and %v", status, body, l.Outcome, err)
		case l.Outcome == onelogin.LoginWithoutMFA && (!success || l.SessionToken == "" || l.StateToken != ""),
			l.Outcome == onelogin.LoginNeedsMFA && (status != 200 || success || l.StateToken == "" || l.SessionToken != ""):
			t.Errorf("Login on %d %q = %v", status, body, l.Outcome)
		}
		for _, device := range l.Devices {
			if !plainID(device.ID) {
				t.Errorf("Login on %q has device %q", body, device.ID)
			}
		}
		got, token, err := client.VerifyLogin(t.Context(), waitingLogin, "1", "012345", false)
		if (got == accepted) != (token != "") || got == accepted && !success || (got == undecided) != (err != nil) {
			t.Errorf("VerifyLogin on %d %q = %v, %q, %v", status, body, got, token, err)
		}
	})
}

func FuzzSmart(f *testing.F) {
	for _, name := range []string{"smart_code_sent.json", "smart_low_risk.json"} {
		f.Add(200, fixture(f, name))
	}
	for _, tt := range verdictsOfSmart {
		f.Add(tt.status, tt.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		client := fuzzClient(t, constant{status, body})
		s, err := client.ValidateSmart(t.Context(), smartRequest)
		switch {
		case err != nil && s != (onelogin.SmartAnswer{}):
			t.Errorf("ValidateSmart on %d %q = %q and %v", status, body, s.UserID, err)
		case err == nil && (status != 200 || s.CodeSent != (s.StateToken != "") || !s.CodeSent && s.Score >= smartRequest.Threshold):
			t.Errorf("ValidateSmart on %d %q = %d, %v", status, body, s.Score, s.CodeSent)
		}
		got, err := client.VerifySmart(t.Context(), "state", "012345")
		if got == accepted && (status != 200 || strings.Trim(strings.TrimSpace(body), `"`) != "OK") || (got == undecided) != (err != nil) {
			t.Errorf("VerifySmart on %d %q = %v, %v", status, body, got, err)
		}
	})
}

func FuzzV1(f *testing.F) {
	for _, name := range []string{"v1_devices.json", "v1_trigger.json", "v1_pending.json"} {
		f.Add(200, fixture(f, name))
	}
	for _, tt := range verdictsOfV1 {
		f.Add(tt.status, tt.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status == 429 || status >= 500 {
			return // lookups would wait and try again
		}
		client, err := onelogin.New(onelogin.Config{BaseURL: "acme", ClientID: clientID, ClientSecret: clientSecret, API: "v1", Transport: constant{status, body}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		devices, err := client.Devices(t.Context(), userID)
		if err != nil && devices != nil {
			t.Errorf("Devices on %q = %+v and %v", body, devices, err)
		}
		for _, device := range devices {
			if !plainID(device.ID) {
				t.Errorf("Devices on %q has id %q", body, device.ID)
			}
		}
		if v, err := client.Activate(t.Context(), userID, smsV1, onelogin.Activation{}); err == nil && !printableSecret(v.ID) {
			t.Errorf("Activate on %q = %q", body, v.ID)
		}
		message, _ := member(body, "status", "message").(string)
		for _, call := range []func() (onelogin.Verdict, error){
			func() (onelogin.Verdict, error) { return client.Verify(t.Context(), triggered, "012345") },
			func() (onelogin.Verdict, error) { return client.Poll(t.Context(), triggered) },
		} {
			got, err := call()
			if got == accepted && (status != 200 || !strings.EqualFold(message, "success") || member(body, "status", "error") != false) || (got == undecided) != (err != nil) {
				t.Errorf("%d %q = %v, %v", status, body, got, err)
			}
		}
	})
}
