package caddymfa_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// behindProxy is a site whose server has these options too.
func behindProxy(server, options string) string {
	return strings.Replace(siteFile(options), "\tmfa {\n\t\tonelogin", "\tservers {\n\t\t"+server+"\n\t}\n\tmfa {\n\t\tonelogin", 1)
}

func TestAddressBehindATrustedProxyIsTheClients(t *testing.T) {
	const options = "enroll {\n\t\t\tfrom 10.0.0.0/8\n\t\t}"
	trusted := behindProxy("trusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict", options)
	for _, tt := range []struct {
		name, file, forwarded string
		mayEnroll             bool
	}{
		{"inside", trusted, "10.1.2.3", true},
		{"inside, behind what the client wrote", trusted, "192.0.2.1, 10.1.2.3", true},
		{"outside", trusted, "192.0.2.1", false},
		{"outside, behind an address that the client wrote", trusted, "10.1.2.3, 192.0.2.1", false},
		{"the proxy itself", trusted, "", false},
		{"no address", trusted, "10.1.2.3.4", false},
		{"nobody is trusted", siteFile(options), "10.1.2.3", false},
		{"somebody else is trusted", behindProxy("trusted_proxies static 192.0.2.0/24", options), "10.1.2.3", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openFile(t, tt.file)
			carol := s.program("carol")
			if tt.forwarded != "" {
				carol.header.Set("X-Forwarded-For", tt.forwarded)
			}
			c := carol.get(carol.get("/").json(t).ChallengeURL).json(t)
			if may := len(c.Enroll) > 0; may != tt.mayEnroll {
				t.Errorf("may enrol: %v, want %v", may, tt.mayEnroll)
			}
			s.app.wantCount(t, 0)
		})
	}
}

func TestProxiesWithoutStrictAreWarnedOfOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		server string
		want   int
	}{
		"not strict": {"trusted_proxies static 127.0.0.1/32", 1},
		"strict":     {"trusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict", 0},
		"none":       {"protocols h1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/warnings.log"
			s := openFile(t, strings.Replace(behindProxy(tt.server, ""), "\tlog {\n\t\tlevel ERROR\n\t}",
				"\tlog {\n\t\tlevel WARN\n\t\toutput file "+file+"\n\t}", 1))
			alice := s.person("alice")
			for range 3 {
				alice.get(alice.get("/").Header.Get("Location")).wantStatus(t, http.StatusOK)
				alice.header.Set("X-Forwarded-For", "192.0.2.1")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(string(text), "trusted_proxies_strict"); got != tt.want {
				t.Errorf("%d warnings, want %d:\n%s", got, tt.want, text)
			}
		})
	}
}
