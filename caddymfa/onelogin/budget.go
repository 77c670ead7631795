package onelogin

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// defaultBudget leaves a fifth of the 5,000 calls an hour that OneLogin
// documents for an account to everything else that uses it.
const defaultBudget = 4000

// Budget is how many HTTP requests this client may still make (see
// Config.HourlyBudget).
type Budget struct {
	// Limit is how many requests a full budget holds, Left how many remain.
	Limit, Left int

	// Scarce reports that less than a tenth is left: the time for whatever
	// needs few calls.
	Scarce bool
}

// newBudget returns a full budget. It refills evenly, by perHour in an hour.
func newBudget(perHour int) *rate.Limiter {
	if perHour <= 0 {
		perHour = defaultBudget
	}
	return rate.NewLimiter(rate.Limit(perHour)/rate.Limit(time.Hour/time.Second), perHour)
}

// Budget tells what is left of the hourly budget. It makes no request and
// knows nothing of calls that others make with the same account.
func (c *Client) Budget() Budget {
	limit, left := c.budget.Burst(), max(0, int(c.budget.Tokens()))
	return Budget{Limit: limit, Left: left, Scarce: left*10 < limit}
}

// RateLimit is what OneLogin says about the calls of the whole account.
type RateLimit struct {
	// Limit is how many calls an hour has, Remaining how many are left of them.
	Limit, Remaining int

	// Resets is how long it takes until the next hour begins.
	Resets time.Duration
}

// RateLimit asks OneLogin for the account's rate limit. It changes nothing,
// needs a credential that works and is not repeated, which makes it fit to
// probe whether OneLogin can be reached. It works with all scopes but
// Authentication Only. OneLogin counts the calls of its first API; those of
// the second may not be among them (docs/onelogin.md, Rate limits). Errors are
// [*Error].
func (c *Client) RateLimit(ctx context.Context) (RateLimit, error) {
	r := request{op: "rate limit", method: http.MethodGet, path: "/auth/rate_limit"}
	a, err := c.submit(ctx, r)
	if err != nil {
		return RateLimit{}, err
	}
	return expect(r.op, a, readRateLimit, http.StatusOK)
}

// readRateLimit reads numbers that are named like headers. The reset is a time
// to wait, not a time of day.
func readRateLimit(body []byte) (RateLimit, string) {
	_, counts, ok := readEnvelope(body)
	limit := RateLimit{
		Limit:     number(counts["X-RateLimit-Limit"]),
		Remaining: number(counts["X-RateLimit-Remaining"]),
		Resets:    time.Duration(number(counts["X-RateLimit-Reset"])) * time.Second,
	}
	if !ok || limit.Limit < 0 || limit.Remaining < 0 || limit.Resets < 0 {
		return RateLimit{}, classUnreadable
	}
	return limit, ""
}
