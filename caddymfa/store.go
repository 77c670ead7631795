package caddymfa

import (
	"context"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// storeProvider is what a module in the namespace mfa.stores gives the app.
type storeProvider interface {
	// identity names the store itself and nothing about how it is tuned: two
	// configs whose stores have one identity share one store, so that a
	// reload that changes a limit logs nobody out.
	identity() string

	// open makes the store. It touches neither disk nor network, since
	// "caddy validate" does it too, beside a Caddy that runs.
	open(keys *keyring) (*openStore, error)
}

// openStore is a store that configs share, with what they do to it.
type openStore struct {
	session.Store
	streams *session.Streams

	start  func(ctx context.Context) error                // uses disk or network; may be called again
	health func(ctx context.Context) (storeHealth, error) // an error: it cannot be used now
	close  func() error

	// log is the newest config's. It is nil until there is one.
	log *newestLog
}

// storeHealth is what an operator wants to know of a store that works.
type storeHealth struct {
	Kind    string `json:"kind"`
	Version string `json:"version,omitempty"`
	Role    string `json:"role,omitempty"`
	Journal string `json:"journal,omitempty"`
	Records int    `json:"sessions,omitempty"`
}

// Destruct implements [caddy.Destructor].
func (s *openStore) Destruct() error {
	s.streams.Close()
	return s.close()
}

// acquireStore opens the store, or joins the one that the running config uses.
func acquireStore(provider storeProvider, keys *keyring, log *zap.Logger) (*pooled[*openStore], error) {
	held, err := acquire(stores, provider.identity(), func() (*openStore, error) {
		s, err := provider.open(keys)
		if err == nil {
			s.streams = session.NewStreams(s.Store)
		}
		return s, err
	})
	if err == nil {
		held.value.log.Store(log)
	}
	return held, err
}

// newestLog is a logger that a newer config replaces. Before there is one,
// nothing is written.
type newestLog struct{ atomic.Pointer[zap.Logger] }

func (l *newestLog) get() *zap.Logger {
	if log := l.Load(); log != nil {
		return log
	}
	return zap.NewNop()
}

// newVault seals what a store keeps outside of this process.
func newVault(keys *keyring) *vault.Vault { return vault.New(keys.freshKeys) }
