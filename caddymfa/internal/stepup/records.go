package stepup

import (
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

var errBusy = errors.New("challenge is changed by too many at once")

func challengeKey(d Demand) session.Key {
	return session.NewKey(session.KindChallenge, string(d.Nonce[:]))
}

// expires is when the record may be forgotten. It is never before the end of
// the demand: a challenge that ended cannot be begun again.
func (c challenge) expires() time.Time {
	return later(c.StartBy, c.Deadline).Add(keepAfter)
}

func (c challenge) encode() (string, error) {
	encoded, err := json.Marshal(c)
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
// with revision 0. It changes nothing in the store.
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
	c, _ = c.Apply(event{kind: evLook}, time.Now())
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
		e.report(key, EventStarted, c, nil)
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
		next.Revision++
		won, err := e.replace(ctx, key, record, next)
		if err != nil {
			return challenge{}, false, err
		}
		if won {
			// Told before anybody is woken: the log is not behind the page.
			e.report(key, eventName(ev, next), next, ev.cause)
			e.changes.notify(key)
			return next, true, nil
		}
	}
	return challenge{}, false, errBusy
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

// eventName is what the log calls ev, given the challenge it led to, or "".
func eventName(ev event, next challenge) string {
	switch next.State {
	case Verified:
		if ev.kind == evTake {
			return ""
		}
		return EventVerified
	case Denied:
		if push(next.Factor) && next.Notice == NoticeNone {
			return EventPushDenied
		}
		return EventDenied
	case Locked:
		return EventLocked
	case Expired:
		if ev.kind == evCancel {
			return EventCancelled
		}
		return EventExpired
	}
	switch ev.kind {
	case evActivate:
		return EventActivated
	case evWrong:
		return EventCodeWrong
	}
	return ""
}

// report tells the observer. An empty name is nothing to tell.
func (e *Engine) report(key session.Key, name string, c challenge, cause error) {
	if name == "" {
		return
	}
	e.observe(Event{
		Name: name, User: c.User, UserID: c.UserID, Site: c.Site, Factor: c.Factor,
		ChallengeRef: challengeRef(key), State: c.State, Cause: cause,
	})
}

// challengeRef names a challenge in logs. It is a hash of the key, so that
// whoever reads the log cannot look up the record.
func challengeRef(key session.Key) string {
	sum := sha256.Sum256(append([]byte("challenge ref "), key.Sum[:]...))
	return hex.EncodeToString(sum[:6])
}
