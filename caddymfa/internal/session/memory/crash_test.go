package memory_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// crashingChild names the environment variable that makes this program change
// the store whose journal it names until it is killed.
const crashingChild = "MEMORY_TEST_CRASH"

const (
	crashRounds = 20
	failed      = 3 // the exit code of a process that was not killed
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashingChild); path != "" {
		changeUntilKilled(&disk{path: path})
	}
	os.Exit(m.Run())
}

// A process is killed at any moment, with many changes on their way: all that
// was acknowledged is there for the next one, and nothing whose deletion was.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	d := newDisk(t)
	told := acknowledged{}
	for round := range crashRounds {
		told.merge(runUntilKilled(t, d.path, round))
		s := d.store()
		if err := s.Start(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for i, what := range told {
			r, found, err := s.Load(t.Context(), session.NewKey(session.KindSession, i))
			switch {
			case err != nil:
				t.Fatal(err)
			case what == "added" && (!found || r.Value != "value of "+i):
				t.Fatalf("round %d: session %s was acknowledged and is gone: %v", round, i, r)
			case what == "deleted" && found:
				t.Fatalf("round %d: session %s was revoked and is there", round, i)
			}
		}
		s.Close()
	}
	t.Logf("%d sessions in %d rounds", len(told), crashRounds)
}

// acknowledged is the last that was heard of each session: "added", "deleting"
// or "deleted".
type acknowledged map[string]string

func (a acknowledged) merge(newer acknowledged) {
	for i, what := range newer {
		a[i] = what
	}
}

// runUntilKilled starts a process that changes the store, kills it after a
// random number of acknowledgements, and returns all that it acknowledged.
func runUntilKilled(t *testing.T, path string, round int) acknowledged {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashingChild+"="+path, fmt.Sprint("MEMORY_TEST_ROUND=", round))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	told, lines := acknowledged{}, bufio.NewScanner(out)
	for left := rand.IntN(300); lines.Scan(); left-- {
		var what, i string
		if n, _ := fmt.Sscan(lines.Text(), &what, &i); n == 2 {
			told[i] = what
		}
		if left == 0 {
			child.Process.Kill()
		}
	}
	child.Wait()
	if code := child.ProcessState.ExitCode(); len(told) == 0 || code == failed {
		t.Fatalf("the process ended with %d and had acknowledged %d changes", code, len(told))
	}
	return told
}

// changeUntilKilled adds and deletes sessions from several goroutines and says
// so, each line in one write.
func changeUntilKilled(d *disk) {
	ctx, s := context.Background(), d.store()
	tell := func(what, i string) { os.Stdout.WriteString(what + " " + i + "\n") }
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 100_000 {
				i := fmt.Sprint(os.Getenv("MEMORY_TEST_ROUND"), ".", worker, ".", n)
				key := session.NewKey(session.KindSession, i)
				added, err := s.Add(ctx, key, "value of "+i, time.Now().Add(time.Hour))
				mustBe(added && err == nil, err)
				tell("added", i)
				if n%3 == 0 {
					tell("deleting", i)
					err := s.Delete(ctx, key)
					mustBe(err == nil, err)
					tell("deleted", i)
				}
			}
		})
	}
	all.Wait()
}

func mustBe(right bool, err error) {
	if !right {
		fmt.Fprintln(os.Stderr, "want it done, got", err)
		os.Exit(failed)
	}
}
