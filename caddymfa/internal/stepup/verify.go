package stepup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// rememberCodes is how long an accepted code is refused for its user, and how
// long a submission is remembered: longer than any code of OneLogin lives here.
const rememberCodes = 10 * time.Minute

// underWay is the value of an attempt whose outcome is not known yet. Later it
// is the number of a [Notice].
const underWay = "under way"

var (
	errNoAnswer  = errors.New("an earlier submission of this code had no answer")
	errNoVerdict = errors.New("OneLogin gave no verdict")
)

// submission is one code for one activation.
type submission struct {
	demand      Demand
	cookieValue string
	key         session.Key
	challenge   challenge // as it was loaded, then as it was charged
	code        string
	attempt     session.Key // taken by the first who submits this code
	used        session.Key // taken by the first for whom this code is accepted
}

// Verify submits a code for the pending factor. One submission makes at most one
// call to check it, for the one device that was activated.
//
// What cannot be a code, and a code that was accepted for this user within the
// last ten minutes, is refused without a call and without a charge. A code that
// was already submitted to this activation is not sent again: its first
// outcome is awaited and reported. Everything else is charged to the challenge
// and to the user before OneLogin is asked.
//
// From the charge on the submission is carried through even if ctx ends. After
// an error the challenge is not verified, the try stays charged and the same
// code may be submitted again.
//
// In a blind challenge a code is looked at one second after the start at the
// earliest, and is wrong whatever else there is to say against it.
func (e *Engine) Verify(ctx context.Context, d Demand, cookieValue, code string) (Result, error) {
	return e.verify(ctx, d, cookieValue, code, Pending)
}

// ConfirmEnrolment submits a code for the device that is being enrolled, as
// Verify does for a proof. Once it is accepted the challenge is [Choosing] and
// the device among the offers, with a code that was not used yet. A code that
// OneLogin refuses is a try like any other.
func (e *Engine) ConfirmEnrolment(ctx context.Context, d Demand, cookieValue, code string) (Result, error) {
	return e.verify(ctx, d, cookieValue, code, Enrolling)
}

// verify submits a code to a challenge in the state that it is meant for.
func (e *Engine) verify(ctx context.Context, d Demand, cookieValue, code string, state State) (Result, error) {
	c, err := e.loadSettled(ctx, d, cookieValue)
	switch {
	case err != nil:
		return Result{}, err
	case !c.owned(d, cookieValue):
		return otherBrowser(), nil
	case c.State != state || !c.takesCode():
		return e.show(ctx, d, c, NotPending), nil
	}
	code, ok := normalise(code)
	if !ok {
		return e.show(ctx, d, c, MalformedCode), nil
	}
	mac, err := e.codeMAC(ctx, c.UserID, code)
	if err != nil {
		return Result{}, err
	}
	s := submission{
		demand: d, cookieValue: cookieValue, key: challengeKey(d), challenge: c, code: code,
		attempt: session.NewKey(session.KindAttempt, string(d.Nonce[:]), c.Activation, mac),
		used:    session.NewKey(session.KindUsedCode, c.UserID, mac),
	}
	first, err := e.store.Add(ctx, s.attempt, underWay, time.Now().Add(rememberCodes))
	if err != nil {
		return Result{}, fmt.Errorf("store attempt: %w", err)
	}
	if !first {
		return e.follow(ctx, s)
	}
	return e.lead(ctx, s)
}

// lead carries the first submission of a code through and leaves its outcome
// for those who follow. Without an outcome the code is free to be submitted
// again.
func (e *Engine) lead(ctx context.Context, s submission) (Result, error) {
	ctx, cancel := detach(ctx)
	defer cancel()
	c, met, err := e.submit(ctx, s)
	if err != nil {
		_ = e.store.Delete(ctx, s.attempt)
		e.changes.notify(s.key)
		return Result{}, err
	}
	// Should the store not take it, the followers find no outcome and say so.
	if record, found, err := e.store.Load(ctx, s.attempt); err == nil && found {
		_, _ = e.store.Update(ctx, s.attempt, record, strconv.Itoa(int(met)), record.Expires)
	}
	e.changes.notify(s.key)
	return e.result(ctx, s, c, met), nil
}

// follow waits for the outcome of the same code's first submission.
func (e *Engine) follow(ctx context.Context, s submission) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	for {
		changed, release := e.changes.subscribe(s.key)
		r, done, err := e.outcome(ctx, s)
		if done || err != nil {
			release()
			return r, err
		}
		goOn := pause(ctx, changed, reloadEvery)
		release()
		if !goOn {
			return Result{}, errNoAnswer
		}
	}
}

func (e *Engine) outcome(ctx context.Context, s submission) (r Result, done bool, err error) {
	record, found, err := e.store.Load(ctx, s.attempt)
	if err != nil {
		return Result{}, false, fmt.Errorf("load attempt: %w", err)
	}
	c, err := e.load(ctx, s.demand)
	switch {
	case err != nil:
		return Result{}, false, err
	case c.State.Final():
		return e.result(ctx, s, c, NoticeNone), true, nil
	case !found:
		return Result{}, false, errNoAnswer
	case record.Value == underWay:
		return Result{}, false, nil
	}
	met, err := strconv.Atoi(record.Value)
	return e.result(ctx, s, c, Notice(met)), err == nil, err
}

// result shows c to the one who submitted s. The challenge may have become
// another browser's since.
func (e *Engine) result(ctx context.Context, s submission, c challenge, met Notice) Result {
	if !c.owned(s.demand, s.cookieValue) {
		return otherBrowser()
	}
	return e.show(ctx, s.demand, c, met)
}
