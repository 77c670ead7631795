package caddymfa

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// The pools hold what must outlive a config: Caddy provisions a new config
// before it cleans up the old one, so a value that both name lives on.
var (
	stores  = caddy.NewUsagePool() // by the store's identity
	engines = caddy.NewUsagePool() // by credential and store
)

// pooled is one reference to a value in a usage pool, given back once. Caddy
// also cleans up modules whose Provision failed half-way; for those it is nil.
type pooled[T any] struct {
	pool  *caddy.UsagePool
	key   string
	value T
}

func (p *pooled[T]) release() error {
	if p == nil {
		return nil
	}
	_, err := p.pool.Delete(p.key)
	return err
}

func acquire[T caddy.Destructor](pool *caddy.UsagePool, key string, open func() (T, error)) (*pooled[T], error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return open() })
	if err != nil {
		return nil, err
	}
	return &pooled[T]{pool: pool, key: key, value: value.(T)}, nil
}

// openEngine runs the challenges of one credential and store. It outlives
// configs, so it writes to the loggers of the newest.
type openEngine struct {
	*stepup.Engine
	client  *onelogin.Client
	baseURL string
	log     atomic.Pointer[zap.Logger]
	audit   atomic.Pointer[zap.Logger]
	events  *notifier
	tenant  atomic.Pointer[OneLogin] // the newest config's
}

// Destruct implements [caddy.Destructor].
func (e *openEngine) Destruct() error {
	e.Engine.Close()
	e.client.Close()
	e.events.close()
	return nil
}

func acquireEngine(c credential, tenant *OneLogin, storeIdentity string, store session.Store, keys *keyring, log, audit *zap.Logger) (*pooled[*openEngine], error) {
	held, err := acquire(engines, c.identity()+"\n"+storeIdentity, func() (*openEngine, error) {
		return newEngine(c, store, keys)
	})
	if err != nil {
		return nil, fmt.Errorf("onelogin: %w", err)
	}
	held.value.tenant.Store(tenant)
	held.value.log.Store(log)
	held.value.audit.Store(audit)
	held.value.client.SetCredentials(c.clientID, c.clientSecret)
	return held, nil
}

// reload reads the credential again: a file may hold a new secret.
func (e *openEngine) reload(context.Context) (clientID, clientSecret string, err error) {
	tenant := e.tenant.Load()
	if tenant == nil {
		return "", "", errors.New("no config yet")
	}
	return tenant.secrets()
}

func newEngine(c credential, store session.Store, keys *keyring) (*openEngine, error) {
	e := &openEngine{baseURL: c.baseURL, events: newNotifier()}
	e.log.Store(zap.NewNop())
	e.audit.Store(zap.NewNop())
	client, err := onelogin.New(onelogin.Config{
		BaseURL:      c.baseURL,
		ClientID:     c.clientID,
		ClientSecret: c.clientSecret,
		Transport:    c.transport,
		API:          c.api,
		HourlyBudget: c.hourlyBudget,
		Reload:       e.reload,
		Observe: func(call onelogin.Call) {
			countCall(call)
			logCall(e.log.Load(), call)
			if call.StatusCode == 0 || call.StatusCode >= http.StatusInternalServerError {
				e.events.providerDown(call.Op, call.StatusCode)
			}
		},
	})
	if err != nil {
		e.events.close()
		return nil, err
	}
	e.client = client
	config := stepup.Config{
		Client:    client,
		Store:     store,
		Limits:    stepup.DefaultLimits(),
		EmailLink: c.emailLink,
		HelpDesk:  c.helpDesk,
		Observe: func(event stepup.Event) {
			logEvent(e.audit.Load(), event)
			e.events.challenge(event)
		},
	}
	// It keeps remembered codes from being guessed out of a dump of the store,
	// and is the same on every node.
	config.Pepper = func(ctx context.Context) ([32]byte, error) { return keys.derive(ctx, "used codes") }
	e.Engine = stepup.New(config)
	return e, nil
}
