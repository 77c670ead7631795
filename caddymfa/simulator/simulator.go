package simulator

import (
	"sync"
	"time"
)

// Options configure a [Simulator]. The zero value gives the demo people, one
// credential with every right, and the default behaviour.
type Options struct {
	// ClientID and ClientSecret are the API credential with the scope
	// Manage All. Default "demo-client" and "demo-secret".
	ClientID, ClientSecret string

	// Credentials are further credentials, each with its own scope.
	Credentials []Credential

	// Users are the people that exist. Nil: [DemoUsers].
	Users []User

	// Switches are the deviations to begin with. Zero: the default behaviour.
	Switches Switches
}

// Simulator is one simulated OneLogin account. All methods are safe for
// concurrent use. It needs no closing, and starts no goroutine but those of
// [Simulator.SetWebhook].
type Simulator struct {
	credentials []Credential // fixed after New
	endpoints   []endpoint   // fixed after New

	// mu guards everything below. It is never held while a call is slow.
	mu            sync.Mutex
	offset        time.Duration // what Advance added to time.Now
	switches      Switches
	switchedCalls int // calls that met switches since they last changed
	people        []*person
	accessTokens  map[string]accessToken // by client id
	verifications []*verification        // oldest first
	sent          []sentMessage
	history       []Request
	events        []Event
	calls         map[string]int
	lastID        int64
	lastEventID   int64
	quota         quota

	webhook    Webhook
	outbox     []Event // what the webhook has still to tell, oldest first
	delivering bool    // a goroutine is about to empty the outbox
	deliveries []Delivery

	logins        []*login                  // oldest first
	sessionTokens map[string]sessionToken   // by value
	portal        map[string]*person        // who is signed in, by cookie value
	smart         map[string]*smartIdentity // by user_identifier
	risks         map[string]int            // scores, by user_identifier or address
}

// New returns a simulator. It panics if o.Switches holds a value that no
// switch knows, because that is a mistake in the calling test.
func New(o Options) *Simulator {
	mustBeValid(o.Switches)
	s := &Simulator{
		credentials:   credentials(o),
		endpoints:     endpoints(),
		switches:      o.Switches,
		accessTokens:  map[string]accessToken{},
		calls:         map[string]int{},
		sessionTokens: map[string]sessionToken{},
		portal:        map[string]*person{},
		smart:         map[string]*smartIdentity{},
		risks:         map[string]int{},
		lastID:        9000,
	}
	users := o.Users
	if users == nil {
		users = DemoUsers()
	}
	for _, u := range users {
		s.AddUser(u)
	}
	return s
}

// SetSwitches changes the switches and starts the counts of Switches.Times and
// Switches.Edge429 afresh. It panics if the result holds a value that no
// switch knows.
func (s *Simulator) SetSwitches(change func(*Switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.switches
	change(&next)
	mustBeValid(next)
	s.switches, s.switchedCalls = next, 0
}

// Switches returns the switches as they are now.
func (s *Simulator) Switches() Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switches
}

// Advance moves the simulator's clock forward by d, which expires
// verifications and access tokens and changes the codes of authenticators.
// A negative d moves it back.
func (s *Simulator) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Now returns the simulator's time: time.Now plus what Advance added.
func (s *Simulator) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Reset forgets what is pending (verifications, registrations, logins, session
// tokens, portal sessions) and what was recorded (messages, history, events,
// counts, the hour's calls, what a webhook has told or had still to tell). Users
// with their devices and temporary codes, access tokens, risk scores, the
// webhook, switches and the clock stay as they are.
func (s *Simulator) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verifications, s.sent, s.history = nil, nil, nil
	s.events, s.logins, s.quota = nil, nil, quota{}
	s.outbox, s.deliveries = nil, nil
	clear(s.sessionTokens)
	clear(s.portal)
	s.calls = map[string]int{}
	s.switchedCalls = 0
}

// now is Now for callers that hold mu.
func (s *Simulator) now() time.Time { return time.Now().Add(s.offset) }
