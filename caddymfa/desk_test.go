package caddymfa_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// listed returns the sessions that the admin API lists for a query.
func listed(t *testing.T, admin, query string) []map[string]any {
	t.Helper()
	status, got := adminCall(t, "GET", admin+"/mfa/sessions"+query, "")
	if status != http.StatusOK {
		t.Fatalf("GET /mfa/sessions%s = %d %v", query, status, got)
	}
	var all []map[string]any
	for _, one := range got["sessions"].([]any) {
		all = append(all, one.(map[string]any))
	}
	return all
}

func TestRevokedUserIsRefusedAtOnceAndOthersGoOn(t *testing.T) {
	s, admin := openWithAdmin(t, "", "")
	alice, second, bob := s.program("alice"), s.program("alice"), s.program("bob")
	alice.verifyBy(simulator.TOTP, "/")
	second.verifyBy(simulator.SMS, "/")
	bob.verifyBy(simulator.SMS, "/")
	status, got := adminCall(t, "POST", admin+"/mfa/revoke", `{"user":"alice","by":"desk","reason":"left"}`)
	if status != http.StatusOK || got["ended"] != 2.0 {
		t.Fatalf("POST /mfa/revoke = %d %v, want 2 ended", status, got)
	}
	alice.get("/secret").wantStatus(t, http.StatusUnauthorized)
	second.get("/secret").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	bob.get("/").wantStatus(t, http.StatusOK)
	if status, got := adminCall(t, "POST", admin+"/mfa/revoke", `{"all":true}`); status != http.StatusOK || got["ended"] != 1.0 {
		t.Fatalf("revoke all = %d %v, want 1 ended", status, got)
	}
	bob.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 1)
}

func TestSessionIsListedByAHandleThatIsNoCookie(t *testing.T) {
	s, admin := openWithAdmin(t, "node north", "")
	alice := s.person("alice")
	alice.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	program := &browser{site: s, user: "alice", client: alice.client, header: http.Header{
		"Accept": {"application/json"}, "User-Agent": alice.header["User-Agent"]}}
	program.verifyBy(simulator.TOTP, "/")
	all := listed(t, admin, "?user=alice")
	if len(all) != 1 {
		t.Fatalf("sessions %v, want one", all)
	}
	one := all[0]
	for field, want := range map[string]string{"user": "alice", "factor": "totp", "node": "north", "browser": "Firefox on Linux"} {
		if one[field] != want {
			t.Errorf("%s = %v, want %q", field, one[field], want)
		}
	}
	id := one["id"].(string)
	thief := s.program("alice")
	thief.header = thief.header.Clone()
	thief.header.Set("Cookie", "mfa="+id)
	thief.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	for _, query := range []string{"?user=bob", "?site=elsewhere.example.com", "?node=south"} {
		if others := listed(t, admin, query); len(others) != 0 {
			t.Errorf("%s lists %v", query, others)
		}
	}
	if status, got := adminCall(t, "DELETE", admin+"/mfa/sessions/"+id, ""); status != http.StatusOK || got["ended"] != 1.0 {
		t.Fatalf("DELETE = %d %v", status, got)
	}
	program.get("/").wantStatus(t, http.StatusUnauthorized)
	if status, _ := adminCall(t, "DELETE", admin+"/mfa/sessions/"+id, ""); status != http.StatusNotFound {
		t.Errorf("second DELETE = %d, want 404", status)
	}
	s.app.wantCount(t, 0)
}

func TestSessionsAreListedPageByPage(t *testing.T) {
	s, admin := openWithAdmin(t, "", "")
	for range 5 {
		s.program("alice").verifyBy(simulator.TOTP, "/")
		s.sim.Advance(time.Minute) // the app's next code
	}
	seen := map[any]bool{}
	for cursor, pages := "", 0; ; pages++ {
		status, got := adminCall(t, "GET", admin+"/mfa/sessions?limit=2&cursor="+cursor, "")
		if status != http.StatusOK || pages > 80 {
			t.Fatalf("page %d = %d %v", pages, status, got)
		}
		for _, one := range got["sessions"].([]any) {
			seen[one.(map[string]any)["id"]] = true
		}
		next, more := got["next"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if len(seen) != 5 {
		t.Errorf("%d sessions on all pages, want 5", len(seen))
	}
}

func TestDeskRequestsAreChecked(t *testing.T) {
	_, admin := openWithAdmin(t, "", "")
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/mfa/sessions", "", 405}, {"GET", "/mfa/sessions/x", "", 405}, {"GET", "/mfa/revoke", "", 405},
		{"POST", "/mfa/health", "", 405}, {"GET", "/mfa/rotate", "", 405},
		{"POST", "/mfa/revoke", "{}", 400}, {"POST", "/mfa/revoke", `{"user":"a","all":true}`, 400},
		{"POST", "/mfa/revoke", `{"usr":"a"}`, 400}, {"POST", "/mfa/revoke", `{"all":true}{}`, 400}, {"POST", "/mfa/revoke", "", 400},
		{"GET", "/mfa/sessions?limit=0", "", 400}, {"GET", "/mfa/sessions?limit=1001", "", 400}, {"GET", "/mfa/sessions?limit=x", "", 400},
		{"DELETE", "/mfa/sessions/x", "", 404}, {"DELETE", "/mfa/sessions/" + strings.Repeat("0", 64), "", 404},
		{"GET", "/mfa/sessions?cursor=x", "", 503},
	} {
		if status, got := adminCall(t, tt.method, admin+tt.path, tt.body); status != tt.want || got["error"] == "" {
			t.Errorf("%s %s %s = %d %v, want %d", tt.method, tt.path, tt.body, status, got, tt.want)
		}
	}
}

func TestHealthNamesWhatIsBroken(t *testing.T) {
	s, admin := openWithAdmin(t, "", "")
	status, got := adminCall(t, "GET", admin+"/mfa/health", "")
	store := got["store"].(map[string]any)
	if status != http.StatusOK || got["ok"] != true || store["kind"] != "memory" || !strings.HasSuffix(store["journal"].(string), "sessions.db") {
		t.Errorf("health = %d %v", status, got)
	}
	s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	status, got = adminCall(t, "GET", admin+"/mfa/health", "")
	if problem := got["onelogin"].(map[string]any)["problem"]; status != http.StatusServiceUnavailable || got["ok"] != false || problem == nil {
		t.Errorf("health with OneLogin down = %d %v", status, got)
	}
	if status, got = adminCall(t, "GET", admin+"/mfa/health?report", ""); status != http.StatusOK || got["ok"] != false {
		t.Errorf("report with OneLogin down = %d %v, want 200 and not ok", status, got)
	}
}

func TestOldestSessionOfAUserGoes(t *testing.T) {
	s := openGlobal(t, "sessions_per_user 2", "")
	var browsers []*browser
	for range 3 {
		b := s.program("alice")
		b.verifyBy(simulator.TOTP, "/")
		s.sim.Advance(time.Minute)
		browsers = append(browsers, b)
	}
	browsers[0].get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	browsers[1].get("/").wantStatus(t, http.StatusOK)
	browsers[2].get("/").wantStatus(t, http.StatusOK)
}

func TestKeyRotationKeepsSessionsAndForms(t *testing.T) {
	s, admin := openWithAdmin(t, "", "")
	alice, bob := s.program("alice"), s.program("bob")
	alice.verifyBy(simulator.TOTP, "/")
	c, _ := bob.begin("/")
	if status, got := adminCall(t, "POST", admin+"/mfa/rotate", ""); status != http.StatusOK {
		t.Fatalf("POST /mfa/rotate = %d %v", status, got)
	}
	alice.get("/").wantStatus(t, http.StatusOK)
	bob.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	adminCall(t, "POST", admin+"/mfa/rotate", "") // drops the key of bob's form
	bob.post("verify", map[string]string{"csrf": c.CSRF, "code": "123456"}).wantStatus(t, http.StatusForbidden)
	alice.get("/").wantStatus(t, http.StatusOK)
}
