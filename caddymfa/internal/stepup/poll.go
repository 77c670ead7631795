package stepup

import (
	"context"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// The schedule of polls. Most people answer a push within seconds, so an answer
// in eagerFor is found in pollEagerly; later there is less hurry. A push that is
// approved after 30 s costs ten polls.
const (
	eagerFor    = 15 * time.Second
	pollEagerly = 2200 * time.Millisecond
	pollCalmly  = 5 * time.Second
)

// nextPoll returns how long after now a push that was sent at sentAt is asked
// about. The last question is asked at the deadline.
func nextPoll(sentAt, deadline, now time.Time) (wait time.Duration, last bool) {
	wait = pollCalmly
	if now.Sub(sentAt) < eagerFor {
		wait = pollEagerly
	}
	if left := deadline.Sub(now); left <= wait {
		return max(0, left), true
	}
	return wait, false
}

// watch makes sure that a pending push is polled, once in this engine however
// many look at it. It starts nothing for other factors or after Close.
func (e *Engine) watch(key session.Key, c challenge) {
	if c.State != Pending || !push(c.Factor) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, polled := e.pollers[c.VerificationID]; polled || e.closed {
		return
	}
	e.pollers[c.VerificationID] = struct{}{}
	e.polling.Go(func() {
		defer e.unwatch(c.VerificationID)
		e.poll(e.live, key, c)
	})
}

func (e *Engine) unwatch(verificationID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pollers, verificationID)
}

// poll asks OneLogin about a push until there is a verdict, the challenge has
// moved on without it, the deadline has come or ctx ends. An error means not
// yet: only the deadline ends a push that cannot be read.
func (e *Engine) poll(ctx context.Context, key session.Key, c challenge) {
	var cause error
	for last := false; !last; {
		var wait time.Duration
		wait, last = nextPoll(c.SentAt, c.Deadline, time.Now())
		if !pause(ctx, nil, wait) {
			return
		}
		var decided bool
		if decided, cause = e.pollOnce(ctx, key, c.VerificationID); decided || ctx.Err() != nil {
			return
		}
	}
	// If the store cannot take this either, the deadline speaks for itself.
	_, _, _ = e.change(ctx, key, event{kind: evGone, verificationID: c.VerificationID, cause: cause})
}

// pollOnce reports whether nothing is left to poll for. The stored challenge is
// looked at first: a code, a cancel or another start may have ended it, here or
// in another process.
func (e *Engine) pollOnce(ctx context.Context, key session.Key, verificationID string) (decided bool, err error) {
	record, found, err := e.store.Load(ctx, key)
	if err != nil {
		return false, err
	}
	if !found {
		return true, nil
	}
	c, err := decode(record)
	if err != nil {
		return false, err
	}
	if c.State != Pending || c.VerificationID != verificationID {
		return true, nil
	}
	asked := time.Now()
	verdict, err := e.client.Poll(ctx, c.verification())
	if err != nil {
		return false, err
	}
	switch verdict {
	case onelogin.Accepted:
		_, err = e.accept(ctx, key, c, asked)
	case onelogin.Denied:
		_, _, err = e.change(ctx, key, event{kind: evDeny, verificationID: verificationID})
	case onelogin.Gone:
		_, _, err = e.change(ctx, key, event{kind: evGone, verificationID: verificationID})
	default:
		return false, nil
	}
	return err == nil, err
}
