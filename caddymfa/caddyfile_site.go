package caddymfa

import (
	"math"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseSite reads the directive "mfa". A matcher goes into the handler and
// not onto its route: the handler has to see every request of the site, to
// clean it and to answer below its own prefix.
func parseSite(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // "mfa"
	if h.Option("mfa") == nil {
		return nil, h.Err(`mfa needs the global option mfa: add "{ mfa { onelogin … } }" at the top of the Caddyfile`)
	}
	matcher, err := h.ExtractMatcherSet() // goes back to the beginning
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if matcher != nil {
		handler.MatcherSetsRaw = caddyhttp.RawMatcherSets{matcher}
	}
	return h.NewRoute(nil, handler), nil
}

// UnmarshalCaddyfile reads the directive:
//
//	mfa [<matcher>] {
//		user     <placeholder>
//		max_age  <duration>
//		idle     <duration>
//		lifetime <duration>
//		factors  <factor...>
//		exempt   <path...>
//		background <path...>
//		require  [<METHOD...>] <path...> {
//			max_age <duration>
//			factors <factor...>
//		}
//		brand {
//			name <text>
//			logo <file>
//			help <text>
//		}
//		sign_in  passwordless|password {
//			onelogin_session <origin>
//		}
//		enroll {
//			factors <factor...>
//			from    <prefix...>
//		}
//		smart_mfa {
//			threshold <1-100>
//			allow_low_risk
//		}
//		websocket_origins <origin...>
//		assertion {
//			audience <text>
//			header   <name>
//		}
//		insecure_http
//	}
//
// exempt and require may be repeated. It reads no file and no environment.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // "mfa"
	if d.NextArg() {
		return d.Errf("mfa takes nothing but a matcher before its block, got %q", d.Val())
	}
	err := readBlock(d, "mfa", map[string]option{
		"user":          text(&h.User),
		"max_age":       duration(&h.MaxAge),
		"idle":          duration(&h.Idle),
		"lifetime":      duration(&h.Lifetime),
		"factors":       factors(&h.Factors),
		"exempt":        {read: h.readExempt, repeats: true},
		"background":    {read: h.readBackground, repeats: true},
		"require":       {read: h.readRequire, repeats: true},
		"brand":         brand(&h.Brand),
		"insecure_http": flag(&h.InsecureHTTP),

		"websocket_origins": {read: h.readWebSocketOrigins},
		"sign_in":           {read: h.readSignIn},
		"enroll":            {read: h.readEnroll},
		"smart_mfa":         {read: h.readSmartMFA},
		"assertion":         {read: h.readAssertion},
	})
	if err != nil {
		return err
	}
	return h.tryOut(d)
}

func (h *Handler) readExempt(d *caddyfile.Dispenser) error {
	paths := d.RemainingArgs()
	if len(paths) == 0 {
		return d.Err(`exempt needs a path: "exempt /healthz /static/*"`)
	}
	h.Exempt = append(h.Exempt, paths...)
	return h.tryPaths(d)
}

func (h *Handler) readWebSocketOrigins(d *caddyfile.Dispenser) error {
	if h.WebSocketOrigins = d.RemainingArgs(); len(h.WebSocketOrigins) == 0 {
		return d.Err(`websocket_origins needs an origin: "websocket_origins https://www.example.com"`)
	}
	return nil
}

func (h *Handler) readBackground(d *caddyfile.Dispenser) error {
	paths := d.RemainingArgs()
	if len(paths) == 0 {
		return d.Err(`background needs a path: "background /api/notifications"`)
	}
	h.Background = append(h.Background, paths...)
	if _, err := h.compileBackground(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (h *Handler) readRequire(d *caddyfile.Dispenser) error {
	var rule Rule
	for _, arg := range d.RemainingArgs() {
		if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "*") {
			rule.Paths = append(rule.Paths, arg)
			continue
		}
		if len(rule.Paths) > 0 || arg != strings.ToUpper(arg) {
			return d.Errf("require: %q is neither a path nor a method before the paths: paths begin with /, methods are like POST", arg)
		}
		rule.Methods = append(rule.Methods, arg)
	}
	if len(rule.Paths) == 0 {
		return d.Err(`require needs a path: "require POST /payments/* { … }"`)
	}
	err := readBlock(d, "require", map[string]option{
		"max_age": duration(&rule.MaxAge),
		"factors": factors(&rule.Factors),
	})
	if err != nil {
		return err
	}
	h.Require = append(h.Require, rule)
	return h.tryPaths(d)
}

// tryPaths compiles the paths read so far, so that an error stands on the line
// that brought it in. What a later line may still put right is left to tryOut.
func (h *Handler) tryPaths(d *caddyfile.Dispenser) error {
	trial := Handler{Require: h.Require, MaxAge: math.MaxInt64}
	for _, path := range h.Exempt {
		if path != "*" && path != "/*" { // makes sense once a require follows
			trial.Exempt = append(trial.Exempt, path)
		}
	}
	if _, err := trial.compile(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// tryOut checks the whole block as Caddy will when it loads the config.
func (h *Handler) tryOut(d *caddyfile.Dispenser) error {
	trial := *h
	trial.setDefaults()
	if err := trial.check(); err != nil {
		return d.WrapErr(err)
	}
	if _, err := trial.compile(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
