package caddymfa_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// cookiesByName are what the browser holds, by name.
func (b *browser) cookiesByName() map[string]string {
	b.t.Helper()
	held := map[string]string{}
	for _, cookie := range b.client.Jar.Cookies(mustParse(b.t, b.url)) {
		held[cookie.Name] = cookie.Value
	}
	return held
}

func TestPlantedCookieIsNeverTakenUp(t *testing.T) {
	s := open(t, "")
	planted := strings.Repeat("A", 43) // as ours are written
	alice := s.program("alice")
	alice.client.Jar.SetCookies(mustParse(t, s.url), []*http.Cookie{{Name: "mfa", Value: planted, Path: "/"}})
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	alice.verifyBy(simulator.TOTP, "/")
	if got := alice.cookiesByName()["mfa"]; got == planted || len(got) != 43 {
		t.Errorf("after the proof the cookie is %q", got)
	}
	thief := http.Header{"Cookie": {"mfa=" + planted}}
	s.program("alice").do(http.MethodGet, "/", nil, thief).wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestCookiesDoNotPileUp(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() { alice.get("/") })
	}
	group.Wait()
	c, address := alice.begin("/")
	if held := alice.cookiesByName(); len(held) != 0 {
		t.Errorf("a hundred unverified GETs left %v", held)
	}
	start := map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}
	for range 3 {
		alice.post("start", start).wantStatus(t, http.StatusOK)
		alice.get(address).wantStatus(t, http.StatusOK)
	}
	if held := alice.cookiesByName(); len(held) != 1 || held["mfa"] != "" {
		t.Errorf("a begun challenge left %v, want one cookie", held)
	}
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	if held := alice.cookiesByName(); len(held) != 1 || held["mfa"] == "" {
		t.Errorf("a proof left %v, want the session's cookie alone", held)
	}
	s.app.wantCount(t, 0)
}

// begun goes to a challenge's code field.
func (b *browser) begun() challenge {
	b.t.Helper()
	b.sim.Advance(30 * time.Second) // a fresh code for each
	program := with(b, http.Header{"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}})
	c, _ := program.begin("/other/" + b.sim.Now().Format("150405"))
	program.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(b.t, "totp")}).wantStatus(b.t, http.StatusOK)
	return c
}

// TestClearedCookiesAreClearedInTheBrowser looks at what ends a cookie, as a
// program and as a person.
func TestClearedCookiesAreClearedInTheBrowser(t *testing.T) {
	s := open(t, "")
	for name, b := range map[string]*browser{"program": s.program("alice"), "person": s.person("alice")} {
		post := b.post
		if name == "person" {
			post = b.form
		}
		wantCleared := func(a answer, ofChallenge bool) {
			t.Helper()
			for _, line := range a.Header.Values("Set-Cookie") {
				if strings.Contains(line, "; Max-Age=0") && strings.Contains(line, "Path=/;") && strings.HasPrefix(line, "mfa-") == ofChallenge {
					return
				}
			}
			t.Errorf("%s: %s cleared nothing: %q", name, a.Request.URL.Path, a.Header.Values("Set-Cookie"))
		}
		asJSON := with(b, http.Header{"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}})
		prove := func() {
			t.Helper()
			c := b.begun()
			wantCleared(post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}), true)
		}
		wantCleared(post("cancel", map[string]string{"csrf": b.begun().CSRF}), true)
		prove()
		wantCleared(post("logout", map[string]string{"csrf": asJSON.get("/.mfa/").json(t).CSRF}), false)
		prove()
		wantCleared(post("sessions/end", map[string]string{"csrf": asJSON.sessions().CSRF, "all": "1"}), false)
		prove()
		own := asJSON.sessions()
		wantCleared(post("sessions/end", map[string]string{"csrf": own.CSRF, "session": own.Sessions[0].ID}), false)
		if held := b.cookiesByName(); len(held) != 0 {
			t.Errorf("%s: the browser still holds %v", name, held)
		}
	}
	s.app.wantCount(t, 0)
}
