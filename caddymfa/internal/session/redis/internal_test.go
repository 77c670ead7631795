package redis

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Redis repeats arguments of commands that it does not know, and a password
// may be one.
func TestExplainTellsNoArguments(t *testing.T) {
	for _, reply := range []string{
		"unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'pa55-w0rd' ",
		"ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `u`, `pa55-w0rd`, ",
		"ERR wrong number of arguments for 'pa55-w0rd'",
		"ERR something new about pa55-w0rd",
	} {
		if err := explain(reply); strings.Contains(err.Error(), "pa55") {
			t.Errorf("explain(%q) = %v", reply, err)
		}
	}
}

// Redis 6 puts its word into the middle if a script stumbled.
func TestExplainFindsTheCauseInAScriptsError(t *testing.T) {
	for reply, want := range map[string]string{
		"ERR Error running script (call to f_0123): @user_script:4: @user_script: 4: -OOM command not allowed when used memory > 'maxmemory'.": "out of memory",
		"OOM command not allowed when used memory > 'maxmemory'. script: 0123, on @user_script:4.":                                             "out of memory",
		"ERR Error running script (call to f_0123): @user_script:4: -READONLY You can't write against a read only replica.":                    "read-only replica",
		"NOPERM this user has no permissions to run the 'zadd' command":                                                                        "'zadd' command",
		"LOADING Redis is loading the dataset in memory":                                                                                       "loading",
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.":                                     "cannot save",
		"CLUSTERDOWN The cluster is down": "cluster is down",
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": "busy",
		"max number of clients reached": "too many clients",
	} {
		if err := explain(reply); !strings.Contains(err.Error(), want) {
			t.Errorf("explain(%q) = %v, want %q", reply, err, want)
		}
	}
	if err := explain("OOM command not allowed"); !errors.Is(err, session.ErrFull) {
		t.Errorf("out of memory = %v, want ErrFull", err)
	}
}

func TestDescribeNamesNetworkFailures(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "cannot connect"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "no answer in time"},
		{rueidis.ErrClosing, "connection lost"},
		{errors.New("x509: unknown authority"), "x509: unknown authority"},
	} {
		if err := describe(test.err); !strings.Contains(err.Error(), test.want) {
			t.Errorf("describe(%v) = %v, want %q", test.err, err, test.want)
		}
	}
}

func TestMarksForgetTheOldestOnly(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var m marks
	key := func(i int) session.Key {
		k := session.Key{Kind: session.KindSession}
		k.Sum[1], k.Sum[2] = byte(i), byte(i>>8) // all in one shard
		return k
	}
	for i := range 3 * generation {
		m.put(key(i), uint64(i), now.Add(time.Second))
	}
	for i := 2 * generation; i < 3*generation; i++ {
		if got, ok := m.get(key(i), now); !ok || got.version != uint64(i) {
			t.Fatalf("mark %d = %v, %v, want it kept", i, got, ok)
		}
	}
	if m.has(key(0), now) {
		t.Error("the first of many marks was kept")
	}
	last := key(3*generation - 1)
	if m.has(last, now.Add(time.Second)) {
		t.Error("a mark outlives its moment")
	}
	m.drop(last)
	if m.has(last, now) {
		t.Error("a dropped mark is there")
	}
}

// Cursors come back from people.
func FuzzCursor(f *testing.F) {
	for _, cursor := range []string{"", "0.0.00000000", "1.18446744073709551615.ffffffff", "-1.0.0", "0.1.2.3", "1.2.deadbeef ", "x"} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		at, err := readPlace(cursor)
		if err == nil && at.String() != cursor {
			t.Errorf("readPlace(%q) = %v", cursor, at)
		}
	})
}

// What lies in Redis may have been written by anybody.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0})
	f.Add([]byte{2, 1, 2, 3})
	f.Add(append(front([]session.Group{{1}, {2}}), "sealed"...))
	f.Fuzz(func(t *testing.T, value []byte) {
		v := split(value)
		groups := v.memberOf()
		if len(groups) > session.MaxGroups {
			t.Errorf("split(%x) has %d groups", value, len(groups))
		}
		if whole := append(front(groups), v.sealed...); !bytes.Equal(whole, value) && !bytes.Equal(v.sealed, value) {
			t.Errorf("split(%x) = %x and %x", value, v.groups, v.sealed)
		}
		v.version()
	})
}
