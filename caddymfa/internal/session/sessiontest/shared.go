package sessiontest

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

func testSharedRecord(t *testing.T, s store) {
	other := s.second()
	for kind := session.KindSession; kind.Valid(); kind++ {
		if !s.add(key(kind), "value", time.Minute) {
			t.Fatalf("Add of kind %d = false, want true", kind)
		}
		r := other.wantValue(key(kind), "value")
		other.wantNear("Expires", r.Expires, s.now().Add(time.Minute))
		if other.add(key(kind), "another", time.Minute) {
			t.Errorf("Add of kind %d that the other has added = true, want false", kind)
		}
	}
	s.Advance(time.Minute)
	for kind := session.KindSession; kind.Valid(); kind++ {
		other.wantAbsent(key(kind))
	}
}

// testSharedChange has both clients look first, so that either may keep a copy.
func testSharedChange(t *testing.T, s store) {
	other := s.second()
	old := make(map[session.Kind]session.Record)
	for _, kind := range []session.Kind{session.KindSession, session.KindChallenge} {
		s.add(key(kind), "first", time.Hour)
		s.wantValue(key(kind), "first")
		old[kind] = other.wantValue(key(kind), "first")
		if !s.touch(key(kind), old[kind], "second") { // a version is good for either client
			t.Fatal("Touch of the version that the other loaded = false, want true")
		}
	}
	other.wantValue(key(session.KindChallenge), "second") // never old
	other.wantSoon("a session that the other has touched", func() bool {
		return other.wantFound(key(session.KindSession)).Value == "second"
	})
	for kind := range old {
		if other.update(key(kind), old[kind], "third", time.Hour) {
			t.Errorf("Update of a version of kind %d that the other has replaced = true, want false", kind)
		}
	}
}

func testSharedDelete(t *testing.T, s store) {
	other := s.second()
	for kind := session.KindSession; kind.Valid(); kind++ {
		s.add(key(kind), "value", time.Hour)
		old := other.wantValue(key(kind), "value")
		s.delete(key(kind))
		if kind != session.KindSession {
			other.wantAbsent(key(kind))
		}
		other.wantSoon("absence of what the other has deleted", func() bool {
			_, found := other.load(key(kind))
			return !found
		})
		if other.update(key(kind), old, "new", time.Hour) || other.touch(key(kind), old, "new") {
			t.Errorf("Update or Touch of kind %d that the other has deleted = true, want false", kind)
		}
		if !other.add(key(kind), "again", time.Hour) {
			t.Errorf("Add of kind %d that the other has deleted = false, want true", kind)
		}
	}
}

func testSharedCounter(t *testing.T, s store) {
	other := s.second()
	for want := int64(1); want < 10; want += 2 {
		if n, _ := s.increment(key(session.KindCounter), time.Minute); n != want {
			t.Fatalf("Increment = %d, want %d", n, want)
		}
		if n, _ := other.increment(key(session.KindCounter), time.Hour); n != want+1 {
			t.Fatalf("the other's Increment = %d, want %d", n, want+1)
		}
		if n, resets := s.count(key(session.KindCounter)); n != want+1 {
			t.Fatalf("Count = %d until %v, want %d", n, resets, want+1)
		}
	}
	_, resets := other.count(key(session.KindCounter))
	other.wantNear("resets", resets, s.now().Add(time.Minute))
	other.delete(key(session.KindCounter))
	if n, _ := s.count(key(session.KindCounter)); n != 0 {
		t.Errorf("Count after the other's Delete = %d, want 0", n)
	}
}

func testSharedLists(_ *testing.T, s store) {
	other := s.second()
	s.add(sessionKey("one"), "one", time.Hour, group("a"))
	other.add(sessionKey("two"), "two", time.Minute, group("a"), group("b"))
	s.add(sessionKey("three"), "three", time.Hour, group("b"))
	for _, client := range []store{s, other} {
		client.wantMembers(group("a"), "one", "two")
		client.wantMembers(group("b"), "two", "three")
		client.wantEntries("Scan", client.scanAll(session.KindSession), "one", "two", "three")
	}
	other.delete(sessionKey("one"))
	s.Advance(time.Minute)
	for _, client := range []store{s, other} {
		client.wantMembers(group("a"))
		client.wantMembers(group("b"), "three")
		client.wantEntries("Scan", client.scanAll(session.KindSession), "three")
	}
}

func testSharedNews(_ *testing.T, s store) {
	clients := []store{s, s.second()}
	watchers := []*news{clients[0].watch(), clients[1].watch()}
	for _, n := range watchers {
		defer n.stop()
	}
	for i, name := range []string{"one", "two", "three", "four"} {
		clients[i/2].add(sessionKey(name), name, time.Hour)
		clients[i%2].wantValue(sessionKey(name), name)
		clients[i%2].delete(sessionKey(name))
		for _, n := range watchers {
			n.until(sessionKey(name))
		}
	}
}
