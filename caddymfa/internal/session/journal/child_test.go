//go:build unix

package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// Environment variables that make this program a child of its own tests: each
// names a journal to write until the system allows no more, or to open without
// the right to write it.
const (
	limitedChild   = "JOURNAL_TEST_LIMITED"
	powerlessChild = "JOURNAL_TEST_POWERLESS"
	nobody         = 65534
)

// A real file that the system lets grow no further, as on a full disk: writes
// fail, the file stays whole, and once there is room they go on.
func TestSystemAllowsNoMoreBytes(t *testing.T) {
	path := newPath(t)
	out := runChild(t, limitedChild, path)
	var written int
	if _, err := fmt.Sscanf(out, "written %d", &written); err != nil || written < 10 {
		t.Fatalf("the child wrote %q", out)
	}
	got, report := reopened(t, path)
	if want := written - 1; len(got) != want || report.Refused != 0 {
		t.Errorf("%d records of %d are there, %+v", len(got), want, report)
	}
}

// A file that this process may not write is an error, although it may read it.
func TestReadOnlyFileIsAnError(t *testing.T) {
	path := newPath(t)
	fill(t, path)
	for name, mode := range map[string]os.FileMode{path: 0o444, filepath.Dir(path): 0o755, filepath.Dir(filepath.Dir(filepath.Dir(path))): 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	before := bytesOf(t, path)
	out := runChild(t, powerlessChild, path)
	for _, part := range []string{path, "permission denied", "may write"} {
		if !strings.Contains(out, part) {
			t.Errorf("Open says %q, want %q in it", out, part)
		}
	}
	if !bytes.Equal(bytesOf(t, path), before) {
		t.Error("the file was changed")
	}
}

func runChild(t *testing.T, variable, path string) string {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), variable+"="+path)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// runAsChild does what the environment asks for, and tells whether it asked.
func runAsChild() bool {
	if path := os.Getenv(limitedChild); path != "" {
		writeUntilFull(path)
		return true
	}
	if path := os.Getenv(powerlessChild); path != "" {
		if os.Geteuid() == 0 { // who may write everything
			must(syscall.Setuid(nobody))
		}
		_, err := journal.Open(context.Background(), config(path))
		fmt.Println(err)
		return true
	}
	return false
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
