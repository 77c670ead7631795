package simulator

import (
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sessionToken is what a browser turns into a session, once.
type sessionToken struct {
	person    *person
	expiresAt time.Time
	returnTo  string
	origins   []string
}

// sessionTokenLife is OneLogin's.
const sessionTokenLife = 2 * time.Minute

// portalCookie holds a session of the portal. OneLogin's cookies have other names.
const portalCookie = "onelogin_simulator"

// startSession answers POST /session_via_api_token, by a browser. A form is a
// navigation: it may come from any site, and goes on to the return URL or the
// portal. JSON is a script's: its origin must have been announced with the login.
func (s *Simulator) startSession(c *call) reply {
	mediaType, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if mediaType == "application/json" {
		return s.startSessionByScript(c)
	}
	form, _ := url.ParseQuery(string(c.body))
	t, ok := s.redeemSession(c, form.Get("session_token"), nil)
	if mediaType != "application/x-www-form-urlencoded" || !ok {
		return s.portalPage(c, http.StatusUnauthorized, "This session token is unknown, used, or older than two minutes.")
	}
	next := "/portal"
	if followable(t.returnTo) {
		next = t.returnTo
	}
	return s.signIn(c, t.person, next)
}

// startSessionByScript is startSession for JSON. A refusal carries no headers
// that would let the page read it: a browser reports a network error.
func (s *Simulator) startSessionByScript(c *call) reply {
	var request struct {
		SessionToken string `json:"session_token"`
	}
	json.Unmarshal(c.body, &request) // no object: no token
	from := c.request.Header.Get("Origin")
	t, ok := s.redeemSession(c, request.SessionToken, func(t sessionToken) bool { return slices.Contains(t.origins, from) })
	if !ok {
		return errorA(http.StatusForbidden, "forbidden")
	}
	answer := s.signIn(c, t.person, "")
	answer.status, answer.body = http.StatusOK, struct{}{}
	answer.header.Del("Location")
	allowOrigin(answer.header, from)
	return answer
}

// preflight answers a browser that asks whether a page's script may send JSON.
// The token is not known yet, so every origin that was announced may.
func (s *Simulator) preflight(c *call) reply {
	from := c.request.Header.Get("Origin")
	answer := reply{status: http.StatusNoContent, header: http.Header{}}
	for _, t := range s.sessionTokens {
		if slices.Contains(t.origins, from) && c.now.Before(t.expiresAt) {
			allowOrigin(answer.header, from)
			answer.header.Set("Access-Control-Allow-Methods", "POST")
			answer.header.Set("Access-Control-Allow-Headers", "Content-Type")
			return answer
		}
	}
	answer.status = http.StatusForbidden
	return answer
}

func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Vary", "Origin")
}

// redeemSession uses a session token up. A token that accept refuses stays good
// for others; a nil accept takes all.
func (s *Simulator) redeemSession(c *call, value string, accept func(sessionToken) bool) (sessionToken, bool) {
	t, ok := s.sessionTokens[value]
	if !ok || !c.now.Before(t.expiresAt) || accept != nil && !accept(t) {
		if ok {
			s.note(eventSessionRefused, t.person, nil)
		}
		return sessionToken{}, false
	}
	delete(s.sessionTokens, value)
	return t, true
}

// followable reports whether a browser may be sent to an address.
func followable(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// signIn starts a session of the portal and sends the browser on.
func (s *Simulator) signIn(c *call, p *person, next string) reply {
	value := newStateToken()
	s.portal[value] = p
	s.note(eventLoggedIn, p, nil)
	cookie := http.Cookie{
		Name: portalCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(c.origin(), "https:"),
	}
	return reply{
		status: http.StatusSeeOther, contentType: "text/html; charset=utf-8",
		header: http.Header{"Location": {next}, "Set-Cookie": {cookie.String()}},
	}
}

// signedIn returns the person whose session the browser has, or nil.
func (s *Simulator) signedIn(c *call) *person {
	cookie, err := c.request.Cookie(portalCookie)
	if err != nil {
		return nil
	}
	return s.portal[cookie.Value]
}

// PortalSessions returns how many browsers are signed in to OneLogin itself as
// this person.
func (s *Simulator) PortalSessions(username string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.portal {
		if strings.EqualFold(p.Username, username) {
			n++
		}
	}
	return n
}

// portalView is what the portal's page shows.
type portalView struct {
	Style         template.CSS
	Title         string
	Name, Initial string // empty: nobody is signed in
	Problem       string
}

// showPortal answers GET /, /portal and /login.
func (s *Simulator) showPortal(c *call) reply { return s.portalPage(c, http.StatusOK, "") }

func (s *Simulator) portalPage(c *call, status int, problem string) reply {
	style, _ := phoneFiles.ReadFile("phone/style.css") // embedded: always there
	view := portalView{Style: template.CSS(style), Title: "Sign in", Problem: problem}
	if p := s.signedIn(c); p != nil && problem == "" {
		view.Title, view.Name = "Your apps", p.displayName()
		view.Initial = initial(view.Name)
	}
	var page strings.Builder
	if err := phoneTemplates.ExecuteTemplate(&page, "portal", view); err != nil {
		panic("simulator: " + err.Error()) // embedded, and its tests run it
	}
	return reply{status: status, raw: page.String(), contentType: "text/html; charset=utf-8", header: http.Header{
		"Cache-Control": {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; form-action 'self'; img-src data:; base-uri 'none'; " +
			"frame-ancestors 'none'; style-src " + sourceHash(style)},
	}}
}

// signInByPassword answers the login page's form. The page asks for no factor.
func (s *Simulator) signInByPassword(c *call) reply {
	if c.fromElsewhere() {
		return s.portalPage(c, http.StatusForbidden, "The form was sent by another site.")
	}
	form, _ := url.ParseQuery(string(c.body))
	p := s.passwordHolder(c, form.Get("username"), form.Get("password"))
	if p == nil {
		return s.portalPage(c, http.StatusUnauthorized, "The name or the password is wrong, or this person may not sign in.")
	}
	return s.signIn(c, p, "/portal")
}

// signOut answers the portal's form.
func (s *Simulator) signOut(c *call) reply {
	p := s.signedIn(c)
	if p == nil || c.fromElsewhere() {
		return s.portalPage(c, http.StatusForbidden, "Nobody was signed out.")
	}
	cookie, err := c.request.Cookie(portalCookie)
	if err == nil {
		delete(s.portal, cookie.Value)
	}
	s.note(eventLoggedOut, p, nil)
	return reply{status: http.StatusSeeOther, contentType: "text/html; charset=utf-8", header: http.Header{"Location": {"/login"}}}
}

// fromElsewhere reports whether another site sent a form.
func (c *call) fromElsewhere() bool {
	return http.NewCrossOriginProtection().Check(c.request) != nil
}
