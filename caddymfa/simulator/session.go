package simulator

import (
	"encoding/json"
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
	for _, t := range s.sessionTokens {
		if slices.Contains(t.origins, from) && c.now.Before(t.expiresAt) {
			answer := reply{status: http.StatusNoContent, header: http.Header{}}
			allowOrigin(answer.header, from)
			answer.header.Set("Access-Control-Allow-Methods", "POST")
			answer.header.Set("Access-Control-Allow-Headers", "Content-Type")
			return answer
		}
	}
	return errorA(http.StatusForbidden, "forbidden")
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
