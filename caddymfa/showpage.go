package caddymfa

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

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
		Kind: h.pageOf(result), User: c.ticket.User, LastsFor: c.ticket.MaxAge, Blind: c.demand.Blind, Scarce: result.Scarce,
		Typed: bounded(c.fields["user"], maxName), VoiceCode: result.VoiceCode,
		CSRF: csrf, Self: self, Events: c.base + "status" + self[len(c.base):],
		Still: c.r.URL.Query().Has("still"), StillURL: self + "&still=1",
		NotOffered: result.NotOffered, Current: factorOf(result.Factor), AcceptsCode: result.AcceptsCode,
		SentAt: result.SentAt, ExpiresIn: until(result.ExpiresAt), ResendIn: until(result.ResendAt),
		TriesLeft: result.TriesLeft, RetryAfter: until(result.RetryAt),
		Error: pageProblem(result.Notice, c.fields), ReturnTo: c.ticket.ReturnTo, Unsaved: c.ticket.Unsaved,
		Alternatives: alternatives(self),
	}
	for _, offer := range slices.Concat(result.Offers, result.Enrollable) {
		offer.LockedUntil = lockedUntil(result, offer, c.fields["factor"])
		p.Factors = append(p.Factors, factorOf(offer))
		if offer.ID == result.Factor.ID {
			p.ResendIn = max(p.ResendIn, until(offer.LockedUntil))
		}
	}
	if e := result.Enrolment; e != nil {
		p.Current = page.Factor{Kind: string(e.Factor)}
		p.TOTPURL, p.Secret, p.VoiceCode, p.AcceptsCode = e.TOTPURL, e.Secret, e.VoiceCode, e.AcceptsCode
		p.ExpiresIn = until(e.ExpiresAt)
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
	return page.Factor{ID: offer.ID, Kind: string(offer.Factor), Name: offer.Name, Default: offer.Default, LockedUntil: offer.LockedUntil}
}

// lockedUntil is until when an offer cannot be started: as the engine says, or
// because wanted was just refused for a reason that holds for this one too.
func lockedUntil(result stepup.Result, offer stepup.Offer, wanted string) time.Time {
	switch result.Notice {
	case stepup.AddressLimited:
		return result.RetryAt
	case stepup.TooManySends, stepup.PushPending, stepup.PushLocked:
		same := func(other stepup.Offer) bool {
			return other.ID == wanted && (other.Factor == offer.Factor || message(other.Factor) && message(offer.Factor))
		}
		if slices.ContainsFunc(result.Offers, same) || slices.ContainsFunc(result.Enrollable, same) {
			return result.RetryAt
		}
	}
	return offer.LockedUntil
}

// message reports whether f counts against the one limit on messages and calls.
func message(f policy.Factor) bool {
	return f == policy.SMS || f == policy.Email || f == policy.Voice
}

// pageOf is the page that shows a result.
func (h *Handler) pageOf(result stepup.Result) page.Kind {
	switch {
	case result.Notice == stepup.NoAccess:
		return page.NoAccess
	case len(result.Enrollable) > 0:
		return page.Enroll
	case result.Notice == stepup.NoDevice:
		return page.NoDevice
	case result.NeedsLogin:
		return page.Password
	}
	switch result.State {
	case stepup.Enrolling:
		if result.Enrolment.NeedsCode {
			return page.EnrollCode
		}
		return page.EnrollWait
	case stepup.Pending:
		return pageOfPending(result)
	case stepup.Choosing:
		if h.SmartMFA != nil {
			return page.Smart
		}
	case stepup.Denied:
		return page.Denied
	case stepup.Expired:
		return page.Expired
	case stepup.Locked:
		return page.Locked
	}
	return page.Choose
}

// pageOfPending is the page that waits for the proof of the activated device.
func pageOfPending(result stepup.Result) page.Kind {
	switch result.Factor.Factor {
	case policy.Temporary:
		return page.Temporary
	case policy.Voice:
		return page.Voice
	case policy.Email:
		if result.Polled {
			return page.Mail
		}
	}
	if result.NeedsCode {
		return page.Code
	}
	return page.Push
}

// pageProblem is a notice for people.
func pageProblem(n stepup.Notice, typed map[string]string) page.Problem {
	switch n {
	case stepup.WrongCode:
		return page.WrongCode
	case stepup.UsedCode:
		return page.UsedCode
	case stepup.MalformedCode:
		return malformed(typed["code"])
	case stepup.TooManyTries:
		return page.TooManyTries
	case stepup.TooManySends:
		return page.TooManySends
	case stepup.PushPending:
		return page.PushPending
	case stepup.PushLocked:
		return page.PushLocked
	case stepup.AddressLimited:
		return page.AddressLimited
	case stepup.UnknownFactor:
		return page.FactorGone
	case stepup.NotPending:
		return page.NotPending
	case stepup.WrongPassword:
		return wrongPassword(typed)
	case stepup.EnrolFailed:
		return page.EnrolFailed
	case stepup.EnrolExpired:
		return page.RegistrationExpired
	}
	return page.None
}

// wrongPassword tells apart only what a person can see for themselves.
func wrongPassword(typed map[string]string) page.Problem {
	switch {
	case strings.TrimSpace(typed["user"]) == "":
		return page.EmptyName
	case typed["password"] == "":
		return page.EmptyPassword
	}
	return page.WrongPassword
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
	csrf, report, err := h.sessionForms(c, purposeLogout, s.User)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	if c.wantsJSON {
		return writeJSON(c.w, http.StatusOK, challengeJSON{
			State: string(stepup.Verified), CSRF: csrf, ReportCSRF: report, User: s.User, Site: c.site, Factor: s.Factor, ReturnTo: "/",
		})
	}
	return h.render(c.w, c.r, http.StatusOK, page.Page{
		Kind: page.Verified, User: s.User, CSRF: csrf, Report: report, ReturnTo: "/", Current: page.Factor{Kind: s.Factor},
		VerifiedAt: s.AuthTime, VerifiedUntil: s.AuthTime.Add(time.Duration(h.MaxAge)),
		Alternatives: alternatives(c.base + "?"),
	})
}

// showVerified answers a typed code that was right, and leads on at once. It is
// a page and not a redirect because browsers hold the whole chain of redirects
// behind a form to the form-action of our policy: an app that goes on to
// another host would never be reached (docs/decisions/0005).
func (h *Handler) showVerified(c *call, proof stepup.Proof) error {
	user := h.proved(c, proof)
	csrf, report, err := h.sessionForms(c, purposeLogout, user)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	c.w.Header().Set("Refresh", "0; url="+c.ticket.ReturnTo)
	p := page.Page{
		Kind: page.Verified, User: user, CSRF: csrf, Report: report, ReturnTo: c.ticket.ReturnTo,
		Current: page.Factor{Kind: string(proof.Factor)}, VerifiedAt: proof.AuthTime,
	}
	if !proof.AuthTime.IsZero() {
		p.VerifiedUntil = proof.AuthTime.Add(c.ticket.MaxAge)
	}
	return h.render(c.w, c.r, http.StatusOK, p)
}

func (h *Handler) showCancelled(c *call) error {
	return h.render(c.w, c.r, http.StatusOK, page.Page{Kind: page.Cancelled, User: c.user, ReturnTo: c.ticket.ReturnTo})
}

func (h *Handler) showSignedOut(c *call) error {
	return h.render(c.w, c.r, http.StatusOK, page.Page{Kind: page.SignedOut, User: c.user, ReturnTo: "/"})
}

// showContinue hands the browser over to OneLogin, which opens a session of
// its own there and sends the browser back to where it was going.
func (h *Handler) showContinue(c *call, proof stepup.Proof) error {
	return h.render(c.w, c.r, http.StatusOK, page.Page{
		Kind: page.Continue, User: h.proved(c, proof), ReturnTo: c.ticket.ReturnTo,
		SessionForm: h.sessionForm(proof), SessionToken: proof.SessionToken,
	})
}

// sessionForm is where a browser posts the session token of a password login.
func (h *Handler) sessionForm(proof stepup.Proof) string {
	if proof.SessionToken == "" {
		return ""
	}
	return onelogin.SessionFormURL(h.app.engine.value.baseURL)
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
	setPageHeaders(w.Header(), p)
	w.Header().Set("Content-Language", p.Lang.String())
	w.WriteHeader(status)
	if err := page.Render(w, p); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	return nil
}

// setPageHeaders overwrites what a handler before us may have set for the
// app's pages: ours need their own.
func setPageHeaders(h http.Header, p page.Page) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.Policy())
	if p.Kind == page.Continue {
		h.Set("Content-Security-Policy", page.PolicyWithForm(origin(p.SessionForm)))
	}
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// origin is the scheme and host of an address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
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
