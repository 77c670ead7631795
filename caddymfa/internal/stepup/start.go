package stepup

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// outlives is how much longer OneLogin keeps a verification than we do, so that
// an approval in our last second can still be read.
const outlives = 30 * time.Second

// Start activates the device of an offer: it sends the push, the text message
// or the mail, and from then on a proof is awaited. Another device may be
// started while one is pending, which drops the earlier verification.
//
// Starting the pending device again within [Limits.ResendAfter] sends nothing
// and returns the challenge as it runs. So does a start while another one is
// under way. Every activation is charged to the user's limits before OneLogin
// is asked, and gives the browser a new cookie value in [Result.CookieValue].
//
// An activation is carried through even if ctx ends. After an error nothing is
// known to be sent, but it stays charged.
func (e *Engine) Start(ctx context.Context, d Demand, cookieValue, offerID string) (Result, error) {
	c, err := e.load(ctx, d)
	switch {
	case err != nil:
		return Result{}, err
	case !c.owned(d, cookieValue):
		return otherBrowser(), nil
	case c.State.Final():
		return e.view(d, c), nil
	}
	userID, chosen, refused, err := e.resolve(ctx, d, offerID)
	switch {
	case err != nil:
		return Result{}, err
	case refused == NoticeNone && c.UserID != "" && c.UserID != userID:
		return e.show(d, c, NoAccess), nil
	case refused != NoticeNone:
		return e.show(d, c, refused), nil
	case c.repeats(chosen.ID, time.Now(), e.limits.ResendAfter):
		e.watch(challengeKey(d), c)
		return e.show(d, c, NoticeNone), nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	c.UserID = userID
	return e.begin(ctx, d, c, cookieValue, chosen)
}

// resolve returns OneLogin's id of the user and the device behind an offer, or
// the notice that says why there is none. If the offer is not among what was
// seen a while ago OneLogin is asked again.
func (e *Engine) resolve(ctx context.Context, d Demand, wanted string) (userID string, chosen device, refused Notice, err error) {
	for _, maxAge := range [...]time.Duration{freshFor, recheckAfter} {
		p, err := e.directory.find(ctx, d.User, maxAge)
		if err != nil {
			return "", device{}, NoticeNone, err
		}
		if !p.active(time.Now()) {
			return "", device{}, NoAccess, nil
		}
		will, _ := usable(d, p.devices)
		if len(will) == 0 {
			refused = NoDevice
			continue
		}
		refused = UnknownFactor
		for _, x := range will {
			if offerID(d, x.ID) == wanted {
				return p.user.ID, x, NoticeNone, nil
			}
		}
	}
	return "", device{}, refused, nil
}

// begin stores the challenge if this is its first start, and reserves the right
// to activate: of many starts that race, one goes on.
func (e *Engine) begin(ctx context.Context, d Demand, c challenge, cookieValue string, chosen device) (Result, error) {
	key, userID := challengeKey(d), c.UserID
	if c.Revision == 0 {
		if err := e.create(ctx, key, c); err != nil {
			return Result{}, err
		}
	}
	retryAt, spent, err := e.spent(ctx, userID, e.limits.tries())
	if err != nil {
		return Result{}, err
	}
	if spent {
		c, _, err = e.change(ctx, key, event{kind: evLock, retryAt: retryAt})
		return e.showOwned(d, c, cookieValue), err
	}
	reservation := newReservation()
	c, _, err = e.change(ctx, key, event{kind: evReserve, browser: browserHash(cookieValue),
		reservation: reservation, until: time.Now().Add(stepTime)})
	if err != nil || c.Reservation != reservation {
		return e.showOwned(d, c, cookieValue), err
	}
	r, err := e.activate(ctx, d, userID, reservation, chosen)
	if err != nil {
		// The reservation lapses by itself if the store does not answer either.
		_, _, _ = e.change(ctx, key, event{kind: evRelease, reservation: reservation})
	}
	return r, err
}

// showOwned is show for a challenge that may have become another browser's
// since it was loaded.
func (e *Engine) showOwned(d Demand, c challenge, cookieValue string) Result {
	if !c.owned(d, cookieValue) {
		return otherBrowser()
	}
	return e.show(d, c, NoticeNone)
}

// activate charges the user, asks OneLogin and records what it did. The caller
// holds the reservation.
func (e *Engine) activate(ctx context.Context, d Demand, userID, reservation string, chosen device) (Result, error) {
	key := challengeKey(d)
	left, err := e.charge(ctx, userID, e.limits.sends(chosen.factor))
	if err != nil {
		return Result{}, err
	}
	if left.passed {
		return e.refuseSend(ctx, d, reservation, left.retryAt)
	}
	v, err := e.client.Activate(ctx, userID, chosen.ID, e.limits.Lifetime+outlives)
	if err != nil {
		return Result{}, fmt.Errorf("activate factor: %w", err)
	}
	cookieValue := newCookieValue()
	c, activated, err := e.change(ctx, key, event{kind: evActivate, reservation: reservation,
		verificationID: v.ID, device: chosen, newBrowser: browserHash(cookieValue), until: e.deadline(v, time.Now())})
	if err != nil {
		return Result{}, err
	}
	r := e.show(d, c, NoticeNone)
	if activated && c.State == Pending {
		e.watch(key, c)
		r.CookieValue = cookieValue
	}
	return r, nil
}

// refuseSend gives the reservation back: the challenge goes on as it was.
func (e *Engine) refuseSend(ctx context.Context, d Demand, reservation string, retryAt time.Time) (Result, error) {
	key := challengeKey(d)
	c, _, err := e.change(ctx, key, event{kind: evRelease, reservation: reservation})
	if err != nil {
		return Result{}, err
	}
	e.report(key, EventSendsLimited, c, nil)
	r := e.show(d, c, TooManySends)
	if !c.State.Final() {
		r.RetryAt = retryAt
	}
	return r, nil
}

// deadline is when a verification activated now is given up. OneLogin's own
// expiry only makes it earlier, and not if it is already past: then the clocks
// differ, and OneLogin itself says when the verification is gone.
func (e *Engine) deadline(v onelogin.Verification, now time.Time) time.Time {
	ours := now.Add(e.limits.Lifetime)
	if v.ExpiresAt.After(now) && v.ExpiresAt.Before(ours) {
		return v.ExpiresAt
	}
	return ours
}

// newCookieValue returns 256 random bits. rand.Read never returns an error.
func newCookieValue() string {
	var random [32]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

func newReservation() string {
	var random [8]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
