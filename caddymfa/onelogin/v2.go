package onelogin

import (
	"context"
	"encoding/json"
	"net/http"
)

// v2 speaks OneLogin's present MFA API (docs/onelogin.md, Activate, verify,
// poll).
type v2 struct{ *Client }

// wireActivation is the body that makes a verification.
type wireActivation struct {
	DeviceID   any    `json:"device_id"`
	ExpiresIn  int64  `json:"expires_in"`
	RedirectTo string `json:"redirect_to,omitempty"`
}

// wireCode is the body that tries a code. The code is a string on the wire
// too: a number would lose leading zeros.
type wireCode struct {
	OTP      string `json:"otp"`
	DeviceID any    `json:"device_id,omitempty"`
}

// mfaPath is the path of something that belongs to a user.
func mfaPath(userID, rest string) string { return "/api/2/mfa/users/" + userID + rest }

func (b v2) devices(ctx context.Context, userID string) ([]Device, error) {
	r := request{op: "list devices", method: http.MethodGet, path: mfaPath(userID, "/devices")}.naming(userID)
	a, err := b.lookup(ctx, r)
	if err != nil {
		return nil, err
	}
	return expect(r.op, a, readDevices, http.StatusOK)
}

func (b v2) activate(ctx context.Context, userID, deviceID string, activation Activation) (Verification, error) {
	r := request{
		op:     "activate",
		method: http.MethodPost,
		path:   mfaPath(userID, "/verifications"),
		body: wireActivation{
			DeviceID:   wireID(deviceID),
			ExpiresIn:  seconds(activation.Lifetime, minLifetime, maxLifetime),
			RedirectTo: activation.RedirectTo,
		},
	}.naming(userID, deviceID)
	a, err := b.submit(ctx, r)
	if err != nil {
		return Verification{}, err
	}
	read := func(body []byte) (Verification, string) {
		return readActivation(body, Verification{UserID: userID, DeviceID: deviceID})
	}
	return expect(r.op, a, read, http.StatusCreated, http.StatusOK)
}

// readActivation completes v, which names the user and the device.
func readActivation(body []byte, v Verification) (Verification, string) {
	record, err := parseRecord(body)
	v.ID = identifier(record["id"])
	switch {
	case err != nil || v.ID == "":
		return Verification{}, classUnreadable
	case !v.names(record):
		return Verification{}, classOtherRecord
	}
	v.ExpiresAt, _ = instant(record["expires_at"])
	v.VoiceCode = readFactorData(record).voiceCode
	return v, ""
}

func (b v2) tryCode(ctx context.Context, v Verification, code string) (Verdict, error) {
	r := request{
		op:     "verify",
		method: http.MethodPut,
		path:   mfaPath(v.UserID, "/verifications/"+v.ID),
		body:   wireCode{OTP: code, DeviceID: wireID(v.DeviceID)},
	}.naming(v.UserID, v.ID, v.DeviceID)
	verdict, _, err := b.ask(ctx, r, func(a answer) Verdict { return judge(typed, a, v) })
	return verdict, err
}

// tryUnbound posts to where verifications are made. A 201 would mean that
// OneLogin overlooked the code and made one: only 200 is on the allow-list.
func (b v2) tryUnbound(ctx context.Context, userID, deviceID, code string) (Verdict, error) {
	r := request{
		op:     "verify unbound",
		method: http.MethodPost,
		path:   mfaPath(userID, "/verifications"),
		body:   wireCode{OTP: code, DeviceID: wireID(deviceID)},
	}.naming(userID, deviceID)
	v := Verification{UserID: userID, DeviceID: deviceID}
	verdict, _, err := b.ask(ctx, r, func(a answer) Verdict { return judge(typed, a, v) })
	return verdict, err
}

func (b v2) poll(ctx context.Context, v Verification) (Verdict, error) {
	r := request{
		op:     "poll",
		method: http.MethodGet,
		path:   mfaPath(v.UserID, "/verifications/"+v.ID),
	}.naming(v.UserID, v.ID, v.DeviceID)
	verdict, _, err := b.ask(ctx, r, func(a answer) Verdict { return judge(polled, a, v) })
	return verdict, err
}

// names reports whether all ids in the record are the verification's own. An
// id that is not there names nothing, and an id that the verification does not
// have yet may be any; one that cannot be read is another's.
func (v Verification) names(record object) bool {
	own := map[string]string{"id": v.ID, "user_id": v.UserID, "device_id": v.DeviceID}
	for name, want := range own {
		if value, present := record[name]; present && want != "" && identifier(value) != want {
			return false
		}
	}
	return true
}

// wireID sends an id as the number that OneLogin documents, if it is one, and
// as the string that it is otherwise.
func wireID(id string) any {
	if digitsPattern.MatchString(id) {
		return json.Number(id)
	}
	return id
}
