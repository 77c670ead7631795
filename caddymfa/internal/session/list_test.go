package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// crowded returns a desk with sessions of three users.
func crowded(t *testing.T) *desk {
	d := newDesk(t, 0)
	d.add("ada1", 9, session.Session{User: "ada", UserID: "1", Node: "a"})
	d.add("ada2", 8, session.Session{User: "ada@example.com", UserID: "1", Site: "other.example.com", Node: "b"})
	d.add("bob1", 7, session.Session{User: "bob", UserID: "2", Node: "a"})
	d.add("bob2", 6, session.Session{User: "bob", UserID: "2", Node: "b"})
	d.add("odd", 5, session.Session{User: "2", UserID: "3", Node: "b"}) // called what is bob's id
	d.add("nobody", 4, session.Session{User: "eve", Node: "a"})         // without an id
	return d
}

func TestListSelectsByFilter(t *testing.T) {
	d := crowded(t)
	tests := []struct {
		name   string
		filter session.Filter
		want   string
	}{
		{"unknown user", session.Filter{User: "carol"}, ""},
		{"another spelling", session.Filter{User: "Ada"}, ""},
		{"part of a name", session.Filter{User: "ada@"}, ""},
		{"a name is no id", session.Filter{UserID: "ada"}, ""},
		{"unknown site", session.Filter{Site: "example.com"}, ""},
		{"fields that fit nobody together", session.Filter{User: "ada", UserID: "2"}, ""},
		{"user by name", session.Filter{User: "ada"}, "ada1"},
		{"user by another name", session.Filter{User: "ada@example.com"}, "ada2"},
		{"user by id as a name", session.Filter{User: "1"}, "ada1 ada2"},
		{"name of one and id of another", session.Filter{User: "2"}, "bob1 bob2 odd"},
		{"user by id", session.Filter{UserID: "2"}, "bob1 bob2"},
		{"user without an id", session.Filter{User: "eve"}, "nobody"},
		{"user and site", session.Filter{UserID: "1", Site: site}, "ada1"},
		{"user and node", session.Filter{User: "bob", Node: "b"}, "bob2"},
		{"site", session.Filter{Site: "other.example.com"}, "ada2"},
		{"node", session.Filter{Node: "b"}, "ada2 bob2 odd"},
		{"all", session.Filter{}, "ada1 ada2 bob1 bob2 odd nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { d.wantList(tt.filter, tt.want) })
	}
}

func TestListShowsTheSessionAndNoWayIn(t *testing.T) {
	d := newDesk(t, 0)
	s := ada()
	cookieValue, err := d.Create(t.Context(), s, time.Hour)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	page, next, err := d.List(t.Context(), session.Filter{User: "ada"}, "", 0)
	if err != nil || next != "" || len(page) != 1 {
		t.Fatalf("List = %v, %q, %v, want one session", page, next, err)
	}
	l := page[0]
	if l.Session != s || !l.Expires.Equal(s.Created.Add(time.Hour)) || len(l.Handle) != 64 {
		t.Errorf("List = %+v, want %+v for an hour, with a handle of 64 digits", l, s)
	}
	wantGone(t, d.Sessions, site, l.Handle)
	wantGone(t, d.Sessions, site, l.Handle[:43])
	if strings.Contains(l.Handle, cookieValue) {
		t.Error("the handle holds the cookie value")
	}
}

func TestAPageIsInOrderOfAge(t *testing.T) {
	d := newDesk(t, 0)
	for name, age := range map[string]int{"c": 3, "a": 5, "d": 2, "b": 4, "e": 1} {
		d.add(name, age, session.Session{User: "ada", UserID: "1"})
	}
	page, _, err := d.List(t.Context(), session.Filter{}, "", 100)
	if got := d.told(page); got != "a b c d e" || err != nil {
		t.Errorf("List = %q, %v, want a to e", got, err)
	}
}

func TestListGoesOnUntilThePageIsFull(t *testing.T) {
	d := newDesk(t, 0)
	for i := range 300 {
		node := "a"
		if i%100 == 0 {
			node = "b"
		}
		d.add(strings.Repeat("x", i), i, session.Session{User: "ada", UserID: "1", Node: node})
	}
	page, next, err := d.List(t.Context(), session.Filter{Node: "b"}, "", 3)
	if len(page) != 3 || err != nil {
		t.Errorf("List = %d sessions, %q, %v, want all 3 in one page", len(page), next, err)
	}
	page, next, err = d.List(t.Context(), session.Filter{}, "", 50)
	if len(page) < 50 || len(page) == 300 || next == "" || err != nil {
		t.Errorf("List = %d sessions, %q, %v, want about 50 and more to follow", len(page), next, err)
	}
}

func TestExpiredAndDeletedSessionsAreNotListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := crowded(t)
		if err := d.Delete(t.Context(), site, d.values["bob1"]); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		d.wantList(session.Filter{UserID: "2"}, "bob2")
		d.wantList(session.Filter{}, "ada1 ada2 bob2 odd nobody")
		time.Sleep(8*time.Hour - 6*time.Minute)
		d.wantList(session.Filter{UserID: "2"}, "")
		d.wantList(session.Filter{}, "odd nobody")
	})
}

func TestOnlyTheWholeListTellsWhatCannotBeRead(t *testing.T) {
	d := crowded(t)
	d.unreadable("new", session.UserIDGroup("2"))
	d.wantList(session.Filter{}, "new ada1 ada2 bob1 bob2 odd nobody")
	d.wantList(session.Filter{UserID: "2"}, "bob1 bob2")
	d.wantList(session.Filter{Site: site}, "ada1 bob1 bob2 odd nobody")
}

func TestListOfAStoreThatCannotTellIsAnError(t *testing.T) {
	d := crowded(t)
	d.store.lists = errors.New("no connection")
	for _, f := range []session.Filter{{}, {User: "ada"}, {UserID: "1"}} {
		if page, next, err := d.List(t.Context(), f, "", 10); page != nil || next != "" || !errors.Is(err, d.store.lists) {
			t.Errorf("List(%+v) = %v, %q, %v, want only the store's error", f, page, next, err)
		}
	}
}

func TestListRefusesACursorThatIsNotItsOwn(t *testing.T) {
	d := crowded(t)
	for _, f := range []session.Filter{{}, {User: "ada"}, {UserID: "1"}} {
		if _, _, err := d.List(t.Context(), f, "made up", 10); err == nil {
			t.Errorf("List(%+v) with a cursor that was made up: no error", f)
		}
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	d := crowded(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := d.List(ctx, session.Filter{Node: "none"}, "", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v, want the context's error", err)
	}
}

func TestFindReturnsWhatTheHandleNames(t *testing.T) {
	d := crowded(t)
	handle := d.handle("ada1", site)
	l, found, err := d.Find(t.Context(), handle)
	if !found || err != nil || l.Handle != handle || l.Session.User != "ada" || l.Session.UserID != "1" {
		t.Errorf("Find = %+v, %v, %v, want ada's session", l, found, err)
	}
	d.store.load = errors.New("no connection")
	if l, found, err := d.Find(t.Context(), handle); found || l != (session.Listed{}) || !errors.Is(err, d.store.load) {
		t.Errorf("Find = %+v, %v, %v, want only the store's error", l, found, err)
	}
}

func TestWhatIsNoHandleNamesNothing(t *testing.T) {
	d := crowded(t)
	handle := d.handle("ada1", site)
	others := []string{
		"", handle[:63], handle[1:], handle[:62], handle + "0", handle + handle, " " + handle, handle + "\n",
		strings.ToUpper(handle), "zz" + handle[2:], strings.Repeat("0", 64), "0x" + handle[2:],
		d.values["ada1"], site,
	}
	for _, other := range others {
		if other == handle {
			continue // no letters, by chance
		}
		if l, found, err := d.Find(t.Context(), other); found || err != nil || l != (session.Listed{}) {
			t.Errorf("Find(%q) = %+v, %v, %v, want none", other, l, found, err)
		}
		if l, found, err := d.End(t.Context(), other); found || err != nil || l != (session.Listed{}) {
			t.Errorf("End(%q) = %+v, %v, %v, want none", other, l, found, err)
		}
	}
	d.wantList(session.Filter{User: "ada"}, "ada1")
}

func FuzzFind(f *testing.F) {
	f.Add(strings.Repeat("0", 64))
	f.Add("not a handle")
	f.Fuzz(func(t *testing.T, handle string) {
		d := crowded(t)
		if _, found, err := d.Find(t.Context(), handle); found || err != nil {
			t.Errorf("Find(%q) = %v, %v, want none", handle, found, err)
		}
	})
}

func TestAnyLimitLeadsThroughTheWholeList(t *testing.T) {
	d := crowded(t)
	for _, limit := range []int{-1, 0, 1, 5, 6, 7} {
		seen := make(map[string]bool)
		for calls, cursor := 0, ""; calls == 0 || cursor != ""; calls++ {
			page, next, err := d.List(t.Context(), session.Filter{}, cursor, limit)
			if err != nil || calls > 6 {
				t.Fatalf("List with limit %d, call %d: %v, want an end", limit, calls, err)
			}
			for _, l := range page {
				seen[l.Handle] = true
			}
			cursor = next
		}
		if len(seen) != 6 {
			t.Errorf("%d sessions with limit %d, want 6", len(seen), limit)
		}
	}
}

// Somebody's name may be their id, and so may be in both of the groups.
func TestASessionInTwoGroupsIsListedAndEndedOnce(t *testing.T) {
	d := newDesk(t, 0)
	d.add("one", 1, session.Session{User: "7", UserID: "7"})
	d.wantList(session.Filter{User: "7"}, "one")
	if ended, err := d.EndAll(t.Context(), session.Filter{User: "7"}, time.Time{}); len(ended) != 1 || err != nil {
		t.Errorf("EndAll = %q, %v, want one", d.told(ended), err)
	}
}

// A group is a short hash: another user's session may be in it by chance.
func TestASharedGroupDoesNotMixUsers(t *testing.T) {
	d := newDesk(t, 1)
	for i, other := range []session.Session{{User: "bob", UserID: "2"}, {User: "eve"}} {
		d.add(other.User, 9-i, other)
		key, _ := session.SessionKey(site, d.values[other.User])
		record, _, _ := d.store.Load(t.Context(), key)
		d.store.Delete(t.Context(), key)
		d.store.Add(t.Context(), key, record.Value, record.Expires, session.UserGroup("ada"), session.UserIDGroup("1"))
	}
	d.wantList(session.Filter{User: "ada"}, "")
	d.wantList(session.Filter{UserID: "1"}, "")
	if ended, err := d.EndAll(t.Context(), session.Filter{UserID: "1"}, time.Time{}); len(ended) != 0 || err != nil {
		t.Errorf("EndAll = %q, %v, want none", d.told(ended), err)
	}
	d.add("ada", 1, session.Session{User: "ada", UserID: "1"})
	d.add("without id", 0, session.Session{User: "ada"})
	d.wantList(session.Filter{}, "bob eve ada without id")
}

func TestUsersWithoutAnIDAreNoGroup(t *testing.T) {
	d := crowded(t)
	if members, err := d.store.Members(t.Context(), session.UserIDGroup("")); len(members) != 0 || err != nil {
		t.Errorf("%d sessions in the group of no id, %v, want none", len(members), err)
	}
}
