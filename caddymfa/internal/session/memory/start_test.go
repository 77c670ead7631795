package memory_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// Requests may come before anybody has called Start: the first opens the
// journal, and the others wait for it.
func TestRequestsOpenTheJournalOnce(t *testing.T) {
	d := newDisk(t)
	s := d.store()
	fill(t, s, session.KindSession, 0, 100, time.Hour)
	s.Close()
	s = d.store()
	defer s.Close()
	d.opens = 0
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, found, err := s.Load(t.Context(), key(session.KindSession, i)); !found || err != nil {
				t.Errorf("Load %d = %v, %v, want what the journal holds", i, found, err)
			}
		})
	}
	all.Wait()
	if err := s.Start(t.Context()); err != nil || d.opens != 1 {
		t.Errorf("Start: %v; the journal was opened %d times, want once", err, d.opens)
	}
}

// Without its journal the store answers nothing: it would forget what is in it.
func TestEveryMethodFailsUntilTheJournalIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ctx, hour, k := &disk{err: errors.New("disk is gone")}, t.Context(), time.Now().Add(time.Hour), key(session.KindSession, 1)
		s := d.store()
		defer s.Close()
		_, _, load := s.Load(ctx, k)
		_, add := s.Add(ctx, k, "", hour)
		_, update := s.Update(ctx, k, session.Record{}, "", hour)
		_, touch := s.Touch(ctx, k, session.Record{}, "")
		_, _, increment := s.Increment(ctx, k, time.Hour)
		_, _, count := s.Count(ctx, k)
		_, members := s.Members(ctx, session.Group{})
		_, _, scan := s.Scan(ctx, session.KindSession, "", 1)
		for op, err := range map[string]error{
			"Load": load, "Add": add, "Update": update, "Touch": touch, "Delete": s.Delete(ctx, k),
			"Increment": increment, "Count": count, "Members": members, "Scan": scan, "Start": s.Start(ctx),
		} {
			if !errors.Is(err, d.err) {
				t.Errorf("%s: %v, want why the journal could not be opened", op, err)
			}
		}
		if d.opens != 1 {
			t.Errorf("the journal was opened %d times at once, want once", d.opens)
		}
	})
}

func TestOpeningIsTriedAgainAtMostOnceASecond(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		s := d.store()
		defer s.Close()
		d.err = errors.New("disk is gone")
		for _, step := range []struct {
			wait  time.Duration
			opens int
		}{{0, 1}, {999 * time.Millisecond, 1}, {time.Millisecond, 2}, {0, 2}, {time.Hour, 3}} {
			time.Sleep(step.wait)
			if err := s.Start(t.Context()); !errors.Is(err, d.err) || d.opens != step.opens {
				t.Errorf("Start: %v after %d opens, want the error and %d", err, d.opens, step.opens)
			}
		}
		d.err = nil
		time.Sleep(time.Second)
		fill(t, s, session.KindSession, 0, 1, time.Hour)
	})
}

// One browser that gives up neither stops the reading nor waits for it.
func TestCancelledCallerLeavesOthersWaiting(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := memory.New(memory.Config{Open: func(ctx context.Context) (*journal.Journal, error) {
			<-release
			return d.Open(ctx)
		}})
		defer s.Close()
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Start(hasty); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start of a hasty caller: %v, want %v", err, context.DeadlineExceeded)
		}
		go close(release)
		if err := s.Start(t.Context()); err != nil || d.opens != 1 {
			t.Errorf("Start of a patient one: %v after %d opens, want none after one", err, d.opens)
		}
	})
}

func TestCloseEndsTheOpening(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{SweepEvery: time.Second, Open: func(ctx context.Context) (*journal.Journal, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		go s.Start(t.Context())
		synctest.Wait()
		s.Close()
		s.Close()
		time.Sleep(time.Minute)
		if err := s.Start(t.Context()); err == nil {
			t.Error("Start after Close: no error")
		}
	})
}

// A file that turns out to be corrupt in the middle leaves nothing behind of
// what was read before that.
func TestHalfReadJournalIsForgotten(t *testing.T) {
	d := newDisk(t)
	synctest.Test(t, func(t *testing.T) {
		s := d.store()
		fill(t, s, session.KindSession, 0, 100, time.Hour)
		fill(t, s, session.KindTemporary, 0, 300, time.Hour) // in pages of their own
		s.Close()
		damage(t, d.path, key(session.KindTemporary, 0))
		s = d.store()
		defer s.Close()
		for range 2 {
			if err := s.Start(t.Context()); !errors.Is(err, journal.ErrCorrupt) {
				t.Fatalf("Start: %v, want ErrCorrupt", err)
			}
			time.Sleep(time.Second)
		}
		if n := s.Len(session.KindSession); n != 0 {
			t.Errorf("%d sessions of a corrupt journal are held", n)
		}
		if err := os.Remove(d.path); err != nil {
			t.Fatal(err)
		}
		if got := load(t, s, key(session.KindSession, 0)); got != "-" || s.Len(session.KindSession) != 0 {
			t.Errorf("with a new journal the store holds %q and %d sessions, want nothing", got, s.Len(session.KindSession))
		}
	})
}

// damage overwrites the page that holds key.
func damage(t *testing.T, path string, key session.Key) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pageSize := os.Getpagesize()
	for at := 0; at < len(file); at += pageSize {
		page := file[at : at+pageSize]
		if bytes.Contains(page, key.Sum[:]) {
			clear(page)
		}
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}
