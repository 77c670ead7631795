// Package stepup runs challenges: it asks one user to prove themselves with one
// of their OneLogin factors, from the choice of a device to the verdict, within
// limits that no new tab, browser or challenge resets.
//
// [Engine] is all there is to it. Its methods are the steps of a challenge, and
// each of them answers with a [Result]. A refusal is a value in the result. An
// error means that OneLogin or the store could not tell; the challenge is not
// verified then and the caller keeps its gate shut.
//
// The package knows neither HTTP nor Caddy. docs/challenge.md describes it.
package stepup

import (
	"context"
	"sync"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// Config is what an [Engine] works with.
type Config struct {
	// Client asks OneLogin. Required. The engine does not close it.
	Client *onelogin.Client

	// Store keeps challenges, counters and used codes. Required. Engines on
	// one store share them.
	Store session.Store

	// Limits bound tries, sends and time. Fields that are zero take their
	// value from [DefaultLimits].
	Limits Limits

	// Node names this engine to whoever looks into the store. Engines of one
	// name are kept apart all the same. Default: none.
	Node string

	// Pepper returns the key to the memory of used codes, so that codes cannot
	// be guessed out of a dump of the store. Engines on one store need the same
	// one. It is asked for at the first code and again after an error: no code
	// is taken without it. Nil: a random one of this engine's own.
	Pepper func(context.Context) ([32]byte, error)

	// EmailLink is set where the tenant's mail factor sends a link: it is where
	// the page behind the link leads, a constant. Such devices are then polled,
	// and a code is still taken. Empty: mails bring a code.
	EmailLink string

	// HelpDesk lets [Engine.IssueTemporary] make codes.
	HelpDesk bool

	// Observe is told every event. It is called from the step that made the
	// event, so it must be quick. Nil: nobody is told.
	Observe func(Event)
}

// Engine runs challenges. All methods may be called concurrently.
//
// A challenge is named by [Demand.Nonce] and belongs to the browser that holds
// its cookie value. Every step checks both, the user and the site.
type Engine struct {
	client    *onelogin.Client
	store     session.Store
	node      string // who holds a lease
	limits    Limits
	pepper    pepper
	emailLink string
	helpDesk  bool
	observe   func(Event)
	people    people
	changes   broadcaster

	// live ends when the engine is closed; working counts what goes on behind
	// the requests, which ends with it.
	live    context.Context
	stop    context.CancelFunc
	working sync.WaitGroup

	// mu guards closed, pollers and settling.
	mu       sync.Mutex
	closed   bool
	pollers  map[string]struct{} // by activation
	settling int                 // blind challenges that are being found out about
}

// stepTime bounds what one step may spend at OneLogin and the store after it
// has left the client's own context.
const stepTime = 30 * time.Second

// New returns an engine. Close it when it is no longer used.
func New(config Config) *Engine {
	live, stop := context.WithCancel(context.Background())
	observe := config.Observe
	if observe == nil {
		observe = func(Event) {}
	}
	return &Engine{
		client:    config.Client,
		store:     config.Store,
		node:      config.Node + "/" + newReservation(),
		limits:    config.Limits.orDefault(),
		pepper:    newPepper(config.Pepper),
		emailLink: config.EmailLink,
		helpDesk:  config.HelpDesk,
		observe:   observe,
		people:    newPeople(config.Client),
		live:      live,
		stop:      stop,
		pollers:   make(map[string]struct{}),
	}
}

// Close stops watching pushes and looking for users, and waits until that has
// ended. Challenges stay in the store, and what was watched is free to be
// watched by another engine on it. Close may be called more than once.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.stop()
	e.working.Wait()
}

// detach returns a context for a step that must be carried through once it has
// begun: it outlives the client's request, but not stepTime.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), stepTime)
}
