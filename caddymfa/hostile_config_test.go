package caddymfa_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// What a request brings along must not choose the tenant or the credential.
func TestPlaceholdersOfRequestsAreRefusedInCredentials(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	oneLogin := between(s.file, "onelogin ", " {")
	secret := between(s.file, "client_secret ", "\n")
	for _, placeholder := range []string{
		"{http.request.host}", "{http.request.header.X-Tenant}", "{query.tenant}", "{http.vars.tenant}", "{http.auth.user.id}", "{unknown}",
	} {
		for option, old := range map[string]string{"onelogin": "onelogin " + oneLogin, "client_secret": "client_secret " + secret} {
			err := s.tryLoad(strings.Replace(s.file, old, option+" "+placeholder, 1))
			if err == nil || !strings.Contains(err.Error(), "onelogin") {
				t.Errorf("%s %s: load = %v, want an error about onelogin", option, placeholder, err)
			}
		}
	}
	alice.get("/").wantStatus(t, http.StatusOK) // the old config goes on serving
}
