package vault_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

func TestKeysAreAskedForAtFirstUseAndNotBefore(t *testing.T) {
	s := &storage{keys: [][32]byte{storageKey(1)}}
	v := vault.New(s.read)
	if s.reads != 0 {
		t.Errorf("New read the keys %d times, want 0", s.reads)
	}
	sealed := seal(t, v, someKey, record)
	for range 10 {
		v.Open(t.Context(), someKey, sealed)
	}
	if s.reads != 1 {
		t.Errorf("keys were read %d times, want once", s.reads)
	}
}

func TestUnknownKeyIsAskedForEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		foreign := seal(t, newVault(storageKey(9)), someKey, record)
		s := &storage{keys: [][32]byte{storageKey(1)}}
		v := vault.New(s.read)
		for _, step := range []struct{ wait, reads int }{{0, 1}, {4, 1}, {1, 2}, {4, 2}, {1, 3}} {
			time.Sleep(time.Duration(step.wait) * time.Second)
			if _, err := v.Open(t.Context(), someKey, foreign); !errors.Is(err, vault.ErrUnknownKey) {
				t.Errorf("Open: %v, want ErrUnknownKey", err)
			}
			if s.reads != step.reads {
				t.Fatalf("after %d s more the keys were read %d times, want %d", step.wait, s.reads, step.reads)
			}
		}
		s.keys = append(s.keys, storageKey(9))
		time.Sleep(5 * time.Second)
		if _, err := v.Open(t.Context(), someKey, foreign); err != nil {
			t.Errorf("Open once storage has the key: %v", err)
		}
	})
}

func TestRotationKeepsOldRecordsAndSealsWithTheNewest(t *testing.T) {
	old, rotated, onlyNew := storageKey(1), newVault(storageKey(2), storageKey(1)), newVault(storageKey(2))
	if _, err := rotated.Open(t.Context(), someKey, seal(t, newVault(old), someKey, record)); err != nil {
		t.Errorf("Open of a record of the older key: %v", err)
	}
	if _, err := onlyNew.Open(t.Context(), someKey, seal(t, rotated, someKey, record)); err != nil {
		t.Errorf("what was sealed after the rotation does not open with the newest key alone: %v", err)
	}
}

// Another node rotates: its first record makes this one read the new key.
func TestNewKeyOfAnotherNodeIsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storage{keys: [][32]byte{storageKey(1)}}
		v := vault.New(s.read)
		earlier := seal(t, v, someKey, record)
		s.keys = [][32]byte{storageKey(2), storageKey(1)}
		other := seal(t, newVault(storageKey(2)), someKey, record)
		time.Sleep(5 * time.Second)
		for _, sealed := range [][]byte{other, earlier, seal(t, v, someKey, record)} {
			if _, err := v.Open(t.Context(), someKey, sealed); err != nil {
				t.Errorf("Open: %v", err)
			}
		}
		if _, err := newVault(storageKey(2)).Open(t.Context(), someKey, seal(t, v, someKey, record)); err != nil {
			t.Errorf("the node goes on sealing with its older key: %v", err)
		}
	})
}

// A node that only writes, as with a journal, hears of a rotation too.
func TestNewKeyIsSoonSealedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storage{keys: [][32]byte{storageKey(1)}}
		v := vault.New(s.read)
		seal(t, v, someKey, record)
		s.keys = [][32]byte{storageKey(2), storageKey(1)}
		time.Sleep(5 * time.Second)
		for range 10 {
			if _, err := newVault(storageKey(2)).Open(t.Context(), someKey, seal(t, v, someKey, record)); err != nil {
				t.Fatalf("what was sealed after the rotation does not open with the newest key alone: %v", err)
			}
		}
		if s.reads != 2 {
			t.Errorf("keys were read %d times, want twice", s.reads)
		}
	})
}

var errStorage = errors.New("storage is down")

// An error of storage must never look like a refusal: whoever keeps records
// drops those that are refused.
func TestStorageErrorIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealed := seal(t, newVault(storageKey(1)), someKey, record)
		s := &storage{err: errStorage}
		v := vault.New(s.read)
		for range 3 {
			_, err := v.Open(t.Context(), someKey, sealed)
			if !errors.Is(err, errStorage) || errors.Is(err, vault.ErrUnknownKey) {
				t.Errorf("Open without storage: %v, want storage's error", err)
			}
			if _, _, err := v.Seal(t.Context(), someKey, record); !errors.Is(err, errStorage) {
				t.Errorf("Seal without storage: %v, want storage's error", err)
			}
		}
		if s.reads != 1 {
			t.Errorf("storage was asked %d times at once, want once", s.reads)
		}
		s.keys, s.err = [][32]byte{storageKey(1)}, nil
		time.Sleep(time.Second)
		if _, err := v.Open(t.Context(), someKey, sealed); err != nil {
			t.Errorf("Open a second after storage came back: %v", err)
		}
	})
}

// Known keys go on working while storage is away.
func TestKnownKeysOutliveStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storage{keys: [][32]byte{storageKey(1)}}
		v := vault.New(s.read)
		sealed := seal(t, v, someKey, record)
		s.err = errStorage
		time.Sleep(time.Minute)
		if _, err := v.Open(t.Context(), someKey, seal(t, newVault(storageKey(9)), someKey, record)); !errors.Is(err, errStorage) {
			t.Errorf("Open of an unknown key: %v, want storage's error", err)
		}
		if _, err := v.Open(t.Context(), someKey, sealed); err != nil {
			t.Errorf("Open of a known key: %v", err)
		}
		seal(t, v, someKey, record)
	})
}

func TestNoKeysIsAnError(t *testing.T) {
	v := newVault()
	if _, _, err := v.Seal(t.Context(), someKey, record); err == nil {
		t.Error("Seal without keys: no error")
	}
}

// One caller who gives up neither holds others up nor speaks for them.
func TestCancelledCallerSpeaksForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		v := vault.New(func(ctx context.Context) ([][32]byte, error) {
			if asked.Add(1) == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return [][32]byte{storageKey(1)}, nil
		})
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		for _, ctx := range []context.Context{hasty, hasty, t.Context()} {
			all.Go(func() {
				if _, _, err := v.Seal(ctx, someKey, record); ctx == t.Context() && err != nil {
					t.Errorf("Seal of a patient caller: %v", err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
	})
}
