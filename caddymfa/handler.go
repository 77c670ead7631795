package caddymfa

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Defaults of the handler's options.
const (
	defaultUser     = "{http.auth.user.id}"
	defaultMaxAge   = 8 * time.Hour
	defaultIdle     = time.Hour
	defaultLifetime = 24 * time.Hour

	// shortestAge is the least that an age or lifetime may be: below it a
	// person could be asked again before the page they asked for is there.
	shortestAge = 5 * time.Second
)

// Handler lets a request pass to the app only if its user has proved
// themselves to OneLogin, recently enough and by a factor that the route
// accepts. Everybody else is sent to a challenge below /.mfa/ on the same
// host.
//
// Placeholders for the handlers behind it:
//
//	{http.mfa.user}       the user, as the first login names them
//	{http.mfa.factor}     the factor of the last proof: protect, sms, email, totp
//	{http.mfa.auth_time}  when that was, RFC 3339 in UTC
//	{http.mfa.age}        seconds since then
//	{http.mfa.decision}   verified or exempt
//
// The app gets the headers X-Mfa-User, X-Mfa-Factor and X-Mfa-Auth-Time on
// verified requests, and with Assertion a signed token. What a client sends
// under such names never reaches it.
type Handler struct {
	// User is the placeholder in which an earlier handler put the name of the
	// logged-in user. The name must be the OneLogin username, or the e-mail
	// address, exactly. An empty value is refused, never passed.
	// Default: {http.auth.user.id}. It contradicts SignIn.
	User string `json:"user,omitempty"`

	// MaxAge is how long a proof stays good, counted from the moment of the
	// proof. Default: 8h. Least: 5s.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// Idle ends a session that made no request for this long.
	// Default: 1h. Least: 5s.
	Idle caddy.Duration `json:"idle,omitempty"`

	// Lifetime ends a session this long after its proof, however busy it is.
	// Default: 24h, or max_age if that is longer. Least: 5s.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// Factors are the factors that count on this site: protect, sms, email,
	// voice, totp, yubikey, duo. Default: all.
	Factors []string `json:"factors,omitempty"`

	// Exempt lists paths that need no proof: an exact path ("/healthz") or
	// all below a folder ("/static/*"). An exemption holds only for a path
	// that can be read in one way, and never where a rule of Require applies
	// (docs/paths.md).
	Exempt []string `json:"exempt,omitempty"`

	// Background lists paths, written as those of Exempt, whose requests do not
	// count as use: what an open page asks for by itself must not keep a
	// session from going idle. Neither do event streams, prefetches and our
	// own pages. They need the same proof as any other path. Default: none.
	Background []string `json:"background,omitempty"`

	// Require lists rules for parts of the site. Where several apply the
	// strictest wins; none can weaken the site's own options.
	Require []Rule `json:"require,omitempty"`

	// WebSocketOrigins are the origins, besides the site's own, whose pages may
	// open WebSockets here, such as https://www.example.com, in lower case.
	// Browsers send cookies with WebSockets from any page. Default: none.
	WebSocketOrigins []string `json:"websocket_origins,omitempty"`

	// InsecureHTTP lets this site issue its cookie over plain http. For demos
	// and tests on localhost only: whoever can read the traffic can take the
	// session. Default: false.
	InsecureHTTP bool `json:"insecure_http,omitempty"`

	// Brand is how this site's pages look. A field that is left out is taken
	// from the app's brand.
	Brand *Brand `json:"brand,omitempty"`

	// SignIn makes the site bring its own first login. Left out, a handler in
	// front of mfa names the user.
	SignIn *SignIn `json:"sign_in,omitempty"`

	// Enroll lets users without a device enrol one. Left out, they are
	// refused.
	Enroll *Enroll `json:"enroll,omitempty"`

	// SmartMFA proves people by OneLogin's Smart MFA in place of their
	// devices. Left out, devices prove them.
	SmartMFA *SmartMFA `json:"smart_mfa,omitempty"`

	// Assertion makes verified requests carry a signed statement that the app
	// can check. Left out, they carry none.
	Assertion *Assertion `json:"assertion,omitempty"`

	// MatcherSetsRaw selects the requests that are guarded. Left out, all
	// are. Requests that it does not select pass without proof, so a path
	// matcher here is weaker than Require: Caddy and the app may read an odd
	// path in different ways (docs/paths.md).
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	app      *App
	log      *zap.Logger
	userKey  string // of User, if it is one placeholder
	rules    *policy.Rules
	unasked  *policy.Rules // exempts what Background lists; nil: nothing
	sessions *session.Sessions
	streams  *session.Streams
	matchers caddyhttp.MatcherSets
	brand    page.Brand
	cookies  cookieNames

	warnOfProxies *sync.Once
	config        context.Context // ends when a newer config has taken over
}

// Rule is what a part of the site requires.
type Rule struct {
	// Methods are the HTTP methods that the rule is for. Default: all.
	Methods []string `json:"methods,omitempty"`

	// Paths are the paths that the rule is for: an exact path ("/pay") or a
	// folder with all below it ("/admin/*"). The rule applies if any way of
	// reading the request's path matches. Required.
	Paths []string `json:"paths,omitempty"`

	// MaxAge is how long a proof stays good here. Default: the site's.
	// Least: 5s. It cannot be longer than the site's max_age.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// Factors are the factors that count here. Default: the site's.
	Factors []string `json:"factors,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.mfa",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision joins the app and compiles the rules.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Logger()
	h.config = ctx.Context
	app, err := ctx.AppIfConfigured("mfa")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New(`the global option mfa is missing: add "{ mfa { onelogin … } }" at the top of the Caddyfile`)
	}
	if err != nil {
		return err
	}
	h.app = app.(*App)
	h.sessions, h.streams = h.app.sessions(), h.app.store.value.streams
	h.setDefaults()
	if h.rules, err = h.compile(); err != nil {
		return err
	}
	if h.unasked, err = h.compileBackground(); err != nil {
		return err
	}
	if err := errors.Join(h.Brand.load(), h.Enroll.compile()); err != nil {
		return err
	}
	h.brand = h.Brand.over(h.app.Brand)
	h.cookies, h.warnOfProxies = namesOfCookies(h.InsecureHTTP), new(sync.Once)
	h.Assertion.join(h.app)
	if h.InsecureHTTP {
		h.log.Warn("insecure_http is on: this site's session cookie can be read on the network")
	}
	return h.loadMatchers(ctx)
}

func (h *Handler) loadMatchers(ctx caddy.Context) error {
	if h.MatcherSetsRaw == nil {
		return nil
	}
	loaded, err := ctx.LoadModule(h, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("load matchers: %w", err)
	}
	return h.matchers.FromInterface(loaded)
}

func (h *Handler) setDefaults() {
	if h.User == "" && h.SignIn == nil {
		h.User = defaultUser
	}
	h.userKey = soleKey(h.User)
	if h.MaxAge == 0 {
		h.MaxAge = caddy.Duration(defaultMaxAge)
	}
	if h.Idle == 0 {
		h.Idle = caddy.Duration(defaultIdle)
	}
	if h.Lifetime == 0 {
		h.Lifetime = max(caddy.Duration(defaultLifetime), h.MaxAge)
	}
}

// Validate refuses options that cannot mean what was meant.
func (h *Handler) Validate() error {
	return h.check()
}

// check is shared with the Caddyfile parser, which knows the line.
func (h *Handler) check() error {
	if h.SignIn == nil && !strings.Contains(h.User, "{") {
		return fmt.Errorf("user %q is the same for everybody: use a placeholder such as %s", h.User, defaultUser)
	}
	for _, option := range []struct {
		name  string
		value caddy.Duration
	}{{"max_age", h.MaxAge}, {"idle", h.Idle}, {"lifetime", h.Lifetime}} {
		if err := checkAge(option.name, option.value); err != nil {
			return err
		}
	}
	if h.MaxAge > h.Lifetime {
		return fmt.Errorf("max_age %s is longer than lifetime %s, which ends the session first: raise lifetime or lower max_age",
			time.Duration(h.MaxAge), time.Duration(h.Lifetime))
	}
	if err := errors.Join(h.SignIn.check(), h.SmartMFA.check(), h.Assertion.check(), h.checkTogether()); err != nil {
		return err
	}
	for _, allowed := range h.WebSocketOrigins {
		if origin(allowed) != allowed || allowed != strings.ToLower(allowed) || !strings.HasPrefix(allowed, "http") {
			return fmt.Errorf("websocket_origins: %q is not an origin such as https://www.example.com", allowed)
		}
	}
	for _, rule := range h.Require {
		if rule.MaxAge == 0 && len(rule.Factors) == 0 && len(h.Exempt) == 0 {
			return fmt.Errorf("require %s asks for nothing more than the site does: give it max_age or factors",
				strings.Join(rule.Paths, " "))
		}
	}
	return nil
}

func checkAge(name string, age caddy.Duration) error {
	if time.Duration(age) < shortestAge {
		return fmt.Errorf("%s %s is too short: at least %s", name, time.Duration(age), shortestAge)
	}
	return nil
}

// compile turns the path options into rules. It reads the config alone, so
// that the Caddyfile parser can use it too.
func (h *Handler) compile() (*policy.Rules, error) {
	base, err := requirement(h.MaxAge, h.Factors)
	if err != nil {
		return nil, err
	}
	rules := make([]policy.Rule, 0, len(h.Require))
	for _, rule := range h.Require {
		own, err := requirement(rule.MaxAge, rule.Factors)
		if err != nil {
			return nil, err
		}
		rules = append(rules, policy.Rule{Methods: rule.Methods, Paths: rule.Paths, Requirement: own})
	}
	return policy.Compile(base, h.Exempt, rules)
}

// compileBackground returns rules under which the background paths are exempt:
// they are read as strictly as exemptions are.
func (h *Handler) compileBackground() (*policy.Rules, error) {
	if len(h.Background) == 0 {
		return nil, nil
	}
	base := policy.Requirement{MaxAge: defaultMaxAge, Factors: policy.AnyFactor}
	rules, err := policy.Compile(base, h.Background, nil)
	if err != nil {
		return nil, errors.New("background: " + strings.TrimPrefix(err.Error(), "exempt: "))
	}
	return rules, nil
}

func requirement(maxAge caddy.Duration, factors []string) (policy.Requirement, error) {
	set, err := policy.ParseFactors(factors)
	return policy.Requirement{MaxAge: time.Duration(maxAge), Factors: set}, err
}

func (h *Handler) steps() *stepup.Engine { return h.app.steps() }

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
