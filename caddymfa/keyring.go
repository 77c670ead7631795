package caddymfa

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddymfa/caddymfa/caddymfa/internal/seal"
)

// keyPath is where the sealing keys lie in Caddy's storage: 32 bytes each, the
// newest first. Every node that shares the storage shares them.
const keyPath = "mfa/seal.key"

// rootPath is where the key lies that no rotation replaces.
const rootPath = "mfa/root.key"

const (
	sealKeyBytes = 32

	// keptKeys is how many keys a rotation leaves: the new one, and the one
	// before it for what is still in use.
	keptKeys = 2

	// maxSealKeys bounds what is read.
	maxSealKeys = 8

	// rereadEvery bounds how often the keys are read again because something
	// did not open: strangers can send what no key opens.
	rereadEvery = 5 * time.Second
)

// keyring holds the keys that seal what browsers carry and what stores keep.
// They are read from storage at their first use, and the first one is made
// there, under the storage's lock.
type keyring struct {
	storage certmagic.Storage // the one that Caddy was configured with

	mu   sync.Mutex // guards what follows
	held [][sealKeyBytes]byte
	read time.Time // when it was last tried to read them
}

// keys returns the keys, the newest first. An error means that there is none:
// nothing can be sealed, and the gate stays shut.
func (k *keyring) keys(ctx context.Context) ([][sealKeyBytes]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.load(ctx)
	return k.held, err
}

// freshKeys is keys for somebody who met something that no key opens: another
// node may have rotated them.
func (k *keyring) freshKeys(ctx context.Context) ([][sealKeyBytes]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.reload(ctx)
	return k.held, err
}

// seal seals a text for a browser.
func (k *keyring) seal(ctx context.Context, purpose string, plaintext []byte) (string, error) {
	keys, err := k.keys(ctx)
	if err != nil {
		return "", err
	}
	return seal.New(keys...).Seal(purpose, plaintext), nil
}

// open opens what seal, on whatever node, has sealed for purpose.
func (k *keyring) open(ctx context.Context, purpose, sealed string) (plaintext []byte, ok bool, err error) {
	keys, err := k.keys(ctx)
	if err != nil {
		return nil, false, err
	}
	if plaintext, ok = seal.New(keys...).Open(purpose, sealed); ok || len(sealed) == 0 {
		return plaintext, ok, nil
	}
	fresh, err := k.freshKeys(ctx)
	if err != nil || fresh[0] == keys[0] {
		return nil, false, err
	}
	plaintext, ok = seal.New(fresh...).Open(purpose, sealed)
	return plaintext, ok, nil
}

// derive returns a secret for one purpose that all nodes share for ever: it has
// a key of its own, since nodes that derived from keys of before and after two
// rotations would not know each other's used codes.
func (k *keyring) derive(ctx context.Context, purpose string) (secret [32]byte, err error) {
	root, err := k.root(ctx)
	if err != nil {
		return secret, err
	}
	derived, err := hkdf.Key(sha256.New, root, nil, "caddymfa derive 1 "+purpose, len(secret))
	copy(secret[:], derived)
	return secret, err
}

// root reads the key that derive uses, and makes it where there is none.
func (k *keyring) root(ctx context.Context) ([]byte, error) {
	root, err := k.storage.Load(ctx, rootPath)
	if errors.Is(err, fs.ErrNotExist) {
		err = locked(ctx, k.storage, rootPath, func() error {
			if root, err = k.storage.Load(ctx, rootPath); !errors.Is(err, fs.ErrNotExist) {
				return err // another node was quicker
			}
			root = make([]byte, sealKeyBytes)
			rand.Read(root)
			return k.storage.Store(ctx, rootPath, root)
		})
	}
	if err == nil && len(root) != sealKeyBytes {
		err = fmt.Errorf("%s has %d bytes, want %d: restore it, or delete it to have a new one made", rootPath, len(root), sealKeyBytes)
	}
	return root, err
}

// rotate puts a new key before the others and forgets those that are too old.
func (k *keyring) rotate(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return locked(ctx, k.storage, keyPath, func() error {
		held, err := readKeys(ctx, k.storage)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(held) >= keptKeys {
			held = held[:keptKeys-1]
		}
		return k.store(ctx, held)
	})
}

// load makes sure that keys are held. The caller holds mu.
func (k *keyring) load(ctx context.Context) error {
	if k.held != nil {
		return nil
	}
	held, err := readKeys(ctx, k.storage)
	if errors.Is(err, fs.ErrNotExist) {
		return k.create(ctx)
	}
	if err == nil {
		k.hold(held)
	}
	return err
}

// reload reads the keys again if that was not done just now. Keys that are held
// stay if it fails: what strangers send must not take them away.
func (k *keyring) reload(ctx context.Context) error {
	if k.held == nil || time.Since(k.read) < rereadEvery {
		return k.load(ctx)
	}
	k.read = time.Now()
	if held, err := readKeys(ctx, k.storage); err == nil {
		k.hold(held)
	}
	return nil
}

// create makes the first key. It looks again under the lock: another node may
// have been quicker.
func (k *keyring) create(ctx context.Context) error {
	return locked(ctx, k.storage, keyPath, func() error {
		held, err := readKeys(ctx, k.storage)
		if errors.Is(err, fs.ErrNotExist) {
			return k.store(ctx, nil)
		}
		if err == nil {
			k.hold(held)
		}
		return err
	})
}

// store puts a new key before older ones, writes them and holds them.
func (k *keyring) store(ctx context.Context, older [][sealKeyBytes]byte) error {
	held := append([][sealKeyBytes]byte{{}}, older...)
	rand.Read(held[0][:])
	var written []byte
	for _, key := range held {
		written = append(written, key[:]...)
	}
	if err := k.storage.Store(ctx, keyPath, written); err != nil {
		return err
	}
	k.hold(held)
	return nil
}

func (k *keyring) hold(held [][sealKeyBytes]byte) {
	k.held, k.read = held, time.Now()
}

// locked calls do under the storage's lock on a path, which all nodes share.
func locked(ctx context.Context, storage certmagic.Storage, path string, do func() error) (err error) {
	if err := storage.Lock(ctx, path); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, storage.Unlock(context.WithoutCancel(ctx), path)) }()
	return do()
}

func readKeys(ctx context.Context, storage certmagic.Storage) ([][sealKeyBytes]byte, error) {
	stored, err := storage.Load(ctx, keyPath)
	if err != nil {
		return nil, err
	}
	count := len(stored) / sealKeyBytes
	if len(stored)%sealKeyBytes != 0 || count == 0 || count > maxSealKeys {
		return nil, fmt.Errorf("%s has %d bytes, want a multiple of %d: restore it, or delete it to have a new one made, which ends all sessions",
			keyPath, len(stored), sealKeyBytes)
	}
	held := make([][sealKeyBytes]byte, count)
	for i := range held {
		copy(held[i][:], stored[i*sealKeyBytes:])
	}
	return held, nil
}
