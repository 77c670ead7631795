package onelogin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

const (
	minLifetime = 120 * time.Second
	maxLifetime = 900 * time.Second

	// maxCodeLength is far above the longest code, a YubiKey's 44 characters.
	maxCodeLength = 128
)

// Verification is OneLogin's record of one attempt to prove one device. It
// belongs on the server: whoever can name a verification can try codes on it.
type Verification struct {
	// ID is OneLogin's id for the verification. It is opaque.
	ID string

	// UserID and DeviceID are those it was made for.
	UserID, DeviceID string

	// ExpiresAt is when OneLogin lets it go, by OneLogin's clock. It is zero
	// if the answer held no time that we can read.
	ExpiresAt time.Time
}

// wireActivation is the body that makes a verification.
type wireActivation struct {
	DeviceID  any   `json:"device_id"`
	ExpiresIn int64 `json:"expires_in"`
}

// wireCode is the body that tries a code. The code is a string on the wire
// too: a number would lose leading zeros.
type wireCode struct {
	OTP      string `json:"otp"`
	DeviceID any    `json:"device_id"`
}

// Activate opens a verification for a device. OneLogin sends the text message,
// mail or push, or calls, each time this is called; for devices that show a
// code by themselves nothing is sent. Lifetime is brought into OneLogin's
// range of 120 to 900 seconds.
//
// It does not check that the device is the user's or that the user is active.
// Errors are [*Error]; after one, a message may have gone out or not.
func (c *Client) Activate(ctx context.Context, userID, deviceID string, lifetime time.Duration) (Verification, error) {
	lifetime = min(max(lifetime, minLifetime), maxLifetime)
	r := request{
		op:     "activate",
		method: http.MethodPost,
		path:   "/api/2/mfa/users/" + userID + "/verifications",
		body:   wireActivation{DeviceID: wireID(deviceID), ExpiresIn: int64(lifetime / time.Second)},
	}
	if !userIDPattern.MatchString(userID) || !recordIDPattern.MatchString(deviceID) {
		return Verification{}, &Error{Op: r.op, Message: classInvalidID}
	}
	a, err := c.submit(ctx, r)
	if err != nil {
		return Verification{}, err
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		return Verification{}, a.refusal(r.op)
	}
	record, err := parseRecord(a.body)
	v := Verification{ID: identifier(record["id"]), UserID: userID, DeviceID: deviceID}
	switch {
	case err != nil || v.ID == "":
		return Verification{}, a.problem(r.op, classUnreadable)
	case !v.names(record):
		return Verification{}, a.problem(r.op, classOtherRecord)
	}
	v.ExpiresAt, _ = instant(record["expires_at"])
	return v, nil
}

// Verify tries a code that the user typed. A code is sent at most once, except
// where the access token proved to be dead. A code that is empty or longer
// than 128 bytes is a [WrongCode] without asking OneLogin.
//
// It does not check that the verification is still open, that the code was not
// used before, or how often the user has tried. The error is an [*Error] and
// the verdict then [Undecided]; OneLogin may have counted the try.
func (c *Client) Verify(ctx context.Context, v Verification, code string) (Verdict, error) {
	if code == "" || len(code) > maxCodeLength {
		return WrongCode, nil
	}
	return c.ask(ctx, "verify", v, http.MethodPut, wireCode{OTP: code, DeviceID: wireID(v.DeviceID)})
}

// Poll asks whether the user has answered a push, a call or a magic link. It
// never repeats itself: while OneLogin is out of order it returns an [*Error]
// and [Undecided], and whoever polls may take that for "not yet" until the
// verification's own end.
func (c *Client) Poll(ctx context.Context, v Verification) (Verdict, error) {
	return c.ask(ctx, "poll", v, http.MethodGet, nil)
}

func (c *Client) ask(ctx context.Context, op string, v Verification, method string, body any) (Verdict, error) {
	if !userIDPattern.MatchString(v.UserID) || !recordIDPattern.MatchString(v.ID) || !recordIDPattern.MatchString(v.DeviceID) {
		return Undecided, &Error{Op: op, Message: classInvalidID}
	}
	a, err := c.submit(ctx, request{
		op:     op,
		method: method,
		path:   "/api/2/mfa/users/" + v.UserID + "/verifications/" + v.ID,
		body:   body,
	})
	if err != nil {
		return Undecided, err
	}
	verdict := judge(method, a, v)
	if verdict == Undecided {
		return Undecided, a.refusal(op)
	}
	return verdict, nil
}

// names reports whether all ids in the record are the verification's own. An
// id that is not there names nothing; one that cannot be read is another's.
func (v Verification) names(record object) bool {
	own := map[string]string{"id": v.ID, "user_id": v.UserID, "device_id": v.DeviceID}
	for name, want := range own {
		if value, present := record[name]; present && identifier(value) != want {
			return false
		}
	}
	return true
}

// wireID sends a device id as the number that OneLogin documents, if it is
// one, and as the string that it is otherwise.
func wireID(deviceID string) any {
	if digitsPattern.MatchString(deviceID) {
		return json.Number(deviceID)
	}
	return deviceID
}
