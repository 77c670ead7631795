package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Listed is a session as lists and the admin API show it.
type Listed struct {
	// Handle names the session to people and programs and cannot be used as
	// one: it is the sum of its key, in 64 hexadecimal digits. See [Handle].
	Handle string

	// Session is zero where the store holds something that this version
	// cannot read, such as a session of a newer one.
	Session Session

	// Expires is when the session's lifetime ends. It may go idle before.
	Expires time.Time
}

// Filter selects sessions. A field that is not empty must fit, byte for byte;
// the zero Filter selects all.
type Filter struct {
	User   string // the session's User or its UserID
	UserID string
	Site   string
	Node   string
}

// selects tells whether f selects s.
func (f Filter) selects(s Session) bool {
	fits := func(want, got string) bool { return want == "" || want == got }
	return (fits(f.User, s.User) || fits(f.User, s.UserID)) &&
		fits(f.UserID, s.UserID) && fits(f.Site, s.Site) && fits(f.Node, s.Node)
}

// groups returns the groups in which everything that f selects is to be found,
// or none if every session has to be looked at.
func (f Filter) groups() []Group {
	switch {
	case f.UserID != "":
		return []Group{UserIDGroup(f.UserID)}
	case f.User != "":
		return []Group{UserGroup(f.User), UserIDGroup(f.User)}
	}
	return nil
}

var errListCursor = errors.New("a user's sessions are one page, which no cursor leads to")

// List returns the sessions that f selects, about limit of them, oldest first
// within the page, and the cursor for the next page: "" at the end and "" to
// begin. A user's sessions are always one page, however many they are.
//
// A session that lives from the first page to the last is on at least one of
// them. Sessions that have gone idle are listed until their lifetime ends. Of
// those that cannot be read only the zero Filter tells.
func (x *Sessions) List(ctx context.Context, f Filter, cursor string, limit int) (page []Listed, next string, err error) {
	seen := make(map[Key]bool)
	for {
		entries, next, err := x.entries(ctx, f, cursor, max(limit, 1))
		if err != nil {
			return nil, "", fmt.Errorf("list sessions: %w", err)
		}
		for _, e := range entries {
			if l, _ := read(e.Key, e.Record); f.selects(l.Session) && !seen[e.Key] {
				seen[e.Key] = true
				page = append(page, l)
			}
		}
		if next == "" || len(page) >= limit {
			slices.SortFunc(page, older)
			return page, next, nil
		}
		cursor = next
	}
}

// entries returns the next entries among which f selects.
func (x *Sessions) entries(ctx context.Context, f Filter, cursor string, limit int) ([]Entry, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	groups := f.groups()
	if len(groups) == 0 {
		return x.store.Scan(ctx, KindSession, cursor, limit)
	}
	if cursor != "" {
		return nil, "", errListCursor
	}
	var entries []Entry
	for _, group := range groups {
		members, err := x.members(ctx, group)
		if err != nil {
			return nil, "", err
		}
		entries = append(entries, members...)
	}
	return entries, "", nil
}

// members returns the sessions of a group.
func (x *Sessions) members(ctx context.Context, group Group) ([]Entry, error) {
	entries, err := x.store.Members(ctx, group)
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Key.Kind != KindSession }), err
}

// Find returns the session that handle names. False: there is none, or handle
// is not spelled as a handle is.
func (x *Sessions) Find(ctx context.Context, handle string) (Listed, bool, error) {
	key, ok := keyOf(handle)
	if !ok {
		return Listed{}, false, nil
	}
	record, found, err := x.store.Load(ctx, key)
	if err != nil {
		return Listed{}, false, fmt.Errorf("find session: %w", err)
	}
	if !found {
		return Listed{}, false, nil
	}
	l, _ := read(key, record)
	return l, true, nil
}

// read returns a record as lists show it, and whether it could be read.
func read(key Key, record Record) (Listed, bool) {
	s, err := decode(record.Value)
	return Listed{Handle: Handle(key), Session: s, Expires: record.Expires}, err == nil
}

// older orders sessions by age, and those of one moment always alike.
func older(a, b Listed) int {
	if c := a.Session.Created.Compare(b.Session.Created); c != 0 {
		return c
	}
	return strings.Compare(a.Handle, b.Handle)
}

// Handle names the session of key: the sum of the key, in 64 hexadecimal
// digits. No cookie value can be made from it.
func Handle(key Key) string { return hex.EncodeToString(key.Sum[:]) }

// keyOf returns the key that a handle stands for. Only what Handle
// spells is one.
func keyOf(handle string) (Key, bool) {
	sum, err := hex.DecodeString(handle)
	key := Key{Kind: KindSession}
	copy(key.Sum[:], sum)
	return key, err == nil && Handle(key) == handle
}
