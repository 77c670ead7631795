package simulator

import (
	"net/http"
	"slices"
)

// caller returns the credential behind the caller's live access token.
func (s *Simulator) caller(c *call) (Credential, bool) {
	value, ok := bearer(authorization(c.request.Header))
	if !ok {
		return Credential{}, false
	}
	for _, known := range s.credentials {
		current, exists := s.accessTokens[known.ClientID]
		if exists && current.value == value && current.alive(c.now) {
			return known, true
		}
	}
	return Credential{}, false
}

// scopeOf returns the caller's scope, or "" where the access token is not alive
// or a switch says so.
func (s *Simulator) scopeOf(c *call) Scope {
	known, ok := s.caller(c)
	switch {
	case !ok:
		return ""
	case c.switches.TokenKilledByOtherClient:
		// Once is the point: a client that fetches another access token and
		// repeats its call must succeed.
		delete(s.accessTokens, known.ClientID)
		s.switches.TokenKilledByOtherClient = false
		return ""
	case c.switches.SameTokenAfter401:
		return ""
	}
	return known.Scope
}

// refuse returns the answer for a caller whose access token does not reach,
// and whether there is one to give. Each part of the API has its own words.
func (s *Simulator) refuse(c *call, accepted []Scope) (reply, bool) {
	has := s.scopeOf(c)
	switch {
	case slices.Contains(accepted, has):
		return reply{}, false
	case has == "" && c.op == OpSmartVerify:
		return shortB(http.StatusUnauthorized, "UnauthorizedError", "The request requires user authentication."), true
	case has == "" && c.area == areaV2:
		return invalidCredentials(), true
	case has == "":
		return errorA(http.StatusUnauthorized, messageAuthentication), true
	case c.area == areaV2:
		return forbidden(), true
	}
	return errorA(http.StatusUnauthorized, messagePermission), true
}

// rateLimitData is the answer of the rate limit endpoint. Reset is in seconds.
type rateLimitData struct {
	Limit     int `json:"X-RateLimit-Limit"`
	Remaining int `json:"X-RateLimit-Remaining"`
	Reset     int `json:"X-RateLimit-Reset"`
}

// rateLimit answers GET /auth/rate_limit, the cheapest proof that an access
// token is good. Only calls to version 1 lower the
// remaining number.
func (s *Simulator) rateLimit(c *call) reply {
	if !c.authorized() {
		return errorA(http.StatusBadRequest, messageRateLimitAuth)
	}
	if refusal, refused := s.refuse(c, readUsers()); refused {
		return refusal
	}
	return okA(rateLimitData{Limit: c.switches.hourlyCalls(), Remaining: s.remaining(c), Reset: secondsLeftInHour(c.now)})
}
