package onelogin_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const registrationID = "406fefd4-8a36-4aee-880c-f3e4a928e27d"

var registration = onelogin.Registration{ID: registrationID, UserID: userID}

func TestAvailableFactors(t *testing.T) {
	f := newFake(t)
	f.on("list factors", reply{status: 200, body: fixture(t, "factors.json")})
	got, err := f.client().AvailableFactors(t.Context(), userID)
	want := []onelogin.AvailableFactor{
		{ID: "58957", Name: "OneLogin Protect", FactorName: "OneLogin"},
		{ID: "58958", Name: "SMS", FactorName: "SMS"},
		{ID: "58961", Name: "Authenticator", FactorName: "Google Authenticator"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("AvailableFactors = %+v, %v, want %+v", got, err, want)
	}
	if got[0].Kind() != onelogin.KindProtect || got[2].Kind() != onelogin.KindTOTP {
		t.Errorf("kinds %q and %q", got[0].Kind(), got[2].Kind())
	}
	if got := f.requests("list factors")[0]; got.method != "GET" || got.target != "/api/2/mfa/users/64515901/factors" {
		t.Errorf("asked %s %s", got.method, got.target)
	}
}

func TestFactorLists(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   int // factors, -1 for an error
	}{
		{200, `[]`, 0},
		{200, `{"factor_id":1}`, 1},
		{200, `[{"factor_id":"1"}]`, 1},
		{200, `[{"factor_id":1},{"name":"SMS"}]`, -1},
		{200, `[{"factor_id":"1/2"}]`, -1},
		{200, `null`, -1},
		{200, ``, -1},
		{201, `[]`, -1},
		{403, fixture(t, "error_403.json"), -1},
		{404, fixture(t, "error_404.json"), -1},
	} {
		f := newFake(t)
		f.on("list factors", reply{status: tt.status, body: tt.body})
		got, err := f.client().AvailableFactors(t.Context(), userID)
		if tt.want < 0 && (!refused(err, tt.status) || got != nil) || tt.want >= 0 && (err != nil || len(got) != tt.want) {
			t.Errorf("AvailableFactors on %d %s = %+v, %v, want %d", tt.status, tt.body, got, err, tt.want)
		}
	}
}

func TestListsAreAskedForAgain(t *testing.T) {
	for api, op := range map[string]string{"v2": "list factors", "v1": "devices"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on(op, reply{status: 503}, reply{err: errReset})
			client := f.client(speaking(api))
			var err error
			if api == "v2" {
				_, err = client.AvailableFactors(t.Context(), userID)
			} else {
				_, err = client.Devices(t.Context(), userID)
			}
			if !errors.Is(err, errReset) {
				t.Errorf("%s = %v, want the lost connection", op, err)
			}
			f.wantCalls(op, 2)
		})
	}
}

// What is not in the body matters as much: nothing of OneLogin's may skip the
// proof or carry text to a phone.
func TestRegistrationRequest(t *testing.T) {
	for _, tt := range []struct {
		factorID, name string
		lifetime       time.Duration
		want           string
	}{
		{"58958", "Mobile", 0, `{"factor_id":58958,"display_name":"Mobile","expires_in":120}`},
		{"58958", `"},x`, 10 * time.Minute, `{"factor_id":58958,"display_name":"\"},x","expires_in":600}`},
		{"a-1", "Büro", time.Hour, `{"factor_id":"a-1","display_name":"Büro","expires_in":900}`},
	} {
		f := newFake(t)
		f.on("register", reply{status: 201, body: fixture(t, "registration_pending.json")})
		if _, err := f.client().Register(t.Context(), userID, tt.factorID, tt.name, tt.lifetime); err != nil {
			t.Fatal(err)
		}
		got := f.requests("register")[0]
		if got.method != "POST" || got.target != "/api/2/mfa/users/64515901/registrations" || got.body != tt.want {
			t.Errorf("Register sent %s %s %s, want %s", got.method, got.target, got.body, tt.want)
		}
	}
}

func TestRegistrationsThatCannotBeAreNotSent(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for _, tt := range []struct{ userID, factorID, name string }{
		{"0", "1", "a"},
		{userID, "", "a"},
		{userID, "1/2", "a"},
		{userID, "1", ""},
		{userID, "1", "a\nb"},
		{userID, "1", "\xff"},
		{userID, "1", strings.Repeat("a", 257)},
	} {
		if _, err := client.Register(t.Context(), tt.userID, tt.factorID, tt.name, 0); !refused(err, 0) {
			t.Errorf("Register(%q, %q, %q) = %v, want an error", tt.userID, tt.factorID, tt.name, err)
		}
	}
	for _, r := range []onelogin.Registration{{}, {ID: "a/b", UserID: userID}, {ID: "a", UserID: "b"}} {
		if got, _, err := client.VerifyRegistration(t.Context(), r, "012345"); got != undecided || err == nil {
			t.Errorf("VerifyRegistration(%q) = %v, %v, want undecided", r.ID, got, err)
		}
		if got, _, err := client.PollRegistration(t.Context(), r); got != undecided || err == nil {
			t.Errorf("PollRegistration(%q) = %v, %v, want undecided", r.ID, got, err)
		}
	}
	for _, code := range []string{"", strings.Repeat("1", 129)} {
		if got, _, err := client.VerifyRegistration(t.Context(), registration, code); got != wrongCode || err != nil {
			t.Errorf("VerifyRegistration(%q) = %v, %v, want wrong code", code, got, err)
		}
	}
	f.wantCalls("token", 0)
}

func TestRegistrationAnswers(t *testing.T) {
	const begin = `{"id":"a","status":"pending","auth_factor_name":"Google Authenticator","factor_data":`
	for _, tt := range []struct {
		name                       string
		status                     int
		body                       string
		wantID                     string // "" for an error
		totpURL, secret, voiceCode string
	}{
		{"Protect", 201, fixture(t, "registration_protect.json"), registrationID, "otpauth://totp/acme%3Ajdoe?secret=01-1912451", "01-1912451", ""},
		{"voice", 201, fixture(t, "registration_voice.json"), registrationID, "", "", "144613"},
		{"SMS in a list", 200, fixture(t, "registration_sms.json"), registrationID, "", "", ""},
		{"app without URL", 201, begin + `{"verification_token":"JBSWY3DP"}}`, "a", "", "JBSWY3DP", ""},
		{"the URL's secret wins", 201, begin + `{"verification_token":"x","totp_url":"otpauth://totp/a?secret=JBSWY3DP&issuer=b"}}`, "a", "otpauth://totp/a?secret=JBSWY3DP&issuer=b", "JBSWY3DP", ""},
		{"URL of another kind", 201, begin + `{"verification_token":"x","totp_url":"https://evil.example/?secret=y"}}`, "a", "", "x", ""},
		{"URL of a page that looks alike", 201, begin + `{"totp_url":"https://totp/a?secret=y"}}`, "a", "", "", ""},
		{"counting app", 201, begin + `{"totp_url":"otpauth://hotp/a?secret=y"}}`, "a", "", "", ""},
		{"URL with a line end", 201, begin + `{"totp_url":"otpauth://totp/a\n?secret=y"}}`, "a", "", "", ""},
		{"URL too long for a code", 201, begin + `{"totp_url":"otpauth://totp/a?secret=` + strings.Repeat("y", 1024) + `"}}`, "a", "", "", ""},
		{"factor data of another type", 201, begin + `"x"}`, "a", "", "", ""},
		{"enrolled without proof", 201, fixture(t, "registration_accepted.json"), "", "", "", ""},
		{"rejected", 201, `{"id":"a","status":"rejected"}`, "", "", "", ""},
		{"no status", 201, `{"id":"a"}`, "", "", "", ""},
		{"status twice spelled", 201, `{"id":"a","status":"pending","Status":"accepted"}`, "", "", "", ""},
		{"no id", 201, `{"status":"pending"}`, "", "", "", ""},
		{"id that is a path", 201, `{"id":"a/b","status":"pending"}`, "", "", "", ""},
		{"other user", 201, `{"id":"a","status":"pending","user_id":1}`, "", "", "", ""},
		{"two", 201, `[{"id":"a","status":"pending"},{"id":"b","status":"pending"}]`, "", "", "", ""},
		{"empty", 201, ``, "", "", "", ""},
		{"later", 202, `{"id":"a","status":"pending"}`, "", "", "", ""},
		{"invalid", 422, fixture(t, "error_422.json"), "", "", "", ""},
	} {
		f := newFake(t)
		f.on("register", reply{status: tt.status, body: tt.body})
		r, err := f.client().Register(t.Context(), userID, "58958", "Mobile", 0)
		if tt.wantID == "" {
			if !refused(err, tt.status) || r != (onelogin.Registration{}) {
				t.Errorf("%s: Register = %q, %v, want *Error with status %d", tt.name, r.ID, err, tt.status)
			}
			continue
		}
		if err != nil || r.ID != tt.wantID || r.UserID != userID || r.TOTPURL != tt.totpURL || r.Secret != tt.secret || r.VoiceCode != tt.voiceCode {
			t.Errorf("%s: Register = %q, %q, %q, %q, %v", tt.name, r.ID, r.TOTPURL, r.Secret, r.VoiceCode, err)
		}
	}
}

func TestRegistrationEnds(t *testing.T) {
	f := newFake(t)
	f.on("register", reply{status: 201, body: fixture(t, "registration_voice.json")}, reply{status: 201, body: fixture(t, "registration_protect.json")})
	client := f.client()
	for _, want := range []time.Time{time.Date(2026, 3, 2, 8, 2, 0, 0, time.UTC), {}} {
		if r, err := client.Register(t.Context(), userID, "1", "a", 0); err != nil || !r.ExpiresAt.Equal(want) {
			t.Errorf("Register until %v, %v, want %v", r.ExpiresAt, err, want)
		}
	}
}

var verdictsOfRegistrations = []verdictCase{
	{"accepted", 200, `{"id":"` + registrationID + `","status":"accepted","device_id":"3919988"}`, accepted, accepted},
	{"accepted with number", 200, `[{"status":"accepted","device_id":3919988}]`, accepted, accepted},
	{"accepted without device", 200, `{"id":"` + registrationID + `","status":"accepted"}`, denied, denied},
	{"accepted with null device", 200, `{"status":"accepted","device_id":null}`, denied, denied},
	{"accepted with a path as device", 200, `{"status":"accepted","device_id":"../1"}`, denied, denied},
	{"accepted of another", 200, `{"id":"other","status":"accepted","device_id":"3919988"}`, denied, denied},
	{"accepted for another", 200, `{"user_id":1,"status":"accepted","device_id":"3919988"}`, denied, denied},
	{"envelope", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false}}`, denied, denied},
	{"pending", 200, `{"id":"` + registrationID + `","status":"pending"}`, wrongCode, pending},
	{"rejected", 200, `{"status":"rejected"}`, denied, denied},
	{"approved", 200, `{"status":"approved","device_id":"3919988"}`, denied, denied},
	{"device twice spelled", 200, `{"status":"accepted","device_id":"3919988","Device_ID":"1"}`, denied, denied},
	{"created", 201, `{"status":"accepted","device_id":"3919988"}`, denied, denied},
	{"wrong", 401, envelopeB("Failed authentication with this factor"), wrongCode, denied},
	{"pending in envelope A", 401, envelopeA("Authentication pending on OL Protect"), pending, pending},
	{"live access token", 401, envelopeB("Please provide valid credentials"), wrongCode, denied},
	{"scope", 403, envelopeB("no"), undecided, undecided},
	{"gone", 404, envelopeB("not found"), gone, gone},
	{"out of order", 502, `<html>`, undecided, undecided},
}

func TestVerdictsOfRegistrations(t *testing.T) {
	for _, tt := range verdictsOfRegistrations {
		f := newFake(t)
		f.on("verify registration", reply{status: tt.status, body: tt.body})
		f.on("poll registration", reply{status: tt.status, body: tt.body})
		client := f.client()
		check := func(call string, want, got onelogin.Verdict, device string, err error) {
			t.Helper()
			if got != want || (err != nil) != (want == undecided) || (device == "3919988") != (want == accepted) || want != accepted && device != "" {
				t.Errorf("%s: %s = %v, %q, %v, want %v", tt.name, call, got, device, err, want)
			}
		}
		got, device, err := client.VerifyRegistration(t.Context(), registration, "012345")
		check("VerifyRegistration", tt.put, got, device, err)
		got, device, err = client.PollRegistration(t.Context(), registration)
		check("PollRegistration", tt.get, got, device, err)

		put, get := f.requests("verify registration")[0], f.requests("poll registration")[0]
		path := "/api/2/mfa/users/64515901/registrations/" + registrationID
		if put.target != path || put.method != "PUT" || put.body != `{"otp":"012345"}` || get.target != path || get.method != "GET" || get.body != "" {
			t.Errorf("sent %s %s %s and %s %s %s", put.method, put.target, put.body, get.method, get.target, get.body)
		}
	}
}
