package onelogin

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"time"
)

// SmartRequest describes who is there, for OneLogin to judge the risk. It
// prints as [redacted].
type SmartRequest struct {
	redacted

	// Identifier is the caller's own name for the person: 1 to 256 bytes.
	// OneLogin makes a user of its own for each one that it does not know.
	Identifier string

	// Email or Phone, one of the two and always the same for an identifier, is
	// where a code is sent. It must come from OneLogin's record of the user
	// and never from a request. A phone number is in the form +15551234567.
	Email, Phone string

	// UserAgent and IP are the browser's. The user agent may be empty or hold
	// anything; it is cut at 512 bytes.
	UserAgent, IP string

	// Threshold is the score from which on a code is sent, 0 (always) to 100.
	Threshold int

	// Lifetime is how long the code lasts. More than 900 seconds count as 900,
	// and zero or less leaves it to OneLogin, which takes 480.
	Lifetime time.Duration
}

// SmartAnswer is OneLogin's judgement. It prints as [redacted].
type SmartAnswer struct {
	redacted

	// UserID is the user that OneLogin keeps for the identifier. It need not
	// be the one whose address was used.
	UserID string

	// Score is the risk, 0 to 100.
	Score int

	// CodeSent reports whether a code went out. False means that the risk is
	// below the threshold: nothing at all has been proven.
	CodeSent bool

	// StateToken is what the code is verified with, empty if none was sent. It
	// is a secret.
	StateToken string
}

// wireSmart is the body that asks for a judgement. Names of the person are
// left out: OneLogin would write them into the user that it makes.
type wireSmart struct {
	UserIdentifier string           `json:"user_identifier"`
	Email          string           `json:"email,omitempty"`
	Phone          string           `json:"phone,omitempty"`
	Context        wireSmartContext `json:"context"`
	RiskThreshold  int              `json:"risk_threshold"`
	ExpiresIn      int64            `json:"expires_in,omitempty"`
}

type wireSmartContext struct {
	UserAgent string `json:"user_agent"`
	IP        string `json:"ip"`
}

// wireSmartCode is the body that tries a code.
type wireSmartCode struct {
	StateToken string `json:"state_token"`
	OTPToken   string `json:"otp_token"`
}

// ValidateSmart asks OneLogin how risky this person's presence is, and has a
// code sent if it is risky. The API is an early preview and creates users
// (docs/onelogin.md, Smart MFA). It is sent at most once. An answer that no
// code was sent although the score reaches the threshold is an error. Errors
// are [*Error].
func (c *Client) ValidateSmart(ctx context.Context, s SmartRequest) (SmartAnswer, error) {
	r := request{op: "validate smart", method: http.MethodPost, path: "/api/2/smart-mfa", body: s.wire(), about: s.Identifier}
	if !s.complete() {
		r.flaw = classInvalid
	}
	a, err := c.submit(ctx, r)
	if err != nil {
		return SmartAnswer{}, err
	}
	read := func(body []byte) (SmartAnswer, string) { return readSmart(body, s.Threshold) }
	return expect(r.op, a, read, http.StatusOK)
}

func (s SmartRequest) complete() bool {
	_, err := netip.ParseAddr(s.IP)
	return err == nil && printable(s.Identifier, maxNameLength) && (s.Email == "") != (s.Phone == "") &&
		printable(s.Email+s.Phone, maxNameLength) && s.Threshold >= 0 && s.Threshold <= 100
}

func (s SmartRequest) wire() wireSmart {
	const longest = 512
	return wireSmart{
		UserIdentifier: s.Identifier,
		Email:          s.Email,
		Phone:          s.Phone,
		Context:        wireSmartContext{UserAgent: s.UserAgent[:min(len(s.UserAgent), longest)], IP: s.IP},
		RiskThreshold:  s.Threshold,
		ExpiresIn:      seconds(s.Lifetime, 0, maxLifetime),
	}
}

func readSmart(body []byte, threshold int) (SmartAnswer, string) {
	record, err := parseRecord(body)
	risk, _ := record["risk"].(object)
	mfa, _ := record["mfa"].(object)
	s := SmartAnswer{UserID: identifier(record["user_id"]), Score: number(risk["score"]), StateToken: opaque(mfa["state_token"])}
	var known bool
	s.CodeSent, known = boolean(mfa["otp_sent"])
	switch {
	case err != nil || !known || !userIDPattern.MatchString(s.UserID) || s.Score < 0:
		return SmartAnswer{}, classUnreadable
	case !spelledExactly(record, "user_id", "risk", "mfa") || !spelledExactly(mfa, "otp_sent", "state_token"):
		return SmartAnswer{}, classUnreadable
	case s.CodeSent && s.StateToken == "", !s.CodeSent && s.Score >= threshold:
		return SmartAnswer{}, classUnreadable
	case !s.CodeSent:
		s.StateToken = ""
	}
	return s, ""
}

// boolean also takes the words, which one of OneLogin's SDKs expects here.
func boolean(value any) (is, known bool) {
	is = value == true || value == "true"
	return is, is || value == false || value == "false"
}

// VerifySmart tries a code that the user typed, as [Client.Verify] does. It is
// [Gone] once the state token has expired.
func (c *Client) VerifySmart(ctx context.Context, stateToken, code string) (Verdict, error) {
	if !plausible(code) {
		return WrongCode, nil
	}
	r := request{
		op:     "verify smart",
		method: http.MethodPost,
		path:   "/api/2/smart-mfa/verify",
		body:   wireSmartCode{StateToken: stateToken, OTPToken: code},
		about:  anyName,
		word:   true,
	}
	if stateToken == "" || opaque(stateToken) == "" {
		r.flaw = classInvalidID
	}
	verdict, _, err := c.ask(ctx, r, judgeSmart)
	return verdict, err
}

// judgeSmart knows one success, the word OK. There are two answers 401: only
// the one that says so speaks of the code. The path names no record, so a 404
// means that the tenant does not have this API.
func judgeSmart(a answer) Verdict {
	said := a.says()
	switch a.status {
	case http.StatusOK:
		if word := string(bytes.TrimSpace(a.body)); word == "OK" || word == `"OK"` {
			return Accepted
		}
		return Denied
	case http.StatusUnauthorized:
		if said == saysWrongCode || said == saysNoCode {
			return WrongCode
		}
		if said == saysGone {
			return Gone
		}
		return Undecided
	case http.StatusNotFound:
		return Undecided
	default:
		return judgeStatus(typed, a)
	}
}
