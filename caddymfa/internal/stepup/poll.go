package stepup

import (
	"context"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// pace is how often an answer is asked for: eagerly at first, calmly later.
type pace struct {
	eagerFor, eagerly, calmly time.Duration
}

// Most people answer a push or a call within seconds, so an answer in the first
// 15 seconds is found soon; later there is less hurry. A push that is approved
// after 30 s costs ten polls. Mails are looked for and apps installed first.
func paceOf(c challenge) pace {
	if c.State == Pending && (push(c.Factor) || c.Factor == policy.Voice) {
		return pace{15 * time.Second, 2200 * time.Millisecond, 5 * time.Second}
	}
	return pace{time.Minute, 5 * time.Second, 15 * time.Second}
}

// scarcely is how much longer every wait is while few calls are left.
const scarcely = 3

// next returns how long after now an answer to what was sent at sentAt is asked
// for. The last question is asked at the deadline.
func (p pace) next(sentAt, deadline, now time.Time) (wait time.Duration, last bool) {
	wait = p.calmly
	if now.Sub(sentAt) < p.eagerFor {
		wait = p.eagerly
	}
	if left := deadline.Sub(now); left <= wait {
		return max(0, left), true
	}
	return wait, false
}

// pace is that of c as things are now.
func (e *Engine) pace(c challenge) pace {
	p := paceOf(c)
	if e.client.Budget().Scarce {
		p.eagerly, p.calmly = scarcely*p.eagerly, scarcely*p.calmly
	}
	return p
}

// watch makes sure that what can be answered elsewhere is polled, once in this
// engine however many look at it. It starts nothing for what only a code ends,
// for nobody, or after Close.
func (e *Engine) watch(key session.Key, c challenge) {
	if !c.awaits() || !c.Polled || c.Way == wayPhantom {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, polled := e.pollers[c.Activation]; polled || e.closed {
		return
	}
	e.pollers[c.Activation] = struct{}{}
	e.working.Go(func() {
		defer e.unwatch(c.Activation)
		e.poll(e.live, key, c)
	})
}

func (e *Engine) unwatch(activation string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pollers, activation)
}

// poll asks OneLogin until there is a verdict, the challenge has moved on
// without it, the deadline has come or ctx ends. An error means not yet: only
// the deadline ends what cannot be read.
func (e *Engine) poll(ctx context.Context, key session.Key, c challenge) {
	var cause error
	for last := false; !last; {
		var wait time.Duration
		wait, last = e.pace(c).next(c.SentAt, c.Deadline, time.Now())
		if !pause(ctx, nil, wait) {
			return
		}
		var decided bool
		if decided, cause = e.pollOnce(ctx, key, c.Activation); decided || ctx.Err() != nil {
			return
		}
	}
	// If the store cannot take this either, the deadline speaks for itself.
	_, _, _ = e.change(ctx, key, event{kind: evGone, activation: c.Activation, cause: cause})
}

// pollOnce reports whether nothing is left to poll for. The stored challenge is
// looked at first: a code, a cancel or another start may have ended it, here or
// in another process.
func (e *Engine) pollOnce(ctx context.Context, key session.Key, activation string) (decided bool, err error) {
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
	if !c.awaits() || c.Activation != activation || c.Way == wayPhantom {
		return true, nil
	}
	asked := time.Now()
	said, err := e.way(c.Way).poll(ctx, c)
	if err != nil {
		return false, err
	}
	switch said.verdict {
	case onelogin.Accepted:
		_, err = e.accept(ctx, key, c, said, asked)
	case onelogin.Denied:
		_, _, err = e.change(ctx, key, event{kind: evDeny, activation: activation})
	case onelogin.Gone:
		_, _, err = e.change(ctx, key, event{kind: evGone, activation: activation})
	default:
		return false, nil
	}
	return err == nil, err
}
