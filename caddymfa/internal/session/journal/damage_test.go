package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// rewrite changes the bytes of a file in place.
func rewrite(t *testing.T, path string, change func([]byte)) {
	t.Helper()
	b := bytesOf(t, path)
	change(b)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// freelists calls change with every page that is, or was, a list of free pages.
func freelists(file []byte, change func(page []byte)) {
	for pageSize := os.Getpagesize(); len(file) >= pageSize; file = file[pageSize:] {
		if page := file[:pageSize]; binary.NativeEndian.Uint16(page[8:]) == 0x10 {
			change(page)
		}
	}
}

// bbolt would overwrite whatever is said to be free, or panic with the file
// locked.
func TestWrongListOfFreePagesIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(page []byte)
	}{
		{"is no list", func(page []byte) { page[8] = 0x02 }},
		{"goes beyond the end", func(page []byte) { binary.NativeEndian.PutUint32(page[12:], 1<<31) }},
		{"is longer than its pages", func(page []byte) { binary.NativeEndian.PutUint16(page[10:], 0xFFFE) }},
		{"is longer than anything", func(page []byte) {
			binary.NativeEndian.PutUint16(page[10:], 0xFFFF)
			binary.NativeEndian.PutUint64(page[16:], 1<<63)
		}},
		{"frees the header", func(page []byte) { free(page, 1) }},
		{"frees what is not there", func(page []byte) { free(page, 1<<40) }},
		{"frees a page twice", func(page []byte) { free(page, 5, 5) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			fill(t, path)
			rewrite(t, path, func(file []byte) { freelists(file, tt.damage) })
			for range 2 { // and it is not locked either
				wantUnusable(t, path, journal.ErrCorrupt, "free pages")
			}
		})
	}
}

// free makes a list of page ids.
func free(page []byte, ids ...uint64) {
	binary.NativeEndian.PutUint16(page[10:], uint16(len(ids)))
	for i, id := range ids {
		binary.NativeEndian.PutUint64(page[16+8*i:], id)
	}
}

// However little is missing at the end: who reads it there would fault.
func TestCutFileIsAnError(t *testing.T) {
	path := newPath(t)
	fill(t, path)
	j := open(t, path)
	for i := range 900 { // frees pages, for the list of free pages to lie low
		write(t, j, deleted(record(session.KindSession, i, "")))
		if i%100 == 0 {
			write(t, j, record(session.KindSession, i, "new"))
		}
	}
	size := j.Size()
	closeAll(t, j)
	whole := bytesOf(t, path)
	for cut := size - 1; cut > size/2; cut -= 8 << 10 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		wantUnusable(t, path, journal.ErrCorrupt, "move it away")
	}
}

func TestRecordsOutOfOrderAreAnError(t *testing.T) {
	path := newPath(t)
	fill(t, path)
	rewrite(t, path, func(file []byte) {
		name := key(session.KindSession, 500).Sum
		for at := bytes.Index(file, name[:]); at >= 0; at = bytes.Index(file, name[:]) {
			fillWith(file[at:at+len(name)], 0xFF)
		}
	})
	wantUnusable(t, path, journal.ErrCorrupt, "out of order")
}

// A file that is damaged under our hands is not written any more, be it that
// it seems to have healed: nobody knows what is in it.
func TestFileDamagedWhileOpenIsWrittenNoMore(t *testing.T) {
	path := newPath(t)
	fill(t, path)
	whole := bytesOf(t, path)
	j := open(t, path)
	rewrite(t, path, func(file []byte) { fillWith(file[2*os.Getpagesize():], 0xA5) })
	for _, again := range []bool{false, true} {
		err := j.Write(record(session.KindSession, 1, "value"))
		if !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("Write to a damaged file (again: %v): %v, want ErrCorrupt and the path", again, err)
		}
		rewrite(t, path, func(file []byte) { copy(file, whole) })
	}
	if err := j.Close(); err != nil && !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("Close: %v", err)
	}
	reopened(t, path)
}

// Memory that the file was mapped to faults where the file is cut off.
func TestFileCutWhileOpenIsAnError(t *testing.T) {
	path := newPath(t)
	fill(t, path)
	j := open(t, path)
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	if _, _, err := collect(t, j); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("Read of a cut file: %v, want ErrCorrupt", err)
	}
	if err := j.Write(record(session.KindSession, 1, "value")); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("Write to a cut file: %v, want ErrCorrupt", err)
	}
}
