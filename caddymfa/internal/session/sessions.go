package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sessions keeps verified sessions in a [Store], each under a hash of its site
// and its cookie value. The cookie value itself is never stored.
type Sessions struct {
	store   Store
	options Options
}

// Options say how [Sessions] are kept. The zero value is usable.
type Options struct {
	// MaxPerUser is how many sessions one user may have at once, over all
	// sites and nodes; with one more the oldest goes. Zero: no cap.
	MaxPerUser int
}

// NewSessions returns the sessions kept in store.
func NewSessions(store Store, options Options) *Sessions {
	return &Sessions{store: store, options: options}
}

// Create stores s until lifetime has passed since s.Created, and returns the
// cookie value that leads to it: 256 random bits in base64url, 43 characters.
// With a cap, the user's oldest other sessions end until there is room, by
// [Session.Created]; users are told apart by their UserID.
//
// Errors: a field of s that is missing or too long, a lifetime that is over
// already, and whatever the store returns, [ErrFull] among it. Then there is no
// session and no cookie value. Randomness cannot fail: where the operating
// system has none, crypto/rand ends the process rather than return.
func (x *Sessions) Create(ctx context.Context, s Session, lifetime time.Duration) (cookieValue string, err error) {
	if err := s.check(); err != nil {
		return "", err
	}
	cookieValue = newCookieValue()
	key := sessionKey(s.Site, cookieValue)
	added, err := x.store.Add(ctx, key, encode(s), s.Created.Add(lifetime), s.groups()...)
	if err != nil {
		return "", fmt.Errorf("create session: %w", err)
	}
	if !added {
		return "", errors.New("create session: key is taken")
	}
	if x.options.MaxPerUser > 0 {
		if err := x.trim(ctx, key, s); err != nil {
			// Also if ctx is done, which may be why: it would be one too many.
			err = errors.Join(err, x.store.Delete(context.WithoutCancel(ctx), key))
			return "", fmt.Errorf("end a user's oldest sessions: %w", err)
		}
	}
	return cookieValue, nil
}

// Load returns the session that cookieValue leads to at site, and its record
// for [Sessions.Touch]. False: there is none, or cookieValue is not exactly as
// Create spells it.
//
// A record that cannot be decoded, or that belongs to another site, is an
// error: the store then holds something that we did not write.
//
// Load does not check that the session is alive, belongs to the user at hand,
// or is good enough for the route. That is the caller's part.
func (x *Sessions) Load(ctx context.Context, site, cookieValue string) (Session, Record, bool, error) {
	key, ok := SessionKey(site, cookieValue)
	if !ok {
		return Session{}, Record{}, false, nil
	}
	record, found, err := x.store.Load(ctx, key)
	if err != nil {
		return Session{}, Record{}, false, fmt.Errorf("load session: %w", err)
	}
	if !found {
		return Session{}, Record{}, false, nil
	}
	s, err := decode(record.Value)
	if err == nil && s.Site != site {
		err = errors.New("stored session belongs to another site")
	}
	if err != nil {
		return Session{}, Record{}, false, fmt.Errorf("load session: %w", err)
	}
	return s, record, true, nil
}

// Touch notes that the session was used at now. Give it what Load returned:
// only Seen changes, and the record's deadline stays as it was.
//
// Touch is a write: call it about once a minute, not with every request. That
// somebody else has changed or deleted the session meanwhile is no error, and
// a deleted session stays deleted.
func (x *Sessions) Touch(ctx context.Context, site, cookieValue string, record Record, s Session, now time.Time) error {
	key, ok := SessionKey(site, cookieValue)
	if !ok || !now.After(s.Seen) || !now.Before(record.Expires) {
		return nil
	}
	s.Seen = now
	if err := s.check(); err != nil {
		return err
	}
	if _, err := x.store.Touch(ctx, key, record, encode(s)); err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	return nil
}

// Delete ends the session. That there is none is no error.
func (x *Sessions) Delete(ctx context.Context, site, cookieValue string) error {
	key, ok := SessionKey(site, cookieValue)
	if !ok {
		return nil
	}
	if err := x.store.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
