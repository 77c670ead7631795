package onelogin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

var smartRequest = onelogin.SmartRequest{
	Identifier: "64515901", Email: "jdoe@example.com", UserAgent: "Browser/1", IP: "203.0.113.7", Threshold: 50,
}

func smartRequestWith(change func(*onelogin.SmartRequest)) onelogin.SmartRequest {
	s := smartRequest
	change(&s)
	return s
}

func TestSmartRequest(t *testing.T) {
	for _, tt := range []struct {
		request onelogin.SmartRequest
		want    string
	}{
		{smartRequest, `{"user_identifier":"64515901","email":"jdoe@example.com","context":{"user_agent":"Browser/1","ip":"203.0.113.7"},"risk_threshold":50}`},
		{onelogin.SmartRequest{Identifier: "a", Phone: "+15551234567", IP: "2001:db8::1", Lifetime: time.Hour},
			`{"user_identifier":"a","phone":"+15551234567","context":{"user_agent":"","ip":"2001:db8::1"},"risk_threshold":0,"expires_in":900}`},
		{smartRequestWith(func(s *onelogin.SmartRequest) { s.Lifetime = -1; s.UserAgent = strings.Repeat("a", 600) }),
			`{"user_identifier":"64515901","email":"jdoe@example.com","context":{"user_agent":"` + strings.Repeat("a", 512) + `","ip":"203.0.113.7"},"risk_threshold":50}`},
	} {
		f := newFake(t)
		f.on("validate smart", reply{status: 200, body: fixture(t, "smart_code_sent.json")})
		if _, err := f.client().ValidateSmart(t.Context(), tt.request); err != nil {
			t.Fatal(err)
		}
		got := f.requests("validate smart")[0]
		if got.method != "POST" || got.target != "/api/2/smart-mfa" || got.body != tt.want {
			t.Errorf("ValidateSmart sent %s %s %s, want %s", got.method, got.target, got.body, tt.want)
		}
	}
}

func TestSmartRequestsThatCannotBeAreNotSent(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for i, change := range []func(*onelogin.SmartRequest){
		func(s *onelogin.SmartRequest) { s.Identifier = "" },
		func(s *onelogin.SmartRequest) { s.Identifier = "a\x00" },
		func(s *onelogin.SmartRequest) { s.Email = "" },
		func(s *onelogin.SmartRequest) { s.Phone = "+15551234567" },
		func(s *onelogin.SmartRequest) { s.Email = "a\n@b" },
		func(s *onelogin.SmartRequest) { s.IP = "" },
		func(s *onelogin.SmartRequest) { s.IP = "203.0.113.7:80" },
		func(s *onelogin.SmartRequest) { s.Threshold = -1 },
		func(s *onelogin.SmartRequest) { s.Threshold = 101 },
	} {
		if _, err := client.ValidateSmart(t.Context(), smartRequestWith(change)); !refused(err, 0) {
			t.Errorf("change %d: ValidateSmart = %v, want an error", i, err)
		}
	}
	for _, bad := range []string{"", "a b", strings.Repeat("a", 4097)} {
		if got, err := client.VerifySmart(t.Context(), bad, "012345"); got != undecided || !refused(err, 0) {
			t.Errorf("VerifySmart with state token %q = %v, %v, want undecided", bad, got, err)
		}
	}
	if got, err := client.VerifySmart(t.Context(), "state", ""); got != wrongCode || err != nil {
		t.Errorf("VerifySmart without code = %v, %v, want wrong code", got, err)
	}
	f.wantCalls("token", 0)
}

func TestSmartAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   onelogin.SmartAnswer // zero for an error
	}{
		{"code sent", 200, fixture(t, "smart_code_sent.json"), onelogin.SmartAnswer{UserID: userID, Score: 93, CodeSent: true, StateToken: verifID}},
		{"low risk", 200, fixture(t, "smart_low_risk.json"), onelogin.SmartAnswer{UserID: userID, Score: 12}},
		{"as words", 200, `{"user_id":"5","risk":{"score":50},"mfa":{"otp_sent":"true","state_token":"a"}}`, onelogin.SmartAnswer{UserID: "5", Score: 50, CodeSent: true, StateToken: "a"}},
		{"first time, low risk", 200, `{"user_id":5,"risk":{"score":3},"mfa":{"otp_sent":true,"state_token":"a"}}`, onelogin.SmartAnswer{UserID: "5", Score: 3, CodeSent: true, StateToken: "a"}},
		{"low risk with state token", 200, `{"user_id":5,"risk":{"score":3},"mfa":{"otp_sent":false,"state_token":"a"}}`, onelogin.SmartAnswer{UserID: "5", Score: 3}},
		{"no code though risky", 200, `{"user_id":5,"risk":{"score":50},"mfa":{"otp_sent":false}}`, onelogin.SmartAnswer{}},
		{"code without state token", 200, `{"user_id":5,"risk":{"score":93},"mfa":{"otp_sent":true}}`, onelogin.SmartAnswer{}},
		{"otp_sent missing", 200, `{"user_id":5,"risk":{"score":3},"mfa":{}}`, onelogin.SmartAnswer{}},
		{"otp_sent null", 200, `{"user_id":5,"risk":{"score":3},"mfa":{"otp_sent":null}}`, onelogin.SmartAnswer{}},
		{"otp_sent twice spelled", 200, `{"user_id":5,"risk":{"score":3},"mfa":{"otp_sent":false,"OTP_sent":true}}`, onelogin.SmartAnswer{}},
		{"no risk", 200, `{"user_id":5,"mfa":{"otp_sent":false}}`, onelogin.SmartAnswer{}},
		{"score as text", 200, `{"user_id":5,"risk":{"score":"3"},"mfa":{"otp_sent":false}}`, onelogin.SmartAnswer{}},
		{"negative score", 200, `{"user_id":5,"risk":{"score":-3},"mfa":{"otp_sent":false}}`, onelogin.SmartAnswer{}},
		{"no user", 200, `{"risk":{"score":3},"mfa":{"otp_sent":false}}`, onelogin.SmartAnswer{}},
		{"user in the old spelling", 200, `{"userId":5,"risk":{"score":3},"mfa":{"otp_sent":false}}`, onelogin.SmartAnswer{}},
		{"OK", 200, `OK`, onelogin.SmartAnswer{}},
		{"empty", 200, ``, onelogin.SmartAnswer{}},
		{"created", 201, fixture(t, "smart_low_risk.json"), onelogin.SmartAnswer{}},
		{"invalid", 422, fixture(t, "error_422.json"), onelogin.SmartAnswer{}},
		{"not there", 404, fixture(t, "error_404.json"), onelogin.SmartAnswer{}},
	} {
		f := newFake(t)
		f.on("validate smart", reply{status: tt.status, body: tt.body})
		got, err := f.client().ValidateSmart(t.Context(), smartRequest)
		if isError := tt.want == (onelogin.SmartAnswer{}); got != tt.want || isError != refused(err, tt.status) || !isError && err != nil {
			t.Errorf("%s: ValidateSmart = %q %d %v %q, %v", tt.name, got.UserID, got.Score, got.CodeSent, got.StateToken, err)
		}
	}
}

// verdictsOfSmart are of a code; get stands idle.
var verdictsOfSmart = []verdictCase{
	{"OK", 200, "OK", accepted, undecided},
	{"OK with line end", 200, "OK\r\n", accepted, undecided},
	{"OK quoted", 200, `"OK"`, accepted, undecided},
	{"OK twice", 200, "OK OK", denied, undecided},
	{"OK in small letters", 200, "ok", denied, undecided},
	{"half quoted", 200, `"OK`, denied, undecided},
	{"OK in a list", 200, `["OK"]`, denied, undecided},
	{"accepted", 200, `{"status":"accepted"}`, denied, undecided},
	{"envelope", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false}}`, denied, undecided},
	{"empty", 200, "", denied, undecided},
	{"OK with 201", 201, "OK", denied, undecided},
	{"OK with 204", 204, "", denied, undecided},
	{"OK with 302", 302, "OK", denied, undecided},
	{"expired", 400, `{"name":"BadRequestError","message":"State token is invalid or expired"}`, gone, undecided},
	{"bad request", 400, `{"name":"BadRequestError","message":"x"}`, denied, undecided},
	{"wrong", 401, `{"name":"Unauthorized","message":"Failed authentication with this factor"}`, wrongCode, undecided},
	{"live access token", 401, `{"name":"UnauthorizedError","message":"The request requires user authentication."}`, undecided, undecided},
	{"unknown words", 401, `{"name":"Unauthorized","message":"x"}`, undecided, undecided},
	{"OK with 401", 401, "OK", undecided, undecided},
	{"expired with 401", 401, `{"name":"Unauthorized","message":"State token is invalid or expired"}`, gone, undecided},
	{"scope", 403, `{}`, undecided, undecided},
	{"not there", 404, `{}`, undecided, undecided},
	{"throttled", 429, "OK", undecided, undecided},
	{"out of order", 500, "OK", undecided, undecided},
}

func TestVerdictsOfSmart(t *testing.T) {
	for _, tt := range verdictsOfSmart {
		f := newFake(t)
		f.on("verify smart", reply{status: tt.status, body: tt.body})
		got, err := f.client().VerifySmart(t.Context(), "state", "012345")
		if got != tt.put || (err != nil) != (tt.put == undecided) {
			t.Errorf("%s: VerifySmart = %v, %v, want %v", tt.name, got, err, tt.put)
		}
		sent := f.requests("verify smart")
		if len(sent) != 1 || sent[0].target != "/api/2/smart-mfa/verify" || sent[0].body != `{"state_token":"state","otp_token":"012345"}` {
			t.Errorf("%s: sent %+v", tt.name, sent)
		}
	}
}

// Both answers are 401. Only the one about the access token asks for another.
func TestWrongSmartCodeAsksForNoAccessToken(t *testing.T) {
	for _, tt := range []struct {
		fixture string
		fetches int
	}{{"smart_wrong_code.json", 1}, {"smart_unauthorized.json", 2}} {
		f := newFake(t)
		f.on("verify smart", reply{status: 401, body: fixture(t, tt.fixture)})
		_, _ = f.client().VerifySmart(t.Context(), "state", "012345")
		f.wantCalls("verify smart", 1)
		f.wantCalls("token", tt.fetches)
	}
}
