package caddymfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

func init() {
	caddy.RegisterModule(App{})
}

// App is what all protected sites share: the OneLogin tenant that proves
// people, the store that remembers sessions, and how the pages look.
//
// In the Caddyfile it is the global option "mfa":
//
//	{
//		mfa {
//			onelogin <subdomain|base-url> {
//				client_id     <value>
//				client_secret <value>
//				ca            <file>
//				api           v1|v2
//				email_link    <url>
//				hourly_budget <calls>
//			}
//			store memory
//			help_desk
//			brand {
//				name <text>
//				logo <file>
//				help <text>
//			}
//		}
//	}
type App struct {
	// OneLogin is the tenant whose users and factors count. Required.
	OneLogin *OneLogin `json:"onelogin,omitempty"`

	// StoreRaw is where sessions, challenges and counters are kept. Default:
	// the memory store. They survive a config reload as long as the new
	// config still uses the same store; the memory store does not survive the
	// end of the process.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=mfa.stores inline_key=module"`

	// HelpDesk lets operators make a temporary code for a person who has lost
	// their phone ("caddy mfa token"), and lets such codes count on every site
	// whose factors include temporary. Default: false; OneLogin is then never
	// asked for one.
	HelpDesk bool `json:"help_desk,omitempty"`

	// Brand is how the pages look on every site that has no brand of its own.
	Brand *Brand `json:"brand,omitempty"`

	log    *zap.Logger
	keys   *keyring
	store  *pooled[*openStore]
	engine *pooled[*openEngine]
}

// storeProvider is what a module in the namespace mfa.stores gives the app.
type storeProvider interface {
	// identity names the store itself and nothing about how it is tuned: two
	// configs whose stores have one identity share one store, so that a
	// reload that changes a limit logs nobody out.
	identity() string

	// open makes the store. The function returned releases it. It must not
	// fail because something on the network cannot be reached.
	open() (session.Store, func(), error)
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "mfa",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision opens the store and OneLogin's client, or joins the ones that the
// running config already uses. It makes no network call.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger()
	if err := registerMetrics(ctx); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	a.keys = &keyring{storage: ctx.Storage()}
	if a.OneLogin == nil {
		return errors.New(`no OneLogin tenant: add "onelogin <subdomain> { client_id …; client_secret … }" to the global option mfa`)
	}
	resolved, err := a.OneLogin.resolve(a.log)
	if err != nil {
		return err
	}
	resolved.helpDesk = a.HelpDesk
	if err := a.Brand.load(); err != nil {
		return err
	}
	provider, err := a.loadStore(ctx)
	if err != nil {
		return err
	}
	if a.store, err = acquireStore(provider); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	a.engine, err = acquireEngine(resolved, provider.identity(), a.store.value.Store, a.log, auditLog(ctx))
	return err
}

func (a *App) loadStore(ctx caddy.Context) (storeProvider, error) {
	var module any
	var err error
	if a.StoreRaw == nil {
		module, err = ctx.LoadModuleByID("mfa.stores.memory", nil)
	} else {
		module, err = ctx.LoadModule(a, "StoreRaw")
	}
	if err != nil {
		return nil, fmt.Errorf("load store: %w", err)
	}
	provider, ok := module.(storeProvider)
	if !ok {
		return nil, fmt.Errorf("module %T is not a store for mfa", module)
	}
	return provider, nil
}

// Start makes sure that the key for challenge URLs exists, so that a storage
// that cannot be used is seen now and not by the first person.
func (a *App) Start() error {
	if _, err := a.keys.keys(context.Background()); err != nil {
		return fmt.Errorf("key in Caddy's storage: %w", err)
	}
	if host := a.OneLogin.foreignHost(); host != "" {
		a.log.Warn("OneLogin is reached at a host outside onelogin.com", zap.String("host", host))
	}
	return nil
}

// Stop does nothing: requests of the old config may still be under way.
func (a *App) Stop() error { return nil }

// Cleanup gives back what Provision took. Others keep using the store and the
// client if a newer config has joined them.
func (a *App) Cleanup() error {
	return errors.Join(a.engine.release(), a.store.release())
}

// steps returns the engine that runs challenges.
func (a *App) steps() *stepup.Engine { return a.engine.value.Engine }

// sessions returns the typed layer over the app's store.
func (a *App) sessions() *session.Sessions {
	return session.NewSessions(a.store.value.Store, session.Options{})
}

// auditLog is the logger of what happened to people's challenges. It has a name
// of its own, http.handlers.mfa.audit, so that it can be kept apart.
func auditLog(ctx caddy.Context) *zap.Logger {
	return ctx.Logger(Handler{}).Named("audit")
}

// isPlaceholder tells whether value is filled in when the config is loaded.
func isPlaceholder(value string) bool {
	return strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}")
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
