package identity_test

import (
	"fmt"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

func TestAddressesOfOneClientCountAsOne(t *testing.T) {
	seen := map[string]bool{}
	for i := range 1000 {
		seen[identity.ClientNetwork(fmt.Sprintf("2001:db8:1:2:%x:%x::%x", i, i*7, i))] = true
	}
	if len(seen) != 1 {
		t.Errorf("1000 addresses of one /64 are %d clients, want 1", len(seen))
	}
}

func TestClientNetwork(t *testing.T) {
	for _, tt := range []struct{ address, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.2", "192.0.2.2"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::FFFF:C000:0201", "192.0.2.1"},
		{"::ffff:192.0.2.1%eth0", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::/64"},
		{"2001:DB8:0:0:ffff::", "2001:db8::/64"},
		{"2001:db8:0:1::1", "2001:db8:0:1::/64"},
		{"fe80::1%eth0", "fe80::/64"},
		{"fe80::2%25eth1", "fe80::/64"},
		{"::1", "::/64"},
		{"", ""},
		{"unknown", ""},
		{"192.0.2.1:443", ""},
		{"[2001:db8::1]:443", ""},
		{"192.0.2.1, 192.0.2.2", ""},
		{"192.0.2.01", ""},
		{" 192.0.2.1", ""},
		{"2001:db8::/32", ""},
	} {
		if got := identity.ClientNetwork(tt.address); got != tt.want {
			t.Errorf("ClientNetwork(%q) = %q, want %q", tt.address, got, tt.want)
		}
	}
}
