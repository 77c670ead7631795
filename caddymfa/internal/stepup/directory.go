package stepup

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const (
	// freshFor is how long what OneLogin said about a user is believed for
	// choosing a device. A proof is never judged by it: the user is read again.
	freshFor = time.Minute

	// recheckAfter is the same where it would turn somebody away: soon enough
	// for a person who has just been given access or a device, and still a
	// bound on what reloading costs.
	recheckAfter = 2 * time.Second

	// maxPeople bounds the directory's memory.
	maxPeople = 4096
)

// person is a user and their devices as seen at OneLogin.
type person struct {
	user    onelogin.User
	found   bool
	devices []onelogin.Device
}

func (p person) active(now time.Time) bool { return p.found && p.user.Active(now) }

// directory remembers people for a short time and reads each of them once at a
// time. An error is told to those who waited for it and to nobody else.
type directory struct {
	client *onelogin.Client

	// mu guards people. It is not held while OneLogin is asked.
	mu     sync.Mutex
	people map[string]*sighting
}

// sighting is one reading of a person. Its fields are set before done is
// closed and never change after.
type sighting struct {
	done   chan struct{}
	person person
	at     time.Time
	err    error
}

func newDirectory(client *onelogin.Client) *directory {
	return &directory{client: client, people: make(map[string]*sighting)}
}

// find returns the person that a site calls name, at most maxAge old.
func (d *directory) find(ctx context.Context, name string, maxAge time.Duration) (person, error) {
	s, mine := d.claim(name, maxAge)
	switch {
	case mine:
		d.read(ctx, name, s)
	case !s.finished():
		select {
		case <-s.done:
		case <-ctx.Done():
			return person{}, fmt.Errorf("find user: %w", ctx.Err())
		}
	}
	return s.person, s.err
}

// peek returns the person if they were seen lately, however long ago that is.
func (d *directory) peek(name string) (person, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.people[name]
	if s == nil || !s.finished() || s.err != nil {
		return person{}, false
	}
	return s.person, true
}

// claim returns the sighting to use. If it is mine the caller has to read it.
func (d *directory) claim(name string, maxAge time.Duration) (s *sighting, mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.people[name]; s != nil && (!s.finished() || s.fresh(maxAge)) {
		return s, false
	}
	d.makeRoom()
	s = &sighting{done: make(chan struct{})}
	d.people[name] = s
	return s, true
}

// makeRoom drops somebody, whoever comes first, if the directory is full.
func (d *directory) makeRoom() {
	for name, s := range d.people {
		if len(d.people) < maxPeople {
			return
		}
		if s.finished() {
			delete(d.people, name)
		}
	}
}

// read fills in s. It is carried through even if the client leaves, since
// others may wait for it.
func (d *directory) read(ctx context.Context, name string, s *sighting) {
	ctx, cancel := detach(ctx)
	defer cancel()
	defer close(s.done)
	s.person, s.err = d.ask(ctx, name)
	s.at = time.Now()
}

func (d *directory) ask(ctx context.Context, name string) (person, error) {
	user, found, err := d.askUser(ctx, name)
	if err != nil {
		return person{}, fmt.Errorf("find user: %w", err)
	}
	p := person{user: user, found: found}
	if !p.active(time.Now()) {
		return p, nil
	}
	if p.devices, err = d.client.Devices(ctx, user.ID); err != nil {
		return person{}, fmt.Errorf("list devices: %w", err)
	}
	return p, nil
}

// askUser takes name for a username, and for an email address if nobody has
// that username.
func (d *directory) askUser(ctx context.Context, name string) (onelogin.User, bool, error) {
	user, found, err := d.client.UserByUsername(ctx, name)
	if err != nil || found || !strings.Contains(name, "@") {
		return user, found, err
	}
	return d.client.UserByEmail(ctx, name)
}

func (s *sighting) finished() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *sighting) fresh(maxAge time.Duration) bool {
	if !s.person.active(time.Now()) || len(s.person.devices) == 0 {
		maxAge = min(maxAge, recheckAfter)
	}
	return s.err == nil && time.Since(s.at) < maxAge
}
