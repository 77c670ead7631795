package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

func TestRestartKeepsWhatLives(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), d.store()
		ada := session.NewGroup("ada")
		kept, changed, gone, over := key(session.KindSession, 1), key(session.KindChallenge, 2), key(session.KindSession, 3), key(session.KindUsedCode, 4)
		add(t, s, kept, "kept", time.Hour, ada)
		add(t, s, changed, "old", time.Hour)
		add(t, s, gone, "gone", time.Hour, ada)
		add(t, s, over, "over", time.Minute)
		old, _, _ := s.Load(ctx, changed)
		s.Update(ctx, changed, old, "new", time.Now().Add(2*time.Hour))
		s.Delete(ctx, gone)
		for range 3 {
			s.Increment(ctx, key(session.KindCounter, 5), time.Hour)
		}
		_, resets, _ := s.Count(ctx, key(session.KindCounter, 5))
		time.Sleep(time.Minute)

		s = d.next(t, s)
		defer s.Close()
		for k, want := range map[session.Key]string{kept: "kept", changed: "new", gone: "-", over: "-"} {
			if got := load(t, s, k); got != want {
				t.Errorf("after a restart %v holds %q, want %q", k, got, want)
			}
		}
		if n, at, err := s.Count(ctx, key(session.KindCounter, 5)); n != 3 || !at.Equal(resets.Truncate(time.Millisecond)) || err != nil {
			t.Errorf("Count = %d until %v, %v, want 3 until %v", n, at, err, resets)
		}
		if members, err := s.Members(ctx, ada); len(members) != 1 || members[0].Key != kept || err != nil {
			t.Errorf("Members = %v, %v, want the session that was not deleted", members, err)
		}
		time.Sleep(time.Hour)
		if load(t, s, kept) != "-" || load(t, s, changed) != "new" {
			t.Error("deadlines were not kept")
		}
	})
}

// What expires leaves the file, too, without a restart.
func TestSweeperDropsExpiredFromTheJournal(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		s := d.store()
		fill(t, s, session.KindSession, 0, 300, time.Minute)
		fill(t, s, session.KindSession, 300, 310, time.Hour)
		time.Sleep(3 * time.Minute)
		s.Close()
		var report journal.Report
		s = memory.New(memory.Config{Open: d.Open, Opened: func(r journal.Report) { report = r }})
		defer s.Close()
		if err := s.Start(t.Context()); err != nil || report != (journal.Report{Read: 10}) {
			t.Errorf("the next process reads %+v, %v, want 10 records and nothing expired", report, err)
		}
	})
}

func TestLoweredLimitDropsNothing(t *testing.T) {
	d := newDisk(t)
	s := d.store()
	fill(t, s, session.KindSession, 0, 100, time.Hour)
	s.Close()
	s = memory.New(memory.Config{Open: d.Open, MaxSessions: 10})
	defer s.Close()
	if err := s.Start(t.Context()); err != nil || s.Len(session.KindSession) != 100 {
		t.Errorf("Start: %v, %d sessions, want 100", err, s.Len(session.KindSession))
	}
	if _, err := s.Add(t.Context(), key(session.KindSession, 1000), "", time.Now().Add(time.Hour)); !errors.Is(err, session.ErrFull) {
		t.Errorf("Add: %v, want ErrFull", err)
	}
}

// A disk that fails refuses what is new and changes nothing, and a revoked
// session is gone all the same.
func TestFailedWriteChangesNothing(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), d.store()
		defer s.Close()
		hour := time.Now().Add(time.Hour)
		old, revoked, fresh, count := key(session.KindSession, 1), key(session.KindSession, 2), key(session.KindSession, 3), key(session.KindCounter, 4)
		add(t, s, old, "old", time.Hour)
		add(t, s, revoked, "revoked", time.Hour)
		s.Increment(ctx, count, time.Hour)
		r, _, _ := s.Load(ctx, old)
		d.open.Close()

		added, err := s.Add(ctx, fresh, "fresh", hour)
		if added || err == nil || load(t, s, fresh) != "-" {
			t.Errorf("Add = %v, %v and holds %q, want an error and nothing", added, err, load(t, s, fresh))
		}
		updated, err := s.Update(ctx, old, r, "new", hour)
		if updated || err == nil || load(t, s, old) != "old" {
			t.Errorf("Update = %v, %v and holds %q, want an error and the old value", updated, err, load(t, s, old))
		}
		_, _, err = s.Increment(ctx, count, time.Hour)
		if n, _, _ := s.Count(ctx, count); n != 1 || err == nil {
			t.Errorf("Increment: %v, and the count is %d, want an error and 1", err, n)
		}
		for range 2 { // it still owes the deletion
			if err := s.Delete(ctx, revoked); err == nil || load(t, s, revoked) != "-" {
				t.Errorf("Delete: %v, and the record holds %q, want an error and nothing", err, load(t, s, revoked))
			}
		}
		if err := s.Delete(ctx, fresh); err != nil {
			t.Errorf("Delete of what never was: %v", err)
		}
		if n := s.Len(session.KindSession); n != 1 {
			t.Errorf("%d sessions are counted, want 1", n)
		}
	})
}

func TestTouchIsWrittenLater(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, s, k := t.Context(), d.store(), key(session.KindSession, 1)
		add(t, s, k, "created", time.Hour)
		before, _ := os.ReadFile(d.path)
		for i := range 100 {
			r, _, _ := s.Load(ctx, k)
			if touched, err := s.Touch(ctx, k, r, fmt.Sprint("seen ", i)); !touched || err != nil {
				t.Fatalf("Touch = %v, %v, want true", touched, err)
			}
		}
		if after, _ := os.ReadFile(d.path); !bytes.Equal(after, before) {
			t.Error("Touch wrote to the file at once")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if after, _ := os.ReadFile(d.path); bytes.Equal(after, before) {
			t.Error("a second later the file is as it was")
		}
		s = d.next(t, s)
		defer s.Close()
		if got := load(t, s, k); got != "seen 99" {
			t.Errorf("after a restart the record holds %q, want what it was touched with last", got)
		}
	})
}

// While the disk is busy, whoever was revoked is out, and touches go on.
func TestBusyDiskHoldsUpNeitherTouchNorRevocation(t *testing.T) {
	ctx, d := t.Context(), newDisk(t)
	s := d.store()
	defer s.Close()
	touched, revoked := key(session.KindSession, 1), key(session.KindSession, 2)
	add(t, s, touched, "", time.Hour)
	add(t, s, revoked, "", time.Hour)
	much := make([]journal.Entry, 5_000)
	for i := range much {
		much[i] = journal.Entry{Key: key(session.KindUsedCode, i), Record: session.Record{Expires: time.Now().Add(time.Hour)}}
	}
	written, deleted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		d.open.Write(much...)
	}()
	go func() {
		defer close(deleted)
		s.Delete(ctx, revoked)
	}()
	touches, gone := 0, false
	for busy := true; busy; {
		select {
		case <-written:
			busy = false
		default:
			r, _, _ := s.Load(ctx, touched)
			s.Touch(ctx, touched, r, "seen")
			touches++
			gone = gone || load(t, s, revoked) == "-"
		}
	}
	<-deleted
	if touches < 100 || !gone {
		t.Errorf("while the disk was busy: %d touches, revoked session gone: %v; want many and true", touches, gone)
	}
}

// A session is revoked while it is still on its way to disk, where it arrives
// late: nobody sees it, and the disk hears of the end after the beginning.
func TestRevokedOnItsWayToDiskStaysRevoked(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, s, k := t.Context(), d.store(), key(session.KindSession, 1)
		d.hold = make(chan struct{})
		release := sync.OnceFunc(func() { close(d.hold) })
		defer s.Close()
		defer release()
		var added, revoked bool
		go func() { added, _ = s.Add(ctx, k, "value", time.Now().Add(time.Hour)) }()
		synctest.Wait()
		go func() { revoked = s.Delete(ctx, k) == nil }()
		synctest.Wait()
		if added || revoked {
			t.Fatalf("before the disk has heard of it: added %v, revoked %v; want neither", added, revoked)
		}
		hasty, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := s.Add(hasty, k, "again", time.Now().Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Add meanwhile: %v, want it to wait", err)
		}
		release()
		synctest.Wait()
		if !added || !revoked || load(t, s, k) != "-" {
			t.Errorf("added %v, revoked %v, and the record holds %q; want true, true and nothing", added, revoked, load(t, s, k))
		}
		wantAgreement(t, d, s, []session.Key{k})
	})
}
