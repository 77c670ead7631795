package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
)

func TestConfigIsChecked(t *testing.T) {
	host := []string{"redis.example.com:6379"}
	for _, test := range []struct {
		name   string
		config redis.Config
		want   string // part of the error; "": none
	}{
		{"host", redis.Config{Addresses: host}, ""},
		{"address of IPv6", redis.Config{Addresses: []string{"[::1]:6379"}}, ""},
		{"all of cluster", redis.Config{Addresses: []string{"a:1", "b:2"}, Cluster: true, Username: "u", Password: secret, Prefix: "{mfa}:", CacheFor: 5 * time.Second, Timeout: time.Second}, ""},
		{"all of Sentinel", redis.Config{Addresses: []string{"a:1", "b:2"}, Master: "m", DB: 3, SentinelUsername: "u", SentinelPassword: secret, CacheFor: -1}, ""},
		{"no address", redis.Config{}, "no address"},
		{"no port", redis.Config{Addresses: []string{"redis"}}, `"redis" is not host:port`},
		{"empty port", redis.Config{Addresses: []string{"redis:"}}, `"redis:" is not host:port`},
		{"two servers", redis.Config{Addresses: []string{"a:1", "b:2"}}, "several addresses"},
		{"two modes", redis.Config{Addresses: host, Master: "m", Cluster: true}, "exclude"},
		{"database of cluster", redis.Config{Addresses: host, Cluster: true, DB: 1}, "database 0 alone"},
		{"negative database", redis.Config{Addresses: host, DB: -1}, "below 0"},
		{"user alone", redis.Config{Addresses: host, Username: "u"}, "without a password"},
		{"user alone at Sentinel", redis.Config{Addresses: host, Master: "m", SentinelUsername: "u"}, "without a password"},
		{"Sentinel's password alone", redis.Config{Addresses: host, SentinelPassword: secret}, "without the name of a master"},
		{"pattern as prefix", redis.Config{Addresses: host, Prefix: "mfa*"}, "other letters"},
		{"longest prefix", redis.Config{Addresses: host, Prefix: strings.Repeat("m", 64)}, ""},
		{"longer prefix", redis.Config{Addresses: host, Prefix: strings.Repeat("m", 65)}, "longer than 64"},
		{"old sessions", redis.Config{Addresses: host, CacheFor: 5*time.Second + 1}, "at most 5s"},
		{"no timeout", redis.Config{Addresses: host, Timeout: -1}, "timeout"},
		{"long timeout", redis.Config{Addresses: host, Timeout: 11 * time.Second}, "timeout"},
	} {
		s, err := redis.New(test.config)
		if test.want == "" && (s == nil || err != nil) {
			t.Errorf("%s: New = %v, want none", test.name, err)
		}
		if test.want != "" {
			wantCause(t, test.name, err, test.want)
		}
	}
}
