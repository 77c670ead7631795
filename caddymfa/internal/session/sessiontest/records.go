package sessiontest

import (
	"time"

	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

func testAbsent(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.wantAbsent(k)
	if s.update(k, session.Record{}, "new", time.Minute) {
		t.Error("Update of an absent key = true, want false")
	}
	s.wantAbsent(k)
	s.delete(k)
	if n, resets := s.count(k); n != 0 || !resets.IsZero() {
		t.Errorf("Count of an absent key = %d, %v, want 0 and the zero time", n, resets)
	}
}

func testRoundTrip(t *testing.T, s store) {
	for name, value := range map[string]string{
		"empty": "", "text": "value", "bytes": "\x00\xff\r\n\x80", "longest": longest(),
	} {
		k := session.NewKey(session.KindChallenge, name)
		before := s.now()
		if !s.add(k, value, time.Minute) {
			t.Fatalf("Add of a free key (%s value) = false, want true", name)
		}
		r := s.wantValue(k, value)
		s.wantNear("Expires", r.Expires, before.Add(time.Minute))
	}
}

func testAddTaken(t *testing.T, s store) {
	k := key(session.KindUsedCode)
	s.add(k, "first", time.Minute)
	if s.add(k, "second", time.Hour) {
		t.Error("Add of a taken key = true, want false")
	}
	s.wantValue(k, "first")
	s.Advance(2 * time.Minute)
	s.wantAbsent(k)
}

func testPastDeadline(t *testing.T, s store) {
	taken, free := key(session.KindUsedCode), session.NewKey(session.KindUsedCode, "free")
	s.add(taken, "first", time.Minute)
	old := s.wantValue(taken, "first")
	for _, deadline := range []time.Time{{}, time.Unix(0, 0), s.now().Add(-time.Second), s.now()} {
		if _, err := s.Store.Add(t.Context(), free, "late", deadline); err == nil {
			t.Errorf("Add until %v: no error", deadline)
		}
		if _, err := s.Store.Update(t.Context(), taken, old, "late", deadline); err == nil {
			t.Errorf("Update until %v: no error", deadline)
		}
	}
	s.wantAbsent(free)
	s.wantValue(taken, "first")
}

func testTooLong(t *testing.T, s store) {
	taken, free := key(session.KindChallenge), session.NewKey(session.KindChallenge, "free")
	s.add(taken, "first", time.Minute)
	old := s.wantValue(taken, "first")
	expires := s.now().Add(time.Minute)
	if _, err := s.Store.Add(t.Context(), free, longest()+"x", expires); err == nil {
		t.Error("Add of a value that is too long: no error")
	}
	if _, err := s.Store.Update(t.Context(), taken, old, longest()+"x", expires); err == nil {
		t.Error("Update with a value that is too long: no error")
	}
	s.wantAbsent(free)
	s.wantValue(taken, "first")
}

// testKinds uses equal sums, which NewKey never makes: a store must not rely
// on the hash alone.
func testKinds(t *testing.T, s store) {
	k := key(session.KindSession)
	s.add(k, "session", time.Minute)
	for other := session.KindSession + 1; other.Valid(); other++ {
		s.wantAbsent(session.Key{Kind: other, Sum: k.Sum})
		s.delete(session.Key{Kind: other, Sum: k.Sum})
		if n, _ := s.increment(session.Key{Kind: other, Sum: k.Sum}, time.Minute); n != 1 {
			t.Errorf("first Increment of kind %d = %d, want 1", other, n)
		}
	}
	s.wantValue(k, "session")
}

func testUnknownKind(t *testing.T, s store) {
	ctx, expires := t.Context(), s.now().Add(time.Minute)
	for _, kind := range []session.Kind{0, 99, 255} {
		k := session.Key{Kind: kind}
		_, _, load := s.Store.Load(ctx, k)
		_, add := s.Store.Add(ctx, k, "", expires)
		_, update := s.Store.Update(ctx, k, session.Record{}, "", expires)
		_, _, increment := s.Store.Increment(ctx, k, time.Minute)
		_, _, count := s.Store.Count(ctx, k)
		for op, err := range map[string]error{
			"Load": load, "Add": add, "Update": update, "Increment": increment, "Count": count,
			"Delete": s.Store.Delete(ctx, k),
		} {
			if err == nil {
				t.Errorf("%s with kind %d: no error", op, kind)
			}
		}
	}
}

func testRecordExpiry(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "value", time.Minute)
	s.Advance(55 * time.Second)
	s.wantValue(k, "value")
	s.Advance(5 * time.Second)
	s.wantAbsent(k)
}

func testAddAfterExpiry(t *testing.T, s store) {
	k := key(session.KindAttempt)
	for _, value := range []string{"first", "second"} {
		if !s.add(k, value, time.Minute) {
			t.Fatalf("Add of %q = false, want true", value)
		}
		s.wantValue(k, value)
		s.Advance(time.Minute)
	}
}

func testUpdate(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "first", time.Minute)
	old := s.wantValue(k, "first")
	before := s.now()
	if !s.update(k, old, "second", time.Hour) {
		t.Fatal("Update of the current version = false, want true")
	}
	r := s.wantValue(k, "second")
	s.wantNear("Expires", r.Expires, before.Add(time.Hour))
	s.Advance(2 * time.Minute)
	r = s.wantValue(k, "second")
	if !s.update(k, r, "third", time.Second) {
		t.Fatal("second Update = false, want true")
	}
	s.Advance(2 * time.Second)
	s.wantAbsent(k)
}

func testUpdateStale(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "first", time.Minute)
	old := s.wantValue(k, "first")
	s.update(k, old, "second", time.Minute)
	if s.update(k, old, "third", time.Hour) {
		t.Error("Update of a version that was replaced = true, want false")
	}
	s.wantValue(k, "second")
}

func testNoResurrection(t *testing.T, s store) {
	deleted, expired := session.NewKey(session.KindSession, "a"), session.NewKey(session.KindSession, "b")
	s.add(deleted, "old", time.Minute)
	s.add(expired, "old", time.Minute)
	oldDeleted, oldExpired := s.wantValue(deleted, "old"), s.wantValue(expired, "old")
	s.delete(deleted)
	s.Advance(time.Minute)
	if s.update(deleted, oldDeleted, "new", time.Hour) {
		t.Error("Update of a deleted record = true, want false")
	}
	if s.update(expired, oldExpired, "new", time.Hour) {
		t.Error("Update of an expired record = true, want false")
	}
	s.wantAbsent(deleted)
	s.wantAbsent(expired)
}

func testReplacedRecord(t *testing.T, s store) {
	k := key(session.KindChallenge)
	s.add(k, "same", time.Minute)
	afterDelete := s.wantValue(k, "same")
	s.delete(k)
	s.add(k, "same", time.Minute)
	afterExpiry := s.wantValue(k, "same")
	s.Advance(time.Minute)
	s.add(k, "same", time.Minute)
	for _, old := range []session.Record{afterDelete, afterExpiry} {
		if s.update(k, old, "new", time.Minute) {
			t.Error("Update with the version of an earlier record = true, want false")
		}
	}
	s.wantValue(k, "same")
}

func testDelete(t *testing.T, s store) {
	record, counter := key(session.KindSession), key(session.KindCounter)
	s.add(record, "value", time.Minute)
	s.increment(counter, time.Minute)
	for range 2 { // the second time there is nothing left to delete
		s.delete(record)
		s.delete(counter)
		s.wantAbsent(record)
		if n, _ := s.count(counter); n != 0 {
			t.Errorf("Count after Delete = %d, want 0", n)
		}
	}
	if !s.add(record, "again", time.Minute) {
		t.Error("Add after Delete = false, want true")
	}
	if n, _ := s.increment(counter, time.Minute); n != 1 {
		t.Errorf("first Increment after Delete = %d, want 1", n)
	}
}

func testImmutable(t *testing.T, s store) {
	k := key(session.KindSession)
	s.add(k, "first", time.Minute)
	r := s.wantValue(k, "first")
	version := r.Version
	s.update(k, r, "other", time.Minute)
	s.delete(k)
	if r.Value != "first" || r.Version != version {
		t.Errorf("record became %q, version %d, want %q, %d", r.Value, r.Version, "first", version)
	}
}
