package redistest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

func TestServerKeepsOrLosesItsData(t *testing.T) {
	s := redistest.Start(t)
	s.Do("SET", "key", "value")
	s.Restart(true)
	if got := s.Do("GET", "key"); got != "value" {
		t.Errorf("GET after a restart with data = %q, want value", got)
	}
	s.Restart(false)
	if got := s.Do("GET", "key"); got != "" {
		t.Errorf("GET after a restart without data = %q, want nothing", got)
	}
	s.Kill()
	if _, err := s.Try("PING"); err == nil {
		t.Error("PING of a killed server: no error")
	}
	s.Restart(false)
	s.Do("PING")
}

func TestServerWithPasswordIsTalkedTo(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "secret")
	s.Config("maxmemory", "123456")
	if got := s.Field("maxmemory"); got != "123456" {
		t.Errorf("maxmemory = %q, want 123456", got)
	}
}

func TestClusterIsComplete(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	if _, err := nodes[0].Try("GET", "a"); err == nil {
		_, err = nodes[1].Try("GET", "a")
		if err == nil || !strings.HasPrefix(err.Error(), "MOVED") {
			t.Errorf("two nodes hold one key: %v", err)
		}
	}
}

func TestSentinelChangesTheMaster(t *testing.T) {
	_, replica, sentinel := redistest.StartSentinel(t)
	sentinel.Do("SENTINEL", "FAILOVER", redistest.MasterName)
	redistest.Eventually(t, 20*time.Second, "the replica is master", func() bool {
		role, err := replica.Try("ROLE") // the Sentinel breaks connections
		return err == nil && strings.HasPrefix(role, "master")
	})
}
