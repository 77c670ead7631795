package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// End ends the session that handle names and returns it as it was. False:
// there was none.
//
// What cannot be read is ended as well. Even after an error no Load in this
// process finds the session again.
func (x *Sessions) End(ctx context.Context, handle string) (Listed, bool, error) {
	l, found, err := x.Find(ctx, handle)
	if err == nil && !found {
		return Listed{}, false, nil
	}
	key, _ := keyOf(handle) // it is one: otherwise there is neither a session nor an error
	if deleteErr := x.store.Delete(ctx, key); deleteErr != nil {
		err = errors.Join(err, fmt.Errorf("end session: %w", deleteErr))
	}
	return l, found, err
}

const (
	endPage  = 500 // how many sessions EndAll looks at before it ends some
	endFails = 8   // how many failures EndAll tells in full
)

// EndAll ends the sessions that f selects and whose user last proved
// themselves before the given time, at whatever time if it is zero, and returns
// them. It goes on after one that could not be ended, and then returns an error
// beside those that were.
//
// Where it finds a session that this version cannot read, it ends it: nobody
// can say that it is not meant. A session that begins while EndAll works may
// be left.
func (x *Sessions) EndAll(ctx context.Context, f Filter, before time.Time) (ended []Listed, err error) {
	var failed failures
	seen := make(map[Key]bool)
	for cursor := ""; ; {
		entries, next, err := x.entries(ctx, f, cursor, endPage)
		if err != nil {
			return ended, fmt.Errorf("end sessions: %w", errors.Join(failed.err(), err))
		}
		for _, e := range entries {
			l, readable := read(e.Key, e.Record)
			if seen[e.Key] || readable && !(f.selects(l.Session) && provedBefore(l.Session, before)) {
				continue
			}
			seen[e.Key] = true
			if err := x.store.Delete(ctx, e.Key); err != nil {
				failed.add(err)
				continue
			}
			ended = append(ended, l)
		}
		if next == "" {
			return ended, failed.err()
		}
		cursor = next
	}
}

func provedBefore(s Session, t time.Time) bool { return t.IsZero() || s.AuthTime.Before(t) }

// failures are the errors of many sessions, told in a bearable length.
type failures struct {
	n     int
	first []error
}

func (f *failures) add(err error) {
	f.n++
	if len(f.first) < endFails {
		f.first = append(f.first, err)
	}
}

func (f *failures) err() error {
	if f.n == 0 {
		return nil
	}
	return fmt.Errorf("%d sessions could not be ended: %w", f.n, errors.Join(f.first...))
}

// trim ends the oldest sessions of s's user until, with the new one, there are
// as many as the cap allows. The new one stays, whatever another node's clock
// made of the others' age.
//
// It looks after the new session was stored, so that of two that begin at one
// time at least one sees both: the cap then holds, and may be undercut.
func (x *Sessions) trim(ctx context.Context, newest Key, s Session) error {
	groups := s.groups()
	members, err := x.members(ctx, groups[len(groups)-1])
	if err != nil {
		return err
	}
	var others []Listed
	for _, e := range members {
		l, _ := read(e.Key, e.Record)
		if e.Key != newest && sameUser(l.Session, s) {
			others = append(others, l)
		}
	}
	slices.SortFunc(others, older)
	for len(others) >= x.options.MaxPerUser {
		key, _ := keyOf(others[0].Handle)
		if err := x.store.Delete(ctx, key); err != nil {
			return err
		}
		others = others[1:]
	}
	return nil
}

// sameUser tells by the user id, and only where there is none by the name.
func sameUser(a, b Session) bool {
	return a.UserID == b.UserID && (a.UserID != "" || a.User == b.User)
}
