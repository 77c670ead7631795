package caddymfa

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

const (
	// keysName is the endpoint that publishes the keys of assertions. It is
	// for apps and not for people.
	keysName = "jwks.json"

	// keysAge is how long apps may keep the published keys. It is far below
	// assertion.Overlap, so that a rotation goes unnoticed.
	keysAge = "public, max-age=300"

	defaultAssertionHeader = "X-Mfa-Assertion"
)

// Assertion makes verified requests carry a signed statement of who was
// verified, when and how, by which the app can tell the gateway from anybody
// else who reaches it: a JWT, good for a minute. The keys that it verifies with
// are at /.mfa/jwks.json, for everybody (docs/assertion.md).
//
// A request is refused with 503 if its statement cannot be signed.
type Assertion struct {
	// Audience names the app that the statement is for, which should accept no
	// other. At most 256 characters of printable ASCII, without placeholders.
	// Default: the site's host.
	Audience string `json:"audience,omitempty"`

	// Header is the header that carries the statement. Whatever a client sends
	// under that name, in any spelling, is removed on every path.
	// Default: X-Mfa-Assertion.
	Header string `json:"header,omitempty"`

	header string // as net/http spells it
	cache  assertion.Cache[assertionKey]
}

// assertionKey is what one signed statement can be used again for.
type assertionKey struct {
	session  session.Key
	authTime int64 // milliseconds since 1970
}

// headerName is narrower than RFC 9110, section 5.1, so that every spelling of
// the name can be told. It does not end in a hyphen, which would reserve all
// names that begin with it.
var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,31}(-[A-Za-z0-9]{1,32}){0,7}$`)

func (a *Assertion) check() error {
	switch {
	case a == nil:
		return nil
	case a.Audience != "" && (!identity.Valid(a.Audience) || strings.ContainsAny(a.Audience, "{}")):
		return fmt.Errorf("assertion: audience %q is not a fixed text of at most %d printable ASCII characters", a.Audience, identity.MaxValue)
	case a.Header != "" && !headerName.MatchString(a.Header):
		return fmt.Errorf("assertion: header %q is not a name of letters, digits and hyphens such as %s", a.Header, defaultAssertionHeader)
	case hasMeaning(strings.ToLower(a.Header)):
		return fmt.Errorf("assertion: header %q has a meaning already: use a name of its own such as %s", a.Header, defaultAssertionHeader)
	}
	return nil
}

// hasMeaning tells whether a header, in lower case, already says something to
// servers or apps that they would miss, or take our statement for.
func hasMeaning(name string) bool {
	for _, prefix := range [...]string{"accept-", "access-control-", "content-", "if-", "proxy-", "remote-", "sec-", "x-forwarded-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "accept", "authorization", "cache-control", "connection", "cookie", "date", "expect", "forwarded", "from", "host",
		"keep-alive", "max-forwards", "origin", "pragma", "range", "referer", "te", "trailer", "transfer-encoding",
		"upgrade", "user-agent", "via", "x-real-ip", "x-requested-with":
		return true
	}
	canonical := http.CanonicalHeaderKey(name)
	return canonical == identity.HeaderUser || canonical == identity.HeaderFactor || canonical == identity.HeaderAuthTime
}

// join makes the app read the signing keys.
func (a *Assertion) join(app *App) {
	if a == nil {
		return
	}
	a.header = http.CanonicalHeaderKey(cmp.Or(a.Header, defaultAssertionHeader))
	app.asserts = true
}

// reserved is the header that is the gateway's besides those that always are,
// or "".
func (a *Assertion) reserved() string {
	if a == nil || strings.HasPrefix(strings.ToLower(a.header), identity.Reserved) {
		return ""
	}
	return a.header
}

// introduce tells the app who was verified: by headers that nobody else can
// set, and, where the site wants that, by a statement that the app can check.
func (h *Handler) introduce(r *http.Request, key session.Key, s session.Session, now time.Time) error {
	err := identity.Assert(r.Header, identity.Assertion{User: s.User, Factor: s.Factor, AuthTime: s.AuthTime})
	if err != nil || h.Assertion == nil {
		return err
	}
	statement, err := h.statement(r.Context(), key, s, now)
	if err != nil {
		return err
	}
	r.Header[h.Assertion.header] = []string{statement}
	return nil
}

// statement returns what is said about a session, signed at most half a minute
// ago.
func (h *Handler) statement(ctx context.Context, key session.Key, s session.Session, now time.Time) (string, error) {
	id := assertionKey{session: key, authTime: s.AuthTime.UnixMilli()}
	if held, ok := h.Assertion.cache.Get(id, now); ok {
		return held, nil
	}
	ring, err := h.app.signing.ring(ctx)
	if err != nil {
		return "", err
	}
	signed, err := ring.Sign(assertion.Statement{
		Issuer:   s.Site,
		Audience: cmp.Or(h.Assertion.Audience, s.Site),
		User:     s.User,
		Factor:   s.Factor,
		AuthTime: s.AuthTime,
		Alone:    h.passwordless(),
	}, now)
	if err == nil {
		h.Assertion.cache.Put(id, signed, now)
	}
	return signed, err
}

// serveKeys publishes the keys that statements verify with. It needs no login:
// apps ask for them.
func (h *Handler) serveKeys(c *call) error {
	if h.Assertion == nil {
		return h.refuse(c.w, c.r, refusal{status: http.StatusNotFound, kind: kindNotFound})
	}
	ring, err := h.app.signing.ring(c.r.Context())
	if err != nil {
		return h.unavailable(c.w, c.r, "read signing keys", err)
	}
	keys, err := ring.PublicKeys(time.Now())
	if err != nil {
		return h.unavailable(c.w, c.r, "publish signing keys", err)
	}
	c.w.Header().Set("Cache-Control", keysAge)
	c.w.Header().Del("Vary") // they are the same for everybody
	return writeAs(c.w, "application/jwk-set+json", http.StatusOK, json.RawMessage(keys))
}
