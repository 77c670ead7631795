package e2e_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestOtherSiteStartsNothing lets a page of another site send the very form
// that our page would send, csrf value included, from the person's browser.
func TestOtherSiteStartsNothing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := openTab(t, d, "alice")
	b.open("/orders")
	b.see(choosePage)
	c := b.challenge()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, fmt.Sprintf(`<!doctype html><title>other</title><form method="post" action="%s/.mfa/start">
			<input type="hidden" name="csrf" value="%s"><input type="hidden" name="factor" value="%s"><button>Win</button></form>`,
			d.gateway, html.EscapeString(c.CSRF), html.EscapeString(c.factor(t, "protect"))))
	}))
	defer other.Close()
	b.open(other.URL) // 127.0.0.1 and localhost are two sites
	b.follow("button")
	b.see(helpText)
	if n := d.sent(); n != 0 {
		t.Errorf("%d pushes went out, want none", n)
	}
	d.nothingArrived()

	// The person's own page still works.
	b.open("/orders")
	b.see(choosePage)
	b.start("totp")
	b.see(codeField)
	b.enter(d.code("alice", "totp"))
	b.arriveBy("totp", "/orders")
}
