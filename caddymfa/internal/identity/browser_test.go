package identity_test

import (
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

func TestBrowserIsToldInWords(t *testing.T) {
	const webkit = "AppleWebKit/537.36 (KHTML, like Gecko) "
	tests := []struct{ userAgent, want string }{
		{"", ""},
		{"<script>alert(1)</script>", ""},
		{"curl/8.5.0", "curl"},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/150.0.0.0 Safari/537.36", "Chrome on Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0", "Edge on Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15", "Safari on macOS"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/150.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"},
		{"Mozilla/5.0 (Linux; Android 16; SM-S931B) " + webkit + "SamsungBrowser/29.0 Chrome/138.0 Mobile Safari/537.36", "Samsung Internet on Android"},
		{"Mozilla/5.0 (compatible; unknown)", ""},
		{"something on Windows", "Windows"},
	}
	for _, tt := range tests {
		if got := identity.Browser(tt.userAgent); got != tt.want {
			t.Errorf("Browser(%q) = %q, want %q", tt.userAgent, got, tt.want)
		}
	}
}
