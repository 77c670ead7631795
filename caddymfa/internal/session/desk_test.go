package session_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// desk is sessions with a name for each, by which tests list and end them.
type desk struct {
	*session.Sessions
	t      *testing.T
	store  *faulty
	begun  time.Time
	values map[string]string // cookie value by name
	names  map[string]string // name by handle
}

func newDesk(t *testing.T, maxPerUser int) *desk {
	store := &faulty{Store: memory.New(memory.Config{})}
	return &desk{
		Sessions: session.NewSessions(store, session.Options{MaxPerUser: maxPerUser}),
		t:        t, store: store, begun: time.Now().UTC().Truncate(time.Millisecond),
		values: make(map[string]string), names: make(map[string]string),
	}
}

// create makes a session that is so many minutes old, and returns the error.
func (d *desk) create(name string, age int, s session.Session) error {
	s.Created = d.begun.Add(-time.Duration(age) * time.Minute)
	s.AuthTime, s.Seen = s.Created, s.Created
	if s.Site == "" {
		s.Site = site
	}
	cookieValue, err := d.Create(d.t.Context(), s, 8*time.Hour)
	if err == nil {
		d.values[name] = cookieValue
		d.names[d.handle(name, s.Site)] = name
	}
	return err
}

func (d *desk) add(name string, age int, s session.Session) {
	d.t.Helper()
	if err := d.create(name, age, s); err != nil {
		d.t.Fatalf("Create %s: %v", name, err)
	}
}

func (d *desk) handle(name, site string) string {
	d.t.Helper()
	key, ok := session.SessionKey(site, d.values[name])
	if !ok {
		d.t.Fatalf("session %q has no key", name)
	}
	return session.Handle(key)
}

// told names what a list holds, in its order.
func (d *desk) told(page []session.Listed) string {
	var names []string
	for _, l := range page {
		names = append(names, d.names[l.Handle])
	}
	return strings.Join(names, " ")
}

// wantList checks all pages that f selects, as names in order of age.
func (d *desk) wantList(f session.Filter, want string) {
	d.t.Helper()
	var all []session.Listed
	for cursor := ""; ; {
		page, next, err := d.List(d.t.Context(), f, cursor, 2)
		if err != nil {
			d.t.Fatalf("List(%+v): %v", f, err)
		}
		all = append(all, page...)
		if cursor = next; cursor == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b session.Listed) int { return a.Session.Created.Compare(b.Session.Created) })
	if got := d.told(all); got != want {
		d.t.Errorf("List(%+v) = %q, want %q", f, got, want)
	}
}

// unreadable adds a session of a format that is not known yet.
func (d *desk) unreadable(name string, groups ...session.Group) session.Key {
	d.t.Helper()
	key := session.NewKey(session.KindSession, name)
	if _, err := d.store.Add(d.t.Context(), key, "\xffnew", time.Now().Add(time.Hour), groups...); err != nil {
		d.t.Fatalf("Add: %v", err)
	}
	d.names[session.Handle(key)] = name
	return key
}

// faulty is a store of which some methods fail.
type faulty struct {
	session.Store
	load, lists error
	deleting    func(session.Key) error // what it returns fails a Delete
}

func (f *faulty) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	if f.load != nil {
		return session.Record{}, false, f.load
	}
	return f.Store.Load(ctx, key)
}

func (f *faulty) Delete(ctx context.Context, key session.Key) error {
	if f.deleting != nil {
		if err := f.deleting(key); err != nil {
			return err
		}
	}
	return f.Store.Delete(ctx, key)
}

func (f *faulty) Members(ctx context.Context, group session.Group) ([]session.Entry, error) {
	if f.lists != nil {
		return nil, f.lists
	}
	return f.Store.Members(ctx, group)
}

func (f *faulty) Scan(ctx context.Context, kind session.Kind, cursor string, limit int) ([]session.Entry, string, error) {
	if f.lists != nil {
		return nil, "", f.lists
	}
	return f.Store.Scan(ctx, kind, cursor, limit)
}
