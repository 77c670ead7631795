package vault

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// Keys returns the storage keys, newest first and at least one: the newest
// seals, all of them open. Each is 256 random bits, the same on every node.
type Keys func(ctx context.Context) ([][32]byte, error)

// askPause is how often keys are asked for because of an unknown one or to seal
// with the newest, and retryPause how often after an error: neither who writes
// bad records nor who writes many must make us read storage all the time.
const (
	askPause   = 5 * time.Second
	retryPause = time.Second
)

const idBytes = 4

// keyID tells storage keys apart. It is part of a hash.
type keyID [idBytes]byte

// ring holds what the last question for keys brought. It is never changed.
type ring struct {
	boxes []box // newest first; kept when a later question fails
	heard time.Time
	err   error // of the last question
}

// box seals and opens with one storage key.
type box struct {
	id   keyID
	aead cipher.AEAD
}

// newBox derives what belongs to key: HKDF-SHA-256 (RFC 5869) with a label of
// our own, so that the cipher's key is used for nothing else. With keys of a
// fixed size none of its steps can fail.
func newBox(key [32]byte) box {
	id := sha256.Sum256(append([]byte("caddymfa vault key id "), key[:]...))
	derived, err := hkdf.Key(sha256.New, key[:], nil, "caddymfa vault 1", chacha20poly1305.KeySize)
	if err != nil {
		panic(err)
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		panic(err)
	}
	return box{id: keyID(id[:idBytes]), aead: aead}
}

// newest returns the box that seals. It asks for keys from time to time: a node
// that only writes would not hear of a rotation otherwise, and go on with a key
// that the next rotation drops.
func (v *Vault) newest(ctx context.Context) (box, error) {
	r := v.ring.Load()
	if len(r.boxes) == 0 || !r.fresh(time.Now()) {
		asked, err := v.ask(ctx)
		switch {
		case err == nil:
			r = asked
		case len(r.boxes) == 0:
			return box{}, err
		}
	}
	return r.boxes[0], nil
}

// named returns the box for id, asking for keys if it is not known.
func (v *Vault) named(ctx context.Context, id keyID) (box, error) {
	if b, found := v.ring.Load().find(id); found {
		return b, nil
	}
	r, err := v.ask(ctx)
	if err != nil {
		return box{}, err
	}
	if b, found := r.find(id); found {
		return b, nil
	}
	return box{}, ErrUnknownKey
}

func (r *ring) find(id keyID) (box, bool) {
	for _, b := range r.boxes {
		if b.id == id {
			return b, true
		}
	}
	return box{}, false
}

// ask asks for keys, one caller at a time, or returns what was heard a moment
// ago, be it an error.
func (v *Vault) ask(ctx context.Context) (*ring, error) {
	select {
	case v.asking <- struct{}{}:
		defer func() { <-v.asking }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the storage key: %w", ctx.Err())
	}
	old := v.ring.Load()
	if old.fresh(time.Now()) {
		return old, old.err
	}
	keys, err := v.keys(ctx)
	if err == nil && len(keys) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		err = fmt.Errorf("read the storage key: %w", err)
		if ctx.Err() == nil { // somebody else's end of patience is no answer
			v.ring.Store(&ring{boxes: old.boxes, heard: time.Now(), err: err})
		}
		return nil, err
	}
	r := &ring{heard: time.Now()}
	for _, key := range keys {
		r.boxes = append(r.boxes, newBox(key))
	}
	v.ring.Store(r)
	return r, nil
}

// fresh tells whether it is too early to ask again.
func (r *ring) fresh(now time.Time) bool {
	pause := askPause
	if r.err != nil {
		pause = retryPause
	}
	return now.Sub(r.heard) < pause
}
