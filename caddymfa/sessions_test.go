package caddymfa_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// owned is what /.mfa/sessions tells programs.
type owned struct {
	CSRF     string
	Sessions []struct {
		ID, Site, Factor, Browser string
		Current                   bool
	}
}

func (b *browser) sessions() owned {
	b.t.Helper()
	var got owned
	body := b.get("/.mfa/sessions").wantStatus(b.t, http.StatusOK).body
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		b.t.Fatalf("sessions: %v\n%s", err, body)
	}
	return got
}

// twoSessions are two browsers of alice, the second of which looks.
func twoSessions(t *testing.T) (s *site, first, second *browser, got owned) {
	t.Helper()
	s = open(t, "")
	first, second = s.program("alice"), s.program("alice")
	first.verifyBy(simulator.TOTP, "/")
	s.sim.Advance(time.Minute)
	second.verifyBy(simulator.TOTP, "/")
	got = second.sessions()
	if len(got.Sessions) != 2 || !got.Sessions[0].Current || got.Sessions[1].Current {
		t.Fatalf("sessions %+v, want this one first and the other behind it", got)
	}
	return s, first, second, got
}

func TestNobodyLooksAtSessionsWithoutOne(t *testing.T) {
	s := open(t, "")
	s.program("alice").verifyBy(simulator.TOTP, "/")
	stranger := s.program("alice")
	stranger.get("/.mfa/sessions").wantStatus(t, http.StatusUnauthorized)
	stranger.post("sessions/end", map[string]string{"all": "1"}).wantStatus(t, http.StatusForbidden)
	s.app.wantCount(t, 0)
}

func TestSessionsOfOthersCannotBeEnded(t *testing.T) {
	s, first, second, got := twoSessions(t)
	bob := s.program("bob")
	bob.verifyBy(simulator.SMS, "/")
	own := bob.sessions()
	if len(own.Sessions) != 1 {
		t.Errorf("bob sees %+v", own.Sessions)
	}
	bob.post("sessions/end", map[string]string{"csrf": own.CSRF, "session": got.Sessions[1].ID}).wantStatus(t, http.StatusOK)
	bob.post("sessions/end", map[string]string{"csrf": got.CSRF, "session": own.Sessions[0].ID}).wantStatus(t, http.StatusForbidden)
	bob.post("sessions/end", map[string]string{"session": own.Sessions[0].ID}).wantStatus(t, http.StatusForbidden)
	for _, b := range []*browser{first, second, bob} {
		b.get("/").wantStatus(t, http.StatusOK)
	}
}

func TestOneSessionIsEndedFromAnother(t *testing.T) {
	s, first, second, got := twoSessions(t)
	second.post("sessions/end", map[string]string{"csrf": got.CSRF, "session": got.Sessions[1].ID}).wantStatus(t, http.StatusOK)
	first.get("/secret").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	second.get("/").wantStatus(t, http.StatusOK)
	second.post("sessions/end", map[string]string{"csrf": got.CSRF, "session": got.Sessions[0].ID}).wantStatus(t, http.StatusNoContent)
	second.get("/secret").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 1)
}

func TestSignedOutEverywhere(t *testing.T) {
	s, first, second, got := twoSessions(t)
	second.post("sessions/end", map[string]string{"csrf": got.CSRF, "all": "1"}).wantStatus(t, http.StatusNoContent)
	first.get("/").wantStatus(t, http.StatusUnauthorized)
	second.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func TestSessionsPageEndsSessions(t *testing.T) {
	_, first, second, got := twoSessions(t)
	second.header = second.person("alice").header
	page := second.get("/.mfa/sessions").wantStatus(t, http.StatusOK)
	for _, s := range got.Sessions {
		if !strings.Contains(page.body, s.ID) {
			t.Errorf("the page has no form for session %s", s.ID)
		}
	}
	csrf := csrfField.FindStringSubmatch(page.body)[1]
	after := second.form("sessions/end", map[string]string{"csrf": csrf, "session": got.Sessions[1].ID}).wantStatus(t, http.StatusOK)
	if strings.Contains(after.body, got.Sessions[1].ID) || !strings.Contains(after.body, `role="status"`) {
		t.Errorf("after the end of a session:\n%s", after.body)
	}
	first.get("/").wantStatus(t, http.StatusUnauthorized)
	german := second.get("/.mfa/sessions?lang=de").wantStatus(t, http.StatusSeeOther)
	if to := german.Header.Get("Location"); !strings.HasPrefix(to, "/.mfa/sessions?") {
		t.Errorf("the language switch leads to %s", to)
	}
}
