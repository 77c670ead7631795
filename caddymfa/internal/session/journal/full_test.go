package journal_test

import (
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// big takes a good part of the room that a small file has.
func big(i int) journal.Entry {
	return record(session.KindSession, i, strings.Repeat("x", session.MaxValue))
}

// openSmall opens a journal that may not grow beyond max bytes.
func openSmall(t *testing.T, path string, max int) *journal.Journal {
	t.Helper()
	j, err := journal.OpenWith(t.Context(), config(path), bbolt.Options{MaxSize: max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// fillUp writes until nothing fits any more, and returns what was written.
func fillUp(t *testing.T, j *journal.Journal) (contents, error) {
	t.Helper()
	written := contents{}
	for i := range 10_000 {
		e := big(i)
		if err := j.Write(e); err != nil {
			return written, err
		}
		written[e.Key] = words(e)
	}
	t.Fatal("10,000 records fit into a small file")
	return nil, nil
}

func TestFullFileRefusesNewAndKeepsOld(t *testing.T) {
	path := newPath(t)
	j := openSmall(t, path, 512<<10)
	want, err := fillUp(t, j)
	if !errors.Is(err, berrors.ErrMaxSizeReached) || !strings.Contains(err.Error(), path) {
		t.Errorf("Write to a full file: %v, want the reason and the path", err)
	}
	if got, _ := read(t, j); !maps.Equal(got, want) {
		t.Errorf("%d records are left of %d", len(got), len(want))
	}
	closeAll(t, j)
	if got, _ := reopened(t, path); !maps.Equal(got, want) {
		t.Errorf("the next process finds %d records of %d", len(got), len(want))
	}
}

// A deletion that could not be written is owed and written once there is room:
// here, when the file may grow again.
func TestRefusedDeletionIsOwedUntilWritten(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		j := open(t, path)
		gone, replaced := record(session.KindSession, 1, "gone"), record(session.KindSession, 2, "old")
		write(t, j, gone, replaced)
		undo := j.Fail(errors.New("no space left on device"))
		if err := j.Write(deleted(gone)); err == nil {
			t.Fatal("Write on a full disk: no error")
		}
		if err := j.Write(record(session.KindSession, 2, "new")); err == nil {
			t.Fatal("Write on a full disk: no error")
		}
		if !j.Owes(gone.Key) || j.Owes(replaced.Key) {
			t.Errorf("Owes = %v, %v, want the deletion alone", j.Owes(gone.Key), j.Owes(replaced.Key))
		}
		time.Sleep(10 * time.Second)
		if got, _ := read(t, j); len(got) != 2 {
			t.Errorf("Read = %v, want what was there before", got)
		}
		undo()
		time.Sleep(time.Second)
		synctest.Wait()
		if got, _ := read(t, j); len(got) != 1 || got[replaced.Key] != words(replaced) || j.Owes(gone.Key) {
			t.Errorf("Read = %v, want the deleted record gone and the other as it was", got)
		}
	})
}

// Somebody adds what is owed to be deleted: whether that can be written or not,
// the end is what was last asked for with success.
func TestOwedDeletionGivesWayToANewerRecord(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		j := open(t, path)
		old, again := record(session.KindUsedCode, 1, "old"), record(session.KindUsedCode, 1, "again")
		write(t, j, old)
		undo := j.Fail(errors.New("no space left on device"))
		for _, e := range []journal.Entry{deleted(old), again} {
			if err := j.Write(e); err == nil {
				t.Fatal("Write on a full disk: no error")
			}
		}
		if !j.Owes(old.Key) {
			t.Error("the deletion is forgotten after a newer record could not be written")
		}
		undo()
		write(t, j, again)
		time.Sleep(10 * time.Second)
		if got, _ := read(t, j); got[old.Key] != words(again) || j.Owes(old.Key) {
			t.Errorf("Read = %v, want the newer record", got)
		}
	})
}

// On a full disk no file is made, and no half of one left behind.
func TestFullDiskLeavesNoHalfMadeFile(t *testing.T) {
	path := newPath(t)
	_, err := journal.OpenWith(t.Context(), config(path), bbolt.Options{MaxSize: 1})
	if err == nil {
		t.Fatal("Open on a full disk: no error")
	}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		t.Errorf("%d bytes of a journal were left behind", info.Size())
	}
	reopened(t, path)
}
