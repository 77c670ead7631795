package onelogin

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxTries is how often a lookup or an access token fetch is sent at most.
	maxTries = 3

	// maxRetryAfter is the longest wait that OneLogin may ask of us. A longer
	// wish ends the tries: a person is waiting.
	maxRetryAfter = 5 * time.Second
)

// retry calls send again while OneLogin is throttling or out of order, as
// docs/onelogin.md, Rate limits describes. Answers that will not change are
// returned at once, and so are lost connections: net/http has already repeated
// what was safe.
func retry(ctx context.Context, send func() (answer, error)) (answer, error) {
	for try := 1; ; try++ {
		a, err := send()
		if err != nil || !busy(a.status) || try == maxTries {
			return a, err
		}
		wait, worthwhile := a.wait(try, time.Now())
		if !worthwhile || !pause(ctx, wait) {
			return a, nil
		}
	}
}

func busy(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500
}

// wait is the time to let pass after the given try: OneLogin's wish, or else
// 1 s, 2 s, 4 s and up to half as much again, so that many gateways do not
// come back together. False if OneLogin wishes for more than we grant.
func (a answer) wait(try int, now time.Time) (time.Duration, bool) {
	if wish, ok := readRetryAfter(a.retryAfter, now); ok {
		return wish, wish <= maxRetryAfter
	}
	backoff := time.Second << (try - 1)
	return backoff + rand.N(backoff/2), true //nolint:gosec // a pause is no secret
}

// readRetryAfter reads both forms of RFC 9110, section 10.2.3.
func readRetryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

// pause waits and reports whether the full time passed. It does not begin a
// wait that the context's deadline would cut short.
func pause(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
