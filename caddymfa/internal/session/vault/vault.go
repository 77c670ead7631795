// Package vault seals records as they lie where others may write: in a file, or
// in Redis. Whoever can write there can delete a record or put back an older
// one of the same key, but can neither read, make nor change one, nor move it
// to another key, site or kind.
//
// It does no I/O but to ask for keys, and judges no deadline.
package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Why a record was refused. They say nothing of what it holds.
var (
	// ErrUnknownKey: sealed with a key that [Keys] does not return.
	ErrUnknownKey = errors.New("record is sealed with an unknown key")

	// ErrForged: changed, cut, copied from another key or kind, or never
	// sealed by us.
	ErrForged = errors.New("record is not what was sealed under this key")

	// ErrSchema: written by another version of this program, or not by it.
	ErrSchema = errors.New("record has an unknown schema")
)

// A sealed record is, in this order:
//
//	1 byte     schema
//	4 bytes    id of the key
//	24 bytes   nonce, random; its first 8 bytes are the version
//	the rest   XChaCha20-Poly1305 of: 8 bytes Expires in Unix milliseconds, big
//	           endian; then the value
//
// Additional data are a label, the schema, and the session key's kind and sum.
// Nonces of 24 bytes may be drawn at random for ever
// (draft-irtf-cfrg-xchacha-03, section 2.1).
const (
	schema = 1
	label  = "caddymfa record"

	versionBytes = 8
	stampBytes   = 8

	nonceAt  = 1 + idBytes
	cipherAt = nonceAt + chacha20poly1305.NonceSizeX

	labelBytes = len(label) + 2 + len(session.Key{}.Sum)
)

// Overhead is by how many bytes a sealed record is longer than its value.
const Overhead = cipherAt + stampBytes + chacha20poly1305.Overhead

// Vault seals and opens records. Make it with [New]. It may be used
// concurrently.
type Vault struct {
	keys   Keys
	ring   atomic.Pointer[ring]
	asking chan struct{} // holds one element while somebody asks for keys
}

// New returns a vault for keys. They are asked for at the first use, and again
// when a record names a key that was not among them or when something is
// sealed, at most every 5 s. After an error they are asked for again at most
// every second.
func New(keys Keys) *Vault {
	v := &Vault{keys: keys, asking: make(chan struct{}, 1)}
	v.ring.Store(&ring{})
	return v
}

// Seal seals r's Value and Expires, rounded down to the millisecond, for key
// with the newest storage key. The version is the one that [Vault.Open] will
// return; r's own is not looked at, nor is the length of its value. An error
// means that there is no storage key.
func (v *Vault) Seal(ctx context.Context, key session.Key, r session.Record) (sealed []byte, version uint64, err error) {
	b, err := v.newest(ctx)
	if err != nil {
		return nil, 0, err
	}
	sealed = make([]byte, cipherAt, len(r.Value)+Overhead)
	sealed[0] = schema
	copy(sealed[1:], b.id[:])
	nonce := sealed[nonceAt:cipherAt]
	rand.Read(nonce)
	plain := binary.BigEndian.AppendUint64(sealed, uint64(r.Expires.UnixMilli()))
	plain = append(plain, r.Value...)[cipherAt:]
	sealed = b.aead.Seal(sealed, nonce, plain, appendLabel(nil, key))
	return sealed, versionOf(nonce), nil
}

// Open returns the record that was sealed for key: Value, Expires and Version.
// [ErrSchema], [ErrUnknownKey] and [ErrForged] are refusals of this record.
// Every other error means that keys could not be asked for, and nothing is
// known about the record.
//
// Open does not check whether the record has expired, nor whether it is the
// newest that was sealed for key.
func (v *Vault) Open(ctx context.Context, key session.Key, sealed []byte) (session.Record, error) {
	switch {
	case len(sealed) > 0 && sealed[0] != schema:
		return session.Record{}, ErrSchema
	case len(sealed) < Overhead:
		return session.Record{}, ErrForged
	}
	b, err := v.named(ctx, keyID(sealed[1:nonceAt]))
	if err != nil {
		return session.Record{}, err
	}
	// Label and plaintext share one piece of memory.
	buffer := appendLabel(make([]byte, 0, labelBytes+len(sealed)-Overhead+stampBytes), key)
	nonce := sealed[nonceAt:cipherAt]
	plain, err := b.aead.Open(buffer[labelBytes:], nonce, sealed[cipherAt:], buffer)
	if err != nil {
		return session.Record{}, ErrForged
	}
	return session.Record{
		Value:   string(plain[stampBytes:]),
		Version: versionOf(nonce),
		Expires: time.UnixMilli(int64(binary.BigEndian.Uint64(plain))).UTC(),
	}, nil
}

// Format keeps keys out of whatever a Vault is printed into.
func (*Vault) Format(f fmt.State, _ rune) { io.WriteString(f, "vault.Vault") }

func versionOf(nonce []byte) uint64 { return binary.BigEndian.Uint64(nonce[:versionBytes]) }

// appendLabel appends the additional data: what the record is and where it
// belongs.
func appendLabel(b []byte, key session.Key) []byte {
	b = append(b, label...)
	b = append(b, schema, byte(key.Kind))
	return append(b, key.Sum[:]...)
}
