package stepup

import (
	"context"
	"sync"
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

// One engine at a time asks about an activation: whoever holds its lease. It is
// renewed all the while, so that an engine that dies is replaced within
// leaseTime and leaseEvery.
const (
	leaseTime  = 8 * time.Second
	leaseEvery = 2 * time.Second

	// releaseTime bounds what giving a lease back may take. If it does not
	// succeed the lease lapses.
	releaseTime = 2 * time.Second
)

// watch makes sure that what can be answered elsewhere is polled, once by all
// engines on the store however many look at it. It starts nothing for what only
// a code ends, for nobody, or after Close.
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
		e.attend(e.live, key, c)
	})
}

func (e *Engine) unwatch(activation string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pollers, activation)
}

// attend polls, or is there to go on with it while another engine polls, until
// nothing is left to poll for or ctx ends.
func (e *Engine) attend(ctx context.Context, key session.Key, c challenge) {
	lease := session.NewKey(session.KindLease, "poll", c.Activation)
	for {
		held, err := session.Acquire(ctx, e.store, lease, e.node, leaseTime)
		if err == nil && held && e.pollHolding(ctx, lease, key, c) {
			return
		}
		if !pause(ctx, nil, leaseEvery) || time.Now().After(c.Deadline.Add(lastRead)) {
			return
		}
		if _, left, err := e.polled(ctx, key, c.Activation); err == nil && !left {
			return
		}
	}
}

// pollHolding is poll while this engine has the lease, which it gives back.
func (e *Engine) pollHolding(ctx context.Context, lease, key session.Key, c challenge) (decided bool) {
	holding, lose := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { e.renew(holding, lose, lease) })
	defer func() {
		lose()
		renewing.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
		defer cancel()
		_ = session.Release(ctx, e.store, lease, e.node)
	}()
	return e.poll(holding, key, c)
}

// renew keeps a lease until ctx ends, and calls lost when another has it. A
// store that does not answer takes it from nobody.
func (e *Engine) renew(ctx context.Context, lost func(), lease session.Key) {
	for pause(ctx, nil, leaseEvery) {
		if held, err := session.Acquire(ctx, e.store, lease, e.node, leaseTime); err == nil && !held {
			lost()
		}
	}
}

// poll asks OneLogin until there is a verdict, the challenge has moved on
// without it, the deadline has come or ctx ends, which alone is no end. An
// error means not yet: only the deadline ends what cannot be read.
func (e *Engine) poll(ctx context.Context, key session.Key, c challenge) (decided bool) {
	var cause error
	for last := false; !last; {
		var wait time.Duration
		wait, last = e.pace(c).next(c.SentAt, c.Deadline, time.Now())
		if !pause(ctx, nil, wait) {
			return false
		}
		if decided, cause = e.pollOnce(ctx, key, c.Activation); decided || ctx.Err() != nil {
			return decided
		}
	}
	// If the store cannot take this either, the deadline speaks for itself.
	_, _, _ = e.change(ctx, key, event{kind: evGone, activation: c.Activation, cause: cause})
	return true
}

// polled returns the stored challenge, and whether there is still something to
// poll for: a code, a cancel or another start may have ended it, here or in
// another process.
func (e *Engine) polled(ctx context.Context, key session.Key, activation string) (c challenge, left bool, err error) {
	record, found, err := e.store.Load(ctx, key)
	if err != nil || !found {
		return challenge{}, false, err
	}
	c, err = decode(record)
	return c, c.awaits() && c.Activation == activation && c.Way != wayPhantom, err
}

// pollOnce reports whether nothing is left to poll for.
func (e *Engine) pollOnce(ctx context.Context, key session.Key, activation string) (decided bool, err error) {
	c, left, err := e.polled(ctx, key, activation)
	if err != nil || !left {
		return err == nil, err
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
		err = e.deny(ctx, key, c)
	case onelogin.Gone:
		_, _, err = e.change(ctx, key, event{kind: evGone, activation: activation})
	default:
		return false, nil
	}
	return err == nil, err
}
