package caddymfa_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// openBefore starts a site in front of an app of the test's own.
func openBefore(t *testing.T, app http.HandlerFunc, options string) *site {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return openFile(t, strings.Replace(siteFile(options), "reverse_proxy APP", "reverse_proxy "+strings.TrimPrefix(server.URL, "http://"), 1))
}

func TestAppCannotTouchOurCookies(t *testing.T) {
	s := openBefore(t, func(w http.ResponseWriter, r *http.Request) {
		for _, line := range []string{"mfa=forged; Path=/", "mfa=; Max-Age=0", "mfa-12345678=x", " mfa=x", "theme=dark", "mfax=kept"} {
			w.Header().Add("Set-Cookie", line)
		}
		w.Header().Set("Clear-Site-Data", `"cache", "cookies"`)
		fmt.Fprint(w, "hello")
	}, "exempt /open/*")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	for _, path := range []string{"/", "/open/x"} {
		answer := alice.get(path).wantStatus(t, http.StatusOK)
		if got := fmt.Sprint(answer.Header["Set-Cookie"]); got != "[theme=dark mfax=kept]" {
			t.Errorf("%s: Set-Cookie %s, want the app's own alone", path, got)
		}
		if got := answer.Header.Get("Clear-Site-Data"); strings.Contains(got, "cookies") || !strings.Contains(got, "cache") {
			t.Errorf("%s: Clear-Site-Data %s", path, got)
		}
	}
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestVerifiedAnswersArePrivateUnlessTheAppSaysOtherwise(t *testing.T) {
	s := openBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if said := r.URL.Query().Get("say"); said != "" {
			w.Header().Set("Cache-Control", said)
		}
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "hello")
	}, "exempt /open/*")
	validators := http.Header{"If-None-Match": {`"1"`}}
	stranger := s.program("alice")
	stranger.do(http.MethodGet, "/", nil, validators).wantStatus(t, http.StatusUnauthorized)

	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	for path, want := range map[string]string{"/": "private", "/?say=public": "public", "/?say=no-store": "no-store", "/open/x": ""} {
		if got := alice.get(path).wantStatus(t, http.StatusOK).Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want)
		}
	}
	alice.do(http.MethodGet, "/", nil, validators).wantStatus(t, http.StatusNotModified)
}
