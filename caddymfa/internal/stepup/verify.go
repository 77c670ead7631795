package stepup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
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

// submission is one code for one verification.
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
// was already submitted to this verification is not sent again: its first
// outcome is awaited and reported. Everything else is charged to the challenge
// and to the user before OneLogin is asked.
//
// From the charge on the submission is carried through even if ctx ends. After
// an error the challenge is not verified, the try stays charged and the same
// code may be submitted again.
func (e *Engine) Verify(ctx context.Context, d Demand, cookieValue, code string) (Result, error) {
	c, err := e.load(ctx, d)
	switch {
	case err != nil:
		return Result{}, err
	case !c.owned(d, cookieValue):
		return otherBrowser(), nil
	case c.State != Pending:
		return e.show(d, c, NotPending), nil
	}
	code, ok := normalise(code)
	if !ok {
		return e.show(d, c, MalformedCode), nil
	}
	mac := e.codeMAC(c.UserID, code)
	s := submission{
		demand: d, cookieValue: cookieValue, key: challengeKey(d), challenge: c, code: code,
		attempt: session.NewKey(session.KindAttempt, string(d.Nonce[:]), c.VerificationID, mac),
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
	return e.result(s, c, met), nil
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
		return e.result(s, c, NoticeNone), true, nil
	case !found:
		return Result{}, false, errNoAnswer
	case record.Value == underWay:
		return Result{}, false, nil
	}
	met, err := strconv.Atoi(record.Value)
	return e.result(s, c, Notice(met)), err == nil, err
}

// result shows c to the one who submitted s. The challenge may have become
// another browser's since.
func (e *Engine) result(s submission, c challenge, met Notice) Result {
	if !c.owned(s.demand, s.cookieValue) {
		return otherBrowser()
	}
	return e.show(s.demand, c, met)
}

// submit charges the code, asks OneLogin and records the verdict.
func (e *Engine) submit(ctx context.Context, s submission) (challenge, Notice, error) {
	_, used, err := e.store.Load(ctx, s.used)
	if err != nil {
		return challenge{}, NoticeNone, fmt.Errorf("load used code: %w", err)
	}
	if used {
		e.report(s.key, EventCodeReplayed, s.challenge, nil)
		return s.challenge, UsedCode, nil
	}
	c, left, err := e.chargeTry(ctx, s)
	if err != nil || left.passed {
		return c, NoticeNone, err
	}
	s.challenge = c
	asked := time.Now()
	verdict, err := e.client.Verify(ctx, c.verification(), s.code)
	if err != nil {
		return challenge{}, NoticeNone, fmt.Errorf("verify code: %w", err)
	}
	return e.judge(ctx, s, verdict, left, asked)
}

// chargeTry charges the challenge and then the user. If either has nothing left
// the code must not be sent; the challenge returned is how it ended.
func (e *Engine) chargeTry(ctx context.Context, s submission) (challenge, balance, error) {
	c, charged, err := e.change(ctx, s.key, event{kind: evTry, browser: browserHash(s.cookieValue),
		verificationID: s.challenge.VerificationID})
	if err != nil {
		return challenge{}, balance{}, err
	}
	if !charged || c.State != Pending {
		return e.refuseTry(ctx, s, c)
	}
	left, err := e.charge(ctx, c.UserID, e.limits.tries())
	if err == nil && left.passed {
		c, _, err = e.change(ctx, s.key, event{kind: evLock, retryAt: left.retryAt})
	}
	return c, left, err
}

// refuseTry locks a challenge that has no try left. Tries can be used up
// without a verdict: OneLogin did not answer, or the answers are under way.
func (e *Engine) refuseTry(ctx context.Context, s submission, c challenge) (challenge, balance, error) {
	refused := balance{passed: true}
	if c.State != Pending || c.TriesLeft > 0 {
		return c, refused, nil
	}
	retryAt, _, err := e.spent(ctx, c.UserID, e.limits.tries())
	if err != nil {
		return challenge{}, refused, err
	}
	c, _, err = e.change(ctx, s.key, event{kind: evLock, retryAt: retryAt})
	return c, refused, err
}

// judge turns OneLogin's verdict on a code into the challenge that results.
func (e *Engine) judge(ctx context.Context, s submission, verdict onelogin.Verdict, left balance, asked time.Time) (challenge, Notice, error) {
	about := event{verificationID: s.challenge.VerificationID}
	met := NoticeNone
	switch verdict {
	case onelogin.Accepted:
		return e.acceptCode(ctx, s, asked)
	case onelogin.WrongCode, onelogin.Pending:
		// Pending says that a push is not answered yet: no word for the code.
		about.kind, about.triesLeft, about.retryAt = evWrong, left.left, left.retryAt
		met = WrongCode
	case onelogin.Denied:
		// After too many wrong codes OneLogin refuses for good, and so do we.
		// Then the person should read when to come back.
		about.kind, about.notice = evDeny, WrongCode
		if min(s.challenge.TriesLeft, left.left) <= 0 {
			about.kind, about.retryAt = evLock, left.retryAt
		}
	case onelogin.Gone:
		about.kind = evGone
	default:
		return challenge{}, NoticeNone, errNoVerdict
	}
	c, _, err := e.change(ctx, s.key, about)
	return c, met, err
}

// acceptCode burns the code before anything else, so that neither a failure on
// the way nor a second challenge leaves it usable.
func (e *Engine) acceptCode(ctx context.Context, s submission, asked time.Time) (challenge, Notice, error) {
	first, err := e.store.Add(ctx, s.used, "", time.Now().Add(rememberCodes))
	if err != nil {
		return challenge{}, NoticeNone, fmt.Errorf("store used code: %w", err)
	}
	if !first {
		e.report(s.key, EventCodeReplayed, s.challenge, nil)
		c, err := e.load(ctx, s.demand)
		return c, UsedCode, err
	}
	c, err := e.accept(ctx, s.key, s.challenge, asked)
	return c, NoticeNone, err
}

// accept makes c verified, now that OneLogin accepted its verification. The
// user is read once more: whoever was suspended since the start does not pass,
// and OneLogin does not promise to refuse them itself.
func (e *Engine) accept(ctx context.Context, key session.Key, c challenge, asked time.Time) (challenge, error) {
	user, found, err := e.client.UserByID(ctx, c.UserID)
	if err != nil {
		return challenge{}, fmt.Errorf("read user again: %w", err)
	}
	if !found || !user.Active(time.Now()) {
		c, _, err = e.change(ctx, key, event{kind: evDeny, verificationID: c.VerificationID, notice: NoAccess})
		return c, err
	}
	next, changed, err := e.change(ctx, key, event{kind: evAccept, verificationID: c.VerificationID, asked: asked})
	if err == nil && changed && next.State == Verified {
		e.forgive(ctx, next.UserID)
	}
	return next, err
}
