package onelogin

import (
	"net/http"
	"strings"
)

// saying is what an error message of OneLogin is about. This is the only place
// where OneLogin's wording decides anything (docs/onelogin.md, Messages).
type saying int

const (
	saysNothing saying = iota // no message, or none that we know
	saysPending
	saysWrongCode
	saysNoCode
	saysWrongPassword
	saysMFARequired
	saysGone
	saysForbidden
	saysNoRoute
	saysDeadToken
)

// says classifies the message in the body, wherever it stands.
func (a answer) says() saying {
	message := strings.ToLower(a.message())
	has := func(part string) bool { return strings.Contains(message, part) }
	switch {
	case has("authentication pending"), has("pending on ol protect"):
		return saysPending
	case has("failed authentication with this factor"):
		return saysWrongCode
	case has("otp token blank"):
		return saysNoCode
	case has("invalid user credentials"):
		return saysWrongPassword
	case has("mfa is required"):
		return saysMFARequired
	case has("state token is invalid or expired"):
		return saysGone
	case has("insufficient permission"), has("not authorized"), has("not authorised"):
		return saysForbidden
	case has("no route exists"):
		return saysNoRoute
	case has("please provide valid credentials"), has("requires user authentication"),
		has("requires authentication"), has("authentication failure"):
		return saysDeadToken
	default:
		return saysNothing
	}
}

// doubtsAccessToken reports whether the answer may be due to a dead access
// token. A 401 in words that we do not know may be.
func (a answer) doubtsAccessToken() bool {
	if a.status != http.StatusUnauthorized {
		return false
	}
	said := a.says()
	return said == saysDeadToken || said == saysNothing
}

// message returns the text of an error body in one of OneLogin's two usual
// envelopes, {"status":{"message":…}} and {"message":…}, or "".
func (a answer) message() string {
	body, err := parse(a.body)
	if err != nil {
		return ""
	}
	record, _ := body.(object)
	if status, ok := record["status"].(object); ok {
		record = status
	}
	message, _ := record["message"].(string)
	return message
}
