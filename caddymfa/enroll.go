package caddymfa

import "github.com/caddymfa/caddymfa/caddymfa/internal/stepup"

// serveEnroll begins to enrol a device for a user who has none.
func (h *Handler) serveEnroll(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	result, err := h.steps().Enroll(c.r.Context(), c.demand, h.challengeCookie(c), c.fields["factor"])
	if err != nil {
		return h.unavailable(c.w, c.r, "enrol device", err)
	}
	return h.proceed(c, result)
}

// serveConfirm takes the first code of the device that is being enrolled. A
// right one gives the user a device, and proves nothing yet.
func (h *Handler) serveConfirm(c *call) error {
	if ok, err := h.readForm(c, purposeForm); !ok {
		return err
	}
	result, err := h.steps().ConfirmEnrolment(c.r.Context(), c.demand, h.challengeCookie(c), c.fields["code"])
	if err != nil {
		return h.unavailable(c.w, c.r, "confirm enrolment", err)
	}
	if result.Notice == stepup.NoticeNone && c.wantsJSON {
		return h.look(c) // with the new device
	}
	return h.proceed(c, result)
}
