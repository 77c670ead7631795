package caddymfa

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
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

// demand is the part of the ticket that the engine works with.
func (t ticket) demand() stepup.Demand {
	return stepup.Demand{Nonce: t.Nonce, User: t.User, Site: t.Site, Factors: t.Factors, Expires: t.Expires}
}

// openTicket reads a ticket that was sealed for purpose. False means that we
// did not seal it; whether it is this user's and this site's is for the
// caller to check.
func (h *Handler) openTicket(r *http.Request, purpose, sealed string) (t ticket, ok bool, err error) {
	sealer, err := h.sealer(r.Context())
	if err != nil {
		return t, false, err
	}
	plain, ok := sealer.Open(purpose, sealed)
	if !ok || json.Unmarshal(plain, &t) != nil {
		return ticket{}, false, nil
	}
	return t, true, nil
}

// fits tells whether a ticket was made for this user on this site.
func (t ticket) fits(r *http.Request, user string) bool {
	return user != "" && t.User == user && t.Site == site(r)
}
