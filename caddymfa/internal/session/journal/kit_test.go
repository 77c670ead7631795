package journal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// newVault returns a vault whose storage holds the keys with these numbers.
func newVault(numbers ...byte) *vault.Vault {
	return vault.New(func(context.Context) (keys [][32]byte, err error) {
		for _, number := range numbers {
			keys = append(keys, [32]byte{number, 1, 2, 3})
		}
		return keys, nil
	})
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "mfa", "journal.db") }

func config(path string) journal.Config {
	return journal.Config{Path: path, Vault: newVault(1), Wait: 10 * time.Millisecond}
}

func open(t testing.TB, path string) *journal.Journal { return openWith(t, config(path)) }

func openWith(t testing.TB, config journal.Config) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func closeAll(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, j *journal.Journal, entries ...journal.Entry) {
	t.Helper()
	if err := j.Write(entries...); err != nil {
		t.Fatal(err)
	}
}

// contents maps keys to what they hold, in words.
type contents map[session.Key]string

// collect is what Read gives.
func collect(t testing.TB, j *journal.Journal) (contents, journal.Report, error) {
	got := contents{}
	report, err := j.Read(t.Context(), func(e journal.Entry) error {
		if e.Record.Expires.Before(time.Now()) {
			t.Errorf("Read gave an expired entry: %v", e)
		}
		got[e.Key] = words(e)
		return nil
	})
	return got, report, err
}

func read(t testing.TB, j *journal.Journal) (contents, journal.Report) {
	t.Helper()
	got, report, err := collect(t, j)
	if err != nil {
		t.Fatal(err)
	}
	return got, report
}

// reopened is what the file at path holds for the next process.
func reopened(t testing.TB, path string) (contents, journal.Report) {
	t.Helper()
	j := open(t, path)
	defer closeAll(t, j)
	return read(t, j)
}

// words says all that an entry holds, its deadline to the millisecond.
func words(e journal.Entry) string {
	if e.Counter {
		return fmt.Sprintf("%d until %d", e.N, e.Record.Expires.UnixMilli())
	}
	return fmt.Sprintf("%q %x until %d", e.Record.Value, e.Groups, e.Record.Expires.UnixMilli())
}

func key(kind session.Kind, i int) session.Key { return session.NewKey(kind, strconv.Itoa(i)) }

// record is an entry that lives for an hour.
func record(kind session.Kind, i int, value string, groups ...session.Group) journal.Entry {
	return journal.Entry{
		Key: key(kind, i), Groups: groups,
		Record: session.Record{Value: value, Expires: time.Now().Add(time.Hour)},
	}
}

func counter(i int, n int64) journal.Entry {
	return journal.Entry{
		Key: key(session.KindCounter, i), Counter: true, N: n,
		Record: session.Record{Expires: time.Now().Add(time.Hour)},
	}
}

func deleted(e journal.Entry) journal.Entry { return journal.Entry{Key: e.Key, Deleted: true} }

func bytesOf(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
