package stepup

import (
	"context"
	"fmt"
	"time"
)

// Look returns how the challenge stands and what there is to choose from. It
// changes nothing and sends nothing; the first Look at a demand leaves no
// trace in the store. OneLogin is asked for the user and the devices, unless
// that was done within the last minute, and never by a blind demand.
func (e *Engine) Look(ctx context.Context, d Demand, cookieValue string) (Result, error) {
	c, err := e.load(ctx, d)
	switch {
	case err != nil:
		return Result{}, err
	case !c.owned(d, cookieValue):
		return otherBrowser(), nil
	case c.State.Final():
		return e.view(d, c), nil
	}
	e.watch(challengeKey(d), c)
	x, err := e.choices(ctx, d, c, freshFor)
	if err != nil && c.State == Choosing {
		return Result{}, fmt.Errorf("look: %w", err)
	}
	// Who waits for an approval or holds a code is not turned away because
	// the other devices cannot be listed now.
	if err != nil {
		return e.view(d, c), nil
	}
	return e.view(d, c).with(e, d, x), nil
}

// Cancel ends the challenge: it is Expired, whatever OneLogin may still answer.
// It does nothing if the challenge is not this browser's, was never started or
// has ended.
func (e *Engine) Cancel(ctx context.Context, d Demand, cookieValue string) error {
	c, err := e.load(ctx, d)
	if err != nil || c.Revision == 0 || !c.owned(d, cookieValue) {
		return err
	}
	_, _, err = e.change(ctx, challengeKey(d), event{kind: evCancel, browser: browserHash(cookieValue)})
	return err
}

// Finish hands out the proof of a verified challenge. Of all who ask, in
// whatever process, exactly one is told true. A client that has already gone is
// not given it, so that the proof is there for the request that replaces it.
func (e *Engine) Finish(ctx context.Context, d Demand, cookieValue string) (Proof, bool, error) {
	if err := ctx.Err(); err != nil {
		return Proof{}, false, err
	}
	c, err := e.load(ctx, d)
	if err != nil || c.State != Verified || c.Taken || !c.owned(d, cookieValue) {
		return Proof{}, false, err
	}
	_, won, err := e.change(ctx, challengeKey(d), event{kind: evTake, browser: browserHash(cookieValue)})
	if err != nil || !won {
		return Proof{}, false, err
	}
	return Proof{UserID: c.UserID, User: c.Username, Factor: c.Factor, AuthTime: c.AuthTime, SessionToken: c.SessionToken}, true, nil
}

// Wait returns as soon as the challenge's revision differs from seen, the
// challenge has ended, or ctx is done, with how the challenge stands then. It
// asks the store twice a second, since another process may have made the
// change, and OneLogin never.
func (e *Engine) Wait(ctx context.Context, d Demand, cookieValue string, seen uint64) (Result, error) {
	key := challengeKey(d)
	for {
		// Subscribed before loading, so that no change falls in between.
		changed, release := e.changes.subscribe(key)
		c, err := e.load(ctx, d)
		switch {
		case err != nil:
			release()
			return Result{}, err
		case !c.owned(d, cookieValue):
			release()
			return otherBrowser(), nil
		case c.Revision != seen, c.State.Final():
			release()
			return e.show(ctx, d, c, NoticeNone), nil
		}
		e.watch(key, c)
		goOn := pause(ctx, changed, min(reloadEvery, time.Until(c.limit(evLook))+time.Millisecond))
		release()
		if !goOn {
			return e.show(ctx, d, c, NoticeNone), nil
		}
	}
}
