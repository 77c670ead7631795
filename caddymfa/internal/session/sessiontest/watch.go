package sessiontest

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// news is what one watcher is told.
type news struct {
	t    *testing.T
	told chan session.Key
	stop func()
}

// watch begins to watch. That news may have been missed is always possible and
// is not looked at.
func (s store) watch() *news {
	told := make(chan session.Key, 1000)
	stop := s.Store.Watch(func(key session.Key) {
		if key != (session.Key{}) {
			told <- key
		}
	})
	return &news{s.t, told, stop}
}

// until returns what was told up to the news of last, which must come soon.
func (n *news) until(last session.Key) (before []session.Key) {
	n.t.Helper()
	limit := time.After(soon)
	for {
		select {
		case key := <-n.told:
			if key == last {
				return before
			}
			before = append(before, key)
		case <-limit:
			n.t.Fatalf("not told of a deletion within %v, but of %d others", soon, len(before))
		}
	}
}

func testWatch(_ *testing.T, s store) {
	first, second := s.watch(), s.watch()
	defer first.stop()
	defer second.stop()
	for _, name := range []string{"one", "two", "three"} {
		s.add(sessionKey(name), name, time.Minute, group("a"))
		s.delete(sessionKey(name))
		first.until(sessionKey(name))
		second.until(sessionKey(name))
	}
}

// testWatchOthers does all that is no deletion of a session, and then one.
func testWatchOthers(t *testing.T, s store) {
	for _, name := range []string{"changed", "last"} {
		s.add(sessionKey(name), name, time.Hour)
	}
	s.add(sessionKey("expired"), "expired", time.Minute)
	n := s.watch()
	defer n.stop()
	old := s.wantValue(sessionKey("changed"), "changed")
	s.update(sessionKey("changed"), old, "changed", time.Hour)
	for _, e := range s.scanAll(session.KindSession) {
		if e.Key == sessionKey("changed") && !s.touch(e.Key, e.Record, "touched") {
			t.Error("Touch of a scanned version = false, want true")
		}
	}
	for other := session.KindSession + 1; other.Valid(); other++ {
		s.add(session.NewKey(other, "other"), "", time.Hour)
		s.delete(session.NewKey(other, "other"))
		s.add(session.Key{Kind: other, Sum: sessionKey("changed").Sum}, "", time.Hour)
		s.delete(session.Key{Kind: other, Sum: sessionKey("changed").Sum})
	}
	s.Advance(time.Minute)
	s.wantAbsent(sessionKey("expired"))
	s.delete(sessionKey("last"))
	if before := n.until(sessionKey("last")); len(before) != 0 {
		t.Errorf("told of %d deletions, of kind %d first, want none", len(before), before[0].Kind)
	}
}

func testWatchStop(t *testing.T, s store) {
	stays, leaves := s.watch(), s.watch()
	defer stays.stop()
	s.add(sessionKey("one"), "one", time.Minute)
	s.add(sessionKey("two"), "two", time.Minute)
	s.delete(sessionKey("one"))
	stays.until(sessionKey("one"))
	leaves.until(sessionKey("one"))
	leaves.stop()
	s.delete(sessionKey("two"))
	stays.until(sessionKey("two"))
	if n := len(leaves.told); n != 0 {
		t.Errorf("told of %d deletions after stop", n)
	}
}
