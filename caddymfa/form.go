package caddymfa

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/form"
)

// readForm reads the body of a POST and proves that it comes from one of our
// own pages: its csrf value was sealed by us, for this user, on this site, for
// this purpose. False: the call has been answered, with the error returned.
func (h *Handler) readForm(c *call, purpose string) (bool, error) {
	if !form.SameOrigin(c.r.Header, scheme(c.r)+"://"+c.r.Host) {
		h.audit(c.r, zap.WarnLevel, auditFormRefused, c.user, zap.String("reason", kindCrossSite.words().code))
		return false, h.refuse(c.w, c.r, refusal{status: http.StatusForbidden, kind: kindCrossSite})
	}
	fields, status := form.Read(c.w, c.r)
	if status != http.StatusOK {
		return false, h.refuse(c.w, c.r, refusal{status: status, kind: kindBadForm})
	}
	t, ok, err := h.openTicket(c.r, purpose, fields["csrf"])
	if err != nil {
		return false, h.unavailable(c.w, c.r, "open form", err)
	}
	if !ok || !h.fits(c, t) || time.Now().After(t.Expires) {
		h.audit(c.r, zap.WarnLevel, auditFormRefused, c.user, zap.String("reason", kindStaleForm.words().code))
		return false, h.refuse(c.w, c.r, refusal{status: http.StatusForbidden, kind: kindStaleForm, returnTo: t.ReturnTo})
	}
	c.fields = fields
	h.take(c, t)
	return true, nil
}
