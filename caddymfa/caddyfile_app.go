package caddymfa

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// parseApp reads the global option "mfa".
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // "mfa"
	if existing != nil {
		return nil, d.Err("the global option mfa is given twice: put everything into one block")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "mfa", Value: caddyconfig.JSON(a, nil)}, nil
}

// UnmarshalCaddyfile reads the block of the global option; the syntax is at
// [App]. It reads no file and no environment.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := noMore(d, "mfa"); err != nil {
		return err
	}
	err := readBlock(d, "the global option mfa", map[string]option{
		"onelogin":  {read: a.readOneLogin},
		"store":     {read: a.readStore},
		"brand":     brand(&a.Brand),
		"help_desk": flag(&a.HelpDesk),
		"webhook":   {read: a.readWebhook},
		"node":      text(&a.Node),

		"sessions_per_user": number(&a.SessionsPerUser),
	})
	if err == nil && a.OneLogin == nil {
		return d.Err(`the global option mfa needs a tenant: add "onelogin <subdomain> { client_id …; client_secret … }"`)
	}
	return err
}

func (a *App) readOneLogin(d *caddyfile.Dispenser) error {
	o := new(OneLogin)
	if err := text(&o.Tenant).read(d); err != nil {
		return err
	}
	if !strings.Contains(o.Tenant, "{") {
		if _, err := onelogin.BaseURL(o.Tenant); err != nil {
			return d.WrapErr(err)
		}
	}
	err := readBlock(d, "onelogin", map[string]option{
		"client_id":     text(&o.ClientID),
		"client_secret": text(&o.ClientSecret),
		"ca":            text(&o.CA),
		"api":           text(&o.API),
		"email_link":    text(&o.EmailLink),
		"hourly_budget": number(&o.HourlyBudget),
	})
	if err != nil {
		return err
	}
	if err := o.checkRest(); err != nil {
		return d.WrapErr(err)
	}
	for name, value := range map[string]string{"client_id": o.ClientID, "client_secret": o.ClientSecret} {
		if value == "" {
			return d.Errf("onelogin %s has no %s: add it as {env.NAME} or {file./path}", o.Tenant, name)
		}
	}
	a.OneLogin = o
	return nil
}

func (a *App) readStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err(`store needs a kind: "store memory" or "store redis <host:port>"`)
	}
	kind := d.Val()
	if kind != "memory" && kind != "redis" {
		return d.Errf("unknown store %q: the kinds are memory and redis", kind)
	}
	module, err := caddyfile.UnmarshalModule(d, "mfa.stores."+kind)
	if err != nil {
		return err
	}
	a.StoreRaw = caddyconfig.JSONModuleObject(module, "module", kind, nil)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*App)(nil)
