package caddymfa

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
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
	case stepup.TooManyTries, stepup.TooManySends:
		return http.StatusTooManyRequests
	case stepup.NoAccess, stepup.NoDevice, stepup.OtherBrowser:
		return http.StatusForbidden
	}
	if method != http.MethodPost {
		return http.StatusOK
	}
	switch result.Notice {
	case stepup.WrongCode, stepup.UsedCode, stepup.MalformedCode:
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
	sealer, err := h.sealer(c.r.Context())
	if err != nil {
		return "", err
	}
	return sealer.Seal(purpose, t.encode()), nil
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
	for _, offer := range result.Offers {
		body.Factors = append(body.Factors, factorJSON{
			ID: offer.ID, Kind: string(offer.Factor), Name: page.Clean(offer.Name), Default: offer.Default,
		})
	}
	if result.State == stepup.Pending {
		body.Factor = result.Factor.ID
		body.NeedsCode, body.TriesLeft = &result.NeedsCode, &result.TriesLeft
		body.ExpiresIn, body.ResendIn = secondsUntil(result.ExpiresAt), secondsUntil(result.ResendAt)
	}
	return writeJSON(c.w, status, body)
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
	}
	return "unknown"
}

// showPage renders the page of the challenge's state.
func (h *Handler) showPage(c *call, status int, result stepup.Result) error {
	csrf, err := h.form(c, purposeForm, c.ticket)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	self, err := h.challengeURL(c.r, c.ticket)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal challenge", err)
	}
	p := page.Page{
		Kind: pageOf(result), User: c.user, LastsFor: c.ticket.MaxAge,
		CSRF: csrf, Self: self, Events: c.base + "status" + self[len(c.base):],
		Still: c.r.URL.Query().Has("still"), StillURL: self + "&still=1",
		NotOffered: result.NotOffered, Current: factorOf(result.Factor), AcceptsCode: result.AcceptsCode,
		ExpiresIn: until(result.ExpiresAt), ResendIn: until(result.ResendAt),
		TriesLeft: result.TriesLeft, RetryAfter: until(result.RetryAt),
		Error: pageProblem(result.Notice, c.fields["code"]), ReturnTo: c.ticket.ReturnTo, Unsaved: c.ticket.Unsaved,
		Alternatives: alternatives(self),
	}
	for _, offer := range result.Offers {
		p.Factors = append(p.Factors, factorOf(offer))
	}
	if status >= http.StatusBadRequest && result.State.Final() {
		p.Reference = newReference()
	}
	return h.render(c.w, c.r, status, p)
}

func until(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(time.Until(t), 0)
}

func factorOf(offer stepup.Offer) page.Factor {
	return page.Factor{ID: offer.ID, Kind: string(offer.Factor), Name: offer.Name, Default: offer.Default}
}

func pageOf(result stepup.Result) page.Kind {
	switch result.Notice {
	case stepup.NoAccess:
		return page.NoAccess
	case stepup.NoDevice:
		return page.NoDevice
	}
	switch result.State {
	case stepup.Pending:
		if result.NeedsCode {
			return page.Code
		}
		return page.Push
	case stepup.Denied:
		return page.Denied
	case stepup.Expired:
		return page.Expired
	case stepup.Locked:
		return page.Locked
	}
	return page.Choose
}

// pageProblem is a notice for people.
func pageProblem(n stepup.Notice, typed string) page.Problem {
	switch n {
	case stepup.WrongCode:
		return page.WrongCode
	case stepup.UsedCode:
		return page.UsedCode
	case stepup.MalformedCode:
		return malformed(typed)
	case stepup.TooManyTries:
		return page.TooManyTries
	case stepup.TooManySends:
		return page.TooManySends
	case stepup.UnknownFactor:
		return page.FactorGone
	case stepup.NotPending:
		return page.NotPending
	}
	return page.None
}

// malformed tells a person what is wrong with what they typed, where that can
// be told: codes have 4 to 12 characters, whatever stands between them.
func malformed(typed string) page.Problem {
	bare := strings.NewReplacer(" ", "", "-", "").Replace(typed)
	switch {
	case bare == "":
		return page.EmptyCode
	case len(bare) < 4:
		return page.ShortCode
	case len(bare) > 12:
		return page.LongCode
	}
	return page.MalformedCode
}

// showSession is the page of a person who is verified.
func (h *Handler) showSession(c *call, s session.Session) error {
	leave := ticket{User: c.user, Site: c.site, Expires: time.Now().Add(time.Duration(h.Lifetime))}
	csrf, err := h.form(c, purposeLogout, leave)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	if c.wantsJSON {
		return writeJSON(c.w, http.StatusOK, challengeJSON{
			State: string(stepup.Verified), CSRF: csrf, User: c.user, Site: c.site, Factor: s.Factor, ReturnTo: "/",
		})
	}
	return h.render(c.w, c.r, http.StatusOK, page.Page{
		Kind: page.Verified, User: c.user, CSRF: csrf, ReturnTo: "/", Current: page.Factor{Kind: s.Factor},
		VerifiedAt: s.AuthTime, VerifiedUntil: s.AuthTime.Add(time.Duration(h.MaxAge)),
		Alternatives: alternatives(c.base + "?"),
	})
}

func (h *Handler) showCancelled(c *call) error {
	return h.render(c.w, c.r, http.StatusOK, page.Page{Kind: page.Cancelled, User: c.user, ReturnTo: c.ticket.ReturnTo})
}

func (h *Handler) showSignedOut(c *call) error {
	return h.render(c.w, c.r, http.StatusOK, page.Page{Kind: page.SignedOut, User: c.user, ReturnTo: "/"})
}

// toChallenge leads a browser from a POST to the challenge's page.
func (h *Handler) toChallenge(c *call) error {
	self, err := h.challengeURL(c.r, c.ticket)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal challenge", err)
	}
	return redirect(c.w, self)
}

// render writes a page with what all pages have in common.
func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, p page.Page) error {
	chosen, _, _ := identity.Cookie(r.Header, h.cookies.language())
	p.Lang = page.Match(r.Header.Get("Accept-Language"), chosen)
	p.Brand, p.Site, p.Base = h.brand, site(r), base(r)
	if p.ReturnTo == "" {
		p.ReturnTo = "/"
	}
	setPrivate(w.Header())
	setPageHeaders(w.Header())
	w.Header().Set("Content-Language", p.Lang.String())
	w.WriteHeader(status)
	if err := page.Render(w, p); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	return nil
}

// setPageHeaders overwrites what a handler before us may have set for the
// app's pages: ours need their own.
func setPageHeaders(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.Policy())
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// alternatives is the language switch of a page at self.
func alternatives(self string) []page.Alternative {
	var all []page.Alternative
	for _, tag := range page.Languages() {
		all = append(all, page.Alternative{Lang: tag, URL: self + "&lang=" + url.QueryEscape(tag.String())})
	}
	return all
}

// offered tells whether the pages are written in a language.
func offered(chosen string) bool {
	for _, tag := range page.Languages() {
		if tag.String() == chosen {
			return true
		}
	}
	return false
}
