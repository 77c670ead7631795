// Package session keeps what the gate has to remember between two requests:
// verified sessions, and the short-lived records and counters of a step-up.
//
// [Store] is the small contract that every place to keep them fulfils, and
// sessiontest.Run is that contract as a test. [Sessions] is the typed layer
// for verified sessions; other rooms put their own typed layers on a Store.
//
// The package does no I/O of its own and knows neither HTTP nor OneLogin.
package session

import (
	"context"
	"errors"
	"time"
)

// MaxValue is the longest [Record.Value] that a store accepts, in bytes.
// Together with a store's bound on the number of entries it bounds its size.
const MaxValue = 8 << 10

// ErrFull means that the store has reached its bound: nothing was stored and
// nothing that lives was dropped. A caller refuses the new session or the new
// challenge and leaves those that exist alone.
var ErrFull = errors.New("store is full")

// Record is one stored value as [Store.Load] found it.
type Record struct {
	// Value is what was stored, at most [MaxValue] bytes. A string, so
	// that nobody can change a record that others are reading.
	Value string

	// Version names this state of the record for [Store.Update]. It is never
	// used twice under one key, even after the record was deleted and added
	// again. It means nothing else: neither its size nor its order.
	Version uint64

	// Expires is the moment from which the record no longer exists. A store
	// may round it to the millisecond. It is always set.
	Expires time.Time
}

// Store holds records and counters by key. This comment is the contract, and
// sessiontest.Run checks it.
//
// Every entry has a deadline, and from that instant (now >= deadline) every
// method treats it as absent, whether or not it was removed already. A
// deadline that is not in the future is an error, never a silent success.
//
// Each method takes effect at one moment: two callers who race cannot both
// win an Add, cannot both win an Update of one version, and cannot be given
// the same number by Increment. All methods may be called concurrently.
//
// A record may belong to groups, which it is given when it is added and keeps
// as long as it lives.
//
// Keys of different kinds never meet. One key is used for a record or for a
// counter, not for both: Load, Add and Update of a counter, and Increment and
// Count of a record, are errors. Delete removes either.
//
// An error means that the store cannot tell what is true now, and the caller
// stays on the safe side; it never means absent, lost or expired, which are
// answers. The one error with a name is [ErrFull]. If ctx is done a method
// may still answer or may return an error: a nil error is always the truth,
// and after an error a change may or may not have been made.
type Store interface {
	// Load returns the record, or false where there is none. A store that
	// keeps copies of what another process may change may return a session as
	// it was a few seconds ago; records of other kinds are never old.
	Load(ctx context.Context, key Key) (Record, bool, error)

	// Add stores value until expires if key is free, and reports whether it
	// did. Of many who add one key at the same time exactly one is told true.
	// The record is a member of the groups, of which there are at most
	// [MaxGroups].
	Add(ctx context.Context, key Key, value string, expires time.Time, groups ...Group) (bool, error)

	// Update replaces value and deadline of the record that old was loaded
	// from, and reports whether it did. False: somebody changed, deleted or
	// replaced it meanwhile, or it expired. Update never brings a record back
	// to life. Only old.Version is looked at.
	Update(ctx context.Context, key Key, old Record, value string, expires time.Time) (bool, error)

	// Touch is Update for a change that may be lost with the process, such as
	// when a session was last seen: it waits for no disk. The deadline stays
	// as it is in old, which must be what Load returned; one that has passed
	// may be an error, as for Update.
	Touch(ctx context.Context, key Key, old Record, value string) (bool, error)

	// Delete removes the entry. That there is none is no error. Even after an
	// error no Load in this process finds the record again.
	Delete(ctx context.Context, key Key) error

	// Increment adds one to the counter and returns it. The first increment
	// begins a window of the given length, which later increments never
	// extend, whatever window they name: at resets the count is 0 again.
	// A window that is not positive is an error.
	Increment(ctx context.Context, key Key, window time.Duration) (n int64, resets time.Time, err error)

	// Count returns what Increment last returned, without adding. Where no
	// window is running it returns 0 and the zero time.
	Count(ctx context.Context, key Key) (n int64, resets time.Time, err error)

	// Members returns the living sessions of a group, in no order; a store may
	// return its records of other kinds as well. A record that was added or
	// deleted while it works may be among them or not.
	Members(ctx context.Context, group Group) ([]Entry, error)

	// Scan returns living records of one kind, about limit of them, and where
	// to go on: the cursor for the next call, "" at the end and "" to begin.
	// Whatever lives from the first call to the last is returned at least
	// once. A page may be empty though more follow. A cursor that Scan did not
	// return is an error.
	Scan(ctx context.Context, kind Kind, cursor string, limit int) (page []Entry, next string, err error)

	// Watch has told called with the key of every session that is deleted, by
	// whatever process, soon after it is, until stop is called. An expired
	// session is not told. The zero Key means that news may have been missed:
	// whoever depends on a session looks again. told must be quick, must not
	// call the store, and may be called by several goroutines at once.
	Watch(told func(Key)) (stop func())
}

// Entry is a record with its key, as lists have them.
type Entry struct {
	Key    Key
	Record Record
}
