package caddymfa

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// purposeSessions is sealed into the forms of the page that lists sessions.
const purposeSessions = "sessions form"

// ownedJSON is where a person is verified, for programs.
type ownedJSON struct {
	CSRF       string          `json:"csrf"`
	ReportCSRF string          `json:"report_csrf,omitempty"`
	Reported   bool            `json:"reported,omitempty"`
	Sessions   []ownedItemJSON `json:"sessions"`
}

type ownedItemJSON struct {
	ID       string    `json:"id"`
	Site     string    `json:"site"`
	Browser  string    `json:"browser,omitempty"`
	Factor   string    `json:"factor"`
	AuthTime time.Time `json:"auth_time"`
	Seen     time.Time `json:"seen"`
	Expires  time.Time `json:"expires"`
	Current  bool      `json:"current"`
}

// serveSessions shows a person where they are verified. It takes a session:
// the first login alone is not enough to look around.
func (h *Handler) serveSessions(c *call) error {
	if chosen := c.r.URL.Query().Get("lang"); chosen != "" {
		return h.switchLanguage(c, "sessions", chosen)
	}
	own, alive, err := h.ownSession(c)
	if err != nil {
		return h.unavailable(c.w, c.r, "load session", err)
	}
	if !alive {
		return h.serveHome(c)
	}
	return h.showSessions(c, own, news{})
}

// serveEnd ends one of a person's own sessions, or all of them.
func (h *Handler) serveEnd(c *call) error {
	if ok, err := h.readForm(c, purposeSessions); !ok {
		return err
	}
	own, alive, err := h.ownSession(c)
	if err != nil {
		return h.unavailable(c.w, c.r, "load session", err)
	}
	if !alive {
		return h.afresh(c, "")
	}
	if c.fields["all"] != "" {
		return h.endEverywhere(c, own)
	}
	return h.endOne(c, own, c.fields["session"])
}

// ofUser selects the sessions of the person that own belongs to. A filter that
// names nobody would select everybody's.
func ofUser(own session.Session) session.Filter {
	if own.UserID == "" {
		return session.Filter{User: own.User}
	}
	return session.Filter{UserID: own.UserID}
}

func (h *Handler) endEverywhere(c *call, own session.Session) error {
	ended, err := h.sessions.EndAll(c.r.Context(), ofUser(own), time.Time{})
	h.app.logEnded(ended, own.User, "by the user, everywhere")
	if err != nil {
		return h.unavailable(c.w, c.r, "end sessions", err)
	}
	return h.signedOut(c)
}

// endOne ends the session behind a handle if it is this person's.
func (h *Handler) endOne(c *call, own session.Session, handle string) error {
	listed, found, err := h.sessions.Find(c.r.Context(), handle)
	if err != nil {
		return h.unavailable(c.w, c.r, "find session", err)
	}
	if !found || listed.Session.UserID != own.UserID {
		return h.showSessions(c, own, news{}) // it has ended already, or was never theirs
	}
	if _, _, err := h.sessions.End(c.r.Context(), handle); err != nil {
		return h.unavailable(c.w, c.r, "end session", err)
	}
	h.app.logEnded([]session.Listed{listed}, own.User, "by the user")
	if handle == h.ownHandle(c) {
		return h.signedOut(c)
	}
	return h.showSessions(c, own, news{ended: listed})
}

// signedOut answers after this browser's own session has ended.
func (h *Handler) signedOut(c *call) error {
	h.cookies.clear(c.w, h.cookies.session)
	if c.wantsJSON {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return h.showSignedOut(c)
}

// ownHandle is the handle of the session that this browser holds.
func (h *Handler) ownHandle(c *call) string {
	value, _, _ := identity.Cookie(c.r.Header, h.cookies.session)
	key, ok := session.SessionKey(c.site, value)
	if !ok {
		return ""
	}
	return session.Handle(key)
}

// news is what the step that shows the sessions has done, if anything.
type news struct {
	ended    session.Listed
	reported bool
}

// showSessions lists the sessions of own's user, this browser's first and then
// those that were used last.
func (h *Handler) showSessions(c *call, own session.Session, done news) error {
	all, _, err := h.sessions.List(c.r.Context(), ofUser(own), "", maxListed)
	if err != nil {
		return h.unavailable(c.w, c.r, "list sessions", err)
	}
	csrf, report, err := h.sessionForms(c, purposeSessions, own.User)
	if err != nil {
		return h.unavailable(c.w, c.r, "seal form", err)
	}
	current := h.ownHandle(c)
	slices.SortStableFunc(all, func(a, b session.Listed) int {
		switch current {
		case a.Handle:
			return -1
		case b.Handle:
			return 1
		}
		return cmp.Or(b.Session.Seen.Compare(a.Session.Seen), cmp.Compare(a.Handle, b.Handle))
	})
	if c.wantsJSON {
		return writeJSON(c.w, http.StatusOK, ownedJSON{
			CSRF: csrf, ReportCSRF: report, Reported: done.reported, Sessions: ownedItems(all, current),
		})
	}
	p := page.Page{
		Kind: page.Sessions, User: own.User, CSRF: csrf, Self: c.base + "sessions", ReturnTo: "/",
		Now: time.Now(), Ended: sessionItem(done.ended, current), Report: report, Reported: done.reported,
		Alternatives: alternatives(c.base + "sessions?"),
	}
	for _, listed := range all {
		p.Sessions = append(p.Sessions, sessionItem(listed, current))
	}
	return h.render(c.w, c.r, http.StatusOK, p)
}

func sessionItem(listed session.Listed, current string) page.SessionItem {
	s := listed.Session
	if s.User == "" {
		return page.SessionItem{}
	}
	return page.SessionItem{
		Handle: listed.Handle, Site: s.Site, Browser: s.Browser, Factor: page.Factor{Kind: s.Factor},
		Proved: s.AuthTime, Seen: s.Seen, Ends: listed.Expires, Current: listed.Handle == current,
	}
}

func ownedItems(all []session.Listed, current string) []ownedItemJSON {
	items := []ownedItemJSON{}
	for _, listed := range all {
		s := listed.Session
		items = append(items, ownedItemJSON{
			ID: listed.Handle, Site: s.Site, Browser: s.Browser, Factor: s.Factor,
			AuthTime: s.AuthTime, Seen: s.Seen, Expires: listed.Expires, Current: listed.Handle == current,
		})
	}
	return items
}
