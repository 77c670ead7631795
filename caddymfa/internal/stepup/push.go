package stepup

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// A push does not say which login it is for. So a user has one that counts at a
// time, over all browsers, sites and engines, and after one that was declined
// none for a while.

const (
	// declinedPause is how long no push goes to a user who declined one. Every
	// further one within a day doubles it, up to maxDeclinedPause.
	declinedPause    = 5 * time.Minute
	maxDeclinedPause = time.Hour

	// reportedPause is the same for a user who says that it was not them.
	reportedPause = day
)

var errNoUser = errors.New("no user to report a push for")

// lastPush is which activation sent a user's last push, or is about to. Whether
// that push is still pending is for its challenge to say.
type lastPush struct {
	Challenge  string `json:"challenge"` // the sum of its key, in hex
	Activation string `json:"activation"`
}

func lastPushKey(userID string) session.Key {
	return session.NewKey(session.KindAttempt, "last push", userID)
}

// pushLockKey is that of a record which lasts as long as no push goes to a user.
func pushLockKey(userID string) session.Key {
	return session.NewKey(session.KindAttempt, "push lock", userID)
}

func pushDenials() budget { return budget{name: "push denials", window: day} }

// claimPush makes an activation, which is reserved or pending in the challenge
// under key, the one of the user's pushes that counts. Otherwise it returns why
// not, and until when.
func (e *Engine) claimPush(ctx context.Context, userID string, key session.Key, activation string, blind bool) (Notice, time.Time, error) {
	until, locked, err := e.pushLock(ctx, userID)
	if err != nil || locked {
		return PushLocked, until, err
	}
	mine, err := json.Marshal(lastPush{hex.EncodeToString(key.Sum[:]), activation})
	if err != nil {
		return NoticeNone, time.Time{}, fmt.Errorf("encode push: %w", err)
	}
	for range maxRaces {
		old, found, err := e.store.Load(ctx, lastPushKey(userID))
		if err != nil {
			return NoticeNone, time.Time{}, fmt.Errorf("load last push: %w", err)
		}
		if found {
			until, pending, err := e.clearPush(ctx, old, key, blind)
			if err != nil || pending {
				return PushPending, until, err
			}
		}
		expires := time.Now().Add(stepTime + e.limits.Lifetime + lastRead)
		kept, err := e.put(ctx, lastPushKey(userID), old, found, string(mine), expires)
		if err != nil || kept {
			return NoticeNone, time.Time{}, err
		}
	}
	return NoticeNone, time.Time{}, errBusy
}

// clearPush makes way for a push of the challenge under key, or reports until
// when another one is pending. The person who waits for that one is not told
// that it is worth nothing any more, so it has to be a blind challenge's: there
// the newest counts, or strangers could keep pushes from everybody.
func (e *Engine) clearPush(ctx context.Context, old session.Record, key session.Key, blind bool) (until time.Time, pending bool, err error) {
	other, last, c, err := e.pushed(ctx, old)
	if err != nil || other == key {
		return time.Time{}, false, err
	}
	until, pending = c.pushes(last.Activation, time.Now())
	if !pending || !c.Blind {
		return until, pending, nil
	}
	_, _, err = e.change(ctx, other, event{kind: evGone, activation: last.Activation})
	return time.Time{}, false, err
}

// pushed returns the challenge of a user's last push, which may be gone.
func (e *Engine) pushed(ctx context.Context, record session.Record) (key session.Key, last lastPush, c challenge, err error) {
	if err = json.Unmarshal([]byte(record.Value), &last); err != nil {
		return key, last, c, fmt.Errorf("decode push: %w", err)
	}
	key.Kind = session.KindChallenge
	if sum, err := hex.DecodeString(last.Challenge); err != nil || copy(key.Sum[:], sum) != len(key.Sum) {
		return key, last, c, errors.New("decode push: not a challenge's")
	}
	stored, found, err := e.store.Load(ctx, key)
	if err != nil || !found {
		return key, last, c, err
	}
	c, err = decode(stored)
	return key, last, c, err
}

// pushes reports whether activation, of a push, is pending or about to be, and
// until when at the latest.
func (c challenge) pushes(activation string, now time.Time) (until time.Time, pending bool) {
	unknown := c.Blind && !c.Settled // its push may be on the way
	switch {
	case c.Reservation == activation && now.Before(c.ReservedUntil):
		return c.ReservedUntil, true
	case c.State == Pending && c.Activation == activation && (c.Way != wayPhantom || unknown):
		return c.Deadline, now.Before(c.Deadline)
	}
	return time.Time{}, false
}

// pushLock reports until when no push goes to a user.
func (e *Engine) pushLock(ctx context.Context, userID string) (until time.Time, locked bool, err error) {
	record, locked, err := e.store.Load(ctx, pushLockKey(userID))
	if err != nil {
		return time.Time{}, false, fmt.Errorf("load push lock: %w", err)
	}
	return record.Expires, locked, nil
}

// lockPushes sees to it that no push goes to a user until then, or longer if
// that was so already. It returns until when.
func (e *Engine) lockPushes(ctx context.Context, userID string, until time.Time) (time.Time, error) {
	for range maxRaces {
		old, found, err := e.store.Load(ctx, pushLockKey(userID))
		if err == nil && found && !until.After(old.Expires) {
			return old.Expires, nil
		}
		kept := false
		if err == nil {
			kept, err = e.put(ctx, pushLockKey(userID), old, found, "", until)
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("lock pushes: %w", err)
		}
		if kept {
			return until, nil
		}
	}
	return time.Time{}, errBusy
}

// deny records that OneLogin refused what it was asked about. A push that was
// declined locks those to come first: should that not work, OneLogin is asked
// again.
func (e *Engine) deny(ctx context.Context, key session.Key, c challenge) error {
	about := event{kind: evDeny, activation: c.Activation}
	if c.State == Pending && push(c.Factor) {
		b := pushDenials()
		n, _, err := e.store.Increment(ctx, counterKey(b, c.UserID), b.window)
		if err != nil {
			return fmt.Errorf("count %s: %w", b.name, err)
		}
		pause := min(declinedPause<<min(n-1, 10), maxDeclinedPause)
		if about.locked, err = e.lockPushes(ctx, c.UserID, time.Now().Add(pause)); err != nil {
			return err
		}
	}
	_, _, err := e.change(ctx, key, about)
	return err
}

// ReportPush is for a user who says that a push was none of theirs. No push
// goes to them for a day, at any site, and a challenge that waits for one, or is
// about to send it, is denied. Other factors stay as they are.
//
// UserID is OneLogin's id, user and site are for the log. It does not check who
// reports: the caller knows the user, by a session. After an error it should be
// called again.
func (e *Engine) ReportPush(ctx context.Context, userID, user, site string) error {
	if userID == "" {
		return errNoUser
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	until, err := e.lockPushes(ctx, userID, time.Now().Add(reportedPause))
	if err != nil {
		return err
	}
	e.observe(Event{Name: EventPushReported, User: user, UserID: userID, Site: site, Factor: policy.Protect, Until: until})
	record, found, err := e.store.Load(ctx, lastPushKey(userID))
	if err != nil || !found {
		return err
	}
	key, last, _, err := e.pushed(ctx, record)
	if err != nil {
		return err
	}
	_, _, err = e.change(ctx, key, event{kind: evDeny, activation: last.Activation, reservation: last.Activation, locked: until})
	return err
}
