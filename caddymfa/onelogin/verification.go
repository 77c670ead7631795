package onelogin

import (
	"context"
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
// It prints as [redacted].
type Verification struct {
	redacted

	// ID is OneLogin's id for the verification. It is opaque. With the API v1
	// it is the state token, a secret, or empty for a device that shows its
	// codes by itself.
	ID string

	// UserID and DeviceID are those it was made for.
	UserID, DeviceID string

	// ExpiresAt is when OneLogin lets it go, by OneLogin's clock. It is zero
	// if the answer held no time that we can read.
	ExpiresAt time.Time

	// VoiceCode is, for a call, what the user keys in on the phone: show it to
	// them and to nobody else. It is empty for all other devices.
	VoiceCode string
}

// Activation says how to open a verification.
type Activation struct {
	// Lifetime is brought into OneLogin's range of 120 to 900 seconds.
	Lifetime time.Duration

	// RedirectTo is where the page behind a magic link sends the browser that
	// opened it. Empty sends it nowhere. It must be a configured constant and
	// never come from a request: the mail is OneLogin's and is trusted. It is
	// not checked here, and OneLogin ignores it for all other devices.
	RedirectTo string
}

// backend is one of OneLogin's two MFA APIs.
type backend interface {
	devices(ctx context.Context, userID string) ([]Device, error)
	activate(ctx context.Context, userID, deviceID string, activation Activation) (Verification, error)
	tryCode(ctx context.Context, v Verification, code string) (Verdict, error)
	tryUnbound(ctx context.Context, userID, deviceID, code string) (Verdict, error)
	poll(ctx context.Context, v Verification) (Verdict, error)
}

// Activate opens a verification for a device. OneLogin sends the text message,
// mail or push, or calls, each time this is called; for devices that show a
// code by themselves nothing is sent.
//
// It does not check that the user is active nor, with the API v2, that the
// device is the user's. Errors are [*Error]; after one, a message may have
// gone out or not.
func (c *Client) Activate(ctx context.Context, userID, deviceID string, activation Activation) (Verification, error) {
	return c.mfa.activate(ctx, userID, deviceID, activation)
}

// Verify tries a code that the user typed. A code is sent at most once; if the
// access token proves to be dead, that is an error, and the next call has a
// new one. A code that is empty or longer than 128 bytes is a [WrongCode]
// without asking OneLogin.
//
// It does not check that the verification is still open, that the code was not
// used before, or how often the user has tried. The error is an [*Error] and
// the verdict then [Undecided]; OneLogin may have counted the try.
func (c *Client) Verify(ctx context.Context, v Verification, code string) (Verdict, error) {
	if !plausible(code) {
		return WrongCode, nil
	}
	return c.mfa.tryCode(ctx, v, code)
}

// VerifyUnbound tries a code of a device without a verification, otherwise as
// [Client.Verify] does. It is for devices that show codes by themselves and
// for temporary codes, where no verification can be had; a code that OneLogin
// has sent must go to Verify, since here any outstanding one would pass.
//
// It does not check what kind of device it is given, but refuses none at all.
func (c *Client) VerifyUnbound(ctx context.Context, userID, deviceID, code string) (Verdict, error) {
	if !plausible(code) {
		return WrongCode, nil
	}
	return c.mfa.tryUnbound(ctx, userID, deviceID, code)
}

// Poll asks whether the user has answered a push, a call or a magic link. It
// never repeats itself: while OneLogin is out of order it returns an [*Error]
// and [Undecided], and whoever polls may take that for "not yet" until the
// verification's own end. With the API v1 only a push can be polled; where
// nothing was sent, the verdict is [Pending] without asking.
func (c *Client) Poll(ctx context.Context, v Verification) (Verdict, error) {
	return c.mfa.poll(ctx, v)
}

// ask sends a request whose answer is a verdict. The answer is returned for
// what else it holds.
func (c *Client) ask(ctx context.Context, r request, judge func(answer) Verdict) (Verdict, answer, error) {
	a, err := c.submit(ctx, r)
	if err != nil {
		return Undecided, answer{}, err
	}
	verdict := judge(a)
	if verdict == Undecided {
		return Undecided, answer{}, a.refusal(r.op)
	}
	return verdict, a, nil
}

func plausible(code string) bool { return code != "" && len(code) <= maxCodeLength }

// seconds is a lifetime as the API takes it, within the API's range.
func seconds(lifetime, shortest, longest time.Duration) int64 {
	return int64(min(max(lifetime, shortest), longest) / time.Second)
}
