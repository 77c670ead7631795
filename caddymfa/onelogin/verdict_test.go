package onelogin_test

import (
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const (
	undecided = onelogin.Undecided
	accepted  = onelogin.Accepted
	pending   = onelogin.Pending
	wrongCode = onelogin.WrongCode
	denied    = onelogin.Denied
	gone      = onelogin.Gone
)

// verdictCase is one answer and what it means to a code (PUT) and a poll (GET).
type verdictCase struct {
	name   string
	status int
	body   string
	put    onelogin.Verdict
	get    onelogin.Verdict
}

func envelopeA(message string) string {
	return `{"status":{"error":true,"code":401,"type":"Unauthorized","message":"` + message + `"}}`
}

func envelopeB(message string) string {
	return `{"statusCode":401,"name":"UnauthorizedError","message":"` + message + `"}`
}

var verdictsOf200 = []verdictCase{
	{"accepted", 200, `{"id":"` + verifID + `","status":"accepted","device_id":"3920371"}`, accepted, accepted},
	{"accepted without ids", 200, `{"status":"accepted"}`, accepted, accepted},
	{"accepted with user", 200, `{"status":"accepted","user_id":64515901}`, accepted, accepted},
	{"accepted with ids as numbers", 200, `{"status":"accepted","user_id":64515901,"device_id":3920371}`, accepted, accepted},
	{"accepted with new members", 200, `{"status":"accepted","factor_data":{"a":[1,2]},"x":null}`, accepted, accepted},
	{"accepted in array", 200, `[{"status":"accepted"}]`, accepted, accepted},
	{"accepted in array of array", 200, `[[{"status":"accepted"}]]`, accepted, accepted},
	{"accepted with space around", 200, " \n{\"status\":\"accepted\"}\r\n", accepted, accepted},
	{"accepted written with escapes", 200, `{"\u0073tatus":"\u0061ccepted"}`, accepted, accepted},
	{"success of the documents", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false}}`, accepted, denied},
	{"success in capitals", 200, `{"status":{"type":"SUCCESS","code":200,"message":"Success","error":false}}`, accepted, denied},
	{"success without message", 200, `{"status":{"type":"success","code":200,"error":false}}`, accepted, denied},
	{"success in array", 200, `[{"status":{"type":"success","code":200,"error":false}}]`, accepted, denied},
	{"pending", 200, `{"id":"` + verifID + `","status":"pending"}`, wrongCode, pending},
	{"pending in array", 200, `[{"status":"pending"}]`, wrongCode, pending},
	{"rejected", 200, `{"status":"rejected"}`, denied, denied},
	{"success but pending", 200, `{"status":{"type":"success","code":200,"message":"Authentication PENDING on OL Protect","error":false}}`, pending, pending},
	{"pending type", 200, `{"status":{"type":"pending","code":200,"message":"pending","error":false}}`, pending, pending},

	{"array in third depth", 200, `[[[{"status":"accepted"}]]]`, denied, denied},
	{"two accepted", 200, `[{"status":"accepted"},{"status":"accepted"}]`, denied, denied},
	{"empty array", 200, `[]`, denied, denied},
	{"array of empty array", 200, `[[]]`, denied, denied},
	{"empty object", 200, `{}`, denied, denied},
	{"null", 200, `null`, denied, denied},
	{"true", 200, `true`, denied, denied},
	{"number", 200, `200`, denied, denied},
	{"string accepted", 200, `"accepted"`, denied, denied},
	{"string success", 200, `"success"`, denied, denied},
	{"plain OK", 200, `OK`, denied, denied},
	{"empty body", 200, ``, denied, denied},
	{"html", 200, `<html><body>accepted</body></html>`, denied, denied},
	{"cut off", 200, `{"status":"accepted"`, denied, denied},
	{"two values", 200, `{"status":"accepted"}{"status":"accepted"}`, denied, denied},
	{"trailing comma", 200, `{"status":"accepted",}`, denied, denied},
	{"byte order mark", 200, "\ufeff" + `{"status":"accepted"}`, denied, denied},
	{"bytes that are not UTF-8", 200, "{\"status\":\"accepted\",\"x\":\"\xff\"}", denied, denied},
	{"too deep", 200, `{"status":"accepted","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, denied, denied},
	{"other case", 200, `{"status":"Accepted"}`, denied, denied},
	{"space behind", 200, `{"status":"accepted "}`, denied, denied},
	{"word of another API", 200, `{"status":"approved"}`, denied, denied},
	{"status success as word", 200, `{"status":"success"}`, denied, denied},
	{"expired", 200, `{"status":"expired"}`, denied, denied},
	{"status null", 200, `{"status":null}`, denied, denied},
	{"status true", 200, `{"status":true}`, denied, denied},
	{"status 200", 200, `{"status":200}`, denied, denied},
	{"status array", 200, `{"status":["accepted"]}`, denied, denied},
	{"status empty object", 200, `{"status":{}}`, denied, denied},
	{"only error false", 200, `{"status":{"error":false}}`, denied, denied},
	{"flat success", 200, `{"type":"success","code":200,"message":"success","error":false}`, denied, denied},
	{"success with error", 200, `{"status":{"type":"success","code":200,"error":true}}`, denied, denied},
	{"success without error", 200, `{"status":{"type":"success","code":200}}`, denied, denied},
	{"success with error as text", 200, `{"status":{"type":"success","code":200,"error":"false"}}`, denied, denied},
	{"success in other words", 200, `{"status":{"type":"success","code":200,"message":"SMS token sent","error":false}}`, denied, denied},
	{"success with data", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false},"data":{"user_id":64515901}}`, denied, denied},
	{"success with data twice spelled", 200, `{"status":{"type":"success","code":200,"error":false},"Data":{}}`, denied, denied},
	{"success with empty data", 200, `{"status":{"type":"success","code":200,"message":"Success","error":false},"data":[]}`, accepted, denied},
	{"accepted with error", 200, `{"status":"accepted","error":true}`, denied, denied},
	{"accepted with error in words", 200, `{"status":"accepted","error":"none"}`, denied, denied},
	{"accepted without error", 200, `{"status":"accepted","error":false}`, accepted, accepted},
	{"success with code as text", 200, `{"status":{"type":"success","code":"200","error":false}}`, denied, denied},
	{"success with code 201", 200, `{"status":{"type":"success","code":201,"error":false}}`, denied, denied},
	{"success with message object", 200, `{"status":{"type":"success","code":200,"error":false,"message":{"a":"pending"}}}`, denied, denied},
	{"success with long s", 200, `{"status":{"type":"ſucceſſ","code":200,"error":false}}`, denied, denied},
	{"success twice spelled", 200, `{"status":{"type":"success","Error":true,"error":false,"code":200}}`, denied, denied},
	{"success of another verification", 200, `{"id":"other","status":{"type":"success","code":200,"error":false}}`, denied, denied},
	{"other name", 200, `{"Status":"accepted"}`, denied, denied},
	{"status twice", 200, `{"status":"accepted","status":"rejected"}`, denied, denied},
	{"status twice the other way", 200, `{"status":"rejected","status":"accepted"}`, denied, denied},
	{"status in two cases", 200, `{"STATUS":"rejected","status":"accepted"}`, denied, denied},
	{"status hidden by escape", 200, `{"status":"rejected","st\u0061tus":"accepted"}`, denied, denied},
	{"status below", 200, `{"data":{"status":"accepted"}}`, denied, denied},
	{"other verification", 200, `{"id":"6a0ba80a-39a1-4627-9a8b-1273278b34ee","status":"accepted"}`, denied, denied},
	{"verification in capitals", 200, `{"id":"` + strings.ToUpper(verifID) + `","status":"accepted"}`, denied, denied},
	{"verification null", 200, `{"id":null,"status":"accepted"}`, denied, denied},
	{"verification object", 200, `{"id":{},"status":"accepted"}`, denied, denied},
	{"verification in another case", 200, `{"ID":"other","status":"accepted"}`, denied, denied},
	{"other device", 200, `{"status":"accepted","device_id":"3920372"}`, denied, denied},
	{"device with exponent", 200, `{"status":"accepted","device_id":3920371e0}`, denied, denied},
	{"other user", 200, `{"status":"accepted","user_id":"1"}`, denied, denied},
}

var verdictsOfOthers = []verdictCase{
	{"201 accepted", 201, `{"status":"accepted"}`, denied, denied},
	{"202 accepted", 202, `{"status":"accepted"}`, denied, denied},
	{"203 accepted", 203, `{"status":"accepted"}`, denied, denied},
	{"204", 204, ``, denied, denied},
	{"206 accepted", 206, `{"status":"accepted"}`, denied, denied},
	{"301", 301, `{"status":"accepted"}`, denied, denied},
	{"302", 302, ``, denied, denied},
	{"304", 304, ``, denied, denied},
	{"307 accepted", 307, `{"status":"accepted"}`, denied, denied},
	{"400", 400, envelopeB("BadRequest"), denied, denied},
	{"400 about the code", 400, envelopeA("OTP token blank"), wrongCode, denied},
	{"400 expired", 400, envelopeB("State token is invalid or expired"), gone, gone},
	{"400 html", 400, `<p>otp</p>`, denied, denied},
	{"422 about the code", 422, envelopeB("otp is not valid"), wrongCode, denied},
	{"422", 422, envelopeB("Validations failed"), denied, denied},
	{"401 factor, A", 401, envelopeA("Failed authentication with this factor"), wrongCode, denied},
	{"401 factor, B", 401, envelopeB("failed AUTHENTICATION with this factor"), wrongCode, denied},
	{"401 pending, A", 401, envelopeA("SMS token sent. Authentication pending."), pending, pending},
	{"401 pending, B", 401, envelopeB("Authentication pending on OL Protect"), pending, pending},
	{"401 live access token, A", 401, envelopeA("Authentication Failure"), wrongCode, denied},
	{"401 live access token, B", 401, envelopeB("Please provide valid credentials"), wrongCode, denied},
	{"401 unknown words", 401, envelopeB("Unheard of"), wrongCode, denied},
	{"401 accepted", 401, `{"status":"accepted"}`, wrongCode, denied},
	{"401 empty", 401, ``, wrongCode, denied},
	{"401 html", 401, `<html>`, wrongCode, denied},
	{"401 message object", 401, `{"status":{"message":{"attribute":"id"}}}`, wrongCode, denied},
	{"401 expired", 401, envelopeA("State token is invalid or expired"), gone, gone},
	{"401 scope", 401, envelopeA("Insufficient Permission"), undecided, undecided},
	{"401 route", 401, envelopeA("No Route Exists"), undecided, undecided},
	{"403", 403, envelopeB("You are not authorised to perform this action"), undecided, undecided},
	{"403 accepted", 403, `{"status":"accepted"}`, undecided, undecided},
	{"404", 404, envelopeB("The resource can't be found"), gone, gone},
	{"404 accepted", 404, `{"status":"accepted"}`, gone, gone},
	{"404 empty", 404, ``, gone, gone},
	{"405", 405, ``, denied, denied},
	{"408", 408, ``, undecided, undecided},
	{"409 accepted", 409, `{"status":"accepted"}`, denied, denied},
	{"410", 410, ``, denied, denied},
	{"429 html", 429, `<html>`, undecided, undecided},
	{"429 accepted", 429, `{"status":"accepted"}`, undecided, undecided},
	{"500", 500, `{"status":"accepted"}`, undecided, undecided},
	{"502 html", 502, `<html>`, undecided, undecided},
	{"503", 503, ``, undecided, undecided},
}

func TestVerdictsOfAnswers(t *testing.T) {
	for _, tt := range append(verdictsOf200, verdictsOfOthers...) {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			answer := reply{status: tt.status, body: tt.body}
			f.on("verify", answer)
			f.on("poll", answer)

			got, err := f.client().Verify(t.Context(), verification, "012345")
			if got != tt.put || (err != nil) != (tt.put == undecided) {
				t.Errorf("Verify on %d %s = %v, %v, want %v", tt.status, tt.body, got, err, tt.put)
			}
			got, err = f.client().Poll(t.Context(), verification)
			if got != tt.get || (err != nil) != (tt.get == undecided) {
				t.Errorf("Poll on %d %s = %v, %v, want %v", tt.status, tt.body, got, err, tt.get)
			}
			f.wantCalls("verify", 1)
			f.wantCalls("poll", 1)
		})
	}
}

func TestVerdictsOfDocumentedAnswers(t *testing.T) {
	for _, tt := range []verdictCase{
		{"verification_accepted.json", 200, "", accepted, accepted},
		{"verification_pending.json", 200, "", wrongCode, pending},
		{"verification_rejected.json", 200, "", denied, denied},
		{"verification_success.json", 200, "", accepted, denied},
		{"error_401.json", 401, "", wrongCode, denied},
		{"error_403.json", 403, "", undecided, undecided},
		{"error_404.json", 404, "", gone, gone},
		{"error_422.json", 422, "", denied, denied},
		{"throttled.html", 429, "", undecided, undecided},
		{"activation.json", 200, "", denied, denied},
		{"devices.json", 200, "", denied, denied},
	} {
		f := newFake(t)
		answer := reply{status: tt.status, body: fixture(t, tt.name)}
		f.on("verify", answer)
		f.on("poll", answer)
		client := f.client()
		if got, _ := client.Verify(t.Context(), verification, "012345"); got != tt.put {
			t.Errorf("Verify on %s = %v, want %v", tt.name, got, tt.put)
		}
		if got, _ := client.Poll(t.Context(), verification); got != tt.get {
			t.Errorf("Poll on %s = %v, want %v", tt.name, got, tt.get)
		}
	}
}

// Tenants may number their verifications, as OneLogin's Go SDK expects.
func TestVerificationWithNumberIsCheckedToo(t *testing.T) {
	numbered := onelogin.Verification{ID: "99", UserID: userID, DeviceID: deviceID}
	f := newFake(t)
	f.on("poll", reply{status: 200, body: `{"id":98,"status":"accepted"}`}, reply{status: 200, body: `{"id":99,"status":"accepted"}`})
	client := f.client()
	for _, want := range []onelogin.Verdict{denied, accepted} {
		if got, err := client.Poll(t.Context(), numbered); got != want || err != nil {
			t.Errorf("Poll = %v, %v, want %v", got, err, want)
		}
	}
}

func TestVerdictNames(t *testing.T) {
	for verdict, want := range map[onelogin.Verdict]string{
		undecided: "undecided", accepted: "accepted", pending: "pending",
		wrongCode: "wrong code", denied: "denied", gone: "gone", 99: "undecided",
	} {
		if got := verdict.String(); got != want {
			t.Errorf("Verdict(%d).String() = %q, want %q", int(verdict), got, want)
		}
	}
}
