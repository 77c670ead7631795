package caddymfa

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// maxName bounds the name that a person types, in bytes.
const maxName = 256

// browser names the cookie that ties the forms of a first login to the
// browser that got them. Before a login there is no user to tie them to, and
// another site could have a form of its own posted by somebody else's browser.
func (n cookieNames) browser() string { return n.prefix + "browser" }

// knowBrowser returns the hash of the browser's cookie. A page sets the cookie
// if it is not there; a POST has to bring it.
func (h *Handler) knowBrowser(w http.ResponseWriter, r *http.Request) string {
	value, found, conflict := identity.Cookie(r.Header, h.cookies.browser())
	switch {
	case conflict, !found && r.Method == http.MethodPost:
		return "unknown"
	case !found:
		value = rand.Text()
		h.cookies.set(w, h.cookies.browser(), value, 0)
	}
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:16])
}

// passwordless tells whether the site asks for a name alone.
func (h *Handler) passwordless() bool {
	return h.SignIn != nil && h.SignIn.Mode == signInPasswordless
}

// nameless tells whether the person has to say first who they are.
func (h *Handler) nameless(c *call) bool {
	return h.passwordless() && c.ticket.User == ""
}

// serveName takes the name that a person wants to sign in by. Whatever it is,
// the answer looks the same: the same choices, for the name as typed.
func (h *Handler) serveName(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	if !h.passwordless() {
		return h.refuse(c.w, c.r, refusal{status: http.StatusNotFound, kind: kindNotFound})
	}
	name := strings.TrimSpace(c.fields["user"])
	if name == "" || len(name) > maxName {
		return h.askName(c, http.StatusUnprocessableEntity, page.EmptyName)
	}
	named := c.ticket
	named.User, named.Browser = name, ""
	rand.Read(named.Nonce[:]) // another name is another challenge
	h.take(c, named)
	if c.wantsJSON {
		return h.look(c)
	}
	return h.toChallenge(c)
}

// askName shows the page, the same for everybody, that asks who somebody is.
func (h *Handler) askName(c *call, status int, problem page.Problem) error {
	csrf, err := h.form(c, purposeForm, c.ticket)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	if c.wantsJSON {
		body := challengeJSON{State: string(stepup.Choosing), CSRF: csrf, Site: c.site, Needs: []string{"user"}}
		if problem != page.None {
			body.Error = "empty_name"
		}
		return writeJSON(c.w, status, body)
	}
	self, err := h.challengeURL(c.r, c.ticket)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal challenge", err)
	}
	return h.render(c.w, c.r, status, page.Page{
		Kind: page.Name, CSRF: csrf, Self: self, LastsFor: c.ticket.MaxAge, ReturnTo: c.ticket.ReturnTo,
		Typed: bounded(c.fields["user"], maxName), Unsaved: c.ticket.Unsaved, Error: problem, Alternatives: alternatives(self),
	})
}

// serveLogin takes a name and a OneLogin password. They are sent to OneLogin
// once and kept nowhere; being right about them verifies nothing yet.
func (h *Handler) serveLogin(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	if c.demand.Features.Password == nil {
		return h.refuse(c.w, c.r, refusal{status: http.StatusNotFound, kind: kindNotFound})
	}
	name := bounded(strings.TrimSpace(c.fields["user"]), maxName)
	result, err := h.steps().Login(c.r.Context(), c.demand, h.challengeCookie(c), name, c.fields["password"])
	if err != nil {
		return h.unavailable(c.w, c.r, "log in", err)
	}
	return h.proceed(c, result)
}
