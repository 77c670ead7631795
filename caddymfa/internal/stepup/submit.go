package stepup

import (
	"context"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// submit charges the code, asks OneLogin and records the verdict.
func (e *Engine) submit(ctx context.Context, s submission) (challenge, Notice, error) {
	used, err := e.wasUsed(ctx, s)
	if err != nil {
		return challenge{}, NoticeNone, err
	}
	if used && !s.challenge.Blind {
		return s.challenge, UsedCode, nil
	}
	c, left, err := e.chargeTry(ctx, s)
	if err != nil || left.passed {
		return c, NoticeNone, err
	}
	s.challenge = c
	w := e.way(c.Way)
	if c.Blind {
		if w, err = e.unseenWay(ctx, c, used); err != nil {
			return challenge{}, NoticeNone, err
		}
	}
	asked := time.Now()
	said, err := w.verify(ctx, c, s.code)
	if err != nil {
		return challenge{}, NoticeNone, fmt.Errorf("verify code: %w", err)
	}
	return e.judge(ctx, s, said, left, asked)
}

// wasUsed reports whether the code was accepted for this user already, and
// burnt.
func (e *Engine) wasUsed(ctx context.Context, s submission) (bool, error) {
	_, used, err := e.store.Load(ctx, s.used)
	if err != nil {
		return false, fmt.Errorf("load used code: %w", err)
	}
	if used {
		e.report(s.key, s.challenge, Event{Name: EventCodeReplayed})
	}
	return used, nil
}

// chargeTry charges the challenge and then the user. If either has nothing left
// the code must not be sent; the challenge returned is how it ended.
func (e *Engine) chargeTry(ctx context.Context, s submission) (challenge, balance, error) {
	c, charged, err := e.change(ctx, s.key, event{kind: evTry, browser: browserHash(s.cookieValue),
		activation: s.challenge.Activation})
	if err != nil {
		return challenge{}, balance{}, err
	}
	if !charged || !c.awaits() {
		return e.refuseTry(ctx, s, c)
	}
	left, err := e.charge(ctx, c.subject(), e.limits.tries())
	if err == nil && left.passed {
		c, _, err = e.change(ctx, s.key, event{kind: evLock, retryAt: left.retryAt})
	}
	return c, left, err
}

// refuseTry locks a challenge that has no try left. Tries can be used up
// without a verdict: OneLogin did not answer, or the answers are under way.
func (e *Engine) refuseTry(ctx context.Context, s submission, c challenge) (challenge, balance, error) {
	refused := balance{passed: true}
	if !c.awaits() || c.TriesLeft > 0 {
		return c, refused, nil
	}
	retryAt, _, err := e.spent(ctx, c.subject(), e.limits.tries())
	if err != nil {
		return challenge{}, refused, err
	}
	c, _, err = e.change(ctx, s.key, event{kind: evLock, retryAt: retryAt})
	return c, refused, err
}

// judge turns OneLogin's answer to a code into the challenge that results.
func (e *Engine) judge(ctx context.Context, s submission, said answer, left balance, asked time.Time) (challenge, Notice, error) {
	switch said.verdict {
	case onelogin.Accepted:
		c, met, err := e.acceptCode(ctx, s, said, asked)
		if err != nil || !c.Blind || c.State != Pending {
			return c, met, err
		}
		return e.refuseCode(ctx, s, onelogin.WrongCode, left) // used, or no access: not told
	case onelogin.WrongCode, onelogin.Pending, onelogin.Denied, onelogin.Gone:
		return e.refuseCode(ctx, s, said.verdict, left)
	}
	return challenge{}, NoticeNone, errNoVerdict
}

// refuseCode records that a code was not accepted. A blind challenge shows only
// that it was wrong.
func (e *Engine) refuseCode(ctx context.Context, s submission, verdict onelogin.Verdict, left balance) (challenge, Notice, error) {
	// Pending says that a push is not answered yet: no word for the code.
	about := event{kind: evWrong, activation: s.challenge.Activation, triesLeft: left.left, retryAt: left.retryAt}
	met := WrongCode
	switch {
	case s.challenge.Blind:
	case verdict == onelogin.Denied && min(s.challenge.TriesLeft, left.left) <= 0:
		// After too many wrong codes OneLogin refuses for good, and so do we.
		// Then the person should read when to come back.
		about.kind, met = evLock, NoticeNone
	case verdict == onelogin.Denied:
		about.kind, about.notice, met = evDeny, WrongCode, NoticeNone
	case verdict == onelogin.Gone:
		about.kind, met = evGone, NoticeNone
	}
	c, _, err := e.change(ctx, s.key, about)
	return c, met, err
}

// acceptCode burns the code before anything else, so that neither a failure on
// the way nor a second challenge leaves it usable. A code that the help desk
// made for more than one use is not burnt.
func (e *Engine) acceptCode(ctx context.Context, s submission, said answer, asked time.Time) (challenge, Notice, error) {
	first := true
	if !s.challenge.Reusable {
		var err error
		if first, err = e.store.Add(ctx, s.used, "", time.Now().Add(rememberCodes)); err != nil {
			return challenge{}, NoticeNone, fmt.Errorf("store used code: %w", err)
		}
	}
	if !first {
		e.report(s.key, s.challenge, Event{Name: EventCodeReplayed})
		c, err := e.load(ctx, s.demand)
		return c, UsedCode, err
	}
	c, err := e.accept(ctx, s.key, s.challenge, said, asked)
	return c, NoticeNone, err
}

// accept makes c verified, now that OneLogin accepted its proof. The user is
// read once more: whoever was suspended since the start does not pass, and
// OneLogin does not promise to refuse them itself. A device that was enrolled
// proves nothing, and only makes OneLogin be asked for the devices again.
func (e *Engine) accept(ctx context.Context, key session.Key, c challenge, said answer, asked time.Time) (challenge, error) {
	about := event{kind: evAccept, activation: c.Activation, asked: asked}
	if c.State == Enrolling {
		e.people.devices.forget(c.UserID)
		e.people.factors.forget(c.UserID)
		c, _, err := e.change(ctx, key, about)
		return c, err
	}
	user, found, err := e.client.UserByID(ctx, c.UserID)
	if err != nil {
		return challenge{}, fmt.Errorf("read user again: %w", err)
	}
	if !found || !user.Active(time.Now()) {
		about.kind, about.notice = evDeny, NoAccess
		c, _, err = e.change(ctx, key, about)
		return c, err
	}
	about.username = user.Username
	if c.Login != nil && c.Login.Session {
		about.sessionToken = said.sessionToken
	}
	next, changed, err := e.change(ctx, key, about)
	if err == nil && changed && next.State == Verified {
		e.forgive(ctx, next)
		e.spendTemporary(ctx, next)
	}
	return next, err
}
