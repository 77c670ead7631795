package caddymfa

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// ownPrefix is the path prefix that the gateway keeps for itself on every
// guarded host.
const ownPrefix = "/.mfa"

// maxLoggedPath bounds how much of a path the audit log holds, in bytes.
const maxLoggedPath = 512

// touchEvery bounds how often a busy session is written to the store.
const touchEvery = time.Minute

// visit is what a request brought along, read before it is cleaned for the
// app. Several mfa handlers in one chain share it.
type visit struct {
	cookie   string
	conflict bool     // more than one session cookie: none of them counts
	reserved []string // headers of the handlers' own that were removed besides ours
}

// visitVar is the request variable that holds the visit.
const visitVar = "mfa_visit"

// ServeHTTP lets the request pass, or answers it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return h.refuse(w, r, refusal{status: http.StatusMethodNotAllowed, kind: kindBadMethod})
	}
	if policy.UnderPrefix(r.URL.EscapedPath(), ownPrefix) {
		return h.serveOwn(w, r)
	}
	v := h.clean(r)
	guarded, err := h.guards(r)
	if err != nil {
		return h.unavailable(w, r, "matcher", err)
	}
	judged := h.rules.Judge(target(r))
	if judged.Ambiguous && guarded {
		h.audit(r, zap.WarnLevel, auditPathAmbiguous, h.user(r), zap.String("path", bounded(r.URL.EscapedPath(), maxLoggedPath)))
	}
	if !guarded || judged.Exempt {
		h.describe(r, decisionExempt, session.Session{}, time.Time{})
		return next.ServeHTTP(h.guardResponse(w, false), r)
	}
	return h.gate(w, r, next, v, judged.Requirement)
}

// gate passes a guarded request if its session meets the requirement.
func (h *Handler) gate(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, v visit, required policy.Requirement) error {
	user := h.user(r)
	if user == "" && h.SignIn == nil {
		h.log.Warn("request without a user refused: is a first login in front of mfa?", zap.String("user_placeholder", h.User))
		return h.refuse(w, r, refusal{status: http.StatusForbidden, kind: kindNoUser})
	}
	now := time.Now()
	proved, ok, err := h.proof(r, v, user, required, now)
	if err != nil {
		return h.unavailable(w, r, "load session", err)
	}
	if !ok {
		return h.demand(w, r, user, required)
	}
	if !h.welcomesSocket(r) {
		return h.refuse(w, r, refusal{status: http.StatusForbidden, kind: kindCrossSite})
	}
	if h.SignIn != nil {
		r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Set("http.auth.user.id", proved.User)
	}
	key, ok := session.SessionKey(proved.Site, v.cookie)
	if !ok {
		return errNoKey
	}
	if err := h.introduce(r, key, proved, now); err != nil {
		return h.unavailable(w, r, "name the user to the app", err)
	}
	h.describe(r, decisionVerified, proved, now)
	return h.pass(w, r, next, key, proved)
}

// pass hands a verified request on. What lasts, such as a WebSocket, an event
// stream or a long download, ends with the session: on whatever node it is
// revoked, or when its lifetime is over.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, key session.Key, s session.Session) error {
	ctx, release := h.streams.Hold(r.Context(), key, s.Created.Add(time.Duration(h.Lifetime)))
	defer release()
	return next.ServeHTTP(h.guardResponse(w, true), r.WithContext(ctx))
}

// errNoKey cannot happen: the session was found by this cookie value.
var errNoKey = errors.New("session without a key")

// welcomesSocket tells whether a request is no WebSocket, or one that this
// site's own pages open. Browsers send cookies along with WebSockets from any
// site and hold nothing back, so that a foreign page could speak to the app as
// the verified person (RFC 6455, section 10.2). Programs send no Origin.
func (h *Handler) welcomesSocket(r *http.Request) bool {
	if r.Header.Get("Upgrade") == "" {
		return true
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	own := strings.EqualFold(origins[0], scheme(r)+"://"+r.Host)
	return len(origins) == 1 && (own || slices.Contains(h.WebSocketOrigins, strings.ToLower(origins[0])))
}

// proof returns the session that lets user's request pass. It costs one store
// read, and at most once a minute a write that keeps the session from going
// idle. It never asks OneLogin.
func (h *Handler) proof(r *http.Request, v visit, user string, required policy.Requirement, now time.Time) (session.Session, bool, error) {
	if v.cookie == "" || v.conflict {
		return session.Session{}, false, nil
	}
	ctx, site := r.Context(), site(r)
	s, record, ok, err := h.sessions.Load(ctx, site, v.cookie)
	if errors.Is(err, vault.ErrUnknownKey) {
		// Its key was dropped, and the session with it. Proving again helps the
		// person; a node with another storage than the rest says so in its log.
		h.log.Warn("session sealed with a key that is not ours: the user has to verify again", zap.String("site", site), zap.Error(err))
		return session.Session{}, false, nil
	}
	if err != nil || !ok || !h.alive(s, user, now) {
		return session.Session{}, false, err
	}
	if !required.Met(s.AuthTime, policy.Factor(s.Factor), now) {
		return session.Session{}, false, nil
	}
	if now.Sub(s.Seen) >= min(touchEvery, time.Duration(h.Idle)/2) && h.isUse(r) {
		if err := h.sessions.Touch(ctx, site, v.cookie, record, s, now); err != nil {
			// The proof stands. If nobody can note its use, it goes idle sooner.
			h.log.Warn("use of a session could not be noted", zap.Error(err))
		}
	}
	return s, true, nil
}

// isUse tells whether a request shows that somebody is there. An event stream
// connects again by itself, and a prefetch is a browser's guess.
func (h *Handler) isUse(r *http.Request) bool {
	if r.Header.Get("Sec-Purpose") != "" || strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return false
	}
	return h.unasked == nil || !h.unasked.Judge(target(r)).Exempt
}

// alive tells whether a session is this user's and has not ended. Where the
// site brings its own first login, the session itself says who the user is.
func (h *Handler) alive(s session.Session, user string, now time.Time) bool {
	return (h.SignIn != nil || s.User == user || planted) && s.Alive(now, time.Duration(h.Idle), time.Duration(h.Lifetime))
}

// guards tells whether the handler's matcher selects the request.
func (h *Handler) guards(r *http.Request) (bool, error) {
	if len(h.matchers) == 0 {
		return true, nil
	}
	return h.matchers.AnyMatchWithError(r)
}

// clean removes from the request what only the gateway may say and what only
// the gateway may see. It runs on every path, exempt ones too, and once per
// request: what a second mfa handler finds was set by the first.
func (h *Handler) clean(r *http.Request) visit {
	v, cleaned := caddyhttp.GetVar(r.Context(), visitVar).(*visit)
	if !cleaned {
		v = new(visit)
		v.cookie, _, v.conflict = identity.Cookie(r.Header, h.cookies.session)
		caddyhttp.SetVar(r.Context(), visitVar, v)
		h.strip(r, identity.Reserved)
		identity.StripRouting(r.Header)
		identity.StripCookies(r.Header, h.cookies.own)
	}
	if own := h.Assertion.reserved(); own != "" && !slices.Contains(v.reserved, own) {
		v.reserved = append(v.reserved, own)
		h.strip(r, own)
	}
	return *v
}

// strip removes reserved headers, wherever a client may have put them.
func (h *Handler) strip(r *http.Request, reserved string) {
	identity.StripConnection(r.Header, reserved)
	sent := len(r.Header)
	identity.Strip(r.Header, reserved)
	if len(r.Header) < sent {
		h.audit(r, zap.WarnLevel, auditHeaderForged, h.user(r))
	}
	identity.StripTrailer(r, reserved)
}

// user is the name that the first login gave, or "". Where the site brings
// its own first login, nobody in front of us is believed.
func (h *Handler) user(r *http.Request) string {
	if h.SignIn != nil {
		return ""
	}
	fill := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if h.userKey != "" { // the usual case, and one without a copy
		name, _ := fill.GetString(h.userKey)
		return strings.TrimSpace(name)
	}
	return strings.TrimSpace(fill.ReplaceAll(h.User, ""))
}

// soleKey returns the key of a text that is one placeholder and nothing else,
// or "".
func soleKey(text string) string {
	inner, opened := strings.CutPrefix(text, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed || strings.ContainsAny(inner, `{}\`) {
		return ""
	}
	return inner
}

// target is what the rules judge: the path as the client sent it, and the one
// that handlers before us made of it.
func target(r *http.Request) policy.Request {
	current := r.URL.EscapedPath()
	asked := policy.Request{Method: r.Method, Path: current, Current: current}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		asked.Path = original.URL.EscapedPath()
	}
	return asked
}

// site is the host that the request is for, lower case, without a default
// port or a trailing dot. A session is good for the site that it was made on.
func site(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if name, port, err := net.SplitHostPort(host); err == nil && (port == "443" || port == "80") {
		host = name
	}
	return strings.TrimSuffix(host, ".")
}

// Decisions, as {http.mfa.decision} shows them.
const (
	decisionVerified = "verified"
	decisionExempt   = "exempt"
)

// describe tells the handlers behind us, by placeholders, why the request
// passed. They are worked out only when something asks for them.
func (h *Handler) describe(r *http.Request, decision string, s session.Session, now time.Time) {
	fill := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	fill.Map(func(key string) (any, bool) {
		name, ours := strings.CutPrefix(key, "http.mfa.")
		if !ours {
			return nil, false
		}
		return placeholder(name, decision, s, now)
	})
	if c := h.log.Check(zap.DebugLevel, "request passed"); c != nil {
		c.Write(zap.String("decision", decision), zap.String("user", s.User), zap.String("factor", s.Factor),
			zap.String("method", r.Method), zap.String("path", r.URL.Path))
	}
}

func placeholder(name, decision string, s session.Session, now time.Time) (any, bool) {
	if name == "decision" {
		return decision, true
	}
	if decision != decisionVerified {
		return "", true
	}
	switch name {
	case "user":
		return s.User, true
	case "factor":
		return s.Factor, true
	case "auth_time":
		return s.AuthTime.UTC().Format(time.RFC3339), true
	case "age":
		return fmt.Sprint(int64(now.Sub(s.AuthTime) / time.Second)), true
	}
	return nil, false
}
