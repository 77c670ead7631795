package journal_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

func TestMain(m *testing.M) {
	if !runAsChild() {
		goleak.VerifyTestMain(m)
	}
}

func TestWhatIsWrittenIsReadByTheNextProcess(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	ada, london := session.NewGroup("ada"), session.NewGroup("london")
	want := contents{}
	for _, e := range []journal.Entry{
		record(session.KindSession, 1, "plain"),
		record(session.KindSession, 2, "with groups", ada, london),
		record(session.KindChallenge, 1, ""),
		record(session.KindLease, 1, strings.Repeat("\x00\xff", session.MaxValue/2), ada),
		counter(1, 1<<62),
		counter(2, -1),
	} {
		write(t, j, e)
		want[e.Key] = words(e)
	}
	closeAll(t, j)
	got, report := reopened(t, path)
	if !maps.Equal(got, want) || report != (journal.Report{Read: len(want)}) {
		t.Errorf("Read = %v, %+v, want %v", got, report, want)
	}
}

func TestNewerEntryReplacesAndDeletedIsGone(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	old, replaced, gone := record(session.KindSession, 1, "old"), record(session.KindSession, 1, "new"), record(session.KindSession, 2, "gone")
	write(t, j, old, gone)
	write(t, j, replaced, deleted(gone))
	write(t, j, deleted(gone)) // once more is no error
	closeAll(t, j)
	if got, _ := reopened(t, path); len(got) != 1 || got[old.Key] != words(replaced) {
		t.Errorf("Read = %v, want the replaced record alone", got)
	}
}

// A copy of the file while it is open is what a killed process leaves.
func TestKilledProcessLeavesAllThatWasWritten(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	for i := range 100 {
		write(t, j, record(session.KindSession, i, "value"))
		if i%10 == 0 {
			copied := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(copied, bytesOf(t, path), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, _ := reopened(t, copied); len(got) != i+1 {
				t.Errorf("after %d writes the file holds %d records", i+1, len(got))
			}
		}
	}
}

func TestFileAndDirectoryAreForTheirOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows keeps other rights than modes")
	}
	path := newPath(t)
	open(t, path)
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestFileHoldsNoPlaintext(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	write(t, j, record(session.KindSession, 1, "ada@example.com"), record(session.KindSession, 1, "bob@example.com"))
	if strings.Contains(string(bytesOf(t, path)), "example.com") {
		t.Error("the file shows a value")
	}
}

// Hundred writers who come while the disk is busy share one transaction.
func TestConcurrentWritersShareTransactions(t *testing.T) {
	j := open(t, newPath(t))
	before := j.Transactions()
	held, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { // the disk is busy
		j.Tamper(func(*bbolt.Tx) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	var started sync.WaitGroup
	started.Add(100)
	for i := range 100 {
		all.Go(func() {
			started.Done()
			if err := j.Write(record(session.KindSession, i, "value")); err != nil {
				t.Error(err)
			}
		})
	}
	started.Wait()
	for range 1000 {
		runtime.Gosched() // so that most of them are waiting
	}
	close(release)
	all.Wait()
	if n := j.Transactions() - before; n > 50 {
		t.Errorf("100 writers made %d transactions, want few", n)
	}
	if got, _ := read(t, j); len(got) != 100 {
		t.Errorf("%d records of 100 are there", len(got))
	}
}

func TestLaterIsWrittenWithinASecondAndOncePerKey(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		j := open(t, path)
		before := j.Transactions()
		for range 50 {
			for i := range 10 {
				j.Later(record(session.KindSession, i, "seen"))
			}
		}
		if n := j.Transactions() - before; n != 0 {
			t.Errorf("Later wrote %d transactions at once, want 0", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := j.Transactions() - before; n != 1 {
			t.Errorf("500 entries of 10 keys took %d transactions, want 1", n)
		}
		if got, _ := read(t, j); len(got) != 10 {
			t.Errorf("%d records are there, want 10", len(got))
		}
		time.Sleep(time.Hour)
		if n := j.Transactions() - before; n != 1 {
			t.Errorf("an hour later %d transactions were written, want no more", n)
		}
	})
}

func TestWriteTakesLaterAlong(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	before := j.Transactions()
	j.Later(record(session.KindSession, 1, "seen"))
	write(t, j, record(session.KindSession, 2, "new"))
	if got, _ := read(t, j); len(got) != 2 || j.Transactions()-before != 1 {
		t.Errorf("%d records in %d transactions, want 2 in one", len(got), j.Transactions()-before)
	}
}

func TestWriteReplacesWhatWaits(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	e := record(session.KindSession, 1, "touched")
	j.Later(e)
	write(t, j, deleted(e))
	j.Later(deleted(e))
	write(t, j, record(session.KindSession, 1, "again"))
	closeAll(t, j)
	if got, _ := reopened(t, path); !strings.HasPrefix(got[e.Key], `"again"`) {
		t.Errorf("the record is %s, want what was written last", got[e.Key])
	}
}

func TestCloseWritesWhatWaitsHoweverMuch(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	for i := range 5000 {
		j.Later(record(session.KindSession, i, "seen"))
	}
	closeAll(t, j)
	closeAll(t, j)
	if err := j.Write(record(session.KindSession, 0, "late")); err == nil {
		t.Error("Write after Close: no error")
	}
	if got, _ := reopened(t, path); len(got) != 5000 {
		t.Errorf("%d records are there, want 5000", len(got))
	}
}

func TestUnknownKindIsRefused(t *testing.T) {
	j := open(t, newPath(t))
	if err := j.Write(journal.Entry{Key: session.Key{Kind: 99}}); err == nil {
		t.Error("Write of an unknown kind: no error")
	}
	j.Later(journal.Entry{Key: session.Key{Kind: 99}, Deleted: true})
	write(t, j, record(session.KindSession, 1, "value"))
}

func TestReadStopsAtTheFirstErrorOfYield(t *testing.T) {
	j := open(t, newPath(t))
	write(t, j, record(session.KindSession, 1, ""), record(session.KindSession, 2, ""))
	stop, calls := errors.New("enough"), 0
	_, err := j.Read(t.Context(), func(journal.Entry) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("Read = %v after %d calls, want yield's error after one", err, calls)
	}
}
