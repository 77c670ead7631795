package caddymfa

import (
	"net/http"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// show answers with what a step of the challenge led to.
func (h *Handler) show(c *call, result stepup.Result) error {
	switch {
	case result.Notice == stepup.OtherBrowser:
		return h.afresh(c, c.ticket.ReturnTo)
	case result.State == stepup.Verified:
		return h.finish(c)
	case result.State == stepup.Choosing && time.Now().After(c.ticket.Expires):
		return h.afresh(c, c.ticket.ReturnTo)
	}
	status := statusOf(c.r.Method, result)
	if status == http.StatusTooManyRequests {
		setRetryAfter(c.w.Header(), time.Until(result.RetryAt))
	}
	if c.wantsJSON {
		return h.showJSON(c, status, result)
	}
	return h.showPage(c, status, result)
}

// statusOf is the HTTP status of a step's result. Looking at a challenge is
// fine whatever it shows; a step that was refused says so.
func statusOf(method string, result stepup.Result) int {
	switch result.Notice {
	case stepup.TooManyTries, stepup.TooManySends, stepup.PushPending, stepup.PushLocked, stepup.AddressLimited:
		return http.StatusTooManyRequests
	case stepup.NoDevice:
		if len(result.Enrollable) == 0 {
			return http.StatusForbidden
		}
	case stepup.NoAccess, stepup.OtherBrowser:
		return http.StatusForbidden
	}
	if method != http.MethodPost {
		return http.StatusOK
	}
	switch result.Notice {
	case stepup.WrongCode, stepup.UsedCode, stepup.MalformedCode, stepup.WrongPassword, stepup.EnrolFailed:
		return http.StatusUnprocessableEntity
	case stepup.UnknownFactor:
		return http.StatusBadRequest
	case stepup.NotPending:
		return http.StatusConflict
	}
	switch result.State {
	case stepup.Expired:
		return http.StatusGone
	case stepup.Denied:
		return http.StatusForbidden
	}
	return http.StatusOK
}

// form seals the csrf value of the call's challenge.
func (h *Handler) form(c *call, purpose string, t ticket) (string, error) {
	t.Browser = c.browser
	return h.app.keys.seal(c.r.Context(), purpose, t.encode())
}

func (h *Handler) showJSON(c *call, status int, result stepup.Result) error {
	csrf, err := h.form(c, purposeForm, c.ticket)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	body := challengeJSON{
		State: string(result.State), CSRF: csrf, User: c.user, Site: c.site,
		Error: errorCode(result.Notice), RetryIn: secondsUntil(result.RetryAt),
	}
	body.Factors, body.Enroll = factorsJSON(result.Offers), factorsJSON(result.Enrollable)
	if result.NeedsLogin {
		body.Needs = []string{"user", "password"}
	}
	if e := result.Enrolment; e != nil {
		body.Enrolment = &enrolmentJSON{
			Kind: string(e.Factor), TOTPURL: e.TOTPURL, Secret: e.Secret, VoiceCode: e.VoiceCode,
			NeedsCode: e.NeedsCode, ExpiresIn: secondsUntil(e.ExpiresAt),
		}
	}
	if result.State == stepup.Pending {
		body.Factor, body.Polled, body.VoiceCode = result.Factor.ID, result.Polled, result.VoiceCode
		body.NeedsCode, body.TriesLeft = &result.NeedsCode, &result.TriesLeft
		body.ExpiresIn, body.ResendIn = secondsUntil(result.ExpiresAt), secondsUntil(result.ResendAt)
	}
	return writeJSON(c.w, status, body)
}

func factorsJSON(offers []stepup.Offer) []factorJSON {
	var all []factorJSON
	for _, offer := range offers {
		all = append(all, factorJSON{
			ID: offer.ID, Kind: string(offer.Factor), Name: page.Clean(offer.Name), Default: offer.Default,
			LockedUntil: offer.LockedUntil.UTC(), LockedIn: secondsUntil(offer.LockedUntil),
		})
	}
	return all
}

func secondsUntil(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return seconds(time.Until(t))
}

// errorCode is a notice for programs. The words never change.
func errorCode(n stepup.Notice) string {
	switch n {
	case stepup.NoticeNone:
		return ""
	case stepup.WrongCode:
		return "wrong_code"
	case stepup.UsedCode:
		return "used_code"
	case stepup.MalformedCode:
		return "malformed_code"
	case stepup.TooManyTries:
		return "too_many_tries"
	case stepup.TooManySends:
		return "too_many_sends"
	case stepup.UnknownFactor:
		return "unknown_factor"
	case stepup.NotPending:
		return "not_pending"
	case stepup.OtherBrowser:
		return "other_browser"
	case stepup.NoAccess:
		return "no_access"
	case stepup.NoDevice:
		return "no_device"
	case stepup.EnrolFailed:
		return "enrolment_failed"
	case stepup.EnrolExpired:
		return "enrolment_expired"
	case stepup.WrongPassword:
		return "wrong_password"
	case stepup.PushPending:
		return "push_pending"
	case stepup.PushLocked:
		return "push_locked"
	case stepup.AddressLimited:
		return "address_limited"
	}
	return "unknown"
}
