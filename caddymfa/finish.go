package caddymfa

import (
	"cmp"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// finish turns a verified challenge into a session, once, and sends the person
// on to where they were going. Whoever comes second gets no session of their
// own: the gate then judges what their browser already holds.
func (h *Handler) finish(c *call) error {
	proof, won, err := h.steps().Finish(c.r.Context(), c.demand, h.challengeCookie(c))
	if err != nil {
		return h.unavailable(c.w, c.r, "finish challenge", err)
	}
	if won {
		if err := h.openSession(c, proof); err != nil {
			return h.unavailable(c.w, c.r, "create session", err)
		}
		h.cookies.clear(c.w, h.cookies.challenge(c.ticket.Nonce))
	}
	switch {
	case c.wantsJSON:
		return writeJSON(c.w, http.StatusOK, challengeJSON{
			State: string(stepup.Verified), User: h.proved(c, proof), Site: c.site, ReturnTo: c.ticket.ReturnTo,
			SessionToken: proof.SessionToken, SessionForm: h.sessionForm(proof),
		})
	case proof.SessionToken != "":
		return h.showContinue(c, proof)
	case c.r.Method == http.MethodPost:
		return h.showVerified(c, proof)
	}
	return redirect(c.w, c.ticket.ReturnTo)
}

// proved is the user that the session is for: as the first login in front of
// us names them, or as OneLogin does where the site brings its own.
func (h *Handler) proved(c *call, proof stepup.Proof) string {
	if h.SignIn == nil {
		return c.user
	}
	return cmp.Or(proof.User, proof.UserID)
}

// openSession gives the browser a new cookie value. The session that it held
// before, if any, ends: no value lives on when what it stands for rises. It
// ends first, so that it does not count among the sessions that a user may have.
func (h *Handler) openSession(c *call, proof stepup.Proof) error {
	ctx, now := c.r.Context(), time.Now()
	if former, found, _ := identity.Cookie(c.r.Header, h.cookies.session); found {
		if err := h.sessions.Delete(ctx, c.site, former); err != nil {
			return err
		}
	}
	cookieValue, err := h.sessions.Create(ctx, session.Session{
		User:     h.proved(c, proof),
		UserID:   proof.UserID,
		Site:     c.site,
		Factor:   string(proof.Factor),
		Node:     h.app.Node,
		Browser:  identity.Browser(c.r.UserAgent()),
		AuthTime: proof.AuthTime,
		Created:  now,
		Seen:     now,
	}, time.Duration(h.Lifetime))
	if err != nil {
		return err
	}
	h.cookies.set(c.w, h.cookies.session, cookieValue, 0)
	key, _ := session.SessionKey(c.site, cookieValue)
	h.audit(c.r, zap.InfoLevel, auditSessionCreated, h.proved(c, proof), zap.String("user_id", proof.UserID),
		zap.String("factor", string(proof.Factor)), zap.String("session", session.Handle(key)))
	return nil
}

// ownSession returns the session that this browser holds, whether or not it
// meets what any route requires.
func (h *Handler) ownSession(c *call) (session.Session, bool, error) {
	value, found, conflict := identity.Cookie(c.r.Header, h.cookies.session)
	if !found || conflict {
		return session.Session{}, false, nil
	}
	s, _, ok, err := h.sessions.Load(c.r.Context(), c.site, value)
	if err != nil || !ok {
		return session.Session{}, false, err
	}
	return s, h.alive(s, c.user, time.Now()), nil
}
