package onelogin

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// tripAfter is how many failures in a row stop all calls.
	tripAfter = 3

	// openFor is how long they stay away then, before one call tries.
	openFor = 10 * time.Second

	// maxPause is the longest that one answer can keep us away.
	maxPause = time.Minute

	// defaultPause is for a 429 that names no time. It is not above the first
	// wait of a repeat, which so comes after it.
	defaultPause = time.Second
)

// nobody stands where a call is about no user.
const nobody = ""

var (
	errFailed     = errors.New("failed")
	errNoEvidence = errors.New("tells nothing about OneLogin")
)

// circuit keeps calls away from a OneLogin that is out of order or throttles,
// for all goroutines at once (docs/onelogin.md, Out of order).
//
// What one user makes OneLogin answer must not lock out the others. So the
// failures of one user count as one until somebody gets an answer, and a 429
// keeps away the user who met it, and everybody only when a second one does.
type circuit struct {
	breaker *gobreaker.TwoStepCircuitBreaker[answer]

	// mu guards what follows. It is not held while the breaker is asked, which
	// calls back.
	mu     sync.Mutex
	failed map[string]bool      // users who met a failure since the last answer
	paused map[string]time.Time // until when, by user; nobody stands for all
}

func newCircuit() *circuit {
	c := &circuit{failed: map[string]bool{}, paused: map[string]time.Time{}}
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[answer](gobreaker.Settings{
		Timeout:       openFor,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNoEvidence) },
		OnStateChange: func(string, gobreaker.State, gobreaker.State) { c.forgive() },
	})
	return c
}

// state is the breaker's word, or "paused" while a 429 keeps everybody away.
func (c *circuit) state(now time.Time) string {
	state := c.breaker.State()
	if state == gobreaker.StateClosed && c.pauses(nobody, now) {
		return "paused"
	}
	return state.String()
}

// refuses returns the error for a call that must not even wait for its turn.
func (c *circuit) refuses(r request, now time.Time) error {
	switch {
	case c.pauses(r.about, now):
		return &Error{Op: r.op, Message: classPaused}
	case c.keepsAway():
		return &Error{Op: r.op, Message: classOpen}
	}
	return nil
}

// keepsAway reports whether the circuit is open, or one call tries already.
func (c *circuit) keepsAway() bool {
	switch c.breaker.State() {
	case gobreaker.StateOpen:
		return true
	case gobreaker.StateHalfOpen:
		tries := c.breaker.Counts()
		return tries.Requests > tries.TotalExclusions
	default:
		return false
	}
}

// enter lets a request through, or refuses it. Done must be told how it ended;
// no answer and no error mean that it was not sent.
func (c *circuit) enter(r request, now time.Time) (done func(answer, error), err error) {
	if err := c.refuses(r, now); err != nil {
		return nil, err
	}
	report, err := c.breaker.Allow()
	if err != nil {
		return nil, &Error{Op: r.op, Message: classOpen}
	}
	return func(a answer, err error) {
		c.heed(r.about, a, time.Now())
		report(c.evidence(r.about, a, err))
	}, nil
}

// evidence is what the end of a request tells about OneLogin: an answer below
// 500 is a success, whatever it says; what our side ended tells nothing.
func (c *circuit) evidence(about string, a answer, err error) error {
	lost, isError := errors.AsType[*Error](err)
	isLost := isError && lost.Err != nil && lost.Message != classCanceled && lost.Message != classUnsendable
	switch {
	case isLost && unreachable(lost):
		return errFailed
	case isLost, a.status >= http.StatusInternalServerError:
		return c.vote(about)
	case a.status == 0, isError && lost.Message == classCanceled, a.status == http.StatusTooManyRequests:
		return errNoEvidence
	default:
		c.forgive()
		return nil
	}
}

// vote counts the first failure of a user. When the circuit changes its state
// all are forgiven, so that of the call that tries counts again.
func (c *circuit) vote(about string) error {
	if about == nobody {
		return errFailed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed[about] {
		return errNoEvidence
	}
	c.failed[about] = true
	return errFailed
}

func (c *circuit) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.failed)
}

// unreachable reports whether there was no connection to ask on, which no user
// can be the reason of.
func unreachable(lost *Error) bool {
	dial, isNet := errors.AsType[*net.OpError](lost.Err)
	switch lost.Message {
	case classUnknownHost, classUntrusted, classTLS:
		return true
	default:
		return isNet && dial.Op == "dial"
	}
}

func (c *circuit) pauses(about string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.paused[about]) || now.Before(c.paused[nobody])
}

// heed keeps a throttled user away, and everybody if another one is already:
// then it is the account or our address that OneLogin throttles.
func (c *circuit) heed(about string, a answer, now time.Time) {
	wish, throttled := a.pause(now)
	if !throttled {
		return
	}
	until := now.Add(wish)
	c.mu.Lock()
	defer c.mu.Unlock()
	for user, end := range c.paused {
		if !now.Before(end) {
			delete(c.paused, user)
		}
	}
	c.extend(about, until)
	if len(c.paused) > 1 {
		c.extend(nobody, until)
	}
}

func (c *circuit) extend(about string, until time.Time) {
	if until.After(c.paused[about]) {
		c.paused[about] = until
	}
}

// pause is how long an answer asks to be left alone, as far as we grant it:
// 429, and 503 where it names a time.
func (a answer) pause(now time.Time) (time.Duration, bool) {
	wish, named := readRetryAfter(a.retryAfter, now)
	switch {
	case a.status == http.StatusTooManyRequests && !named:
		return defaultPause, true
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable && named:
		return min(wish, maxPause), true
	default:
		return 0, false
	}
}
