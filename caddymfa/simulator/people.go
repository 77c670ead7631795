package simulator

import (
	"crypto/rand"
	"strings"
	"time"
)

// Factor is a kind of proof, in this package's own words. The names that the
// API uses are given by the tables of docs/onelogin.md.
type Factor string

// The factors that a device can have. A magic link is the other mode of
// OneLogin's e-mail factor and looks the same in the API.
const (
	Protect   Factor = "protect"
	SMS       Factor = "sms"
	Email     Factor = "email"
	MagicLink Factor = "magiclink"
	Voice     Factor = "voice"
	TOTP      Factor = "totp"
	YubiKey   Factor = "yubikey"
	Duo       Factor = "duo"
)

// wireNames returns auth_factor_name and type_display_name as version 2 of the
// API spells them.
func (f Factor) wireNames() (factorName, typeName string) {
	switch f {
	case Protect:
		return "OneLogin", "OneLogin Protect"
	case SMS:
		return "SMS", "OneLogin SMS"
	case Email, MagicLink:
		return "OneLogin Email", "OneLogin Email"
	case Voice:
		return "OneLogin Voice", "OneLogin Voice"
	case TOTP:
		return "Google Authenticator", "Authenticator"
	case YubiKey:
		return "YubiKey", "YubiKey"
	case Duo:
		return "Duo Security", "Duo Security"
	}
	return string(f), string(f)
}

// answeredOnPhone reports whether the person ends such a verification on the
// phone instead of typing a code into the site.
func (f Factor) answeredOnPhone() bool {
	return f == Protect || f == Voice || f == MagicLink
}

// generatesCodes reports whether the device itself shows codes.
func (f Factor) generatesCodes() bool {
	return f == Protect || f == TOTP || f == YubiKey || f == Duo
}

// User is one person of the simulated account.
type User struct {
	ID       int64  // 0: the next free id
	Username string // unique; names the person in all hooks
	Email    string

	// Status and State are OneLogin's numbers. Both zero means active and
	// approved (1 and 1); use [Simulator.SetStatus] to make them really zero.
	Status, State int

	// LockedUntil is sent as locked_until. Zero: null.
	LockedUntil time.Time

	Devices []Device
}

// Device is one enrolled factor of a user.
type Device struct {
	ID      int64 // 0: the next free id
	Factor  Factor
	Name    string // what the person called it
	Default bool
}

// DemoUsers returns the people of the demo: alice with Protect (default), SMS,
// e-mail and an authenticator; bob with SMS only; carol with no device.
func DemoUsers() []User {
	return []User{
		{ID: 101, Username: "alice", Email: "alice@example.com", Status: 1, State: 1, Devices: []Device{
			{ID: 1001, Factor: Protect, Name: "Alice's phone", Default: true},
			{ID: 1002, Factor: SMS, Name: "Alice's number"},
			{ID: 1003, Factor: Email, Name: "Alice's mail"},
			{ID: 1004, Factor: TOTP, Name: "Alice's authenticator"},
		}},
		{ID: 102, Username: "bob", Email: "bob@example.com", Status: 1, State: 1, Devices: []Device{
			{ID: 1005, Factor: SMS, Name: "Bob's number", Default: true},
		}},
		{ID: 103, Username: "carol", Email: "carol@example.com", Status: 1, State: 1},
	}
}

// person is a user together with what only the simulator knows.
type person struct {
	User
	// secrets are random for every simulator, so no code can be hard-coded.
	secrets map[int64][]byte // shared secret of code-showing devices, by device id
	created time.Time
}

// AddUser adds u, or replaces the user with the same username. Ids that are zero
// are chosen from 9001 on. It does not check that ids given are unique.
func (s *Simulator) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Status == 0 && u.State == 0 {
		u.Status, u.State = 1, 1
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
			return
		}
	}
	s.people = append(s.people, p)
}

// SetStatus sets OneLogin's status and state of a user, exactly as given.
// An unknown username changes nothing.
func (s *Simulator) SetStatus(username string, status, state int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.person(username); p != nil {
		p.Status, p.State = status, state
	}
}

// Users returns everybody in the order in which they were added.
func (s *Simulator) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	users := make([]User, 0, len(s.people))
	for _, p := range s.people {
		u := p.User
		u.Devices = append([]Device(nil), p.Devices...)
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

func (p *person) device(deviceID int64) (Device, bool) {
	for _, d := range p.Devices {
		if d.ID == deviceID {
			return d, true
		}
	}
	return Device{}, false
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never returns an error, see crypto/rand
	return b
}
