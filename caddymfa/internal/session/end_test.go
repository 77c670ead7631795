package session_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

func TestEndEndsOneSessionAndReturnsIt(t *testing.T) {
	d := crowded(t)
	handle := d.handle("bob1", site)
	l, found, err := d.End(t.Context(), handle)
	if !found || err != nil || l.Handle != handle || l.Session.User != "bob" {
		t.Errorf("End = %+v, %v, %v, want bob's session", l, found, err)
	}
	wantGone(t, d.Sessions, site, d.values["bob1"])
	d.wantList(session.Filter{}, "ada1 ada2 bob2 odd nobody")
	if l, found, err := d.End(t.Context(), handle); found || err != nil {
		t.Errorf("second End = %+v, %v, %v, want none", l, found, err)
	}
}

// What cannot be looked at first is ended nevertheless.
func TestEndEndsWhatItCannotLoad(t *testing.T) {
	d := crowded(t)
	d.store.load = errors.New("no connection")
	if l, found, err := d.End(t.Context(), d.handle("ada1", site)); found || !errors.Is(err, d.store.load) {
		t.Errorf("End = %+v, %v, %v, want the store's error", l, found, err)
	}
	d.store.load = nil
	wantGone(t, d.Sessions, site, d.values["ada1"])
	key := d.unreadable("new")
	if l, found, err := d.End(t.Context(), session.Handle(key)); !found || err != nil || l.Session != (session.Session{}) {
		t.Errorf("End of what cannot be read = %+v, %v, %v, want it found", l, found, err)
	}
	if _, found, _ := d.store.Load(t.Context(), key); found {
		t.Error("what could not be read is still there")
	}
}

func TestEndThatFailsSaysSo(t *testing.T) {
	d := crowded(t)
	failure := errors.New("no connection")
	d.store.deleting = func(session.Key) error { return failure }
	if _, _, err := d.End(t.Context(), d.handle("ada1", site)); !errors.Is(err, failure) {
		t.Errorf("End: %v, want the store's error", err)
	}
}

func TestEndAllEndsWhatTheFilterSelects(t *testing.T) {
	tests := []struct {
		name       string
		filter     session.Filter
		before     int // minutes ago; 0: at whatever time
		ends, left string
	}{
		{"unknown user", session.Filter{User: "carol"}, 0, "", "ada1 ada2 bob1 bob2 odd nobody"},
		{"user", session.Filter{User: "bob"}, 0, "bob1 bob2", "ada1 ada2 odd nobody"},
		{"user id", session.Filter{UserID: "1"}, 0, "ada1 ada2", "bob1 bob2 odd nobody"},
		{"user, proved before", session.Filter{User: "bob"}, 6, "bob1", "ada1 ada2 bob2 odd nobody"},
		{"site", session.Filter{Site: "other.example.com"}, 0, "ada2", "ada1 bob1 bob2 odd nobody"},
		{"node, proved before", session.Filter{Node: "b"}, 6, "ada2", "ada1 bob1 bob2 odd nobody"},
		{"all, proved before", session.Filter{}, 7, "ada1 ada2", "bob1 bob2 odd nobody"},
		{"all", session.Filter{}, 0, "ada1 ada2 bob1 bob2 odd nobody", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := crowded(t)
			var before time.Time
			if tt.before > 0 {
				before = d.begun.Add(-time.Duration(tt.before) * time.Minute)
			}
			ended, err := d.EndAll(t.Context(), tt.filter, before)
			if err != nil || len(ended) != len(strings.Fields(tt.ends)) {
				t.Errorf("EndAll = %q, %v, want %q", d.told(ended), err, tt.ends)
			}
			for _, l := range ended {
				if !strings.Contains(tt.ends, d.names[l.Handle]) || l.Session.User == "" {
					t.Errorf("EndAll ended %q, %+v, want %q", d.names[l.Handle], l, tt.ends)
				}
			}
			d.wantList(session.Filter{}, tt.left)
		})
	}
}

func TestEndAllEndsMoreThanAPage(t *testing.T) {
	d := newDesk(t, 0)
	for i := range 2000 {
		d.add(strconv.Itoa(i), 1, session.Session{User: "ada", UserID: strconv.Itoa(i % 3)})
	}
	ended, err := d.EndAll(t.Context(), session.Filter{}, time.Time{})
	if len(ended) != 2000 || err != nil || d.store.Store.(interface{ Len(session.Kind) int }).Len(session.KindSession) != 0 {
		t.Errorf("EndAll ended %d, %v, want all 2000", len(ended), err)
	}
}

// Nobody can say that what cannot be read is not meant.
func TestEndAllEndsWhatItCannotRead(t *testing.T) {
	d := crowded(t)
	d.unreadable("bob's", session.UserIDGroup("2"))
	d.unreadable("somebody's")
	ended, err := d.EndAll(t.Context(), session.Filter{UserID: "2"}, time.Time{})
	if len(ended) != 3 || err != nil {
		t.Errorf("EndAll = %q, %v, want bob1, bob2 and bob's", d.told(ended), err)
	}
	d.wantList(session.Filter{}, "somebody's ada1 ada2 odd nobody")
	ended, err = d.EndAll(t.Context(), session.Filter{Site: "other.example.com"}, d.begun)
	if len(ended) != 2 || err != nil {
		t.Errorf("EndAll = %q, %v, want ada2 and somebody's", d.told(ended), err)
	}
}

func TestEndAllGoesOnAfterFailures(t *testing.T) {
	d := newDesk(t, 0)
	for i := range 100 {
		d.add(strconv.Itoa(i), i, session.Session{User: "ada", UserID: "1"})
	}
	asked, failure := 0, errors.New("disk is full")
	d.store.deleting = func(session.Key) error {
		if asked++; asked%2 == 0 {
			return failure
		}
		return nil
	}
	ended, err := d.EndAll(t.Context(), session.Filter{User: "ada"}, time.Time{})
	if asked != 100 || len(ended) != 50 || !errors.Is(err, failure) {
		t.Fatalf("EndAll ended %d of %d, %v, want 50 of 100 and an error", len(ended), asked, err)
	}
	if text := err.Error(); !strings.Contains(text, "50 sessions") || len(text) > 200 {
		t.Errorf("error %q, want the number of failures in a bearable length", text)
	}
	d.store.deleting = nil
	if ended, err := d.EndAll(t.Context(), session.Filter{User: "ada"}, time.Time{}); len(ended) != 50 || err != nil {
		t.Errorf("second EndAll ended %d, %v, want the other 50", len(ended), err)
	}
}

func TestEndAllOfAStoreThatCannotTellIsAnError(t *testing.T) {
	d := crowded(t)
	d.store.lists = errors.New("no connection")
	for _, f := range []session.Filter{{}, {User: "ada"}} {
		if ended, err := d.EndAll(t.Context(), f, time.Time{}); len(ended) != 0 || !errors.Is(err, d.store.lists) {
			t.Errorf("EndAll(%+v) = %d, %v, want only the store's error", f, len(ended), err)
		}
	}
}

func TestTheOldestGoesWhenTheCapIsReached(t *testing.T) {
	d := newDesk(t, 2)
	ada := session.Session{User: "ada", UserID: "1"}
	d.add("bob", 90, session.Session{User: "ada", UserID: "2"}) // another who is called ada
	d.add("eve", 80, session.Session{User: "ada"})              // and one without an id
	d.add("middle", 20, ada)
	d.add("oldest", 30, ada)
	d.wantList(session.Filter{UserID: "1"}, "oldest middle")
	ada.User, ada.Site = "ada@example.com", "other.example.com" // the same user elsewhere
	d.add("newest", 10, ada)
	d.wantList(session.Filter{}, "bob eve middle newest")
	d.add("eve again", 5, session.Session{User: "ada"})
	d.add("eve once more", 4, session.Session{User: "ada"})
	d.wantList(session.Filter{}, "bob middle newest eve again eve once more")
}

// The clock of the node that made the others may run ahead.
func TestTheNewSessionStaysWhateverItsAge(t *testing.T) {
	d := newDesk(t, 1)
	ada := session.Session{User: "ada", UserID: "1"}
	d.add("ahead", 0, ada)
	d.add("behind", 1, ada)
	d.wantList(session.Filter{}, "behind")
}

func TestALoweredCapHoldsFromTheNextSessionOn(t *testing.T) {
	d := newDesk(t, 0)
	ada := session.Session{User: "ada", UserID: "1"}
	for i := range 10 {
		d.add(fmt.Sprint(i), 10-i, ada)
	}
	d.Sessions = session.NewSessions(d.store, session.Options{MaxPerUser: 3})
	d.add("new", 0, ada)
	d.wantList(session.Filter{}, "8 9 new")
}

func TestTheCapHoldsWhenManySessionsBeginAtOnce(t *testing.T) {
	d := newDesk(t, 3)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := d.Create(t.Context(), ada(), time.Hour); err != nil {
				t.Errorf("Create: %v", err)
			}
		})
	}
	all.Wait()
	if page, _, err := d.List(t.Context(), session.Filter{User: "ada"}, "", 1); len(page) > 3 || err != nil {
		t.Errorf("%d sessions, %v, want at most 3", len(page), err)
	}
}

// With a cap that could not be kept there is no session.
func TestCreateThatCannotTrimFails(t *testing.T) {
	failure := errors.New("no connection")
	for name, fault := range map[string]func(*faulty){
		"list":   func(f *faulty) { f.lists = failure },
		"delete": func(f *faulty) { f.deleting = func(session.Key) error { f.deleting = nil; return failure } },
	} {
		d := newDesk(t, 1)
		d.add("old", 1, session.Session{User: "ada", UserID: "1"})
		fault(d.store)
		err := d.create("new", 0, session.Session{User: "ada", UserID: "1"})
		if !errors.Is(err, failure) || d.values["new"] != "" {
			t.Errorf("%s: Create = %q, %v, want only the store's error", name, d.values["new"], err)
		}
		d.store.lists = nil
		d.wantList(session.Filter{}, "old")
	}
}

func TestWithoutACapNothingIsCounted(t *testing.T) {
	d := newDesk(t, 0)
	d.store.lists = errors.New("nobody may ask")
	for i := range 100 {
		d.add(fmt.Sprint(i), 0, session.Session{User: "ada", UserID: "1"})
	}
}
