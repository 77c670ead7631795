package caddymfa

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// Early data can be recorded and sent again by somebody else, so nothing that
// changes anything is taken from it.
func TestEarlyDataNeverVerifies(t *testing.T) {
	h := &Handler{log: zap.NewNop(), cookies: namesOfCookies(false), User: "alice"}
	for complete, want := range map[bool]int{false: http.StatusTooEarly, true: http.StatusForbidden} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "https://app.example.com/.mfa/verify", strings.NewReader("csrf=x&code=123456"))
		r.TLS = &tls.ConnectionState{HandshakeComplete: complete}
		r.Header.Set("Sec-Fetch-Site", "cross-site") // the next check, which refuses in another way
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		h.app = &App{audit: zap.NewNop()}
		if err := h.serveOwn(w, r); err != nil || w.Code != want {
			t.Errorf("handshake complete %v: %d, %v, want %d", complete, w.Code, err, want)
		}
	}
}
