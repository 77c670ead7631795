package onelogin

import (
	"context"
	"time"
)

const (
	// defaultConcurrent is how many requests are under way when Config names
	// no number.
	defaultConcurrent = 64

	// maxQueueing is how long a call waits for its turn. A person waits with
	// it, and what comes late would meet its deadline half-way.
	maxQueueing = 2 * time.Second
)

// slots bound the requests that are under way and those that wait for it: as
// many as are under way. All others fail at once, so that a OneLogin that
// hangs does not pile up goroutines behind it.
type slots struct {
	taken  chan struct{}
	queued chan struct{}
}

func newSlots(concurrent int) slots {
	if concurrent <= 0 {
		concurrent = defaultConcurrent
	}
	return slots{taken: make(chan struct{}, concurrent), queued: make(chan struct{}, concurrent)}
}

// enter takes a slot. Without an error, leave must be called.
func (s slots) enter(ctx context.Context, op string) error {
	select {
	case s.taken <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.queued <- struct{}{}:
	default:
		return &Error{Op: op, Message: classCrowded}
	}
	defer func() { <-s.queued }()
	patience := time.NewTimer(maxQueueing)
	defer patience.Stop()
	select {
	case s.taken <- struct{}{}:
		return nil
	case <-patience.C:
		return &Error{Op: op, Message: classCrowded}
	case <-ctx.Done():
		return lost(ctx, op, answer{}, ctx.Err())
	}
}

func (s slots) leave() { <-s.taken }
