package caddymfa

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// endpoint is one address below the own prefix.
type endpoint struct {
	methods []string
	serve   func(*Handler, *call) error
}

// endpointOf returns the endpoint of a name: what follows the own prefix and
// its slash. They are few and fixed; everything else below the prefix is
// answered with 404 and never reaches the app.
func endpointOf(name string) (endpoint, bool) {
	switch name {
	case "":
		return endpoint{reading, (*Handler).serveChallenge}, true
	case "status":
		return endpoint{reading, (*Handler).serveStatus}, true
	case "start":
		return endpoint{changing, (*Handler).serveStart}, true
	case "verify":
		return endpoint{changing, (*Handler).serveVerify}, true
	case "name":
		return endpoint{changing, (*Handler).serveName}, true
	case "login":
		return endpoint{changing, (*Handler).serveLogin}, true
	case "enroll":
		return endpoint{changing, (*Handler).serveEnroll}, true
	case "confirm":
		return endpoint{changing, (*Handler).serveConfirm}, true
	case "cancel":
		return endpoint{changing, (*Handler).serveCancel}, true
	case "logout":
		return endpoint{changing, (*Handler).serveLogout}, true
	case "sessions":
		return endpoint{reading, (*Handler).serveSessions}, true
	case "sessions/end":
		return endpoint{changing, (*Handler).serveEnd}, true
	case "report":
		return endpoint{changing, (*Handler).serveReport}, true
	case keysName:
		return endpoint{reading, (*Handler).serveKeys}, true
	case eventsName:
		return endpoint{changing, (*Handler).serveEvents}, true
	}
	return endpoint{}, false
}

// eventsName is the endpoint that is for OneLogin and not for people.
const eventsName = "events"

var (
	reading  = []string{http.MethodGet, http.MethodHead}
	changing = []string{http.MethodPost}
)

// call is one request to an endpoint: who asks, for which challenge, and how
// they want to be answered.
type call struct {
	w http.ResponseWriter
	r *http.Request

	user, site string
	base       string // the endpoints' path prefix as the browser sees it
	wantsJSON  bool
	browser    string // before any login: the hash of the browser's cookie

	ticket ticket            // once it has been opened
	demand stepup.Demand     // of the ticket
	fields map[string]string // of a POST
}

// take makes t the ticket of the call.
func (h *Handler) take(c *call, t ticket) {
	c.ticket, c.demand = t, h.stepDemand(c.r, t)
}

// serveOwn answers a request below the own prefix.
func (h *Handler) serveOwn(w http.ResponseWriter, r *http.Request) error {
	setPrivate(w.Header())
	path, clear := policy.Canonical(r.URL.EscapedPath())
	name, found := strings.CutPrefix(path, ownPrefix+"/")
	e, known := endpointOf(name)
	if !clear || !found || !known {
		return h.refuse(w, r, refusal{status: http.StatusNotFound, kind: kindNotFound})
	}
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		return h.refuse(w, r, refusal{status: http.StatusMethodNotAllowed, kind: kindBadMethod})
	}
	if !h.secure(r) {
		return h.refuse(w, r, refusal{status: http.StatusForbidden, kind: kindInsecure})
	}
	if r.TLS != nil && !r.TLS.HandshakeComplete && r.Method == http.MethodPost {
		// Somebody may have recorded it and sent it again (RFC 8470).
		return h.refuse(w, r, refusal{status: http.StatusTooEarly, kind: kindTooEarly})
	}
	h.checkProxies(r)
	c := &call{w: w, r: r, user: h.user(r), site: site(r), base: base(r), wantsJSON: wantsJSON(r)}
	switch {
	case name == eventsName, name == keysName: // nobody logs in there
	case h.SignIn != nil:
		c.browser = h.knowBrowser(w, r)
	case c.user == "":
		return h.refuse(w, r, refusal{status: http.StatusForbidden, kind: kindNoUser})
	}
	return e.serve(h, c)
}

// checkProxies warns once if clients can choose the address that limits count
// by: of X-Forwarded-For Caddy takes the first entry, which is the client's own
// word, unless it is told to read from the right. It looks at what comes from a
// trusted proxy, since Caddy forgets the option itself once it is loaded.
func (h *Handler) checkProxies(r *http.Request) {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if ok && server != nil && fromTrustedProxy(r) && server.TrustedProxiesStrict == 0 && h.warnOfProxies != nil {
		h.warnOfProxies.Do(func() {
			h.log.Warn("trusted_proxies is set without trusted_proxies_strict: clients behind the proxy can choose the address that limits count by")
		})
	}
}

// serveChallenge shows where a challenge stands. Without one it shows the
// session, or leads to a challenge for the site's root.
func (h *Handler) serveChallenge(c *call) error {
	query := c.r.URL.Query()
	if chosen := query.Get("lang"); chosen != "" {
		return h.switchLanguage(c, "", chosen)
	}
	sealed := query.Get("c")
	if sealed == "" {
		return h.serveHome(c)
	}
	return h.withTicket(c, sealed, h.look)
}

// withTicket opens the ticket of a GET. One that cannot be used any more
// leads back to where its person wanted to go, and so to a fresh one.
func (h *Handler) withTicket(c *call, sealed string, then func(*call) error) error {
	t, ok, err := h.openTicket(c.r, purposeURL, sealed)
	if err != nil {
		return h.unavailable(c.w, c.r, "open challenge", err)
	}
	if !ok || !h.fits(c, t) {
		return h.afresh(c, t.ReturnTo)
	}
	h.take(c, t)
	return then(c)
}

// look shows the challenge as it stands. It sends nothing to anybody.
func (h *Handler) look(c *call) error {
	if h.nameless(c) {
		return h.askName(c, http.StatusOK, page.None)
	}
	result, err := h.steps().Look(c.r.Context(), c.demand, h.challengeCookie(c))
	if err != nil {
		return h.unavailable(c.w, c.r, "look at challenge", err)
	}
	return h.show(c, result)
}

// serveHome is the own prefix without a challenge: who is verified may sign
// out here, who is not is asked to verify.
func (h *Handler) serveHome(c *call) error {
	required, err := requirement(h.MaxAge, h.Factors)
	if err != nil {
		return h.unavailable(c.w, c.r, "requirement", err)
	}
	s, alive, err := h.ownSession(c)
	if err != nil {
		return h.unavailable(c.w, c.r, "load session", err)
	}
	if !alive {
		return h.demand(c.w, c.r, c.user, required)
	}
	return h.showSession(c, s)
}

// serveStart activates the chosen factor: the one step that sends something
// to a person's phone.
func (h *Handler) serveStart(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	result, err := h.steps().Start(c.r.Context(), c.demand, h.challengeCookie(c), c.fields["factor"])
	if err != nil {
		return h.unavailable(c.w, c.r, "start verification", err)
	}
	return h.proceed(c, result)
}

// proceed shows what a step led to that may have given the browser a new
// challenge cookie. A step that was not refused leads to the page by a
// redirect, so that reloading the page repeats nothing.
func (h *Handler) proceed(c *call, result stepup.Result) error {
	if result.CookieValue != "" {
		h.cookies.set(c.w, h.cookies.challenge(c.ticket.Nonce), result.CookieValue, ticketLifetime)
	}
	if result.Notice == stepup.NoticeNone && !c.wantsJSON {
		return h.toChallenge(c)
	}
	return h.show(c, result)
}

// serveVerify checks a typed code.
func (h *Handler) serveVerify(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	result, err := h.steps().Verify(c.r.Context(), c.demand, h.challengeCookie(c), c.fields["code"])
	if err != nil {
		return h.unavailable(c.w, c.r, "verify code", err)
	}
	return h.show(c, result)
}

// serveCancel ends the challenge. It lets nothing pass.
func (h *Handler) serveCancel(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	if err := h.steps().Cancel(c.r.Context(), c.demand, h.challengeCookie(c)); err != nil {
		return h.unavailable(c.w, c.r, "cancel challenge", err)
	}
	h.cookies.clear(c.w, h.cookies.challenge(c.ticket.Nonce))
	if c.wantsJSON {
		return h.look(c)
	}
	return h.showCancelled(c)
}

// serveLogout ends the session that this browser holds.
func (h *Handler) serveLogout(c *call) error {
	if ok, err := h.readForm(c, purposeLogout); !ok {
		return err
	}
	if cookieValue, found, _ := identity.Cookie(c.r.Header, h.cookies.session); found {
		if err := h.sessions.Delete(c.r.Context(), c.site, cookieValue); err != nil {
			return h.unavailable(c.w, c.r, "delete session", err)
		}
		h.audit(c.r, zap.InfoLevel, auditSessionEnded, c.user, zap.String("by", c.user), zap.String("reason", "signed out"))
	}
	h.cookies.clear(c.w, h.cookies.session)
	if c.wantsJSON {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return h.showSignedOut(c)
}

// afresh leads a browser back to a page of the app, and so through the gate
// to a new challenge. A program is told that this one is gone.
func (h *Handler) afresh(c *call, returnTo string) error {
	if c.wantsJSON {
		return h.refuse(c.w, c.r, refusal{status: http.StatusGone, kind: kindGone})
	}
	if returnTo == "" {
		returnTo = c.base // which leads to a challenge for the site's root
	}
	return redirect(c.w, returnTo)
}

// challengeCookie is the value of the cookie that binds the call's challenge
// to this browser, or "". Two cookies of that name are none.
func (h *Handler) challengeCookie(c *call) string {
	value, _, conflict := identity.Cookie(c.r.Header, h.cookies.challenge(c.ticket.Nonce))
	if conflict {
		return ""
	}
	return value
}

// switchLanguage remembers the language that a person picked and shows the
// page of the same name again.
func (h *Handler) switchLanguage(c *call, name, chosen string) error {
	if offered(chosen) {
		h.cookies.set(c.w, h.cookies.language(), chosen, 365*24*time.Hour)
	}
	query := c.r.URL.Query()
	query.Del("lang")
	return redirect(c.w, c.base+name+"?"+query.Encode())
}
