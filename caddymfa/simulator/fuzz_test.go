package simulator_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Whatever a client sends, the answer is one that OneLogin could give, and no
// verification is accepted without its code.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{`{"device_id":1002}`, `{"otp":"000000"}`, `{"otp":null,"device_id":"1001","expires_in":"900"}`,
		`{"otp":["1"]}`, `null`, `[]`, `{"device_id":1e3}`, ``} {
		f.Add("POST", "mfa/users/101/verifications", body)
		f.Add("PUT", "mfa/users/101/verifications/1", body)
	}
	f.Add("GET", "users?username=*!&limit=-1", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		target, err := url.Parse("https://acme.onelogin.com/api/2/" + path)
		r, err2 := http.NewRequestWithContext(t.Context(), method, "https://acme.onelogin.com/", strings.NewReader(body))
		if err != nil || err2 != nil {
			return // nothing that could be sent
		}
		p := newPeer(t, simulator.Options{})
		r.URL = target
		r.Header.Set("Authorization", "Bearer "+p.accessToken)
		r.Header.Set("Content-Type", "application/json")
		got := p.do(r)
		if got.status < 200 || got.status >= 500 || got.body == "" {
			t.Errorf("%s %s %q = %d %q", method, path, body, got.status, got.body)
		}
		if strings.Contains(got.body, `"accepted"`) || strings.Contains(got.body, `"success"`) {
			t.Errorf("%s %s %q was accepted: %s", method, path, body, got.body)
		}
	})
}
