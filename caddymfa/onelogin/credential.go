package onelogin

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
)

const (
	// expiryMargin is how long before its end an access token is given up.
	expiryMargin = time.Minute

	// shortLife is how long an access token is used whose age we cannot tell.
	shortLife = 5 * time.Minute

	// minLife is the least time an access token is used. Where OneLogin's clock
	// and ours disagree by hours, every call would fetch a new one otherwise.
	minLife = 30 * time.Second

	// maxLife bounds what an answer can make us believe. OneLogin's lasts 10 h.
	maxLife = 24 * time.Hour

	// maxClockLead is how far in our future an access token may have been made.
	maxClockLead = 5 * time.Minute
)

// credential is an API credential. The generation tells it from those that
// were set before it.
type credential struct {
	generation   uint64
	clientID     string
	clientSecret string
}

// header returns the Authorization value of the token endpoint, in the form
// that OneLogin's documents show (docs/onelogin.md, Authentication).
func (c credential) header() string {
	return "client_id:" + c.clientID + ", client_secret:" + c.clientSecret
}

// accessToken is OneLogin's bearer token with our own reckoning of its life.
// The deadline is derived from time.Now and so compares by the monotonic clock.
type accessToken struct {
	value    string
	deadline time.Time // not used from here on
}

func (t accessToken) usable(now time.Time) bool {
	return t.value != "" && now.Before(t.deadline)
}

// wireGrant is the body of the token request.
type wireGrant struct {
	GrantType string `json:"grant_type"`
}

// fetchAccessToken asks for an access token. OneLogin answers with the one
// that is alive, if any.
func (c *Client) fetchAccessToken(ctx context.Context, credential credential) (accessToken, error) {
	r := request{
		op:     "access token",
		method: http.MethodPost,
		path:   "/auth/oauth2/v2/token",
		body:   wireGrant{GrantType: "client_credentials"},
	}
	a, err := retry(ctx, func() (answer, error) { return c.once(ctx, r, credential.header()) })
	if err != nil {
		return accessToken{}, err
	}
	if a.status != http.StatusOK {
		return accessToken{}, a.refusal(r.op)
	}
	fetched, ok := readAccessToken(a.body, time.Now())
	if !ok {
		return accessToken{}, a.problem(r.op, classUnreadable)
	}
	return fetched, nil
}

// readAccessToken reads the flat body of the present token endpoint or the
// wrapped one of the old, {"status":…,"data":[{…}]}.
func readAccessToken(body []byte, now time.Time) (accessToken, bool) {
	record, err := parseRecord(body)
	if err != nil {
		return accessToken{}, false
	}
	if items, wrapped := record["data"].([]any); wrapped && len(items) == 1 {
		record, _ = items[0].(object)
	}
	value := text(record["access_token"])
	if value == "" || len(value) > maxOpaqueLength || strings.ContainsFunc(value, unicode.IsControl) {
		return accessToken{}, false
	}
	created, ok := instant(record["created_at"])
	if !ok {
		created = time.Time{}
	}
	expiresIn := time.Duration(number(record["expires_in"])) * time.Second
	return accessToken{value: value, deadline: now.Add(remainingLife(created, expiresIn, now))}, true
}

// remainingLife is how long from now to use an access token. OneLogin counts
// expiresIn from created, which may be hours ago, not from the answer. The
// zero time stands for a creation time that could not be read.
func remainingLife(created time.Time, expiresIn time.Duration, now time.Time) time.Duration {
	age := now.Sub(created)
	if created.IsZero() || age < -maxClockLead || expiresIn <= 0 {
		return shortLife
	}
	expiresIn = min(expiresIn, maxLife)
	return max(min(expiresIn, expiresIn-age)-expiryMargin, minLife)
}
