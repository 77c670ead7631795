package onelogin_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

var (
	loginRequest = onelogin.LoginRequest{UsernameOrEmail: "jdoe", Password: "canary password", Subdomain: "acme", IP: "203.0.113.7"}
	waitingLogin = onelogin.Login{Outcome: onelogin.LoginNeedsMFA, UserID: userID, StateToken: "bf4330878444597bd3933d4247cc1b54474f21a1"}
)

const sessionToken = "9f3a8869b31134c7906d6e54474f21a18cde9085"

func TestLoginRequest(t *testing.T) {
	for _, tt := range []struct{ ip, want string }{
		{"203.0.113.7", `{"username_or_email":"jdoe","password":"canary password","subdomain":"acme","ip_address":"203.0.113.7"}`},
		{"", `{"username_or_email":"jdoe","password":"canary password","subdomain":"acme"}`},
	} {
		f := newFake(t)
		f.on("log in", reply{status: 401, body: fixture(t, "login_refused.json")})
		request := loginRequest
		request.IP = tt.ip
		if _, err := f.client().Login(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if got := f.requests("log in")[0]; got.method != "POST" || got.target != "/api/1/login/auth" || got.body != tt.want {
			t.Errorf("Login sent %s %s %s, want %s", got.method, got.target, got.body, tt.want)
		}
		f.wantCalls("token", 1)
	}
}

func TestLoginsThatCannotBeAreNotSent(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for _, tt := range []struct {
		name, password, subdomain, ip string
		wantErr                       bool
	}{
		{"", "a", "acme", "", false},
		{"jdoe", "", "acme", "", false},
		{"jdoe\n", "a", "acme", "", false},
		{"\xff", "a", "acme", "", false},
		{"jdoe", "\xff", "acme", "", false},
		{strings.Repeat("a", 257), "a", "acme", "", false},
		{"jdoe", strings.Repeat("a", 1025), "acme", "", false},
		{"jdoe", "a", "", "", true},
		{"jdoe", "a", "acme.onelogin.com", "", true},
		{"jdoe", "a", "acme", "localhost", true},
	} {
		request := onelogin.LoginRequest{UsernameOrEmail: tt.name, Password: tt.password, Subdomain: tt.subdomain, IP: tt.ip}
		got, err := client.Login(t.Context(), request)
		if got.Outcome != onelogin.LoginRefused || (err != nil) != tt.wantErr {
			t.Errorf("Login(%q, %q, %q) = %v, %v, want refused", tt.name, tt.subdomain, tt.ip, got.Outcome, err)
		}
	}
	for _, tt := range []struct{ userID, state, deviceID string }{{"", "a", "1"}, {userID, "", "1"}, {userID, "a b", "1"}, {userID, "a", ""}, {userID, "a", "1/2"}} {
		got, _, err := client.VerifyLogin(t.Context(), onelogin.Login{UserID: tt.userID, StateToken: tt.state}, tt.deviceID, "1", false)
		if got != undecided || !refused(err, 0) {
			t.Errorf("VerifyLogin(%+v) = %v, %v, want undecided", tt, got, err)
		}
	}
	if got, _, err := client.VerifyLogin(t.Context(), waitingLogin, "1", strings.Repeat("1", 129), false); got != wrongCode || err != nil {
		t.Errorf("VerifyLogin with a long code = %v, %v, want wrong code", got, err)
	}
	f.wantCalls("token", 0)
}

func TestDocumentedLogins(t *testing.T) {
	for _, tt := range []struct {
		fixture string
		want    onelogin.Login
	}{
		{"login.json", onelogin.Login{Outcome: onelogin.LoginWithoutMFA, UserID: userID, Username: "jdoe", Email: "jdoe@example.com", SessionToken: sessionToken}},
		{"login_mfa.json", onelogin.Login{
			Outcome: onelogin.LoginNeedsMFA, UserID: userID, Username: "jdoe", Email: "jdoe@example.com", StateToken: waitingLogin.StateToken,
			Devices: []onelogin.Device{
				{ID: "111111", TypeName: "OneLogin SMS", FactorName: "OneLogin SMS"},
				{ID: "444444", TypeName: "Google Authenticator", FactorName: "Google Authenticator"},
			},
		}},
	} {
		f := newFake(t)
		f.on("log in", reply{status: 200, body: fixture(t, tt.fixture)})
		got, err := f.client().Login(t.Context(), loginRequest)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Login = %v %q %q %q %+v, %v", tt.fixture, got.Outcome, got.UserID, got.SessionToken, got.StateToken, got.Devices, err)
		}
	}
}

// loginBody is an answer 200 with this message and data.
func loginBody(message, data string) string {
	return `{"status":{"type":"success","message":"` + message + `","error":false,"code":200},"data":` + data + `}`
}

var loginAnswers = []struct {
	name   string
	status int
	body   string
	want   onelogin.LoginOutcome
	isErr  bool
}{
	{"without MFA", 200, loginBody("success", `{"user":{"id":5},"session_token":"a"}`), onelogin.LoginWithoutMFA, false},
	{"no device left", 200, loginBody("MFA is required for this user", `[{"user":{"id":5},"state_token":"a","devices":[]}]`), onelogin.LoginNeedsMFA, false},
	{"MFA with session token", 200, loginBody("MFA is required for this user", `[{"user":{"id":5},"session_token":"a","devices":[]}]`), 0, true},
	{"MFA without state token", 200, loginBody("MFA is required for this user", `[{"user":{"id":5},"devices":[]}]`), 0, true},
	{"MFA without devices", 200, loginBody("MFA is required for this user", `[{"user":{"id":5},"state_token":"a"}]`), 0, true},
	{"MFA with device without id", 200, loginBody("MFA is required for this user", `[{"user":{"id":5},"state_token":"a","devices":[{}]}]`), 0, true},
	{"success with state token only", 200, loginBody("Success", `[{"user":{"id":5},"state_token":"a","devices":[]}]`), 0, true},
	{"other words", 200, loginBody("Password expired", `[{"user":{"id":5},"session_token":"a"}]`), 0, true},
	{"no session token", 200, loginBody("Success", `[{"user":{"id":5}}]`), 0, true},
	{"session token with space", 200, loginBody("Success", `[{"user":{"id":5},"session_token":"a b"}]`), 0, true},
	{"no user", 200, loginBody("Success", `[{"session_token":"a"}]`), 0, true},
	{"two users", 200, loginBody("Success", `[{"user":{"id":5},"session_token":"a"},{"user":{"id":6},"session_token":"b"}]`), 0, true},
	{"user twice spelled", 200, loginBody("Success", `[{"user":{"id":5},"User":{"id":6},"session_token":"a"}]`), 0, true},
	{"error with 200", 200, `{"status":{"type":"success","message":"Success","error":true,"code":200},"data":[{"user":{"id":5},"session_token":"a"}]}`, 0, true},
	{"other type", 200, `{"status":{"type":"pending","message":"Success","error":false,"code":200},"data":[{"user":{"id":5},"session_token":"a"}]}`, 0, true},
	{"other code", 200, `{"status":{"type":"success","message":"Success","error":false,"code":401},"data":[{"user":{"id":5},"session_token":"a"}]}`, 0, true},
	{"created", 201, loginBody("Success", `[{"user":{"id":5},"session_token":"a"}]`), 0, true},
	{"empty", 200, ``, 0, true},
	{"refused", 401, envelopeA("Authentication Failed: Invalid user credentials"), onelogin.LoginRefused, false},
	{"credential", 401, envelopeA("Authentication Failure"), 0, true},
	{"unknown words", 401, envelopeA("Unheard of"), 0, true},
	{"scope", 401, envelopeA("Insufficient Permission"), 0, true},
	{"subdomain", 400, envelopeA("Invalid subdomain"), 0, true},
	{"refused with 400", 400, envelopeA("Authentication Failed: Invalid user credentials"), 0, true},
	{"throttled", 429, `<html>`, 0, true},
}

func TestLoginAnswers(t *testing.T) {
	for _, tt := range loginAnswers {
		f := newFake(t)
		f.on("log in", reply{status: tt.status, body: tt.body})
		got, err := f.client().Login(t.Context(), loginRequest)
		if got.Outcome != tt.want || tt.isErr != refused(err, tt.status) || !tt.isErr && err != nil {
			t.Errorf("%s: Login = %v, %v, want %v", tt.name, got.Outcome, err, tt.want)
		}
		if got.Outcome == onelogin.LoginRefused && !reflect.DeepEqual(got, onelogin.Login{}) {
			t.Errorf("%s: a refused login is not empty", tt.name)
		}
		f.wantCalls("log in", 1)
	}
}

// verdictsOfLogin are of a code (put) and of a poll without one (get).
var verdictsOfLogin = []verdictCase{
	{"success", 200, loginBody("Success", `[{"status":"Authenticated","user":{"id":64515901},"session_token":"`+sessionToken+`"}]`), accepted, accepted},
	{"success without user", 200, loginBody("success", `[{"session_token":"`+sessionToken+`"}]`), accepted, accepted},
	{"other user", 200, loginBody("Success", `[{"user":{"id":1},"session_token":"`+sessionToken+`"}]`), denied, denied},
	{"user twice spelled", 200, loginBody("Success", `[{"User":{"id":1},"session_token":"`+sessionToken+`"}]`), denied, denied},
	{"no session token", 200, loginBody("Success", `[{"user":{"id":64515901}}]`), denied, denied},
	{"empty session token", 200, loginBody("Success", `[{"session_token":""}]`), denied, denied},
	{"no data", 200, `{"status":{"type":"success","message":"Success","error":false,"code":200}}`, denied, denied},
	{"MFA required again", 200, loginBody("MFA is required for this user", `[{"session_token":"`+sessionToken+`"}]`), denied, denied},
	{"with error", 200, `{"status":{"type":"success","message":"Success","error":true,"code":200},"data":[{"session_token":"a"}]}`, denied, denied},
	{"other code", 200, `{"status":{"type":"success","message":"Success","error":false,"code":201},"data":[{"session_token":"a"}]}`, denied, denied},
	{"other type", 200, `{"status":{"type":"pending","message":"Success","error":false,"code":200},"data":[{"session_token":"a"}]}`, denied, denied},
	{"pending", 200, `{"status":{"type":"pending","message":"Authentication pending on OL Protect","error":false,"code":200}}`, pending, pending},
	{"pending as success", 200, loginBody("Authentication pending on OL Protect", `[{"session_token":"`+sessionToken+`"}]`), pending, pending},
	{"text message sent", 200, loginBody("SMS token sent to your mobile device. Authentication pending.", `null`), pending, pending},
	{"wrong", 401, envelopeA("Failed authentication with this factor"), wrongCode, denied},
	{"code missing", 400, envelopeA("OTP token blank"), wrongCode, pending},
	{"expired", 401, envelopeA("State token is invalid or expired"), gone, gone},
	{"expired as 400", 400, envelopeA("State token is invalid or expired"), gone, gone},
	{"scope", 401, envelopeA("Insufficient Permission"), undecided, undecided},
	{"no route", 404, envelopeA("No Route Exists"), undecided, undecided},
	{"throttled", 429, `<html>`, undecided, undecided},
}

func TestVerdictsOfLogin(t *testing.T) {
	for _, tt := range verdictsOfLogin {
		f := newFake(t)
		f.on("verify login", reply{status: tt.status, body: tt.body})
		for code, want := range map[string]onelogin.Verdict{"012345": tt.put, "": tt.get} {
			got, token, err := f.client().VerifyLogin(t.Context(), waitingLogin, "111111", code, false)
			if got != want || (err != nil) != (want == undecided) || (token == sessionToken) != (want == accepted) || want != accepted && token != "" {
				t.Errorf("%s: VerifyLogin(%q) = %v, %q, %v, want %v", tt.name, code, got, token, err, want)
			}
		}
		f.wantCalls("verify login", 2)
	}
}

func TestLoginProofRequest(t *testing.T) {
	f := newFake(t)
	f.on("verify login", reply{status: 200, body: fixture(t, "login_pending.json")})
	client := f.client()
	_, _, _ = client.VerifyLogin(t.Context(), waitingLogin, "111111", "", false)
	_, _, _ = client.VerifyLogin(t.Context(), waitingLogin, "111111", "", true)
	_, _, _ = client.VerifyLogin(t.Context(), waitingLogin, "111111", "012345", true)
	const begin = `{"device_id":"111111","state_token":"bf4330878444597bd3933d4247cc1b54474f21a1",`
	for i, want := range []string{`"do_not_notify":false}`, `"do_not_notify":true}`, `"otp_token":"012345","do_not_notify":true}`} {
		if got := f.requests("verify login")[i]; got.method != "POST" || got.target != "/api/1/login/verify_factor" || got.body != begin+want {
			t.Errorf("VerifyLogin sent %s %s %s, want %s", got.method, got.target, got.body, begin+want)
		}
	}
}

func TestSessionFormURL(t *testing.T) {
	for _, tt := range []struct{ baseURL, want string }{
		{"acme", "https://acme.onelogin.com/session_via_api_token"},
		{"https://login.acme.example/", "https://login.acme.example/session_via_api_token"},
		{"http://127.0.0.1:8080/fake", "http://127.0.0.1:8080/fake/session_via_api_token"},
		{"javascript:alert(1)", ""},
		{"http://acme.example", ""},
		{"", ""},
	} {
		if got := onelogin.SessionFormURL(tt.baseURL); got != tt.want {
			t.Errorf("SessionFormURL(%q) = %q, want %q", tt.baseURL, got, tt.want)
		}
	}
}

func TestLoginOutcomeNames(t *testing.T) {
	for outcome, want := range map[onelogin.LoginOutcome]string{
		onelogin.LoginRefused: "refused", onelogin.LoginWithoutMFA: "without MFA", onelogin.LoginNeedsMFA: "needs MFA", 99: "refused",
	} {
		if got := outcome.String(); got != want {
			t.Errorf("LoginOutcome(%d).String() = %q, want %q", int(outcome), got, want)
		}
	}
}
