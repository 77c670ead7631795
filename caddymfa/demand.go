package caddymfa

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// demand answers a request whose user has to prove themselves: a person's
// navigation goes to the challenge page, anything else learns how to get
// there. It writes nothing to the store and asks OneLogin nothing.
func (h *Handler) demand(w http.ResponseWriter, r *http.Request, user string, required policy.Requirement) error {
	if !h.secure(r) {
		return h.refuse(w, r, refusal{status: http.StatusForbidden, kind: kindInsecure})
	}
	t := newTicket(r, user, required)
	challengeURL, err := h.challengeURL(r, t)
	if err != nil {
		return h.unavailable(w, r, "seal challenge", err)
	}
	if c := h.log.Check(zap.DebugLevel, "verification demanded"); c != nil {
		c.Write(zap.String("user", user), zap.String("site", t.Site), zap.String("method", r.Method),
			zap.String("path", r.URL.Path), zap.Duration("max_age", required.MaxAge))
	}
	setPrivate(w.Header())
	if navigates(r) {
		return redirect(w, challengeURL)
	}
	return answerInsufficient(w, challengeURL, required.MaxAge)
}

// answerInsufficient is the step-up answer of RFC 9470, section 3, with the
// challenge's address for programs that can follow it.
func answerInsufficient(w http.ResponseWriter, challengeURL string, maxAge time.Duration) error {
	seconds := int64(maxAge / time.Second)
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(
		`Bearer error="insufficient_user_authentication", error_description="A more recent verification is required", max_age="%d"`, seconds))
	return writeProblem(w, problem{
		Type:         "https://www.rfc-editor.org/rfc/rfc9470#section-3",
		Title:        "Verification required",
		Status:       http.StatusUnauthorized,
		Detail:       "This resource needs a recent multi-factor verification of the user.",
		ChallengeURL: challengeURL,
		MaxAge:       seconds,
	})
}

// secure tells whether a session cookie may be issued on this connection: it
// is encrypted, as far as Caddy itself or a proxy that it trusts can tell, or
// the operator allowed plain http.
func (h *Handler) secure(r *http.Request) bool {
	return h.InsecureHTTP || scheme(r) == "https"
}

// scheme is how the client reached the site. A client's own word is not
// taken: X-Forwarded-Proto counts only from a trusted proxy.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	if fromTrustedProxy(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

// fromTrustedProxy tells whether a proxy that Caddy is told to trust sent the
// request.
func fromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// navigates tells whether a person's browser is opening a page, so that a
// redirect to another page helps. Scripts, images, frames and WebSockets get
// a plain refusal: they could not show a page, and must not start anything.
func navigates(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" || r.Header.Get("X-Requested-With") != "" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// challengeURL seals a ticket into the address of its page, path only: no
// host that a client named ever gets into a redirect.
func (h *Handler) challengeURL(r *http.Request, t ticket) (string, error) {
	sealed, err := h.app.keys.seal(r.Context(), purposeURL, t.encode())
	if err != nil {
		return "", err
	}
	return base(r) + "?c=" + url.QueryEscape(sealed), nil
}

// base is the path below which our endpoints are, as the browser sees it: the
// own prefix, behind whatever prefix a handler before us cut off.
func base(r *http.Request) string {
	own := ownPrefix + "/"
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok {
		return own
	}
	cut, found := strings.CutSuffix(original.URL.EscapedPath(), r.URL.EscapedPath())
	if _, safe := policy.Canonical(cut + own); !found || cut == "" || !safe {
		return own
	}
	return cut + own
}

// redirect sends a browser on, by GET whatever the method was.
func redirect(w http.ResponseWriter, location string) error {
	setPrivate(w.Header())
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
