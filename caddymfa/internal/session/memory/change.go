package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// flight is a change of one key on its way to the journal. The shard is not
// locked meanwhile; whoever else would change the key waits for done.
type flight struct {
	done      chan struct{}
	overtaken bool // guarded by the shard's mu: the key was deleted meanwhile
}

// decision says what is to be stored in place of e, which is what lives under
// the key at now, or nil. If it returns nil everything stays. The shard is
// locked.
type decision func(sh *shard, e entry, now time.Time) (entry, error)

// change makes one change of an entry: it is decided, written to the journal
// if there is one, and then made visible. It reports whether that was done.
func (s *Store) change(ctx context.Context, key session.Key, decide decision) (bool, error) {
	sh, err := s.lock(ctx, key)
	if err != nil {
		return false, err
	}
	defer sh.mu.Unlock()
	now := time.Now()
	old := sh.get(key, now)
	next, err := decide(sh, old, now)
	if err != nil || next == nil {
		return false, err
	}
	if old == nil {
		return sh.add(key, next)
	}
	overtaken, err := sh.write(key, next)
	if err != nil || overtaken {
		return overtaken, err
	}
	return sh.finish(key, old, next), nil
}

// finish makes a change visible, unless old expired while it was written:
// nothing brings it back then. The caller holds mu.
func (sh *shard) finish(key session.Key, old, next entry) bool {
	if expired(old, time.Now()) {
		if j := sh.area.store.journal; j != nil {
			j.Later(journal.Entry{Key: key, Deleted: true})
		}
		return false
	}
	sh.replace(key, old, next)
	return true
}

// add stores e under a key that holds nothing that lives, if there is room.
func (sh *shard) add(key session.Key, e entry) (bool, error) {
	sh.cache.Delete(name(key)) // it may be expired and still there, and counted
	if err := sh.area.reserve(e); err != nil {
		return false, err
	}
	overtaken, err := sh.write(key, e)
	if err != nil || overtaken {
		sh.area.count(-1, e)
		return overtaken, err
	}
	sh.set(key, e)
	return true, nil
}

// lock returns key's shard, locked, once nobody else's change of the key is on
// its way. It makes room before it locks.
func (s *Store) lock(ctx context.Context, key session.Key) (*shard, error) {
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	sh, err := s.shard(key)
	if err != nil {
		return nil, err
	}
	sh.area.makeRoom()
	for {
		sh.mu.Lock()
		f := sh.flights[key.Sum]
		if f == nil {
			return sh, nil
		}
		sh.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another change: %w", ctx.Err())
		}
	}
}

// write has the journal remember e. The shard is unlocked while the disk is
// waited for, and locked again when write returns. Overtaken: the key was
// deleted meanwhile, after this change.
func (sh *shard) write(key session.Key, e entry) (overtaken bool, err error) {
	j := sh.area.store.journal
	if j == nil {
		return false, nil
	}
	f := sh.takeOff(key)
	sh.mu.Unlock()
	err = j.Write(e.journalled(key))
	sh.mu.Lock()
	sh.land(key, f)
	return f.overtaken && err == nil, err
}

// takeOff and land begin and end a flight. The caller holds mu.
func (sh *shard) takeOff(key session.Key) *flight {
	f := &flight{done: make(chan struct{})}
	sh.flights[key.Sum] = f
	return f
}

func (sh *shard) land(key session.Key, f *flight) {
	if sh.flights[key.Sum] == f { // and not a later one, which overtook it
		delete(sh.flights, key.Sum)
	}
	close(f.done)
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, key session.Key) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	sh, err := s.shard(key)
	if err != nil {
		return err
	}
	before, own := sh.hide(key)
	if key.Kind == session.KindSession {
		s.watchers.tell(key)
	}
	if own == nil {
		return nil
	}
	if before != nil {
		<-before.done // so that the journal hears of it first
	}
	err = s.journal.Write(journal.Entry{Key: key, Deleted: true})
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.land(key, own)
	return err
}

// hide drops the entry, and overtakes the change of it that is on its way,
// which it returns. If the journal has to hear of it, it begins a flight.
func (sh *shard) hide(key session.Key) (before, own *flight) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	living := sh.get(key, time.Now()) != nil
	sh.cache.Delete(name(key))
	j := sh.area.store.journal
	before = sh.flights[key.Sum]
	if j == nil || !living && before == nil && !j.Owes(key) {
		return nil, nil
	}
	if before != nil {
		before.overtaken = true
	}
	return before, sh.takeOff(key)
}
