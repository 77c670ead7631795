//go:build unix

package journal_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// limitedChild names the environment variable that makes this program write
// to the journal it names until the system allows no more.
const limitedChild = "JOURNAL_TEST_LIMITED"

// A real file that the system lets grow no further, as on a full disk: writes
// fail, the file stays whole, and once there is room they go on.
func TestSystemAllowsNoMoreBytes(t *testing.T) {
	path := newPath(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), limitedChild+"="+path)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var written int
	if _, err := fmt.Sscanf(string(out), "written %d", &written); err != nil || written < 10 {
		t.Fatalf("the child wrote %q", out)
	}
	got, report := reopened(t, path)
	if want := written - 1; len(got) != want || report.Refused != 0 {
		t.Errorf("%d records of %d are there, %+v", len(got), want, report)
	}
}

func writeUntilFull(path string) {
	signal.Ignore(syscall.SIGXFSZ) // writes are to fail, and not to end us
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = 1 << 20
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	j, err := journal.Open(context.Background(), config(path))
	must(err)
	written := 0
	for ; err == nil; written++ {
		err = j.Write(record(session.KindSession, written, strings.Repeat("x", session.MaxValue)))
	}
	written-- // the last one was refused
	for range 3 {
		if j.Write(record(session.KindSession, written, strings.Repeat("x", session.MaxValue))) == nil {
			must(fmt.Errorf("written after %w", err))
		}
	}
	limit.Cur = 2 << 20
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	must(j.Write(deleted(record(session.KindSession, 0, ""))))
	fmt.Println("written", written)
	os.Exit(0) // without Close, as a process that is killed
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
