package caddymfa

import (
	"net/http"
	"time"
)

// purposeReport is sealed into the forms that report a push.
const purposeReport = "report form"

// sessionForms seals the csrf values of the forms on a page that shows user a
// session of theirs: those for purpose, and the one that reports a push. They
// are good for as long as any session: who has left the page open must not be
// turned away when they need it.
func (h *Handler) sessionForms(c *call, purpose, user string) (csrf, report string, err error) {
	t := ticket{User: user, Site: c.site, ReturnTo: c.base + "sessions", Expires: time.Now().Add(time.Duration(h.Lifetime))}
	if csrf, err = h.form(c, purpose, t); err != nil {
		return "", "", err
	}
	report, err = h.form(c, purposeReport, t)
	return csrf, report, err
}

// serveReport is for a person who got a push that they did not start. It takes
// a session: somebody with the first login alone may be the one who started it.
// The list of sessions is shown next, because they may not be all their own.
func (h *Handler) serveReport(c *call) error {
	if ok, err := h.readForm(c, purposeReport); !ok {
		return err
	}
	own, alive, err := h.ownSession(c)
	switch {
	case err != nil:
		return h.unavailable(c.w, c.r, "load session", err)
	case !alive:
		return h.afresh(c, "")
	case own.User != c.ticket.User: // who has signed in here since
		return h.refuse(c.w, c.r, refusal{status: http.StatusForbidden, kind: kindStaleForm, returnTo: c.ticket.ReturnTo})
	}
	if err := h.steps().ReportPush(c.r.Context(), own.UserID, own.User, c.site); err != nil {
		return h.unavailable(c.w, c.r, "report push", err)
	}
	return h.showSessions(c, own, news{reported: true})
}
