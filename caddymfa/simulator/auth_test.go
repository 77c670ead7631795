package simulator

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestBearerForms(t *testing.T) {
	for _, test := range []struct {
		header, want string
		ok           bool
	}{
		{"", "", false},
		{"Bearer", "", false},
		{"Bearer ", "", false},
		{"bearerT", "", false},
		{"Basic T", "", false},
		{" Bearer T", "", false},
		{"Token T", "", false},
		{"bearer:T", "T", true},
		{"bearer: T", "T", true},
		{"bearer T", "T", true},
		{"Bearer T", "T", true},
		{"BEARER:  T", "T", true},
	} {
		if got, ok := bearer(test.header); got != test.want || ok != test.ok {
			t.Errorf("bearer(%q) = %q, %v, want %q, %v", test.header, got, ok, test.want, test.ok)
		}
	}
}

func TestClientCredentialForms(t *testing.T) {
	for _, test := range []struct {
		header, id, secret string
		ok                 bool
	}{
		{"", "", "", false},
		{"client_id:a", "", "", false},
		{"client_secret:b, client_id:a", "", "", false},
		{"Basic !", "", "", false},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("ab")), "ab", "", false},
		{"client_id:a, client_secret:b", "a", "b", true},
		{"client_id:a,client_secret:b", "a", "b", true},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("a:b")), "a", "b", true},
		{"basic " + base64.StdEncoding.EncodeToString([]byte("a:b:c")), "a", "b:c", true},
	} {
		id, secret, ok := clientCredential(test.header)
		if ok != test.ok || (ok && (id != test.id || secret != test.secret)) {
			t.Errorf("clientCredential(%q) = %q, %q, %v, want %q, %q, %v",
				test.header, id, secret, ok, test.id, test.secret, test.ok)
		}
	}
}

func TestRedactionHidesSecrets(t *testing.T) {
	for header, want := range map[string]string{
		"":                                       "",
		"Bearer s3cret":                          "Bearer [redacted]",
		"bearer:s3cret":                          "bearer: [redacted]",
		"s3cret":                                 "[redacted]",
		"s3cret s3cret":                          "[redacted]",
		"Basic czNjcmV0":                         "Basic [redacted]",
		"client_id:demo, client_secret:s3cret":   "client_id:demo, client_secret:[redacted]",
		"client_id:demo, client_secret:s3 s3cre": "[redacted]",
	} {
		if got := redactedAuthorization(header); got != want {
			t.Errorf("redactedAuthorization(%q) = %q, want %q", header, got, want)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"", "Bearer T", "bearer: T", "Basic YTpi", "client_id:a, client_secret:b", "bearer:\x00", "Basic :"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		accessToken, ok := bearer(header)
		if ok && (accessToken == "" || !strings.HasSuffix(header, accessToken)) {
			t.Errorf("bearer(%q) = %q, which the header does not end with", header, accessToken)
		}
		_, secret, ok := clientCredential(header)
		if ok && accessToken != "" {
			t.Errorf("%q is both a bearer and a client credential", header)
		}
		shown := redactedAuthorization(header)
		if ok && len(secret) > len(redacted) && strings.Contains(shown, secret) {
			t.Errorf("redactedAuthorization(%q) = %q shows the secret", header, shown)
		}
	})
}
