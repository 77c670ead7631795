package stepup

import (
	"context"
	"sync"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// reloadEvery is how often those who wait look at the store, where a change
// made by another process can be seen.
const reloadEvery = 500 * time.Millisecond

// broadcaster wakes those in this process who wait for a record to change. The
// zero value is ready to use.
type broadcaster struct {
	mu      sync.Mutex
	waiting map[session.Key]*signal
}

// signal is closed at the next change. It goes when nobody waits for it.
type signal struct {
	changed chan struct{}
	waiters int
}

// subscribe returns a channel that is closed at the next change of key. The
// caller calls release once, whether it was closed or not.
func (b *broadcaster) subscribe(key session.Key) (changed <-chan struct{}, release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.waiting[key]
	if s == nil {
		s = &signal{changed: make(chan struct{})}
		if b.waiting == nil {
			b.waiting = make(map[session.Key]*signal)
		}
		b.waiting[key] = s
	}
	s.waiters++
	return s.changed, func() { b.release(key, s) }
}

func (b *broadcaster) release(key session.Key, s *signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.waiters--; s.waiters == 0 && b.waiting[key] == s {
		delete(b.waiting, key)
	}
}

func (b *broadcaster) notify(key session.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.waiting[key]; s != nil {
		close(s.changed)
		delete(b.waiting, key)
	}
}

// pause waits until changed is closed or d has passed. It returns false as soon
// as ctx is done. A nil channel never changes.
func pause(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer.C:
	}
	return ctx.Err() == nil
}
