package caddymfa

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/caddyserver/certmagic"

	"github.com/caddymfa/caddymfa/caddymfa/internal/seal"
)

// keyPath is where the sealing key lies in Caddy's storage. Every node that
// shares the storage shares the key.
const keyPath = "mfa/seal.key"

// keyring holds the key that seals what browsers carry. It is read from
// storage once and made there, under the storage's lock, if it does not exist.
type keyring struct {
	storage certmagic.Storage // the one that Caddy was configured with

	mu   sync.Mutex // guards held
	held *seal.Sealer
}

// sealer returns the sealer, reading the key at its first use. An error means
// that there is no key: nothing can be sealed, and the gate stays shut.
func (k *keyring) sealer(ctx context.Context) (*seal.Sealer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held != nil {
		return k.held, nil
	}
	key, err := loadKey(ctx, k.storage)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(ctx, k.storage)
	}
	if err != nil {
		return nil, err
	}
	k.held = seal.New(key)
	return k.held, nil
}

func loadKey(ctx context.Context, storage certmagic.Storage) (key [32]byte, err error) {
	stored, err := storage.Load(ctx, keyPath)
	if err != nil {
		return key, err
	}
	if len(stored) != len(key) {
		return key, fmt.Errorf("%s has %d bytes, want %d: delete it to have a new one made", keyPath, len(stored), len(key))
	}
	copy(key[:], stored)
	return key, nil
}

// makeKey looks again under the lock: another node may have been quicker.
func makeKey(ctx context.Context, storage certmagic.Storage) (key [32]byte, err error) {
	if err := storage.Lock(ctx, keyPath); err != nil {
		return key, fmt.Errorf("lock %s: %w", keyPath, err)
	}
	defer func() { err = errors.Join(err, storage.Unlock(context.WithoutCancel(ctx), keyPath)) }()
	if key, err = loadKey(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	rand.Read(key[:])
	return key, storage.Store(ctx, keyPath, key[:])
}
