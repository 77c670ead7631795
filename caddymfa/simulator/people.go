package simulator

import (
	"slices"
	"strings"
	"time"
)

// User is one person of the simulated account.
type User struct {
	ID       int64  `json:"id"`       // 0: the next free id
	Username string `json:"username"` // unique; names the person in all hooks
	Email    string `json:"email"`
	Phone    string `json:"phone"` // sent as it is; empty: null

	// Password is what a session login takes. Empty: "demo".
	Password string `json:"password"`

	// Status and State are OneLogin's numbers. Both zero means active and
	// approved (1 and 1); use [Simulator.SetStatus] to make them really zero.
	Status int `json:"status"`
	State  int `json:"state"`

	// LockedUntil is sent as locked_until. Zero: null.
	LockedUntil time.Time `json:"locked_until"`

	// MayEnrol are the factors that the person's policy allows. Those that are
	// enrolled already are not offered again. Nil: every kind; empty: none.
	// Duo and YubiKey are offered, but cannot be enrolled through the API.
	MayEnrol []Factor `json:"may_enrol"`

	Devices []Device `json:"devices"`
}

// Device is one enrolled factor of a user.
type Device struct {
	ID      int64  `json:"id"` // 0: the next free id
	Factor  Factor `json:"factor"`
	Name    string `json:"name"` // what the person called it
	Default bool   `json:"default"`
}

// DemoUsers returns the people of the demo: alice with Protect (default), SMS,
// e-mail and an authenticator; bob with SMS only; carol with no device. The
// password of all three is "demo".
func DemoUsers() []User {
	return []User{
		{ID: 101, Username: "alice", Email: "alice@example.com", Phone: "+12025550101", Status: 1, State: 1, Devices: []Device{
			{ID: 1001, Factor: Protect, Name: "Alice's phone", Default: true},
			{ID: 1002, Factor: SMS, Name: "Alice's number"},
			{ID: 1003, Factor: Email, Name: "Alice's mail"},
			{ID: 1004, Factor: TOTP, Name: "Alice's authenticator"},
		}},
		{ID: 102, Username: "bob", Email: "bob@example.com", Phone: "+12025550102", Status: 1, State: 1, Devices: []Device{
			{ID: 1005, Factor: SMS, Name: "Bob's number", Default: true},
		}},
		{ID: 103, Username: "carol", Email: "carol@example.com", Phone: "+12025550103", Status: 1, State: 1},
	}
}

// person is a user together with what only the simulator knows.
type person struct {
	User
	// secrets are random for every simulator, so no code can be hard-coded.
	secrets   map[int64][]byte // shared secret of code-showing devices, by device id
	temporary []*temporaryCode
	created   time.Time

	wrongPasswords int
}

// AddUser adds u, or replaces the user with the same username. Ids that are zero
// are chosen from 9001 on. It does not check that ids given are unique.
func (s *Simulator) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(u)
}

// add is AddUser for callers that hold mu.
func (s *Simulator) add(u User) *person {
	if u.Status == 0 && u.State == 0 {
		u.Status, u.State = 1, 1
	}
	if u.Password == "" {
		u.Password = "demo"
	}
	u.ID = s.orNextID(u.ID)
	p := &person{User: u, secrets: map[int64][]byte{}, created: s.now()}
	p.Devices = append([]Device(nil), u.Devices...)
	for i := range p.Devices {
		d := &p.Devices[i]
		d.ID = s.orNextID(d.ID)
		p.secrets[d.ID] = randomBytes(20)
	}
	for i, old := range s.people {
		if old.Username == u.Username {
			s.people[i] = p
			return p
		}
	}
	s.people = append(s.people, p)
	return p
}

// Users returns everybody in the order in which they were added.
func (s *Simulator) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	users := make([]User, 0, len(s.people))
	for _, p := range s.people {
		u := p.User
		u.Devices = slices.Clone(p.Devices)
		users = append(users, u)
	}
	return users
}

// orNextID returns id, or a fresh one for zero.
func (s *Simulator) orNextID(id int64) int64 {
	if id != 0 {
		return id
	}
	s.lastID++
	return s.lastID
}

// person finds people as OneLogin's search does, without case.
func (s *Simulator) person(username string) *person {
	for _, p := range s.people {
		if strings.EqualFold(p.Username, username) {
			return p
		}
	}
	return nil
}

func (s *Simulator) personByID(userID int64) *person {
	for _, p := range s.people {
		if p.ID == userID {
			return p
		}
	}
	return nil
}

// personBy finds people by username or by mail address, without case.
func (s *Simulator) personBy(name string) *person {
	for _, p := range s.people {
		if strings.EqualFold(p.Username, name) || name != "" && strings.EqualFold(p.Email, name) {
			return p
		}
	}
	return nil
}

// device returns the enrolled device that a request names.
func (p *person) device(ref deviceRef) (Device, bool) {
	for _, d := range p.Devices {
		if d.ref() == ref {
			return d, true
		}
	}
	return Device{}, false
}

// addDevice adds a device whose secret the person's phone has already. The
// first one is the default.
func (p *person) addDevice(d Device, secret []byte) {
	d.Default = len(p.Devices) == 0
	p.Devices = append(p.Devices, d)
	p.secrets[d.ID] = secret
}
