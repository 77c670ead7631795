package caddymfa_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// ourHeaders are the names of a header that an app may take for one of ours,
// sorted.
func ourHeaders(h http.Header) []string {
	found := []string{}
	for name := range h {
		if folded := strings.ToLower(strings.ReplaceAll(name, "_", "-")); strings.HasPrefix(folded, "x-mfa-") {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

func TestForgedHeadersReachTheAppOnNoRoute(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("exempt /admin/public/*"), " MATCHER", " /admin/*", 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/admin/")
	set := []string{"X-Mfa-Auth-Time", "X-Mfa-Factor", "X-Mfa-User"}
	for _, tt := range []struct {
		name, path, upgrade string
		want                []string
	}{
		{"exempt", "/admin/public/x", "", []string{}},
		{"not selected by the matcher", "/home", "", []string{}},
		{"not selected, with an upgrade", "/home", "websocket", []string{}},
		{"exempt, with an upgrade", "/admin/public/x", "websocket", []string{}},
		{"verified", "/admin/x", "", set},
		{"verified, with an upgrade", "/admin/x", "websocket", set},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.app.requests())
			forged := http.Header{
				"X-Mfa-User": {"root"}, "x-mfa-user": {"root"}, "X_MFA_User": {"root"}, "X-Mfa_User": {"root"},
				"X-MFA-LEVEL": {"9"}, "X-Mfa-Factor": {"yubikey"}, "Connection": {"X-Mfa-User, X-Mfa-Factor"},
			}
			if tt.upgrade != "" {
				forged["Upgrade"], forged["Connection"] = []string{tt.upgrade}, []string{"Upgrade, X-Mfa-User, X-Mfa-Factor"}
			}
			alice.do(http.MethodGet, tt.path, nil, forged).wantStatus(t, http.StatusOK)
			s.app.wantCount(t, before+1)
			got := s.app.requests()[before].Header
			if names := ourHeaders(got); !slices.Equal(names, tt.want) {
				t.Errorf("the app got %v, want %v", names, tt.want)
			}
			if len(tt.want) > 0 && (fmt.Sprint(got["X-Mfa-User"]) != "[alice]" || fmt.Sprint(got["X-Mfa-Factor"]) != "[totp]") {
				t.Errorf("the app was told %v by %v, want alice by totp", got["X-Mfa-User"], got["X-Mfa-Factor"])
			}
		})
	}
}

// A name with a line break could add a header of its own to what the app gets.
func TestNameWithALineBreakReachesNoApp(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in passwordless"), "user {http.request.header.Remote-User}\n", "\n", 1))
	const name = "ann\r\nX-Admin: 1"
	s.sim.AddUser(simulator.User{ID: 777, Username: name, Email: "ann@example.com", Devices: []simulator.Device{{Factor: simulator.TOTP, Name: "Phone"}}})
	ann := s.program("")
	asked, _ := ann.begin("/")
	named := ann.post("name", map[string]string{"csrf": asked.CSRF, "user": "ann@example.com"}).wantStatus(t, http.StatusOK).json(t)
	ann.post("start", map[string]string{"csrf": named.CSRF, "factor": named.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	ann.post("verify", map[string]string{"csrf": named.CSRF, "code": s.sim.Code(name, simulator.TOTP)}).wantStatus(t, http.StatusOK)
	ann.get("/").wantStatus(t, http.StatusServiceUnavailable)
	s.app.wantCount(t, 0)
}

// appsOwn are headers by which an app protects its own pages, or tells browsers
// what is its own business.
var appsOwn = http.Header{
	"Content-Security-Policy":     {"default-src 'self' cdn.example"},
	"X-Frame-Options":             {"SAMEORIGIN"},
	"Strict-Transport-Security":   {"max-age=31536000"},
	"Referrer-Policy":             {"origin"},
	"Access-Control-Allow-Origin": {"https://partner.example"},
	"Cache-Control":               {"public, max-age=60"},
	"Vary":                        {"Accept-Language"},
	"Etag":                        {`"v1"`},
	"Www-Authenticate":            {`Basic realm="app"`},
}

func TestAppsOwnHeadersStayAndOursComeBackFromNoApp(t *testing.T) {
	s := openBefore(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range appsOwn {
			w.Header()[name] = values
		}
		for _, name := range []string{"X-Mfa-User", "X_MFA_User", "x-mfa-factor", "X-Mfa-Assertion"} {
			w.Header()[name] = []string{"alice"}
		}
		fmt.Fprint(w, "hello")
	}, "exempt /open/*")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	for _, path := range []string{"/", "/open/x"} {
		got := alice.get(path).wantStatus(t, http.StatusOK).Header
		if names := ourHeaders(got); len(names) != 0 {
			t.Errorf("%s: the browser was sent %v", path, names)
		}
		for name, want := range appsOwn {
			if !slices.Equal(got[name], want) {
				t.Errorf("%s: %s = %q, want the app's own %q", path, name, got[name], want)
			}
		}
		for _, ours := range []string{"Permissions-Policy", "Cross-Origin-Opener-Policy", "X-Content-Type-Options", "Content-Language"} {
			if got.Get(ours) != "" {
				t.Errorf("%s: our %s is on the app's page", path, ours)
			}
		}
	}
}
