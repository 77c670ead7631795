package simulator_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Whatever a client sends, the answer is one that OneLogin could give, and
// nothing is verified without its code.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{`{"device_id":1002}`, `{"otp":"000000"}`, `{"otp":null,"device_id":"1001","expires_in":"900"}`,
		`{"otp":["1"]}`, `null`, `[]`, `{"device_id":1e3}`, `{"device_id":"user_temp_otp_1","otp":"1"}`, ``} {
		f.Add("POST", "api/2/mfa/users/101/verifications", body)
		f.Add("PUT", "api/2/mfa/users/101/verifications/1", body)
	}
	f.Add("GET", "api/2/users?username=*!&limit=-1", "")
	f.Add("POST", "api/2/mfa/users/103/registrations", `{"factor_id":58958,"verified":true,"display_name":"accepted"}`)
	f.Add("PUT", "api/2/mfa/users/103/registrations/1", `{"otp":1}`)
	f.Add("DELETE", "api/2/mfa/users/101/devices/1002", "")
	f.Add("POST", "api/2/mfa/users/101/mfa_token", `{"expires_in":"300","reusable":true}`)
	f.Add("POST", "api/2/smart-mfa", `{"user_identifier":"a","email":"a@b","context":{"user_agent":"x","ip":"y"}}`)
	f.Add("POST", "api/2/smart-mfa/verify", `{"state_token":"","otp_token":""}`)
	f.Add("POST", "api/1/users/101/otp_devices/1001/verify", `{"otp_token":null,"state_token":""}`)
	f.Add("POST", "api/1/users/101/otp_devices/0/verify", `{"otp_token":""}`)
	f.Add("POST", "api/1/login/verify_factor", `{"device_id":"1001","state_token":"","otp_token":""}`)
	f.Add("PUT", "api/1/users/101/lock_user", `{"locked_until":99999999999}`)
	f.Add("GET", "api/1/events?limit=0&after_cursor=zzzz&since=x&fields=,", "")
	f.Add("POST", "session_via_api_token", `{"session_token":""}`)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		target, err := url.Parse("https://acme.onelogin.com/" + path)
		r, err2 := http.NewRequestWithContext(t.Context(), method, "https://acme.onelogin.com/", strings.NewReader(body))
		if err != nil || err2 != nil {
			return // nothing that could be sent
		}
		p := newPeer(t, simulator.Options{})
		p.activate("1001")
		r.URL = target
		r.Header.Set("Authorization", "Bearer "+p.accessToken)
		r.Header.Set("Content-Type", "application/json")
		got := p.do(r)
		if got.status < 200 || got.status >= 500 || got.body == "" && got.status != 204 && got.status != 403 {
			t.Errorf("%s %s %q = %d %q", method, path, body, got.status, got.body)
		}
		if slices.Contains(kinds(p.sim.Events()), 528) || p.sim.PortalSessions("alice") != 0 {
			t.Errorf("%s %s %q verified something: %s", method, path, body, got.body)
		}
	})
}
