package caddymfa_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// wantStrict looks at the headers that keep browsers and caches strict.
func wantStrict(t *testing.T, name string, a answer) {
	t.Helper()
	want := map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
	kind := a.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "text/html") {
		want["X-Frame-Options"], want["Cross-Origin-Opener-Policy"] = "DENY", "same-origin"
		want["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
		if policy := a.Header.Values("Content-Security-Policy"); len(policy) != 1 || !strings.Contains(policy[0], "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy = %q", name, policy)
		}
	}
	for header, value := range want {
		if got := a.Header.Values(header); len(got) != 1 || got[0] != value {
			t.Errorf("%s: %s = %q, want %q", name, header, got, value)
		}
	}
	// JSON and event streams are UTF-8 by definition (RFC 8259; HTML, section 9.2).
	known := []string{"text/html; charset=utf-8", "application/json", "application/problem+json", "text/event-stream"}
	if a.body != "" && !slices.Contains(known, kind) {
		t.Errorf("%s: Content-Type = %q", name, kind)
	}
	for header := range a.Header {
		if header == "Strict-Transport-Security" || strings.HasPrefix(header, "Access-Control-") {
			t.Errorf("%s: %s = %q, which is not ours to say", name, header, a.Header.Get(header))
		}
	}
}

func TestEveryAnswerOfOursIsStrict(t *testing.T) {
	s := open(t, "")
	origin := http.Header{"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"}}
	json, form := http.Header{"Content-Type": {"application/json"}}, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	s.sim.AddUser(simulator.User{ID: 301, Username: "dora", Devices: []simulator.Device{{Factor: simulator.TOTP}}})
	for who, b := range map[string]*browser{"program": s.program("alice"), "person": s.person("alice")} {
		see := func(name string, a answer, status int) answer {
			t.Helper()
			wantStrict(t, who+", "+name, a.wantStatus(t, status))
			return a
		}
		demanded, post := http.StatusUnauthorized, b.post
		if who == "person" {
			demanded, post = http.StatusSeeOther, b.form
		}
		program := with(b, http.Header{"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}})
		address := program.get("/").json(t).ChallengeURL
		nobody := *b
		nobody.user = ""
		see("demand", b.get("/"), demanded)
		see("preflight", b.do(http.MethodOptions, "/api", nil, origin), demanded)
		see("preflight of ours", b.do(http.MethodOptions, "/.mfa/verify", nil, origin), http.StatusMethodNotAllowed)
		see("no user", nobody.get("/"), http.StatusForbidden)
		see("not found", b.get("/.mfa/nothing"), http.StatusNotFound)
		see("method", b.get("/.mfa/start"), http.StatusMethodNotAllowed)
		see("HEAD", b.do(http.MethodHead, address, nil, nil), http.StatusOK)
		see("choice", b.get(address), http.StatusOK)
		see("stream", with(b, http.Header{"Accept": {"text/event-stream"}}).get(status(address)), http.StatusOK)
		see("language", b.get(address+"&lang=de"), http.StatusSeeOther)
		see("large", b.do(http.MethodPost, "/.mfa/start", strings.NewReader(strings.Repeat("a", 9000)), form), http.StatusRequestEntityTooLarge)
		see("type", b.do(http.MethodPost, "/.mfa/start", strings.NewReader("x"), http.Header{"Content-Type": {"text/xml"}}), http.StatusUnsupportedMediaType)
		see("syntax", b.do(http.MethodPost, "/.mfa/start", strings.NewReader("{"), json), http.StatusBadRequest)
		see("stale form", post("start", map[string]string{"csrf": "x"}), http.StatusForbidden)
		s.sim.Advance(30e9)
		c := program.get(address).json(t)
		started := post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
		see("start", started, started.StatusCode)
		see("code", b.get(address), http.StatusOK)
		see("wrong code", post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}), http.StatusUnprocessableEntity)
		see("verified", post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}), http.StatusOK)
		see("home", b.get("/.mfa/"), http.StatusOK)
		see("sessions", b.get("/.mfa/sessions"), http.StatusOK)
		gone := b.get(address)
		see("gone", gone, gone.StatusCode)
		signedOut := post("logout", map[string]string{"csrf": program.get("/.mfa/").json(t).CSRF})
		see("signed out", signedOut, signedOut.StatusCode)
		dora := *b
		dora.user = "dora"
		out := program.browserOf("dora").get("/").json(t).ChallengeURL
		s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
		see("unavailable", dora.get(out), http.StatusServiceUnavailable)
		s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = false })
	}
	s.app.wantCount(t, 0)
}

// browserOf is the same browser with another first login.
func (b *browser) browserOf(user string) *browser {
	other := *b
	other.user = user
	return &other
}

// TestBrowsersSeeNoIDOfOneLogins goes through a journey of pages and one of
// JSON with ids that nothing else would contain.
func TestBrowsersSeeNoIDOfOneLogins(t *testing.T) {
	const userID, deviceID, pushID = 7310884422, 8420995533, 9530116644
	s := open(t, "")
	s.sim.AddUser(simulator.User{ID: userID, Username: "gina", Devices: []simulator.Device{
		{ID: deviceID, Factor: simulator.TOTP, Name: "Codes"}, {ID: pushID, Factor: simulator.Protect, Name: "Phone"}}})
	secret := []string{fmt.Sprint(userID), fmt.Sprint(deviceID), fmt.Sprint(pushID), "state_token", "device_id", "user_id"}
	var seen []string
	see := func(a answer) answer { seen = append(seen, fmt.Sprint(a.Header, a.body)); return a }
	for who, b := range map[string]*browser{"program": s.program("gina"), "person": s.person("gina")} {
		post := b.post
		if who == "person" {
			post = b.form
		}
		program := with(b, http.Header{"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}})
		address := see(program.get("/" + who)).json(t).ChallengeURL
		see(b.get("/" + who))
		c := see(program.get(address)).json(t)
		see(b.get(address))
		see(post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}))
		see(b.get(address))
		pushes := s.sim.Pushes("gina")
		if len(pushes) == 0 {
			t.Fatal("no push is pending")
		}
		for _, push := range pushes {
			secret = append(secret, push.VerificationID)
		}
		see(post("cancel", map[string]string{"csrf": c.CSRF}))
		s.sim.Deny("gina")
		s.sim.Advance(30e9)
		address = see(program.get("/again/" + who)).json(t).ChallengeURL
		c = see(program.get(address)).json(t)
		see(post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}))
		see(with(b, http.Header{"Accept": {"text/event-stream"}}).get(strings.Replace(address, "?", "status?", 1) + "x"))
		see(post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}))
		see(post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("gina", simulator.TOTP)})).wantStatus(t, http.StatusOK)
		see(b.get("/.mfa/"))
		see(b.get("/.mfa/sessions"))
		see(b.get("/"))
		see(post("logout", map[string]string{"csrf": program.get("/.mfa/").json(t).CSRF}))
	}
	for _, request := range s.sim.Requests() {
		if _, id, found := strings.Cut(request.Path, "/verifications/"); found {
			secret = append(secret, id)
		}
	}
	if len(secret) < 10 {
		t.Fatalf("only %v to look for", secret)
	}
	for _, text := range seen {
		for _, id := range secret {
			if strings.Contains(text, id) {
				t.Errorf("an answer holds %s:\n%s", id, text)
			}
		}
	}
}
