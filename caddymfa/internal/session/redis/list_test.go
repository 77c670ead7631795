package redis_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

// scan returns all sessions and in how many pages they came.
func (s store) scan(limit int) (found map[session.Key]bool, pages int) {
	s.t.Helper()
	found = map[session.Key]bool{}
	for cursor := ""; pages == 0 || cursor != ""; pages++ {
		page, next, err := s.Scan(s.t.Context(), session.KindSession, cursor, limit)
		if err != nil {
			s.t.Fatalf("Scan from %q: %v", cursor, err)
		}
		for _, e := range page {
			found[e.Key] = true
		}
		cursor = next
	}
	return found, pages
}

// A server that holds much else is searched in few pages.
func TestScanFindsFewAmongMany(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--enable-debug-command", "local")
	s := open(t, at(server))
	for i := range 30 {
		s.add(key(session.KindSession, strconv.Itoa(i)), "")
	}
	server.Do("DEBUG", "POPULATE", "20000")
	if found, pages := s.scan(10); len(found) != 30 || pages > 20 {
		t.Errorf("Scan found %d sessions in %d pages, want 30 in at most 20", len(found), pages)
	}
}

func TestScanOfAClusterVisitsEveryMasterOnce(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 2, "--repl-diskless-sync-delay", "0")
	replica := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-port", redistest.FreeAddr(t)[len("127.0.0.1:"):])
	joinCluster(t, nodes[0], replica)
	for _, node := range nodes {
		eventually(t, "all know the replica", func() bool { return strings.Contains(node.Do("CLUSTER", "SLOTS"), replica.Addr[len("127.0.0.1:"):]) })
	}
	s := open(t, inCluster(nodes))
	for i := range 300 {
		s.add(key(session.KindSession, strconv.Itoa(i)), "")
	}
	seen := 0
	for cursor, first := "", true; first || cursor != ""; first = false {
		page, next, err := s.Scan(t.Context(), session.KindSession, cursor, 50)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(page)
		cursor = next
	}
	if seen < 300 || seen > 400 {
		t.Errorf("Scan returned %d entries of 300 sessions on 2 masters, one of which has a replica", seen)
	}
}

// joinCluster makes a server a replica of a cluster's node.
func joinCluster(t *testing.T, master, replica *redistest.Server) {
	t.Helper()
	redistest.Meet(replica, master)
	id := master.Do("CLUSTER", "MYID")
	eventually(t, "the replica knows its master", func() bool {
		_, err := replica.Try("CLUSTER", "REPLICATE", id)
		return err == nil
	})
	eventually(t, "the replica has all", func() bool { return replica.Field("master_link_status") == "up" })
}

func TestForeignCursorIsAnError(t *testing.T) {
	t.Parallel()
	here, there := open(t, at(redistest.Start(t))), open(t, at(redistest.Start(t)))
	for i := range 300 {
		k := key(session.KindSession, strconv.Itoa(i))
		here.add(k, "")
		there.add(k, "")
	}
	_, cursor, err := here.Scan(t.Context(), session.KindSession, "", 10)
	if cursor == "" || err != nil {
		t.Fatalf("Scan = %q, %v, want a cursor", cursor, err)
	}
	_, _, err = there.Scan(t.Context(), session.KindSession, cursor, 10)
	wantCause(t, "Scan of another server", err, "begin again")
	for _, wrong := range []string{"x", "7" + cursor, cursor + "0"} {
		if _, _, err := here.Scan(t.Context(), session.KindSession, wrong, 10); err == nil {
			t.Errorf("Scan from %q: no error", wrong)
		}
	}
}

// An Add that loses, or an Update to an earlier deadline, must not end the
// membership of the record that lives.
func TestMembershipIsNeverShortened(t *testing.T) {
	t.Parallel()
	server, c := redistest.Start(t), new(clock)
	s := open(t, at(server))
	s.SetNow(c.now)
	s.add(one, "one", group("a"))
	if added, err := s.Add(t.Context(), one, "late", c.now().Add(time.Minute), group("a")); added || err != nil {
		t.Fatalf("Add of a taken key = %v, %v, want false", added, err)
	}
	c.pass(5*time.Minute, server)
	if members, err := s.Members(t.Context(), group("a")); len(members) != 1 || err != nil {
		t.Errorf("Members = %v, %v, want the session", members, err)
	}
}
