package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

const (
	// laterPause is how long what Later is given waits for a Write.
	laterPause = time.Second

	// maxLater is how much of it one transaction takes along, so that a Write
	// does not wait long for the work of others.
	maxLater = 1000
)

// batch is what one transaction writes for all who wait for it.
type batch struct {
	items []item
	owed  []item // what stays to be written if the batch is not

	done bool // guarded by Journal.disk, like err
	err  error
}

// Write writes entries. They are on disk when it returns nil; all of them or
// none, and those of one key in the order of the calls. Callers who come while
// the disk is busy share the next transaction and wait for its one fsync.
//
// After an error nothing that was there before is lost. Deletions that could
// not be written are tried again as if they had been given to Later: what
// somebody revoked must not come back with the next start.
func (j *Journal) Write(entries ...Entry) error {
	items := make([]item, len(entries))
	for i, e := range entries {
		var err error
		if items[i], err = j.seal(e); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	b := j.enqueue(items)
	j.disk.Lock()
	defer j.disk.Unlock()
	if !b.done {
		j.commit()
	}
	return b.err
}

// Later has e written with the next Write, or within about a second. Of several
// with one key the newest is written. An entry that cannot be sealed is lost.
//
// Where Write fails, so does this, and it is tried again every second: see
// [Journal.Owes].
func (j *Journal) Later(e Entry) {
	it, err := j.seal(e)
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.later[e.Key] = it
	j.arm()
}

// Owes tells whether something under key still waits to be written that Later
// was given, or that an earlier Write could not write.
func (j *Journal) Owes(key session.Key) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, waits := j.later[key]
	return waits || slices.ContainsFunc(j.writing.owed, func(it item) bool { return it.key == key })
}

// enqueue adds items to the next transaction, in place of older ones that
// waited in later. Those come back if the transaction fails.
func (j *Journal) enqueue(items []item) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.filling
	for _, it := range items {
		if older, waits := j.later[it.key]; waits {
			b.owed = append(b.owed, older)
			delete(j.later, it.key)
		}
		if it.sealed == nil {
			b.owed = append(b.owed, it)
		}
	}
	b.items = append(b.items, items...)
	return b
}

// commit writes one transaction. The caller holds disk.
func (j *Journal) commit() error {
	b := j.take()
	b.err = j.apply(b.items)
	b.done = true
	j.settle(b)
	return b.err
}

// take returns the batch that was filled, with some of what waits in later
// behind it.
func (j *Journal) take() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.filling
	j.filling, j.writing = new(batch), b
	for key, it := range j.later {
		if len(b.items) >= maxLater {
			break
		}
		delete(j.later, key)
		b.items = append(b.items, it)
		b.owed = append(b.owed, it)
	}
	return b
}

// settle lets what b owes wait again if b was not written: the last of each
// key, and only where nothing newer waits.
func (j *Journal) settle(b *batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writing = new(batch)
	if b.err == nil {
		return
	}
	for _, it := range slices.Backward(b.owed) {
		if _, newer := j.later[it.key]; !newer {
			j.later[it.key] = it
		}
	}
	j.arm()
}

// apply writes items in one transaction. The caller holds disk.
func (j *Journal) apply(items []item) error {
	if j.broken != nil || len(items) == 0 {
		return j.broken
	}
	err := update(j.db, func(tx *bbolt.Tx) error {
		for _, it := range items {
			bucket := tx.Bucket(bucketOf(it.key.Kind))
			var err error
			if it.sealed == nil {
				err = bucket.Delete(it.key.Sum[:])
			} else {
				err = bucket.Put(it.key.Sum[:], it.sealed)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	err = explain(j.path, err)
	if errors.Is(err, ErrCorrupt) { // more writes could only make it worse
		j.broken = err
	}
	return err
}

// arm sees to it that later is written. The caller holds mu.
func (j *Journal) arm() {
	if j.timer == nil && !j.closed && len(j.later) > 0 {
		j.timer = time.AfterFunc(laterPause, j.tick)
	}
}

func (j *Journal) tick() {
	j.drain() // its errors are those of the next Write, too
	j.mu.Lock()
	defer j.mu.Unlock()
	j.timer = nil
	j.arm()
}

// drain writes all of later, and lets others write between its transactions.
func (j *Journal) drain() error {
	for j.waiting() > 0 {
		j.disk.Lock()
		err := j.commit()
		j.disk.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.later)
}
