package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is how many a cluster spreads over its nodes.
const slots = 16384

// agreeTime is how long servers may take to agree on who is who.
const agreeTime = 30 * time.Second

// StartCluster starts a cluster of n masters and waits until each of them
// knows all of it.
func StartCluster(t testing.TB, n int, args ...string) []*Server {
	t.Helper()
	var nodes []*Server
	for i := range n {
		bus := portOf(FreeAddr(t))
		s := Start(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000",
		}, args...)...)
		s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1))
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			Meet(s, nodes[0])
		}
		nodes = append(nodes, s)
	}
	for _, s := range nodes {
		Eventually(t, agreeTime, "the cluster is complete", func() bool {
			info := s.Do("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d", n))
		})
	}
	return nodes
}

// Meet lets one node of a cluster know another.
func Meet(s, other *Server) {
	s.t.Helper()
	s.Do("CLUSTER", "MEET", "127.0.0.1", portOf(other.Addr), portOf(other.bus()))
}

// bus returns the address at which nodes of a cluster hear each other.
func (s *Server) bus() string {
	for i, arg := range s.command {
		if arg == "--cluster-port" {
			return "127.0.0.1:" + s.command[i+1]
		}
	}
	return ""
}

// MasterName is what the Sentinel of [StartSentinel] calls its master.
const MasterName = "main"

// StartSentinel starts a master, a replica of it, and a Sentinel that watches
// them, and waits until the Sentinel knows both. Do("SENTINEL", "FAILOVER",
// MasterName) on the Sentinel has them change places.
func StartSentinel(t testing.TB, args ...string) (master, replica, sentinel *Server) {
	t.Helper()
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	master = Start(t, args...)
	replica = Start(t, append(args, "--replicaof", "127.0.0.1 "+portOf(master.Addr))...)
	sentinel = prepare(t)
	conf := filepath.Join(sentinel.data, "sentinel.conf")
	lines := fmt.Sprintf(`port %s
bind 127.0.0.1
unixsocket %s
dir %s
logfile %s
sentinel monitor %[5]s 127.0.0.1 %[6]s 1
sentinel down-after-milliseconds %[5]s 1000
sentinel failover-timeout %[5]s 3000
sentinel known-replica %[5]s 127.0.0.1 %[7]s
`, portOf(sentinel.Addr), sentinel.socket, sentinel.data, sentinel.log(), MasterName, portOf(master.Addr), portOf(replica.Addr))
	if err := os.WriteFile(conf, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel.command = []string{conf, "--sentinel"}
	sentinel.run()
	Eventually(t, agreeTime, "the Sentinel knows a good replica", func() bool {
		known, err := sentinel.Try("SENTINEL", "REPLICAS", MasterName)
		return err == nil && strings.Contains(known, portOf(replica.Addr)) && strings.Contains(known, "master-link-status\nok")
	})
	return master, replica, sentinel
}
