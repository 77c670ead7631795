package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A lease says who does something that one process may do at a time. Its
// record's value is the holder, or nobody where a holder has released it.
const (
	nobody = ""

	// releasedFor is how long a released lease stays in the store. Anybody may
	// take it over at once; the time only has to outlast the way to the store,
	// which refuses a deadline that has passed.
	releasedFor = 5 * time.Second
)

var errNoLease = errors.New("key is not a lease's, or holder is empty")

// Acquire takes the lease for ttl if it is free, or lets it last ttl from now
// if it is holder's already, and reports whether holder has it. False: another
// holds it.
//
// Key must be of [KindLease]. Holder is any text that no other process uses,
// at best a random one. Two callers of one holder both have the lease. A ttl
// that is not positive gives it to nobody.
//
// Once ttl is over another may take it, even while holder still works: holder
// renews in good time, and looks again before it does what must not be done
// twice. After an error holder may or may not have the lease.
func Acquire(ctx context.Context, store Store, key Key, holder string, ttl time.Duration) (bool, error) {
	if key.Kind != KindLease || holder == nobody {
		return false, errNoLease
	}
	for {
		held, decided, err := tryAcquire(ctx, store, key, holder, ttl)
		if err == nil && !decided {
			err = ctx.Err()
		}
		if err != nil {
			return false, fmt.Errorf("acquire lease: %w", err)
		}
		if decided {
			return held, nil
		}
	}
}

// tryAcquire makes one attempt. It is undecided if the lease changed between
// the look and the step that relied on it, which is then not made.
func tryAcquire(ctx context.Context, store Store, key Key, holder string, ttl time.Duration) (held, decided bool, err error) {
	lease, found, err := store.Load(ctx, key)
	switch {
	case err != nil:
		return false, false, err
	case !found:
		held, err = store.Add(ctx, key, holder, time.Now().Add(ttl))
		return held, held, err
	case lease.Value != holder && lease.Value != nobody:
		return false, true, nil
	}
	held, err = store.Update(ctx, key, lease, holder, time.Now().Add(ttl))
	return held, held, err
}

// Release gives the lease back, so that anybody may take it at once. A lease
// that is another's or nobody's stays as it is, and that is no error.
func Release(ctx context.Context, store Store, key Key, holder string) error {
	if key.Kind != KindLease || holder == nobody {
		return errNoLease
	}
	lease, found, err := store.Load(ctx, key)
	if err == nil && found && lease.Value == holder {
		// Not Delete, which would also take a lease that has become another's.
		_, err = store.Update(ctx, key, lease, nobody, time.Now().Add(releasedFor))
	}
	if err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}
