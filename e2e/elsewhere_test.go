package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// TestAppThatLeadsToAnotherHostIsReached has an app whose page is a redirect to
// another host, behind the form with the right code.
func TestAppThatLeadsToAnotherHostIsReached(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>Elsewhere</title><p id="elsewhere">here</p>`)
	}))
	t.Cleanup(elsewhere.Close)
	options{}.walk(t, "alice", func(t *testing.T, s *site, b *tab) {
		b.open("/leave?go=" + url.QueryEscape(elsewhere.URL+"/"))
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		b.enter(s.sim.Code("alice", simulator.TOTP))
		b.see("#elsewhere")
	})
}
