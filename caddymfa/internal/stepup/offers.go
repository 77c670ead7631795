package stepup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// offerID names a device within the challenge of d. The page carries it in
// place of OneLogin's device id, which never leaves the server.
func offerID(d Demand, deviceID string) string {
	sum := sha256.Sum256(append(d.Nonce[:], deviceID...))
	return hex.EncodeToString(sum[:16])
}

func offers(d Demand, devices []device) []Offer {
	var list []Offer
	for _, x := range devices {
		list = append(list, Offer{ID: offerID(d, x.ID), Factor: x.factor, Name: displayName(x.Device), Default: x.Default,
			LockedUntil: x.lockedUntil})
	}
	return list
}

// with adds to r what there is to choose from. Somebody who has not chosen yet
// is told why there is nothing.
func (r Result) with(e *Engine, d Demand, x choices) Result {
	if r.Scarce = e.client.Budget().Scarce; r.Scarce {
		slices.SortStableFunc(x.devices, func(a, b device) int { return e.cost(a) - e.cost(b) })
	}
	r.Offers = offers(d, x.devices)
	if r.State != Choosing || x.refused == NoticeNone {
		return r
	}
	if r.Notice == NoticeNone {
		r.Notice = x.refused
	}
	if x.refused == NoDevice {
		r.NotOffered, r.Enrollable = x.others, offers(d, x.enrollable)
	}
	return r
}

// cost is 1 for a device that OneLogin is asked about again and again.
func (e *Engine) cost(x device) int {
	if e.answeredElsewhere(x.factor) {
		return 1
	}
	return 0
}

// view is how c looks, without offers.
func (e *Engine) view(d Demand, c challenge) Result {
	r := Result{State: c.State, Notice: c.Notice, ExpiresAt: c.Deadline, TriesLeft: c.TriesLeft,
		RetryAt: c.RetryAt, Revision: c.Revision, NeedsLogin: c.State == Choosing && needsLogin(d, c)}
	if c.Offer != "" {
		r.Factor = Offer{ID: offerID(d, c.Offer), Factor: c.Factor, Name: c.DeviceName, Default: c.DeviceDefault}
	}
	if c.awaits() {
		r.SentAt = c.SentAt
		r.ResendAt = c.SentAt.Add(e.limits.ResendAfter)
	}
	switch c.State {
	case Pending:
		r.NeedsCode, r.AcceptsCode, r.Polled = !c.Polled, c.takesCode(), c.Polled
		r.VoiceCode = c.VoiceCode
	case Enrolling:
		r.Enrolment = &Enrolment{Factor: c.Factor, TOTPURL: c.TOTPURL, Secret: c.Secret, VoiceCode: c.VoiceCode,
			NeedsCode: !c.Polled, AcceptsCode: c.takesCode(), Polled: c.Polled, ExpiresAt: c.Deadline}
	}
	return r
}

// show is the result of a step that left the challenge as c and met n. It asks
// nobody: offers are there if the person was seen before. Why a challenge
// ended is not covered by what a late step met.
func (e *Engine) show(ctx context.Context, d Demand, c challenge, n Notice) Result {
	r := e.view(d, c)
	if c.State.Final() {
		return r
	}
	if n != NoticeNone {
		r.Notice = n
	}
	if x, err := e.choices(ctx, d, c, onlySeen); err == nil {
		r = r.with(e, d, x)
	}
	return r
}

// otherBrowser is all that a browser learns about a challenge that is not its
// own.
func otherBrowser() Result { return Result{State: Choosing, Notice: OtherBrowser} }
