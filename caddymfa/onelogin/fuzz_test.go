package onelogin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// constant answers every request but the one for an access token in the same way.
type constant struct {
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (c constant) RoundTrip(req *http.Request) (*http.Response, error) {
	if opOf(req.Method, req.URL.Path, "") == "token" {
		c = constant{200, `{"access_token":"T1"}`}
	}
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body)), Request: req}, nil
}

func fuzzClient(t *testing.T, c constant) *onelogin.Client {
	client, err := onelogin.New(onelogin.Config{BaseURL: "acme", ClientID: clientID, ClientSecret: clientSecret, Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// allowed reads the allow-list a second time, with encoding/json's own maps.
func allowed(put bool, status int, body string) bool {
	var value any
	if status != 200 || json.Unmarshal([]byte(body), &value) != nil {
		return false
	}
	for range 2 {
		if list, ok := value.([]any); ok && len(list) == 1 {
			value = list[0]
		}
	}
	record, _ := value.(map[string]any)
	if id, ok := record["id"]; ok && id != verifID {
		return false
	}
	envelope, _ := record["status"].(map[string]any)
	name, _ := envelope["type"].(string)
	return record["status"] == "accepted" ||
		put && strings.EqualFold(name, "success") && envelope["code"] == 200.0 && envelope["error"] == false
}

func FuzzVerdict(f *testing.F) {
	for _, tt := range append(verdictsOf200, verdictsOfOthers...) {
		f.Add(tt.status, tt.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		client := fuzzClient(t, constant{status, body})
		put, err := client.Verify(t.Context(), verification, "012345")
		if put == onelogin.Accepted && !allowed(true, status, body) {
			t.Errorf("Verify accepted %d %q", status, body)
		}
		if (put == onelogin.Undecided) != (err != nil) {
			t.Errorf("Verify on %d %q = %v, %v", status, body, put, err)
		}
		get, err := client.Poll(t.Context(), verification)
		if get == onelogin.Accepted && !allowed(false, status, body) {
			t.Errorf("Poll accepted %d %q", status, body)
		}
		if (get == onelogin.Undecided) != (err != nil) {
			t.Errorf("Poll on %d %q = %v, %v", status, body, get, err)
		}
	})
}

func FuzzDevices(f *testing.F) {
	f.Add(fixture(f, "devices.json"))
	for _, body := range []string{`[]`, `{}`, `null`, `[{"device_id":1}]`, `[{"device_id":"user_temp_otp_1","active":false}]`, `[[]]`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		devices, err := fuzzClient(t, constant{200, body}).Devices(t.Context(), userID)
		if err != nil && devices != nil {
			t.Errorf("Devices on %q = %+v and %v", body, devices, err)
		}
		for _, device := range devices {
			if device.ID == "" || strings.ContainsFunc(device.ID, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/?#%."\`, r) }) {
				t.Errorf("Devices on %q has id %q", body, device.ID)
			}
		}
	})
}
