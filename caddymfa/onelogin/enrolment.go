package onelogin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxTOTPURLLength is what still fits into a QR code that a phone can read.
const maxTOTPURLLength = 1024

// AvailableFactor is a kind of device that a user may enrol now.
type AvailableFactor struct {
	// ID is OneLogin's number for the factor. It differs from tenant to tenant.
	ID string

	// Name is OneLogin's name of the factor for people, such as "OneLogin
	// Protect", and FactorName the one for programs, such as "OneLogin".
	Name, FactorName string
}

// Kind tells what kind of proof a device of this factor would give. Not every
// kind can be enrolled here: [Client.Register] says which.
func (f AvailableFactor) Kind() Kind { return kindOf(f.FactorName) }

// Registration is OneLogin's record of one attempt to enrol one device. It
// belongs on the server: whoever has its secret can make the codes. It prints
// as [redacted].
type Registration struct {
	redacted

	// ID is OneLogin's id for the registration. It is opaque. UserID is the
	// user it was made for.
	ID, UserID string

	// ExpiresAt is when OneLogin lets it go, by OneLogin's clock. It is zero
	// for OneLogin Protect, and if there was no time that we can read.
	ExpiresAt time.Time

	// TOTPURL is for apps: the otpauth URL to show as a QR code, or empty.
	TOTPURL string

	// Secret is for apps: what the user types who cannot scan, or empty.
	Secret string

	// VoiceCode is for calls: what the user keys in on the phone, or empty.
	VoiceCode string
}

// wireRegistration is the body that begins an enrolment. There is no member
// "verified" on purpose: it would enrol a device that nobody has proven.
type wireRegistration struct {
	FactorID    any    `json:"factor_id"`
	DisplayName string `json:"display_name"`
	ExpiresIn   int64  `json:"expires_in"`
}

// AvailableFactors returns what the user's policy lets them enrol, without
// what they have enrolled already. Errors are [*Error].
func (c *Client) AvailableFactors(ctx context.Context, userID string) ([]AvailableFactor, error) {
	r := request{op: "list factors", method: http.MethodGet, path: mfaPath(userID, "/factors")}.naming(userID)
	a, err := c.lookup(ctx, r)
	if err != nil {
		return nil, err
	}
	return expect(r.op, a, readFactors, http.StatusOK)
}

func readFactors(body []byte) ([]AvailableFactor, string) {
	records, err := parseList(body)
	if err != nil {
		return nil, classUnreadable
	}
	factors := make([]AvailableFactor, len(records))
	for i, record := range records {
		factors[i] = AvailableFactor{identifier(record["factor_id"]), text(record["name"]), text(record["auth_factor_name"])}
		if factors[i].ID == "" {
			return nil, classUnreadable
		}
	}
	return factors, ""
}

// Register begins to enrol a device for a user. OneLogin sends a code to the
// address or number that it has for the user, or calls it; for apps it answers
// with what to scan. Nothing is enrolled until that is proven
// ([Client.VerifyRegistration], [Client.PollRegistration]). OneLogin takes
// SMS, mail, OneLogin Protect, authenticator apps and voice.
//
// DisplayName is what the user will know the device by: 1 to 256 bytes of
// UTF-8 without control characters. Lifetime is brought into 120 to 900
// seconds. It is sent at most once. It does not check that the user may enrol
// this factor, nor who asks for it. Errors are [*Error].
func (c *Client) Register(ctx context.Context, userID, factorID, displayName string, lifetime time.Duration) (Registration, error) {
	r := request{
		op:     "register",
		method: http.MethodPost,
		path:   mfaPath(userID, "/registrations"),
		body: wireRegistration{
			FactorID:    wireID(factorID),
			DisplayName: displayName,
			ExpiresIn:   seconds(lifetime, minLifetime, maxLifetime),
		},
	}.naming(userID, factorID)
	if !printable(displayName, maxNameLength) {
		r.flaw = classInvalid
	}
	a, err := c.submit(ctx, r)
	if err != nil {
		return Registration{}, err
	}
	read := func(body []byte) (Registration, string) { return readRegistration(body, userID) }
	return expect(r.op, a, read, http.StatusCreated, http.StatusOK)
}

// readRegistration takes nothing but a pending one: any other is not the
// beginning of a proof.
func readRegistration(body []byte, userID string) (Registration, string) {
	record, err := parseRecord(body)
	r := Registration{ID: identifier(record["id"]), UserID: userID}
	switch {
	case err != nil || r.ID == "" || !spelledExactly(record, "status") || record["status"] != "pending":
		return Registration{}, classUnreadable
	case !r.verification().names(record):
		return Registration{}, classOtherRecord
	}
	r.ExpiresAt, _ = instant(record["expires_at"])
	given := readFactorData(record)
	r.TOTPURL, r.Secret, r.VoiceCode = given.totpURL, given.secret, given.voiceCode
	return r, ""
}

// VerifyRegistration tries the code that the user typed, as [Client.Verify]
// does. With [Accepted] comes the id of the device, which is enrolled from
// then on; with all else it is empty.
func (c *Client) VerifyRegistration(ctx context.Context, r Registration, code string) (verdict Verdict, deviceID string, err error) {
	if !plausible(code) {
		return WrongCode, "", nil
	}
	return c.askRegistration(ctx, r, typed, request{op: "verify registration", method: http.MethodPut, body: wireCode{OTP: code}})
}

// PollRegistration asks whether the user has finished on the phone, as
// [Client.Poll] does, for OneLogin Protect and voice. With [Accepted] comes
// the id of the device, which is enrolled from then on.
func (c *Client) PollRegistration(ctx context.Context, r Registration) (verdict Verdict, deviceID string, err error) {
	return c.askRegistration(ctx, r, polled, request{op: "poll registration", method: http.MethodGet})
}

func (c *Client) askRegistration(ctx context.Context, registration Registration, q question, r request) (Verdict, string, error) {
	r.path = mfaPath(registration.UserID, "/registrations/"+registration.ID)
	r = r.naming(registration.UserID, registration.ID)
	verdict, a, err := c.ask(ctx, r, func(a answer) Verdict { return judge(q, a, registration.verification()) })
	if verdict != Accepted {
		return verdict, "", err
	}
	record, _ := parseRecord(a.body) // judge has read it
	deviceID := identifier(record["device_id"])
	if deviceID == "" {
		return Denied, "", nil // a device that cannot be named was not enrolled
	}
	return Accepted, deviceID, nil
}

// verification is the registration as [judge] wants it: they are read alike,
// but the device has no id yet.
func (r Registration) verification() Verification {
	return Verification{ID: r.ID, UserID: r.UserID}
}

// factorData is what the user needs to finish on a phone or in an app.
type factorData struct{ totpURL, secret, voiceCode string }

// readFactorData reads one member that means two things: a code to key in for
// calls, and the secret itself for apps.
func readFactorData(record object) factorData {
	given, _ := record["factor_data"].(object)
	secret := opaque(given["verification_token"])
	if kindOf(text(record["auth_factor_name"])) == KindVoice {
		return factorData{voiceCode: secret}
	}
	address := opaque(given["totp_url"])
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || len(address) > maxTOTPURLLength {
		return factorData{secret: secret}
	}
	if inside := opaque(u.Query().Get("secret")); inside != "" {
		secret = inside
	}
	return factorData{totpURL: address, secret: secret}
}

// printable reports whether s is 1 to longest bytes that a person could have
// typed.
func printable(s string, longest int) bool {
	return s != "" && len(s) <= longest && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
