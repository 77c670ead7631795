package stepup

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Start activates the device of an offer: it sends the push, the text message
// or the mail, places the call, and from then on a proof is awaited. Another
// device may be started while one is pending, which drops the earlier
// activation.
//
// Starting the pending device again within [Limits.ResendAfter] sends nothing
// and returns the challenge as it runs. So does a start while another one is
// under way. Every activation is charged to the user's limits before OneLogin
// is asked, and gives the browser a new cookie value in [Result.CookieValue].
//
// A push is not sent while another challenge of the user waits for one
// ([PushPending]), nor for a while after they declined one ([PushLocked]).
//
// An activation is carried through even if ctx ends. After an error nothing is
// known to be sent, but it stays charged. A blind demand is answered before
// OneLogin is asked at all, and counted by its address too ([AddressLimited]).
func (e *Engine) Start(ctx context.Context, d Demand, cookieValue, offerID string) (Result, error) {
	return e.begin(ctx, d, cookieValue, offerID, func(x choices) []device { return x.devices })
}

// Enroll begins to enrol what one of [Result.Enrollable] offers, for a user who
// has no device at all, as Start does with a device. [Result.Enrolment] says
// what the person needs for it. It proves nothing: once the device is enrolled
// the challenge is [Choosing] again, and the device is among the offers.
//
// Without [Features.Enroll] there is nothing to enrol.
func (e *Engine) Enroll(ctx context.Context, d Demand, cookieValue, offerID string) (Result, error) {
	return e.begin(ctx, d, cookieValue, offerID, func(x choices) []device { return x.enrollable })
}

// begin finds the device behind an offer and has it activated.
func (e *Engine) begin(ctx context.Context, d Demand, cookieValue, offerID string, among func(choices) []device) (Result, error) {
	c, err := e.load(ctx, d)
	switch {
	case err != nil:
		return Result{}, err
	case !c.owned(d, cookieValue):
		return otherBrowser(), nil
	case c.State.Final():
		return e.view(d, c), nil
	}
	x, chosen, refused, err := e.choose(ctx, d, c, offerID, among)
	switch {
	case err != nil:
		return Result{}, err
	case refused != NoticeNone:
		return e.show(ctx, d, c, refused), nil
	case c.UserID != "" && !c.Blind && c.UserID != x.user.ID:
		return e.show(ctx, d, c, NoAccess), nil
	case c.repeats(chosen, time.Now(), e.limits.ResendAfter):
		e.watch(challengeKey(d), c)
		return e.show(ctx, d, c, NoticeNone), nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	c.UserID = x.user.ID
	a := activation{demand: d, device: chosen, user: x.user}
	if d.Blind {
		return e.reserveBlindly(ctx, d, c, cookieValue, a)
	}
	return e.reserve(ctx, d, c, cookieValue, a)
}

// reserve stores the challenge if this is its first start, and reserves the
// right to activate: of many starts that race, one goes on.
func (e *Engine) reserve(ctx context.Context, d Demand, c challenge, cookieValue string, a activation) (Result, error) {
	key := challengeKey(d)
	if c.Revision == 0 {
		if err := e.create(ctx, key, c); err != nil {
			return Result{}, err
		}
	}
	retryAt, spent, err := e.spent(ctx, c.subject(), e.limits.tries())
	if err != nil {
		return Result{}, err
	}
	if spent {
		c, _, err = e.change(ctx, key, event{kind: evLock, retryAt: retryAt})
		return e.showOwned(ctx, d, c, cookieValue), err
	}
	reservation := newReservation()
	c, _, err = e.change(ctx, key, event{kind: evReserve, browser: browserHash(cookieValue),
		reservation: reservation, until: time.Now().Add(stepTime)})
	if err != nil || c.Reservation != reservation {
		return e.showOwned(ctx, d, c, cookieValue), err
	}
	a.challenge = c
	r, err := e.activate(ctx, key, a)
	if err != nil {
		// The reservation lapses by itself if the store does not answer either.
		_, _, _ = e.change(ctx, key, event{kind: evRelease, reservation: reservation})
	}
	return r, err
}

// showOwned is show for a challenge that may have become another browser's
// since it was loaded.
func (e *Engine) showOwned(ctx context.Context, d Demand, c challenge, cookieValue string) Result {
	if !c.owned(d, cookieValue) {
		return otherBrowser()
	}
	return e.show(ctx, d, c, NoticeNone)
}

// activate charges the user, asks OneLogin and records what it did. The caller
// holds the reservation.
func (e *Engine) activate(ctx context.Context, key session.Key, a activation) (Result, error) {
	if a.challenge.Blind {
		return e.activateBlindly(ctx, key, a)
	}
	refused, retryAt, err := e.admit(ctx, key, a.challenge, a.challenge.Reservation, a.device)
	if err != nil {
		return Result{}, err
	}
	if refused != NoticeNone {
		return e.refuseSend(ctx, key, a, refused, retryAt)
	}
	asked := time.Now()
	o, err := e.way(a.device.way).activate(ctx, a)
	switch {
	case err != nil:
		return Result{}, err
	case o.gone:
		c, _, err := e.change(ctx, key, event{kind: evGone, reservation: a.challenge.Reservation})
		return e.show(ctx, a.demand, c, NoticeNone), err
	case o.lowRisk:
		return e.acceptLowRisk(ctx, key, a, asked)
	}
	_, r, err := e.record(ctx, key, a, event{kind: evActivate, opened: o, until: e.deadline(o, time.Now())})
	return r, err
}

// admit charges the user of c for an activation. A push must be the only one of
// theirs too. Otherwise it returns why nothing may be sent, and until when.
func (e *Engine) admit(ctx context.Context, key session.Key, c challenge, activation string, x device) (Notice, time.Time, error) {
	if push(x.factor) && x.way != wayRegister {
		refused, until, err := e.claimPush(ctx, c.UserID, key, activation, c.Blind)
		if err != nil || refused != NoticeNone {
			return refused, until, err
		}
	}
	return e.chargeSend(ctx, c.UserID, x.factor)
}

func (e *Engine) chargeSend(ctx context.Context, subject string, f policy.Factor) (Notice, time.Time, error) {
	left, err := e.charge(ctx, subject, e.limits.sends(f))
	if err != nil || !left.passed {
		return NoticeNone, time.Time{}, err
	}
	return TooManySends, left.retryAt, nil
}

// record applies ev, which an activation led to, and gives the browser its new
// cookie value. The challenge is returned if this was its doing.
func (e *Engine) record(ctx context.Context, key session.Key, a activation, ev event) (*challenge, Result, error) {
	cookieValue := newCookieValue()
	ev.reservation, ev.device, ev.newBrowser = a.challenge.Reservation, a.device, browserHash(cookieValue)
	c, changed, err := e.change(ctx, key, ev)
	if err != nil {
		return nil, Result{}, err
	}
	r := e.show(ctx, a.demand, c, NoticeNone)
	if !changed || c.Activation != a.challenge.Reservation {
		return nil, r, nil
	}
	e.watch(key, c)
	r.CookieValue = cookieValue
	return &c, r, nil
}

// activateBlindly shows a pending challenge at once, and finds out later whether
// there is anybody to send anything to. Only the name is charged until then.
func (e *Engine) activateBlindly(ctx context.Context, key session.Key, a activation) (Result, error) {
	refused, retryAt, err := e.chargeSend(ctx, a.challenge.subject(), a.device.factor)
	if err != nil {
		return Result{}, err
	}
	if refused != NoticeNone {
		return e.refuseSend(ctx, key, a, refused, retryAt)
	}
	o := opened{way: wayPhantom, polled: e.answeredElsewhere(a.device.factor)}
	c, r, err := e.record(ctx, key, a, event{kind: evActivate, opened: o, until: e.deadline(o, time.Now())})
	if c != nil {
		e.settle(key, a.demand, *c, a.device.factor)
	}
	return r, err
}

// acceptLowRisk verifies a user whom OneLogin saw no need to ask. They are read
// once more, as after every proof, but their limits stay as they are.
func (e *Engine) acceptLowRisk(ctx context.Context, key session.Key, a activation, asked time.Time) (Result, error) {
	user, found, err := e.client.UserByID(ctx, a.challenge.UserID)
	if err != nil {
		return Result{}, fmt.Errorf("read user again: %w", err)
	}
	if !found || !user.Active(time.Now()) {
		c, _, err := e.change(ctx, key, event{kind: evDeny, reservation: a.challenge.Reservation, notice: NoAccess})
		return e.show(ctx, a.demand, c, NoticeNone), err
	}
	_, r, err := e.record(ctx, key, a, event{kind: evLowRisk, asked: asked, username: user.Username})
	return r, err
}

// refuseSend gives the reservation back: the challenge goes on as it was.
func (e *Engine) refuseSend(ctx context.Context, key session.Key, a activation, why Notice, retryAt time.Time) (Result, error) {
	c, _, err := e.change(ctx, key, event{kind: evRelease, reservation: a.challenge.Reservation})
	if err != nil {
		return Result{}, err
	}
	e.report(key, c, Event{Name: EventSendsLimited, Notice: why})
	r := e.show(ctx, a.demand, c, why)
	if !c.State.Final() {
		r.RetryAt = retryAt
	}
	return r, nil
}

// deadline is when an activation made now is given up. OneLogin's own expiry
// only makes it earlier, and not if it is already past: then the clocks differ,
// and OneLogin itself says when the verification is gone.
func (e *Engine) deadline(o opened, now time.Time) time.Time {
	ours := now.Add(e.limits.Lifetime)
	if o.way == wayRegister {
		ours = now.Add(enrolTime)
	}
	if o.expiresAt.After(now) && o.expiresAt.Before(ours) {
		return o.expiresAt
	}
	return ours
}

// newCookieValue returns 256 random bits. rand.Read never returns an error.
func newCookieValue() string {
	var random [32]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// newReservation names a reservation, and the activation that comes of it.
func newReservation() string {
	var random [16]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
