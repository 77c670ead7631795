package caddymfa_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// secretKeeper stands between the gateway and OneLogin and takes one secret at a
// time, as an administrator does who has made a new one.
type secretKeeper struct {
	http.Handler
	secret atomic.Value
}

func (k *secretKeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/auth/oauth2") {
		id, secret, _ := r.BasicAuth()
		if secret == "" { // OneLogin's other way of saying it
			secret = strings.TrimPrefix(r.Header.Get("Authorization"), "client_id:demo-client, client_secret:")
			id = "demo-client"
		}
		if secret != k.secret.Load() {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"statusCode":401,"name":"Unauthorized","message":"Authentication Failure"}`)
			return
		}
		r.SetBasicAuth(id, "demo-secret")
	}
	k.Handler.ServeHTTP(w, r)
}

func TestNewSecretInAFileIsTakenWithoutAReload(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	keeper := &secretKeeper{Handler: sim.API()}
	keeper.secret.Store("demo-secret")
	tenant := httptest.NewServer(keeper)
	t.Cleanup(tenant.Close)
	s := openFile(t, strings.Replace(siteFile(""), "onelogin ONELOGIN", "onelogin "+tenant.URL, 1))
	s.sim = sim
	s.program("alice").verifyBy(simulator.TOTP, "/")

	keeper.secret.Store("the-new-secret")
	sim.SetSwitches(func(w *simulator.Switches) { w.TokenKilledByOtherClient = true })
	bob := s.program("bob")
	bob.get(bob.get("/").json(t).ChallengeURL).wantStatus(t, http.StatusServiceUnavailable) // the file still has the old one

	secretFile := s.file[strings.Index(s.file, "client_secret {file.")+len("client_secret {file."):]
	secretFile, _, _ = strings.Cut(secretFile, "}")
	write(t, secretFile, "the-new-secret")
	address := bob.get("/").json(t).ChallengeURL
	// The client asks for it every three seconds at most.
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if bob.get(address).StatusCode == http.StatusOK {
			bob.verifyBy(simulator.SMS, "/")
			return
		}
	}
	t.Error("the new secret was not taken")
}
