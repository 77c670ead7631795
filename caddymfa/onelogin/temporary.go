package onelogin

import (
	"context"
	"net/http"
	"regexp"
	"time"
)

// maxTemporaryLifetime is the longest that OneLogin gives a temporary code,
// and what it gives if it is not asked for less.
const maxTemporaryLifetime = 72 * time.Hour

var temporaryCodePattern = regexp.MustCompile(`^[A-Za-z0-9]{4,32}$`)

// TemporaryCode stands in for all devices of a user who has lost them. It
// passes for any app that OneLogin guards, not only for ours. It prints as
// [redacted].
type TemporaryCode struct {
	redacted

	// Code is what the user types.
	Code string

	// DeviceID is OneLogin's id of the device that was made for the code. Not
	// every tenant lists it among the user's devices: remember it.
	DeviceID string

	// ExpiresAt is its end by OneLogin's clock, zero if there was no time that
	// we can read.
	ExpiresAt time.Time

	// Reusable reports whether it may be used more than once until then.
	Reusable bool
}

// wireTemporaryCode is the body that makes a temporary code.
type wireTemporaryCode struct {
	ExpiresIn int64 `json:"expires_in"`
	Reusable  bool  `json:"reusable"`
}

// CreateTemporaryCode makes a temporary code for a user. Lifetime is brought
// into 120 seconds to 72 hours. It is sent at most once; after an error there
// may be a code that nobody knows. An answer with a reusable code where none
// was asked for is an error.
//
// It does not check who asks for the code: that is the whole of its security.
// Errors are [*Error].
func (c *Client) CreateTemporaryCode(ctx context.Context, userID string, lifetime time.Duration, reusable bool) (TemporaryCode, error) {
	r := request{
		op:     "create temporary code",
		method: http.MethodPost,
		path:   mfaPath(userID, "/mfa_token"),
		body:   wireTemporaryCode{ExpiresIn: seconds(lifetime, minLifetime, maxTemporaryLifetime), Reusable: reusable},
	}.naming(userID)
	a, err := c.submit(ctx, r)
	if err != nil {
		return TemporaryCode{}, err
	}
	read := func(body []byte) (TemporaryCode, string) { return readTemporaryCode(body, reusable) }
	return expect(r.op, a, read, http.StatusCreated, http.StatusOK)
}

// readTemporaryCode wants a device id that tells it from enrolled devices, so
// that a site that refuses temporary codes can.
func readTemporaryCode(body []byte, reusable bool) (TemporaryCode, string) {
	record, err := parseRecord(body)
	code := TemporaryCode{
		Code:     text(record["mfa_token"]),
		DeviceID: identifier(record["device_id"]),
		Reusable: record["reusable"] == true,
	}
	if err != nil || !temporaryCodePattern.MatchString(code.Code) ||
		(Device{ID: code.DeviceID}).Kind() != KindTemporary || code.Reusable && !reusable {
		return TemporaryCode{}, classUnreadable
	}
	code.ExpiresAt, _ = instant(record["expires_at"])
	return code, ""
}
