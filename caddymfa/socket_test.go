package caddymfa_test

import (
	"net/http"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestForeignPagesOpenNoWebSocket(t *testing.T) {
	s := open(t, "websocket_origins https://partner.example.com")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	for _, tt := range []struct {
		name    string
		origins []string
		passes  bool
	}{
		{"a program", nil, true},
		{"this site", []string{s.url}, true},
		{"a site that is allowed", []string{"https://partner.example.com"}, true},
		{"a foreign site", []string{"https://evil.example"}, false},
		{"a site whose name begins alike", []string{s.url + ".evil.example"}, false},
		{"the same host by another scheme", []string{"https" + s.url[len("http"):]}, false},
		{"a hidden origin", []string{"null"}, false},
		{"an empty origin", []string{""}, false},
		{"two origins", []string{s.url, "https://evil.example"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.app.requests())
			header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
			if tt.origins != nil {
				header["Origin"] = tt.origins
			}
			status := alice.do(http.MethodGet, "/socket", nil, header).StatusCode
			if reached := len(s.app.requests()) > before; reached != tt.passes || (status == http.StatusForbidden) == tt.passes {
				t.Errorf("status %d, the app was reached: %v, want %v", status, reached, tt.passes)
			}
		})
	}
}
