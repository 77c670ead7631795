package caddymfa

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// Purposes of what is sealed. Something sealed for one cannot be used for
// another: the address of a challenge is no proof that a form came from its
// page.
const (
	purposeURL    = "challenge url"
	purposeForm   = "challenge form"
	purposeLogout = "logout form"
)

// ticketLifetime is how long a challenge's address can be used to start. An
// older one leads to a fresh challenge.
const ticketLifetime = 30 * time.Minute

// ticket is one demand put to one user. It travels sealed through the
// browser, so that asking costs the gateway no memory.
type ticket struct {
	Nonce    [16]byte         `json:"n"`
	User     string           `json:"u"`
	Site     string           `json:"s"`
	ReturnTo string           `json:"r"`           // path and query, checked when the ticket was made
	MaxAge   time.Duration    `json:"a"`           // for the page's words only
	Factors  policy.FactorSet `json:"f"`           // that the route accepts
	Expires  time.Time        `json:"e"`           //
	Unsaved  bool             `json:"p,omitempty"` // the request carried data that was not kept
	Browser  string           `json:"b,omitempty"` // of a form before any login: hash of the browser's cookie
}

func newTicket(r *http.Request, user string, required policy.Requirement) ticket {
	t := ticket{
		User:     user,
		Site:     site(r),
		ReturnTo: returnURL(r),
		MaxAge:   required.MaxAge,
		Factors:  required.Factors,
		Expires:  time.Now().Add(ticketLifetime),
		Unsaved:  r.Method != http.MethodGet && r.Method != http.MethodHead,
	}
	rand.Read(t.Nonce[:])
	return t
}

// returnURL is where the person wanted to go: what the browser asked for, not
// what handlers before us made of it. Anything that a browser could read as
// another site becomes "/".
func returnURL(r *http.Request) string {
	uri := r.URL.RequestURI()
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		uri = original.URL.RequestURI()
	}
	safe, ok := policy.ReturnURL(uri)
	if !ok || policy.UnderPrefix(r.URL.EscapedPath(), ownPrefix) {
		return "/"
	}
	return safe
}

func (t ticket) encode() []byte {
	encoded, err := json.Marshal(t)
	if err != nil {
		panic("encode ticket: " + err.Error()) // strings, numbers and times always encode
	}
	return encoded
}

// stepDemand is what the engine works with: the ticket, and what the site
// allows for this request.
func (h *Handler) stepDemand(r *http.Request, t ticket) stepup.Demand {
	return stepup.Demand{
		Nonce: t.Nonce, User: t.User, Site: t.Site, Factors: t.Factors, Expires: t.Expires,
		Blind:   h.SignIn != nil && h.SignIn.Mode == signInPasswordless,
		Address: clientAddress(r), UserAgent: bounded(r.UserAgent(), 256),
		Features: h.features(r, t),
	}
}

// bounded cuts a text that a client sent.
func bounded(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// openTicket reads a ticket that was sealed for purpose. False means that we
// did not seal it; whether it is this user's and this site's is for the
// caller to check.
func (h *Handler) openTicket(r *http.Request, purpose, sealed string) (t ticket, ok bool, err error) {
	plain, ok, err := h.app.keys.open(r.Context(), purpose, sealed)
	if err != nil || !ok || json.Unmarshal(plain, &t) != nil {
		return ticket{}, false, err
	}
	return t, true, nil
}

// fits tells whether a ticket was made for this user on this site. Before any
// login it is nobody's: then a form is held to the browser that got it, and
// the rest to the cookie of its challenge.
func (h *Handler) fits(c *call, t ticket) bool {
	if t.Site != c.site {
		return false
	}
	if h.SignIn != nil {
		return t.Browser == "" || t.Browser == c.browser
	}
	return c.user != "" && t.User == c.user
}
