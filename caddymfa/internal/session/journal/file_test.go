package journal_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// wantUnusable checks that the file cannot be opened, or not be read, that the
// error says why and where, and that the file is as it was.
func wantUnusable(t *testing.T, path string, why error, advice string) {
	t.Helper()
	before := bytesOf(t, path)
	j, err := journal.Open(t.Context(), config(path))
	if err == nil {
		_, _, err = collect(t, j)
		j.Close()
	}
	if !errors.Is(err, why) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), advice) {
		t.Fatalf("error = %v, want %q, the path and %q", err, why, advice)
	}
	if !bytes.Equal(bytesOf(t, path), before) {
		t.Error("the file was changed")
	}
}

func TestSecondOpenSaysThatTheFileIsInUse(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	write(t, j, record(session.KindSession, 1, "value"))
	wantUnusable(t, path, journal.ErrLocked, "path of its own")
	closeAll(t, j)
	reopened(t, path)
}

// A process that ends is waited for.
func TestOpenWaitsForTheLock(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	time.AfterFunc(100*time.Millisecond, func() { j.Close() })
	patient := config(path)
	patient.Wait = time.Minute
	openWith(t, patient)
}

func TestOpenWithCancelledContextOpensNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := newPath(t)
	if _, err := journal.Open(ctx, config(path)); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v, want %v", err, context.Canceled)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("Open made a file")
	}
}

// What every system refuses: a file that may be read and not written, and a
// directory that is none.
func TestOpenErrorsSayWhatIsNeeded(t *testing.T) {
	path := newPath(t)
	closeAll(t, open(t, path))
	readOnly := bbolt.Options{OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
		if flag&os.O_RDWR != 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return os.OpenFile(name, flag, mode)
	}}
	_, err := journal.OpenWith(t.Context(), config(path), readOnly)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "may write") {
		t.Errorf("Open of a read-only file: %v", err)
	}
	below := path + "/below/journal.db"
	if _, err := journal.Open(t.Context(), config(below)); err == nil || !strings.Contains(err.Error(), "may write") {
		t.Errorf("Open below a file: %v", err)
	}
	reopened(t, path)
}

// fill makes a journal with many pages, among them free ones.
func fill(t testing.TB, path string) contents {
	t.Helper()
	j, want := open(t, path), contents{}
	for from := 0; from < 1000; from += 100 {
		var entries []journal.Entry
		for i := range 100 {
			e := record(session.KindSession, from+i, strings.Repeat("value ", 20))
			entries = append(entries, e)
			want[e.Key] = words(e)
		}
		write(t, j, entries...)
	}
	closeAll(t, j)
	return want
}

func TestCorruptFileIsAnErrorAndLeftAlone(t *testing.T) {
	pageSize := os.Getpagesize()
	for _, tt := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"no journal at all", func([]byte) []byte { return []byte("Dear diary") }},
		{"garbage for a header", func(b []byte) []byte { fillWith(b[:2*pageSize], 0xA5); return b }},
		{"zeroes for a header", func(b []byte) []byte { fillWith(b[:2*pageSize], 0); return b }},
		{"garbage behind the header", func(b []byte) []byte { fillWith(b[2*pageSize:], 0xA5); return b }},
		{"zeroes behind the header", func(b []byte) []byte { fillWith(b[2*pageSize:], 0); return b }},
		{"cut to one byte", func(b []byte) []byte { return b[:1] }},
		{"cut within the header", func(b []byte) []byte { return b[:pageSize+100] }},
		{"cut behind the header", func(b []byte) []byte { return b[:2*pageSize] }},
		{"cut in the middle", func(b []byte) []byte { return b[:len(b)/8] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			fill(t, path)
			if err := os.WriteFile(path, tt.damage(bytesOf(t, path)), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // and it is not locked either
				wantUnusable(t, path, journal.ErrCorrupt, "move it away")
			}
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if got, _ := reopened(t, path); len(got) != 0 {
				t.Errorf("a new journal holds %d records", len(got))
			}
		})
	}
}

func fillWith(b []byte, with byte) {
	for i := range b {
		b[i] = with
	}
}

// Whichever single page is garbage: there is no panic, nothing wrong is read,
// and the file cannot be used or is used rightly.
func TestGarbagePageNeverPanics(t *testing.T) {
	path := newPath(t)
	want := fill(t, path)
	whole, pageSize := bytesOf(t, path), os.Getpagesize()
	for at := 0; at+pageSize <= len(whole) && at < 100*pageSize; at += pageSize {
		damaged := bytes.Clone(whole)
		fillWith(damaged[at:at+pageSize], 0xA5)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		use(t, path, want)
	}
}

// use reads a damaged file and writes to it. What it gives must be in want.
func use(t *testing.T, path string, want contents) {
	t.Helper()
	j, err := journal.Open(t.Context(), config(path))
	if err != nil {
		return
	}
	defer j.Close()
	got, _, err := collect(t, j)
	for key, value := range got {
		if want[key] != value {
			t.Fatalf("Read gave %s, want %s", value, want[key])
		}
	}
	if err == nil {
		j.Write(record(session.KindChallenge, 1, "value"))
	}
}

// FuzzDamage overwrites a file somewhere.
func FuzzDamage(f *testing.F) {
	path := newPath(f)
	want := fill(f, path)
	whole := bytesOf(f, path)
	f.Add(uint(0), []byte("garbage"))
	f.Add(uint(8), []byte{0xFF})
	f.Add(uint(2*4096+8), []byte{2})
	f.Add(uint(3*4096+10), []byte{0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, at uint, garbage []byte) {
		damaged := bytes.Clone(whole[:len(whole)/16])
		copy(damaged[at%uint(len(damaged)):], garbage)
		own := newPath(t)
		if err := os.MkdirAll(strings.TrimSuffix(own, "/journal.db"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(own, append(damaged, whole[len(damaged):]...), 0o600); err != nil {
			t.Fatal(err)
		}
		use(t, own, want)
	})
}

func TestFileOfAnotherFormatIsAnError(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	err := j.Tamper(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("caddymfa")).Put([]byte("format"), []byte("2")) })
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, j)
	wantUnusable(t, path, journal.ErrFormat, "move it away")
}

func TestDatabaseOfSomebodyElseIsAnError(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	err := j.Tamper(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("caddymfa")) })
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, j)
	wantUnusable(t, path, journal.ErrCorrupt, "not a journal")
}

// Killed while the file was made: it is empty, or there is no bucket yet.
func TestUnfinishedFileIsFinished(t *testing.T) {
	path := newPath(t)
	closeAll(t, open(t, path))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	reopened(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	j := open(t, path)
	write(t, j, record(session.KindSession, 1, "value"))
}
