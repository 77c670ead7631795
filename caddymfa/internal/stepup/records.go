package stepup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// keepAfter is how long a challenge is kept past its last deadline, so that a
// late page can say how it ended and a proof can still be collected.
const keepAfter = 5 * time.Minute

// maxRaces bounds how often a change is tried against others who change the
// same challenge. A challenge sees fewer changes in its whole life.
const maxRaces = 64

var errBusy = errors.New("too much at once")

func challengeKey(d Demand) session.Key {
	return session.NewKey(session.KindChallenge, string(d.Nonce[:]))
}

// expires is when the record may be forgotten. It is never before the end of
// the demand: a challenge that ended cannot be begun again.
func (c challenge) expires() time.Time {
	return later(c.StartBy, c.Deadline).Add(keepAfter)
}

func (c challenge) encode() (string, error) {
	encoded, err := json.Marshal(c) //nolint:gosec // what stores keep outside of the process is sealed
	if err != nil {
		return "", fmt.Errorf("encode challenge: %w", err)
	}
	return string(encoded), nil
}

func decode(record session.Record) (challenge, error) {
	var c challenge
	if err := json.Unmarshal([]byte(record.Value), &c); err != nil {
		return c, fmt.Errorf("decode challenge: %w", err)
	}
	return c, nil
}

// load returns the challenge of d as it is now: the stored one, or a new one
// with revision 0. It changes nothing in the store, though time may have
// changed the challenge; that is another revision then, for those who wait.
func (e *Engine) load(ctx context.Context, d Demand) (challenge, error) {
	record, found, err := e.store.Load(ctx, challengeKey(d))
	if err != nil {
		return challenge{}, fmt.Errorf("load challenge: %w", err)
	}
	c := newChallenge(d, e.limits.TriesPerChallenge)
	if found {
		if c, err = decode(record); err != nil {
			return challenge{}, err
		}
	}
	c, changed := c.Apply(event{kind: evLook}, time.Now())
	if changed && found {
		c.Revision++
	}
	return c, nil
}

// create stores a challenge that was never stored. If somebody else has just
// done so, theirs stays.
func (e *Engine) create(ctx context.Context, key session.Key, c challenge) error {
	c.Revision = 1
	value, err := c.encode()
	if err != nil {
		return err
	}
	won, err := e.store.Add(ctx, key, value, c.expires())
	if err != nil {
		return fmt.Errorf("store challenge: %w", err)
	}
	if won {
		e.report(key, c, Event{Name: EventStarted})
		e.changes.notify(key)
	}
	return nil
}

// change applies ev to the stored challenge and stores the result by
// compare-and-set. It returns the challenge as it stands then and whether it
// was changed by this call. It is the only place where a challenge changes.
func (e *Engine) change(ctx context.Context, key session.Key, ev event) (challenge, bool, error) {
	for range maxRaces {
		record, found, err := e.store.Load(ctx, key)
		if err != nil {
			return challenge{}, false, fmt.Errorf("load challenge: %w", err)
		}
		if !found {
			return challenge{State: Expired}, false, nil
		}
		c, err := decode(record)
		if err != nil {
			return challenge{}, false, err
		}
		next, changed := c.Apply(ev, time.Now())
		if !changed {
			return c, false, nil
		}
		if !ev.hidden(next) {
			next.Revision++
		}
		won, err := e.replace(ctx, key, record, next)
		if err != nil {
			return challenge{}, false, err
		}
		if won {
			// Told before anybody is woken: the log is not behind the page.
			e.report(key, next, Event{Name: eventName(ev, c, next), Notice: ev.notice, Cause: ev.cause, Until: ev.locked})
			e.changes.notify(key)
			return next, true, nil
		}
	}
	return challenge{}, false, errBusy
}

// put stores value under key if it is still as it was found: old, or nothing.
func (e *Engine) put(ctx context.Context, key session.Key, old session.Record, found bool, value string, expires time.Time) (bool, error) {
	if found {
		return e.store.Update(ctx, key, old, value, expires)
	}
	return e.store.Add(ctx, key, value, expires)
}

func (e *Engine) replace(ctx context.Context, key session.Key, old session.Record, next challenge) (bool, error) {
	value, err := next.encode()
	if err != nil {
		return false, err
	}
	won, err := e.store.Update(ctx, key, old, value, next.expires())
	if err != nil {
		return false, fmt.Errorf("change challenge: %w", err)
	}
	return won, nil
}

// hidden reports whether ev, which led to next, must not show: those who wait
// for a blind challenge to change would learn from it that there is a user.
func (ev event) hidden(next challenge) bool {
	return next.Blind && next.State == Pending && (ev.kind == evSettle || ev.kind == evDeny || ev.kind == evGone)
}

// eventName is what the log calls ev, which led from before to next, or "".
func eventName(ev event, before, next challenge) string {
	switch next.State {
	case Verified:
		if ev.kind == evTake {
			return ""
		}
		return EventVerified
	case Denied:
		return denial(next, ev)
	case Locked:
		return EventLocked
	case Expired:
		if ev.kind == evCancel {
			return EventCancelled
		}
		return EventExpired
	}
	if before.State == Enrolling && next.State == Choosing {
		if next.Notice == NoticeNone {
			return EventEnrolled
		}
		return EventEnrolFailed
	}
	return eventNameWithin(ev, next)
}

// eventNameWithin is eventName where the challenge goes on.
func eventNameWithin(ev event, next challenge) string {
	switch ev.kind {
	case evActivate:
		switch {
		case next.State == Enrolling:
			return EventEnrolStarted
		case next.Blind:
			return "" // nothing was sent yet
		}
		return EventActivated
	case evSettle:
		if next.Way == wayPhantom {
			return EventNotActivated
		}
		return EventActivated
	case evLogin:
		return EventPasswordAccepted
	case evWrong:
		return EventCodeWrong
	case evDeny:
		return denial(next, ev)
	}
	return ""
}

func denial(next challenge, ev event) string {
	if push(next.Factor) && ev.notice == NoticeNone {
		return EventPushDenied
	}
	return EventDenied
}

// report tells the observer, who is given what c adds to told. An empty name is
// nothing to tell.
func (e *Engine) report(key session.Key, c challenge, told Event) {
	if told.Name == "" {
		return
	}
	told.User, told.UserID, told.Site = cmp.Or(c.User, c.Username), c.UserID, c.Site
	told.Factor, told.ChallengeRef, told.State = c.Factor, challengeRef(key), c.State
	told.Address = cmp.Or(told.Address, c.Client)
	e.observe(told)
}

// challengeRef names a challenge in logs. It is a hash of the key, so that
// whoever reads the log cannot look up the record.
func challengeRef(key session.Key) string {
	sum := sha256.Sum256(append([]byte("challenge ref "), key.Sum[:]...))
	return hex.EncodeToString(sum[:6])
}
