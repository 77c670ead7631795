package caddymfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
//			store memory {
//				journal      off|<file>
//				max_sessions <number>
//			}
//			store redis <host:port...> {
//				…
//			}
//			sessions_per_user <number>
//			webhook <secret> {
//				events <id...>
//			}
//			node <name>
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
	// the memory store with a journal. They survive a config reload as long as
	// the new config still names the same store, and a restart
	// (docs/operations.md).
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=mfa.stores inline_key=module"`

	// HelpDesk lets operators make a temporary code for a person who has lost
	// their phone ("caddy mfa token"), and lets such codes count on every site
	// whose factors include temporary. Default: false; OneLogin is then never
	// asked for one.
	HelpDesk bool `json:"help_desk,omitempty"`

	// SessionsPerUser is how many sessions one user may have at once, counted
	// over all sites and nodes. With one more the oldest goes.
	// Default: 0, any number.
	SessionsPerUser int `json:"sessions_per_user,omitempty"`

	// Webhook lets OneLogin tell that somebody was locked, suspended or
	// deleted, or changed their password, which ends their sessions. Left out,
	// there is no such endpoint.
	Webhook *Webhook `json:"webhook,omitempty"`

	// Node names this Caddy in lists of sessions. At most 64 bytes.
	// Default: the host's name.
	Node string `json:"node,omitempty"`

	// Brand is how the pages look on every site that has no brand of its own.
	Brand *Brand `json:"brand,omitempty"`

	log   *zap.Logger
	audit *zap.Logger
	keys  *keyring

	config  context.Context // ends when a newer config has taken over
	signing *signingKeys
	asserts bool // a site wants assertions: only then are there signing keys

	store  *pooled[*openStore]
	engine *pooled[*openEngine]
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
	a.config, a.keys = ctx.Context, &keyring{storage: ctx.Storage()}
	a.signing = &signingKeys{storage: ctx.Storage(), log: a.log, audit: auditLog(ctx)}
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
	if a.store, err = acquireStore(provider, a.keys, a.log); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if err := a.nameNode(); err != nil {
		return err
	}
	if err := a.Webhook.resolve(a.log); err != nil {
		return err
	}
	a.engine, err = acquireEngine(resolved, a.OneLogin, provider.identity(), a.store.value.Store, a.keys, a.log, auditLog(ctx))
	if err != nil {
		return err
	}
	a.audit = auditLog(ctx)
	return a.engine.value.events.subscribe(ctx, a.log)
}

// maxNode bounds the name of a node, in bytes.
const maxNode = 64

func (a *App) nameNode() error {
	if len(a.Node) > maxNode {
		return fmt.Errorf("node has %d bytes, at most %d", len(a.Node), maxNode)
	}
	if a.Node == "" {
		a.Node, _ = os.Hostname() // a list without the node's name is no reason not to start
		a.Node = bounded(a.Node, maxNode)
	}
	return nil
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

// Start makes sure that the keys exist and that the store can be used,
// so that what is wrong is seen now and not by the first person. A store on
// the network that does not answer is said and no reason not to start: it may
// come later, and nobody is let through until then.
func (a *App) Start() error {
	ctx := context.Background()
	if _, err := a.keys.keys(ctx); err != nil {
		return fmt.Errorf("key in Caddy's storage: %w", err)
	}
	if a.asserts {
		if _, err := a.signing.ring(ctx); err != nil {
			return fmt.Errorf("signing keys in Caddy's storage: %w", err)
		}
		go a.signing.watch(a.config)
	}
	if err := a.store.value.start(ctx); err != nil {
		return fmt.Errorf("start store: %w", err)
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
	return session.NewSessions(a.store.value.Store, session.Options{MaxPerUser: a.SessionsPerUser})
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
