package caddymfa

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
)

const (
	// signingPath is where the keys of assertions lie in Caddy's storage, which
	// all nodes share.
	signingPath = "mfa/assertion.keys"

	// rereadSigning is how soon a node learns of keys that another has made. It
	// is far below assertion.Overlap.
	rereadSigning = time.Minute

	// signingWait bounds one look into the storage.
	signingWait = 10 * time.Second
)

// signingKeys holds the keys that sign assertions. They are read at their first
// use and every minute from then on; the first is made there under the
// storage's lock, and so is each that follows when the one before is old.
type signingKeys struct {
	storage certmagic.Storage // the one that Caddy was configured with
	log     *zap.Logger
	audit   *zap.Logger

	held atomic.Pointer[assertion.Ring] // nil until they were read: requests wait for no storage afterwards

	mu    sync.Mutex // one at a time looks into the storage; guards what follows
	tried time.Time  // when it was last tried in vain to read them at a first use
	err   error      // of that
}

// ring returns the keys. An error means that there are none: nothing can be
// signed. The storage is then asked again after some seconds.
func (k *signingKeys) ring(ctx context.Context) (assertion.Ring, error) {
	if held := k.held.Load(); held != nil {
		return *held, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held.Load() == nil && time.Since(k.tried) >= rereadEvery {
		k.err = k.refresh(ctx)
		k.tried = time.Now()
	}
	if held := k.held.Load(); held != nil {
		return *held, nil
	}
	return assertion.Ring{}, k.err
}

// watch reads the keys again every minute until ctx ends. What is held stays
// if that fails.
func (k *signingKeys) watch(ctx context.Context) {
	ticker := time.NewTicker(rereadSigning)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		k.mu.Lock()
		err := k.refresh(ctx)
		k.mu.Unlock()
		if err != nil {
			k.log.Warn("signing keys could not be read again", zap.Error(err))
		}
	}
}

// rotate publishes a new key, which signs once every app had time to fetch it.
// While one already waits for that it does nothing.
func (k *signingKeys) rotate(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.renew(ctx, func(ring assertion.Ring, now time.Time) bool { return !ring.Waiting(now) })
}

// refresh reads the keys. It makes one where none has been seen yet, and where
// the newest is old. The caller holds mu.
func (k *signingKeys) refresh(ctx context.Context) error {
	// A client that leaves must not be the reason why others are refused.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signingWait)
	defer cancel()
	ring, err := readRing(ctx, k.storage)
	switch {
	case errors.Is(err, fs.ErrNotExist) && k.held.Load() == nil, err == nil && ring.Due(time.Now()):
		return k.renew(ctx, assertion.Ring.Due)
	case err == nil:
		k.held.Store(&ring)
	}
	return err
}

// renew puts a new key in front of the others if that is still due under the
// lock: another node may have been quicker.
func (k *signingKeys) renew(ctx context.Context, due func(assertion.Ring, time.Time) bool) error {
	return locked(ctx, k.storage, signingPath, func() error {
		ring, err := readRing(ctx, k.storage)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if now := time.Now(); due(ring, now) {
			if ring, err = ring.Rotate(now); err != nil {
				return err
			}
			if err := writeRing(ctx, k.storage, ring); err != nil {
				return err
			}
			k.audit.Info("assertion key made", zap.String("event", auditKeyRotated))
		}
		k.held.Store(&ring)
		return nil
	})
}

func readRing(ctx context.Context, storage certmagic.Storage) (assertion.Ring, error) {
	stored, err := storage.Load(ctx, signingPath)
	if err != nil {
		return assertion.Ring{}, fmt.Errorf("read %s: %w", signingPath, err)
	}
	ring, err := assertion.ParseRing(stored)
	if err != nil {
		return assertion.Ring{}, fmt.Errorf("%s: %w: restore it, or delete it to have a new key made", signingPath, err)
	}
	return ring, nil
}

func writeRing(ctx context.Context, storage certmagic.Storage, ring assertion.Ring) error {
	encoded, err := ring.Encode()
	if err != nil {
		return err
	}
	if err := storage.Store(ctx, signingPath, encoded); err != nil {
		return fmt.Errorf("write %s: %w", signingPath, err)
	}
	return nil
}
