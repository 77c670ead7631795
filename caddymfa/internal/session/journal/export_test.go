package journal

import (
	"context"

	"go.etcd.io/bbolt"
)

// OpenWith is Open with options of bbolt, so that tests can have it fail.
func OpenWith(ctx context.Context, config Config, options bbolt.Options) (*Journal, error) {
	return open(ctx, config, options)
}

// Transactions returns how many transactions have been written.
func (j *Journal) Transactions() (n int) {
	j.db.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	return n
}

// Tamper changes the file behind the journal's back.
func (j *Journal) Tamper(change func(*bbolt.Tx) error) error { return j.db.Update(change) }

// Fail has every transaction fail with err until undo is called.
func (j *Journal) Fail(err error) (undo func()) {
	j.disk.Lock()
	defer j.disk.Unlock()
	j.broken = err
	return func() {
		j.disk.Lock()
		defer j.disk.Unlock()
		j.broken = nil
	}
}

// Size returns how much of the file is in use, in bytes.
func (j *Journal) Size() (n int64) {
	j.db.View(func(tx *bbolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n
}
