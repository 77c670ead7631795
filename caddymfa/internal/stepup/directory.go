package stepup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// freshFor is how long what OneLogin said about a user is believed for
	// choosing a device. A proof is never judged by it: the user is read again.
	freshFor = time.Minute

	// recheckAfter is the same where it would turn somebody away: soon enough
	// for a person who has just been given access or a device, and still a
	// bound on what reloading costs.
	recheckAfter = 2 * time.Second

	// onlySeen asks for what was seen, however long ago that is, and never
	// asks OneLogin.
	onlySeen time.Duration = -1

	// maxSightings bounds a directory's memory.
	maxSightings = 4096
)

var errUnseen = errors.New("not seen yet")

// directory remembers something about people for a short time and reads it once
// at a time. An error is told to those who waited for it and to nobody else.
type directory[T any] struct {
	ask   func(ctx context.Context, name string) (T, error)
	shaky func(T) bool // whether it would turn somebody away; nil: never

	// mu guards seen. It is not held while OneLogin is asked.
	mu   sync.Mutex
	seen map[string]*sighting[T]
}

// sighting is one reading. Its fields are set before done is closed and never
// change after.
type sighting[T any] struct {
	done  chan struct{}
	value T
	at    time.Time
	err   error
}

func newDirectory[T any](ask func(context.Context, string) (T, error), shaky func(T) bool) *directory[T] {
	return &directory[T]{ask: ask, shaky: shaky, seen: make(map[string]*sighting[T])}
}

// find returns what is known under name, at most maxAge old. With onlySeen the
// error may be errUnseen.
func (d *directory[T]) find(ctx context.Context, name string, maxAge time.Duration) (T, error) {
	s, mine := d.claim(name, maxAge)
	var none T
	switch {
	case s == nil:
		return none, errUnseen
	case mine:
		d.read(ctx, name, s)
	case !s.finished():
		select {
		case <-s.done:
		case <-ctx.Done():
			return none, fmt.Errorf("find user: %w", ctx.Err())
		}
	}
	return s.value, s.err
}

// forget makes the next find ask.
func (d *directory[T]) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.seen, name)
}

// claim returns the sighting to use. If it is mine the caller has to read it.
// With onlySeen it is nil if there is none that can be used at once.
func (d *directory[T]) claim(name string, maxAge time.Duration) (s *sighting[T], mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s = d.seen[name]
	switch {
	case maxAge == onlySeen && (s == nil || !s.finished() || s.err != nil):
		return nil, false
	case maxAge == onlySeen, s != nil && (!s.finished() || d.fresh(s, maxAge)):
		return s, false
	}
	d.makeRoom()
	s = &sighting[T]{done: make(chan struct{})}
	d.seen[name] = s
	return s, true
}

// makeRoom drops somebody, whoever comes first, if the directory is full.
func (d *directory[T]) makeRoom() {
	for name, s := range d.seen {
		if len(d.seen) < maxSightings {
			return
		}
		if s.finished() {
			delete(d.seen, name)
		}
	}
}

// read fills in s. It is carried through even if the client leaves, since
// others may wait for it.
func (d *directory[T]) read(ctx context.Context, name string, s *sighting[T]) {
	ctx, cancel := detach(ctx)
	defer cancel()
	defer close(s.done)
	s.value, s.err = d.ask(ctx, name)
	s.at = time.Now()
}

func (d *directory[T]) fresh(s *sighting[T], maxAge time.Duration) bool {
	if d.shaky != nil && d.shaky(s.value) {
		maxAge = min(maxAge, recheckAfter)
	}
	return s.err == nil && time.Since(s.at) < maxAge
}

func (s *sighting[T]) finished() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
