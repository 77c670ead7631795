package vault_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// storage holds keys as Caddy's storage does, and counts how often it is read.
type storage struct {
	keys  [][32]byte
	err   error
	reads int
}

func (s *storage) read(context.Context) ([][32]byte, error) {
	s.reads++
	return s.keys, s.err
}

func storageKey(i byte) [32]byte { return [32]byte{i, 1, 2, 3} }

func newVault(keys ...[32]byte) *vault.Vault {
	return vault.New((&storage{keys: keys}).read)
}

var (
	someKey = session.NewKey(session.KindSession, "shop.example.com", "cookie value")
	record  = session.Record{Value: "a session of Ada's", Expires: time.UnixMilli(1_800_000_000_123).UTC()}
)

// stored is record as an earlier build of this schema sealed it for someKey.
func stored(t testing.TB) []byte {
	t.Helper()
	sealed, err := hex.DecodeString("01bf36137c1c9e8e8e1c17496768aa3d0dee82cf329eb9a7a6bfefdf64fff9cc54d0ef6" +
		"b03bb9c6435d220970686492bb186f14effa259c2de7eab4f3345ff8826654496d7b160")
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// A layout that changes without its schema would lose every stored session.
func TestStoredRecordStillOpens(t *testing.T) {
	got, err := newVault(storageKey(1)).Open(t.Context(), someKey, stored(t))
	if err != nil || got.Value != record.Value || !got.Expires.Equal(record.Expires) {
		t.Errorf("Open = %v, %v, want %v", got, err, record)
	}
}

func seal(t testing.TB, v *vault.Vault, key session.Key, r session.Record) []byte {
	t.Helper()
	sealed, _, err := v.Seal(t.Context(), key, r)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedRecordOpens(t *testing.T) {
	v := newVault(storageKey(1))
	for _, value := range []string{"", "a", record.Value, strings.Repeat("\x00\xff", session.MaxValue/2)} {
		want := session.Record{Value: value, Expires: record.Expires}
		sealed, version, err := v.Seal(t.Context(), someKey, want)
		if err != nil || len(sealed) != len(value)+vault.Overhead {
			t.Fatalf("Seal of %d bytes = %d bytes, %v, want %d more", len(value), len(sealed), err, vault.Overhead)
		}
		want.Version = version
		if got, err := v.Open(t.Context(), someKey, sealed); got != want || err != nil {
			t.Errorf("Open = %v, %v, want %v", got, err, want)
		}
	}
}

func TestExpiryIsRoundedDown(t *testing.T) {
	v := newVault(storageKey(1))
	late := session.Record{Expires: record.Expires.Add(time.Millisecond - 1)}
	if got, err := v.Open(t.Context(), someKey, seal(t, v, someKey, late)); !got.Expires.Equal(record.Expires) || err != nil {
		t.Errorf("Expires = %v, %v, want %v", got.Expires, err, record.Expires)
	}
}

func TestSealingTwiceGivesTwoVersions(t *testing.T) {
	v := newVault(storageKey(1))
	a, versionA, _ := v.Seal(t.Context(), someKey, record)
	b, versionB, _ := v.Seal(t.Context(), someKey, record)
	if versionA == versionB || bytes.Equal(a[5:], b[5:]) {
		t.Errorf("two seals have versions %d and %d, want two that differ", versionA, versionB)
	}
}

// Whatever bit is flipped, the record is refused, and the error says where.
func TestFlippedBitIsRefused(t *testing.T) {
	v := newVault(storageKey(1))
	sealed := seal(t, v, someKey, record)
	for bit := range 8 * len(sealed) {
		want := vault.ErrForged
		switch at := bit / 8; {
		case at == 0:
			want = vault.ErrSchema
		case at < 5:
			want = vault.ErrUnknownKey
		}
		flipped := bytes.Clone(sealed)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := v.Open(t.Context(), someKey, flipped); !errors.Is(err, want) {
			t.Fatalf("Open with bit %d flipped: %v, want %v", bit, err, want)
		}
	}
}

func TestTruncatedOrLengthenedIsRefused(t *testing.T) {
	v := newVault(storageKey(1))
	sealed := seal(t, v, someKey, record)
	for n := range len(sealed) {
		if _, err := v.Open(t.Context(), someKey, sealed[:n]); !errors.Is(err, vault.ErrForged) {
			t.Errorf("Open of the first %d bytes: %v, want ErrForged", n, err)
		}
	}
	if _, err := v.Open(t.Context(), someKey, append(sealed, 0)); !errors.Is(err, vault.ErrForged) {
		t.Errorf("Open with a byte more: %v, want ErrForged", err)
	}
}

func TestMovedRecordIsRefused(t *testing.T) {
	v := newVault(storageKey(1))
	sealed := seal(t, v, someKey, record)
	for name, key := range map[string]session.Key{
		"another cookie value": session.NewKey(session.KindSession, "shop.example.com", "another"),
		"another site":         session.NewKey(session.KindSession, "bank.example.com", "cookie value"),
		"another kind":         {Kind: session.KindChallenge, Sum: someKey.Sum},
	} {
		if _, err := v.Open(t.Context(), key, sealed); !errors.Is(err, vault.ErrForged) {
			t.Errorf("Open under %s: %v, want ErrForged", name, err)
		}
	}
}

func TestSchemaByteIsChecked(t *testing.T) {
	v := newVault(storageKey(1))
	sealed := seal(t, v, someKey, record)
	for _, schema := range []byte{0, 2, 255} {
		sealed[0] = schema
		if _, err := v.Open(t.Context(), someKey, sealed); !errors.Is(err, vault.ErrSchema) {
			t.Errorf("Open of schema %d: %v, want ErrSchema", schema, err)
		}
		if _, err := v.Open(t.Context(), someKey, sealed[:1]); !errors.Is(err, vault.ErrSchema) {
			t.Errorf("Open of schema %d alone: %v, want ErrSchema", schema, err)
		}
	}
}

// A key with another's id, as somebody may make one up in the record, opens
// nothing.
func TestRecordOfAnotherKeyUnderOurIDIsForged(t *testing.T) {
	ours, theirs := newVault(storageKey(1)), newVault(storageKey(2))
	sealed := seal(t, theirs, someKey, record)
	if _, err := ours.Open(t.Context(), someKey, sealed); !errors.Is(err, vault.ErrUnknownKey) {
		t.Errorf("Open of another's record: %v, want ErrUnknownKey", err)
	}
	copy(sealed[1:5], seal(t, ours, someKey, record)[1:5])
	if _, err := ours.Open(t.Context(), someKey, sealed); !errors.Is(err, vault.ErrForged) {
		t.Errorf("Open of another's record with our key's id: %v, want ErrForged", err)
	}
}

func TestErrorsAndPrintsTellNothing(t *testing.T) {
	key := storageKey(1)
	v := newVault(key)
	sealed := seal(t, v, someKey, record)
	_, err := v.Open(t.Context(), session.Key{Kind: session.KindSession}, sealed)
	for _, text := range []string{err.Error(), fmt.Sprint(v), fmt.Sprintf("%+v %#v %s", v, v, v)} {
		if strings.Contains(text, "Ada") || strings.Contains(text, fmt.Sprint(key[:4])) || strings.Contains(text, "0x1") {
			t.Errorf("%q tells a secret", text)
		}
	}
}

// FuzzOpen: nobody without the key makes a record that opens.
func FuzzOpen(f *testing.F) {
	v := newVault(storageKey(1))
	genuine := stored(f)
	f.Add(byte(session.KindSession), someKey.Sum[:], genuine)
	f.Add(byte(session.KindChallenge), someKey.Sum[:], genuine)
	f.Add(byte(session.KindSession), someKey.Sum[:], genuine[:vault.Overhead])
	f.Add(byte(0), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, kind byte, sum, sealed []byte) {
		key := session.Key{Kind: session.Kind(kind)}
		copy(key.Sum[:], sum)
		got, err := v.Open(t.Context(), key, sealed)
		if opened := key == someKey && bytes.Equal(sealed, genuine); opened != (err == nil) {
			t.Errorf("Open = %v, %v, want it to open: %v", got, err, opened)
		}
		if err != nil && got != (session.Record{}) {
			t.Errorf("Open = %v with an error, want nothing", got)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	v := newVault(storageKey(1))
	sealed := seal(b, v, someKey, session.Record{Value: strings.Repeat("x", 150), Expires: record.Expires})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Open(b.Context(), someKey, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	v := newVault(storageKey(1))
	r := session.Record{Value: strings.Repeat("x", 150), Expires: record.Expires}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := v.Seal(b.Context(), someKey, r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOpenAllocatesTwice(t *testing.T) {
	v := newVault(storageKey(1))
	sealed := seal(t, v, someKey, record)
	ctx := t.Context()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := v.Open(ctx, someKey, sealed); err != nil {
			t.Error(err)
		}
	})
	if allocs > 2 {
		t.Errorf("Open allocates %v times, want at most 2", allocs)
	}
}
