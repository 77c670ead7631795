package caddymfa_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// openWithAdmin starts a site with the admin API on, and returns its address.
func openWithAdmin(t *testing.T, global, options string) (*site, string) {
	t.Helper()
	admin := freeAddress(t)
	return openFile(t, strings.Replace(withGlobal(global, options), "admin off", "admin "+admin, 1)), "http://" + admin
}

// openGlobal starts a site with something in the global option mfa.
func openGlobal(t *testing.T, global, options string) *site {
	t.Helper()
	return openFile(t, withGlobal(global, options))
}

func withGlobal(global, options string) string {
	return strings.Replace(siteFile(options), "\tmfa {\n\t\tonelogin", "\tmfa {\n\t\t"+global+"\n\t\tonelogin", 1)
}

func adminCall(t *testing.T, method, url, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s %s = %s %q", method, url, answer.Status, text)
	}
	return answer.StatusCode, got
}

func TestHelpDeskIsOffUnlessTurnedOn(t *testing.T) {
	s, admin := openWithAdmin(t, "store memory", "")
	status, got := adminCall(t, "POST", admin+"/mfa/token", `{"user":"alice","reason":"lost phone","by":"desk"}`)
	if status != http.StatusForbidden || !strings.Contains(got["error"].(string), "help_desk is off") {
		t.Errorf("POST /mfa/token = %d %v", status, got)
	}
	if n := s.sim.Calls(simulator.OpMFAToken); n != 0 {
		t.Errorf("OneLogin was asked for %d codes", n)
	}
	c, _ := s.program("alice").begin("/")
	for _, f := range c.Factors {
		if f.Kind == "temporary" {
			t.Error("a temporary code is offered")
		}
	}
}

func TestHelpDeskRequestsAreChecked(t *testing.T) {
	s, admin := openWithAdmin(t, "help_desk", "")
	for body, want := range map[string]int{
		`{`:                                400,
		`{"user":"alice","by":"desk"}`:     400,
		`{"user":"alice","reason":"lost"}`: 400,
		`{"reason":"lost","by":"desk"}`:    400,
		`{"user":"alice","reason":"lost","by":"desk","for":"73h"}`:              400,
		`{"user":"alice","reason":"lost","by":"desk","for":"1m"}`:               400,
		`{"user":"alice","reason":"lost","by":"desk","for":"soon"}`:             400,
		`{"user":"alice","reason":"lost","by":"desk","unknown":true}`:           400,
		`{"user":"nobody-at-all","reason":"lost","by":"desk"}`:                  404,
		`{"user":"alice","reason":"` + strings.Repeat("x", 501) + `","by":"d"}`: 400,
	} {
		if status, got := adminCall(t, "POST", admin+"/mfa/token", body); status != want || got["error"] == "" {
			t.Errorf("%.60s = %d %v, want %d", body, status, got, want)
		}
	}
	if status, _ := adminCall(t, "GET", admin+"/mfa/token", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /mfa/token = %d", status)
	}
	if n := s.sim.Calls(simulator.OpMFAToken); n != 0 {
		t.Errorf("refused requests made %d codes", n)
	}
}

func TestTemporaryCodeLetsAPersonInAndSaysSo(t *testing.T) {
	s, admin := openWithAdmin(t, "help_desk", `require /admin/* {
			factors protect totp
		}`)
	for _, way := range []string{"listed", "one_shot"} {
		s.sim.SetSwitches(func(w *simulator.Switches) { w.TemporaryCode = way })
		status, got := adminCall(t, "POST", admin+"/mfa/token", `{"user":"alice","reason":"lost phone","by":"desk"}`)
		code, _ := got["code"].(string)
		if status != http.StatusOK || code == "" {
			t.Fatalf("%s: POST /mfa/token = %d %v", way, status, got)
		}
		alice := s.program("alice")
		c, _ := alice.begin("/")
		before := len(s.app.requests())
		alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "temporary")}).wantStatus(t, http.StatusOK)
		alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "00000000"}).wantError(t, http.StatusUnprocessableEntity, "wrong_code")
		s.app.wantCount(t, before)
		alice.post("verify", map[string]string{"csrf": c.CSRF, "code": code}).wantStatus(t, http.StatusOK)
		alice.get("/").wantStatus(t, http.StatusOK)
		alice.get("/admin/").wantStatus(t, http.StatusUnauthorized) // factors leave temporary out
		s.app.wantCount(t, before+1)
		if seen := s.app.requests()[before].Header.Get("X-Mfa-Factor"); seen != "temporary" {
			t.Errorf("%s: the app was told factor %q", way, seen)
		}
		used, _ := s.program("alice").begin("/")
		for _, f := range used.Factors {
			if f.Kind == "temporary" {
				t.Errorf("%s: a used code is still offered", way)
			}
		}
	}
}

func TestReadinessAsksOneLogin(t *testing.T) {
	s, admin := openWithAdmin(t, "store memory", "")
	if status, got := adminCall(t, "GET", admin+"/mfa/ready", ""); status != http.StatusOK || got["ready"] != true || got["limit"] != 5000.0 {
		t.Errorf("GET /mfa/ready = %d %v", status, got)
	}
	s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	if status, got := adminCall(t, "GET", admin+"/mfa/ready", ""); status != http.StatusServiceUnavailable || got["ready"] != false {
		t.Errorf("GET /mfa/ready without OneLogin = %d %v", status, got)
	}
}
