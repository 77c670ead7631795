package simulator

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

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
