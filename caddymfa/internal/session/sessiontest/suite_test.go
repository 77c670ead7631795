package sessiontest_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/sessiontest"
)

// The tests of two clients are tried on a store that is a client of itself,
// and on two that do everything as late as they may.
func TestSuiteWithTwoClients(t *testing.T) {
	tests := map[string]func(state session.Store) session.Store{
		"near":    func(state session.Store) session.Store { return state },
		"distant": func(state session.Store) session.Store { return &distant{Store: state} },
	}
	for name, client := range tests {
		t.Run(name, func(t *testing.T) {
			sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
				synctest.Test(t, func(t *testing.T) {
					state := memory.New(memory.Config{})
					test(t, sessiontest.Env{Store: client(state), Second: client(state), Advance: time.Sleep})
				})
			})
		})
	}
}

// distant is a client of a store far away: it keeps copies of sessions for a
// while, whatever others do to them, and its news come late.
type distant struct {
	session.Store
	mu     sync.Mutex
	copies map[session.Key]held
}

type held struct {
	record session.Record
	until  time.Time
}

const (
	copiesLast = 3 * time.Second
	newsTake   = time.Second
)

func (d *distant) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if c, found := d.copies[key]; found && now.Before(c.until) && now.Before(c.record.Expires) {
		return c.record, true, nil
	}
	r, found, err := d.Store.Load(ctx, key)
	if found && key.Kind == session.KindSession {
		if d.copies == nil {
			d.copies = make(map[session.Key]held)
		}
		d.copies[key] = held{r, now.Add(copiesLast)}
	}
	return r, found, err
}

func (d *distant) drop(key session.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.copies, key)
}

func (d *distant) Update(ctx context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	defer d.drop(key)
	return d.Store.Update(ctx, key, old, value, expires)
}

func (d *distant) Touch(ctx context.Context, key session.Key, old session.Record, value string) (bool, error) {
	defer d.drop(key)
	return d.Store.Touch(ctx, key, old, value)
}

func (d *distant) Delete(ctx context.Context, key session.Key) error {
	defer d.drop(key)
	return d.Store.Delete(ctx, key)
}

func (d *distant) Watch(told func(session.Key)) func() {
	told(session.Key{}) // news may have been missed at any time
	return d.Store.Watch(func(key session.Key) {
		time.AfterFunc(newsTake, func() { told(key) })
	})
}
