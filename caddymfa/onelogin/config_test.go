package onelogin_test

import (
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func TestBaseURL(t *testing.T) {
	for _, tt := range []struct{ tenant, want string }{
		{"", ""},
		{" ", ""},
		{"acme.onelogin.com", ""},
		{"-acme", ""},
		{"acme-", ""},
		{"ac_me", ""},
		{"acme/x", ""},
		{"acme\n", ""},
		{strings.Repeat("a", 64), ""},
		{"http://acme.onelogin.com", ""},
		{"http://169.254.169.254", ""},
		{"http://0.0.0.0", ""},
		{"http://localhost.evil.example", ""},
		{"http://127.0.0.1.evil.example", ""},
		{"ftp://acme.onelogin.com", ""},
		{"//acme.onelogin.com", ""},
		{"https://", ""},
		{"https://:443", ""},
		{"https:///path", ""},
		{"https://user@acme.onelogin.com", ""},
		{"https://x.onelogin.com@evil.example", ""},
		{"https://user:canary@acme.onelogin.com", ""},
		{"https://user:canary@acme.onelogin.com/%zz", ""},
		{"https://acme.onelogin.com?x=1", ""},
		{"https://acme.onelogin.com?", ""},
		{"https://acme.onelogin.com#x", ""},
		{"https://acme.onelogin.com#", ""},
		{"https://acme.onelogin.com:", ""},
		{"https://acme.onelogin.com:0", ""},
		{"https://acme.onelogin.com:x", ""},
		{"https://acme.onelogin.com:123456", ""},
		{"https://ac me.onelogin.com", ""},
		{"https://acme_x.onelogin.com", ""},
		{"https://äcme.onelogin.com", ""},
		{"https://acme.onelogin.com/a/../b", ""},
		{"https://acme.onelogin.com/a//b", ""},
		{"https://acme.onelogin.com/%61", ""},
		{"https://[fe80::1%25eth0]", ""},
		{"https://169.254.169.254", ""},
		{"https://[::ffff:169.254.169.254]", ""},
		{"https://[fe80::1]", ""},
		{"https://0.0.0.0", ""},
		{"https://[::]", ""},
		{"https://x.onelogin.com.evil.example", ""},
		{"https://acme.OneLogin.com.evil.example", ""},
		{"https://onelogin.com.evil.example", ""},
		{"https://acme-onelogin.com", ""},
		{"https://evilonelogin.com", ""},
		{"https://onelogin.com", ""},

		{"acme", "https://acme.onelogin.com"},
		{"Acme-2", "https://acme-2.onelogin.com"},
		{"https://acme.onelogin.com", "https://acme.onelogin.com"},
		{"https://Acme.OneLogin.com/", "https://acme.onelogin.com"},
		{"https://api.eu.onelogin.com", "https://api.eu.onelogin.com"},
		{"https://onelogin.acme.example", "https://onelogin.acme.example"},
		{"https://mfa.example:8443/Prefix/x/", "https://mfa.example:8443/Prefix/x"},
		{"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"},
		{"http://localhost:8080", "http://localhost:8080"},
		{"http://127.0.0.1:8080/fake", "http://127.0.0.1:8080/fake"},
		{"http://[::1]:8080", "http://[::1]:8080"},
	} {
		got, err := onelogin.BaseURL(tt.tenant)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("BaseURL(%q) = %q, %v, want %q", tt.tenant, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("BaseURL(%q) repeats the password: %v", tt.tenant, err)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config onelogin.Config
		want   string // in the error
	}{
		{"nothing", onelogin.Config{}, "base URL"},
		{"no client id", onelogin.Config{BaseURL: "acme", ClientSecret: "canary"}, "client id"},
		{"no secret", onelogin.Config{BaseURL: "acme", ClientID: "canary"}, "client secret"},
		{"secret with line end", onelogin.Config{BaseURL: "acme", ClientID: "a", ClientSecret: "canary\n"}, "client secret"},
		{"secret with comma", onelogin.Config{BaseURL: "acme", ClientID: "a", ClientSecret: "canary, b"}, "client secret"},
		{"id with comma", onelogin.Config{BaseURL: "acme", ClientID: "canary,b", ClientSecret: "c"}, "client id"},
		{"id with other letters", onelogin.Config{BaseURL: "acme", ClientID: "canaryä", ClientSecret: "c"}, "client id"},
	} {
		client, err := onelogin.New(tt.config)
		if err == nil {
			client.Close()
			t.Errorf("%s: New accepted it", tt.name)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: New = %q, want it to name the %s and no value", tt.name, err, tt.want)
		}
	}
}
