package memory_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// key returns the i-th key of a kind.
func key(kind session.Kind, i int) session.Key { return session.NewKey(kind, strconv.Itoa(i)) }

// fill adds records with the keys from and up to before that live for lifetime.
func fill(t testing.TB, s *memory.Store, kind session.Kind, from, before int, lifetime time.Duration) {
	t.Helper()
	for i := from; i < before; i++ {
		add(t, s, key(kind, i), "", lifetime)
	}
}

func add(t testing.TB, s *memory.Store, key session.Key, value string, lifetime time.Duration, groups ...session.Group) {
	t.Helper()
	if added, err := s.Add(t.Context(), key, value, time.Now().Add(lifetime), groups...); !added || err != nil {
		t.Fatalf("Add %v = %v, %v, want true", key, added, err)
	}
}

// load returns what lives under key, or "-".
func load(t testing.TB, s *memory.Store, key session.Key) string {
	t.Helper()
	r, found, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if !found {
		return "-"
	}
	return r.Value
}

// disk is a journal's file and what it is opened with.
type disk struct {
	path  string
	opens int
	err   error            // that opening fails with
	hold  chan struct{}    // if set: storage gives no key before it is closed
	open  *journal.Journal // the newest
}

func newDisk(t testing.TB) *disk { return &disk{path: filepath.Join(t.TempDir(), "journal.db")} }

func (d *disk) Open(ctx context.Context) (*journal.Journal, error) {
	d.opens++
	if d.err != nil {
		return nil, d.err
	}
	keys := func(context.Context) ([][32]byte, error) {
		if d.hold != nil {
			<-d.hold
		}
		return [][32]byte{{1, 2, 3}}, nil
	}
	var err error
	d.open, err = journal.Open(ctx, journal.Config{Path: d.path, Vault: vault.New(keys), Wait: time.Millisecond})
	return d.open, err
}

// store returns a store with this journal, to be closed by the test.
func (d *disk) store() *memory.Store {
	return memory.New(memory.Config{SweepEvery: time.Second, Open: d.Open})
}

// next closes s and returns the store of the next process.
func (d *disk) next(t testing.TB, s *memory.Store) *memory.Store {
	t.Helper()
	s.Close()
	s = d.store()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
