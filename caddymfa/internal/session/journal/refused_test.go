package journal_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// bucket returns the bucket of one kind.
func bucket(tx *bbolt.Tx, kind session.Kind) *bbolt.Bucket { return tx.Bucket([]byte{byte(kind)}) }

// Whoever can write the file can make no record that is believed: what they
// tried is counted and dropped, and what was there before stays.
func TestRefusedRecordsAreDroppedAndCounted(t *testing.T) {
	one, two := key(session.KindSession, 1), key(session.KindSession, 2)
	put := func(tx *bbolt.Tx, key session.Key, sealed []byte) error {
		return bucket(tx, key.Kind).Put(key.Sum[:], sealed)
	}
	for _, tt := range []struct {
		name   string
		tamper func(tx *bbolt.Tx, genuine []byte) error
	}{
		{"copied to another key", func(tx *bbolt.Tx, genuine []byte) error { return put(tx, two, genuine) }},
		{"copied to another kind", func(tx *bbolt.Tx, genuine []byte) error {
			return put(tx, session.Key{Kind: session.KindChallenge, Sum: one.Sum}, genuine)
		}},
		{"a flipped bit", func(tx *bbolt.Tx, genuine []byte) error {
			genuine[len(genuine)/2] ^= 1
			return put(tx, two, genuine)
		}},
		{"another schema", func(tx *bbolt.Tx, genuine []byte) error {
			genuine[0] = 0
			return put(tx, two, genuine)
		}},
		{"cut", func(tx *bbolt.Tx, genuine []byte) error { return put(tx, two, genuine[:10]) }},
		{"empty", func(tx *bbolt.Tx, _ []byte) error { return put(tx, two, nil) }},
		{"of an unknown key", func(tx *bbolt.Tx, _ []byte) error { return put(tx, two, sealWith(9, two, "r\x00value")) }},
		{"sealed by us, but not for a journal", func(tx *bbolt.Tx, _ []byte) error { return put(tx, two, sealWith(1, two, "value")) }},
		{"with too many groups", func(tx *bbolt.Tx, _ []byte) error {
			return put(tx, two, sealWith(1, two, "r\x03"+strings.Repeat("group---", 3)))
		}},
		{"with groups that are cut", func(tx *bbolt.Tx, _ []byte) error { return put(tx, two, sealWith(1, two, "r\x02group---")) }},
		{"a counter that is cut", func(tx *bbolt.Tx, _ []byte) error { return put(tx, two, sealWith(1, two, "c\x00")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			j := open(t, path)
			genuine := record(session.KindSession, 1, "genuine")
			write(t, j, genuine)
			err := j.Tamper(func(tx *bbolt.Tx) error {
				return tt.tamper(tx, bytes.Clone(bucket(tx, session.KindSession).Get(one.Sum[:])))
			})
			if err != nil {
				t.Fatal(err)
			}
			closeAll(t, j)
			for _, refused := range []int{1, 0} {
				got, report := reopened(t, path)
				if len(got) != 1 || got[one] != words(genuine) || report != (journal.Report{Read: 1, Refused: refused}) {
					t.Fatalf("Read = %v, %+v, want the genuine record and %d refused", got, report, refused)
				}
			}
		})
	}
}

func sealWith(number byte, key session.Key, value string) []byte {
	sealed, _, _ := newVault(number).Seal(context.Background(), key, session.Record{Value: value, Expires: time.Now().Add(time.Hour)})
	return sealed
}

// What bears no name of ours is neither read nor stumbled over.
func TestForeignNamesAreCounted(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	write(t, j, record(session.KindSession, 1, "genuine"))
	err := j.Tamper(func(tx *bbolt.Tx) error {
		name := key(session.KindSession, 2).Sum
		_, err := bucket(tx, session.KindSession).CreateBucket(name[:])
		return errors.Join(err, bucket(tx, session.KindSession).Put([]byte("short"), []byte("value")))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, report := read(t, j); len(got) != 1 || report.Refused != 2 {
		t.Errorf("Read = %v, %+v, want one record and 2 refused", got, report)
	}
	write(t, j, record(session.KindSession, 3, "another"))
}

func TestExpiredRecordsAreDroppedAndCounted(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		j := open(t, path)
		short := record(session.KindSession, 1, "short")
		short.Record.Expires = time.Now().Add(time.Minute)
		write(t, j, short, record(session.KindSession, 2, "long"))
		time.Sleep(time.Minute)
		for _, expired := range []int{1, 0} {
			if got, report := read(t, j); len(got) != 1 || report != (journal.Report{Read: 1, Expired: expired}) {
				t.Errorf("Read = %v, %+v, want the living record and %d expired", got, report, expired)
			}
			time.Sleep(time.Second) // for the deletion
			synctest.Wait()
		}
	})
}

// Another key in Caddy's storage must not cost the sessions: it may come back.
func TestChangedKeyIsAnErrorAndNothingIsDropped(t *testing.T) {
	path := newPath(t)
	want := fill(t, path)
	other := config(path)
	other.Vault = newVault(2)
	before := bytesOf(t, path)
	for range 2 {
		j := openWith(t, other)
		_, report, err := collect(t, j)
		if !errors.Is(err, journal.ErrKey) || report.Refused != len(want) {
			t.Fatalf("Read with another key: %v, %+v, want ErrKey", err, report)
		}
		for _, part := range []string{path, "key in Caddy's storage has changed", "bring the key back", "move it away"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not say %q", err, part)
			}
		}
		closeAll(t, j)
	}
	if !bytes.Equal(bytesOf(t, path), before) {
		t.Error("the file was changed")
	}
	if got, _ := reopened(t, path); len(got) != len(want) {
		t.Errorf("with the key back %d records are there, want %d", len(got), len(want))
	}
}

func TestRotatedKeyKeepsRecordsOfTheOlderKey(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	write(t, j, record(session.KindSession, 1, "older"))
	closeAll(t, j)
	rotated := config(path)
	rotated.Vault = newVault(2, 1)
	j = openWith(t, rotated)
	write(t, j, record(session.KindSession, 2, "newer"))
	closeAll(t, j)
	for _, tt := range []struct {
		keys []byte
		want journal.Report
	}{{[]byte{2, 1}, journal.Report{Read: 2}}, {[]byte{3, 2, 1}, journal.Report{Read: 2}}, {[]byte{3, 2}, journal.Report{Read: 1, Refused: 1}}} {
		rotated.Vault = newVault(tt.keys...)
		j = openWith(t, rotated)
		if _, report := read(t, j); report != tt.want {
			t.Errorf("Read with keys %v = %+v, want %+v", tt.keys, report, tt.want)
		}
		closeAll(t, j)
	}
}

// While Caddy's storage is down nobody knows what a record is.
func TestStorageErrorDropsNothing(t *testing.T) {
	path := newPath(t)
	want := fill(t, path)
	down := errors.New("storage is down")
	broken := config(path)
	broken.Vault = vault.New(func(context.Context) ([][32]byte, error) { return nil, down })
	j := openWith(t, broken)
	if _, _, err := collect(t, j); !errors.Is(err, down) || !strings.Contains(err.Error(), path) {
		t.Errorf("Read: %v, want storage's error", err)
	}
	if err := j.Write(record(session.KindSession, 0, "value")); !errors.Is(err, down) {
		t.Errorf("Write: %v, want storage's error", err)
	}
	closeAll(t, j)
	if got, _ := reopened(t, path); len(got) != len(want) {
		t.Errorf("%d records are left of %d", len(got), len(want))
	}
}

func TestCancelledReadDropsNothing(t *testing.T) {
	path := newPath(t)
	want := fill(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := open(t, path)
	if _, err := j.Read(ctx, func(journal.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v, want %v", err, context.Canceled)
	}
	if got, _ := read(t, j); len(got) != len(want) {
		t.Errorf("%d records are left of %d", len(got), len(want))
	}
}
