package sessiontest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// named sessions, and groups for them.
func sessionKey(name string) session.Key { return session.NewKey(session.KindSession, name) }
func group(name string) session.Group    { return session.NewGroup("suite", name) }

// members returns the sessions of a group. What else may be in it is not said.
func (s store) members(g session.Group) []session.Entry {
	s.t.Helper()
	entries, err := s.Store.Members(s.t.Context(), g)
	s.must("Members", err)
	return slices.DeleteFunc(entries, func(e session.Entry) bool { return e.Key.Kind != session.KindSession })
}

// wantMembers checks that a group has these sessions, each of them once and
// with its name as value.
func (s store) wantMembers(g session.Group, names ...string) {
	s.t.Helper()
	s.wantEntries("group", s.members(g), names...)
}

func (s store) wantEntries(what string, entries []session.Entry, names ...string) {
	s.t.Helper()
	var got []string
	for _, e := range entries {
		got = append(got, e.Record.Value)
		if e.Key.Sum != sessionKey(e.Record.Value).Sum {
			s.t.Errorf("%s has %q under another's key", what, clip(e.Record.Value))
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		s.t.Fatalf("%s has %q, want %q", what, got, names)
	}
}

func testMembers(t *testing.T, s store) {
	s.wantMembers(group("a"))
	s.add(sessionKey("one"), "one", time.Minute, group("a"))
	s.add(sessionKey("two"), "two", time.Hour, group("b"), group("a"))
	s.add(sessionKey("same"), "same", time.Hour, group("c"), group("c"))
	s.add(sessionKey("none"), "none", time.Hour)
	s.wantMembers(group("a"), "one", "two")
	s.wantMembers(group("b"), "two")
	s.wantMembers(group("c"), "same")
	s.wantMembers(group("d"))
	for _, e := range s.members(group("b")) {
		s.wantNear("a member's Expires", e.Record.Expires, s.now().Add(time.Hour))
		if !s.update(e.Key, e.Record, "new", time.Hour) {
			t.Error("Update of the version that Members returned = false, want true")
		}
	}
	for i := range 300 {
		name := strconv.Itoa(i)
		s.add(sessionKey(name), name, time.Minute, group("many"))
	}
	if n := len(s.members(group("many"))); n != 300 {
		t.Errorf("group of 300 has %d members", n)
	}
}

func testMembersEnd(_ *testing.T, s store) {
	for name, lifetime := range map[string]time.Duration{
		"deleted": time.Hour, "short": time.Minute, "long": time.Hour, "again": time.Minute,
	} {
		s.add(sessionKey(name), name, lifetime, group("a"))
	}
	s.delete(sessionKey("deleted"))
	s.wantMembers(group("a"), "short", "long", "again")
	s.Advance(time.Minute)
	s.wantMembers(group("a"), "long")
	s.add(sessionKey("again"), "again", time.Hour, group("b"))
	s.add(sessionKey("deleted"), "deleted", time.Hour)
	s.wantMembers(group("a"), "long")
	s.wantMembers(group("b"), "again")
}

// testMembersChanged has members that outlive the deadline they joined with.
func testMembersChanged(t *testing.T, s store) {
	longer, shorter, touched := sessionKey("longer"), sessionKey("shorter"), sessionKey("touched")
	s.add(longer, "first", time.Minute, group("a"), group("b"))
	s.add(shorter, "first", time.Hour, group("a"), group("b"))
	s.add(touched, "first", time.Hour, group("a"), group("b"))
	old := make(map[session.Key]session.Record)
	for _, e := range s.members(group("a")) {
		old[e.Key] = e.Record
	}
	if !s.update(longer, old[longer], "longer", time.Hour) || !s.update(shorter, old[shorter], "shorter", time.Minute) ||
		!s.touch(touched, old[touched], "touched") {
		t.Fatal("Update or Touch of a group's member = false, want true")
	}
	for _, g := range []session.Group{group("a"), group("b")} {
		s.wantMembers(g, "longer", "shorter", "touched")
	}
	s.Advance(2 * time.Minute)
	for _, g := range []session.Group{group("a"), group("b")} {
		s.wantMembers(g, "longer", "touched")
	}
	s.Advance(time.Hour)
	s.wantMembers(group("a"))
}

func testMembersTaken(t *testing.T, s store) {
	s.add(sessionKey("one"), "one", time.Minute, group("a"))
	if s.add(sessionKey("one"), "one", time.Hour, group("b")) {
		t.Fatal("Add of a taken key = true, want false")
	}
	s.wantMembers(group("a"), "one")
	s.wantMembers(group("b"))
	s.Advance(time.Minute)
	s.wantMembers(group("a"))
}

func testTooManyGroups(t *testing.T, s store) {
	var groups []session.Group
	for i := range session.MaxGroups + 1 {
		groups = append(groups, group(strconv.Itoa(i)))
	}
	k := sessionKey("one")
	if added, err := s.Store.Add(t.Context(), k, "one", s.now().Add(time.Minute), groups...); added || err == nil {
		t.Errorf("Add to %d groups = %v, %v, want an error", len(groups), added, err)
	}
	s.wantAbsent(k)
	for _, g := range groups {
		s.wantMembers(g)
	}
	s.add(k, "one", time.Minute, groups[1:]...)
	for _, g := range groups[1:] {
		s.wantMembers(g, "one")
	}
}

// testMembersKinds adds and deletes records of other kinds in the same group,
// and under the same sum.
func testMembersKinds(_ *testing.T, s store) {
	k := sessionKey("one")
	s.add(k, "one", time.Hour, group("a"))
	for other := session.KindSession + 1; other.Valid(); other++ {
		s.add(session.Key{Kind: other, Sum: k.Sum}, "one", time.Minute, group("a"))
		s.wantMembers(group("a"), "one")
	}
	for other := session.KindSession + 1; other.Valid(); other += 2 {
		s.delete(session.Key{Kind: other, Sum: k.Sum})
		s.wantMembers(group("a"), "one")
	}
	s.Advance(time.Minute)
	s.wantMembers(group("a"), "one")
}
