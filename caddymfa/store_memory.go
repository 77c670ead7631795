package caddymfa

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

func init() {
	caddy.RegisterModule(MemoryStore{})
}

// sweepEvery is how often the memory store looks for expired records in one of
// its shards. Expiry itself does not wait for it; only memory does.
const sweepEvery = time.Second

// journalOff is the value of [MemoryStore.Journal] that turns it off.
const journalOff = "off"

// MemoryStore keeps sessions in this process and writes what changes to a
// journal on disk, so that they survive a restart. It is not shared between
// nodes.
//
// In the Caddyfile:
//
//	store memory {
//		journal      off|<file>
//		max_sessions <number>
//	}
type MemoryStore struct {
	// Journal is the file that remembers what the store holds. Its entries are
	// sealed with a key from Caddy's storage. A new session, a revoked one and
	// a used-up limit are on disk before their answer leaves; when a session
	// was last used follows within a minute. One process can use a file at a
	// time. "off": nothing is written, and everybody verifies again after a
	// restart. Default: mfa/sessions.db in Caddy's data directory.
	Journal string `json:"journal,omitempty"`

	// MaxSessions is how many sessions the store holds. When it is full, new
	// ones are refused with "unavailable" and those that exist go on. A change
	// counts from the next start of Caddy on, not from a reload.
	// Default: 1000000, which take about 0.3 GB.
	MaxSessions int `json:"max_sessions,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "mfa.stores.memory",
		New: func() caddy.Module { return new(MemoryStore) },
	}
}

// UnmarshalCaddyfile reads the store's block; the syntax is at [MemoryStore].
func (m *MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the store's name
	if err := noMore(d, "store memory"); err != nil {
		return err
	}
	return readBlock(d, "store memory", map[string]option{
		"journal":      text(&m.Journal),
		"max_sessions": number(&m.MaxSessions),
	})
}

// Validate refuses a size that cannot be meant.
func (m *MemoryStore) Validate() error {
	if m.MaxSessions < 0 {
		return errors.New("store memory: max_sessions is below zero")
	}
	return nil
}

// path is the file of the journal, or "" without one.
func (m *MemoryStore) path() string {
	switch m.Journal {
	case journalOff:
		return ""
	case "":
		return filepath.Join(caddy.AppDataDir(), "mfa", "sessions.db")
	}
	if absolute, err := filepath.Abs(m.Journal); err == nil {
		return absolute
	}
	return m.Journal
}

func (m *MemoryStore) identity() string { return "memory\n" + m.path() }

func (m *MemoryStore) open(keys *keyring) (*openStore, error) {
	log := new(newestLog)
	config := memory.Config{SweepEvery: sweepEvery, MaxSessions: m.MaxSessions}
	path := m.path()
	if path != "" {
		config.Open = func(ctx context.Context) (*journal.Journal, error) {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				log.get().Warn("there is no journal yet: a new one begins and everybody has to verify", zap.String("path", path))
			}
			return journal.Open(ctx, journal.Config{Path: path, Vault: newVault(keys)})
		}
		config.Opened = func(read journal.Report) { logJournal(log.get(), path, read) }
	}
	store := memory.New(config)
	return &openStore{
		Store: store,
		start: store.Start,
		close: func() error { store.Close(); return nil },
		log:   log,
		health: func(ctx context.Context) (storeHealth, error) {
			found := storeHealth{Kind: "memory", Journal: path, Records: store.Len(session.KindSession)}
			// A write, because that is what a full disk refuses.
			_, err := session.Acquire(ctx, store, session.NewKey(session.KindLease, "health"), "health", time.Minute)
			return found, err
		},
	}, nil
}

// logJournal says what was read. Entries that were refused were changed, moved
// or written by another version.
func logJournal(log *zap.Logger, path string, read journal.Report) {
	log.Info("sessions read from the journal", zap.String("path", path), zap.Int("entries", read.Read), zap.Int("expired", read.Expired))
	if read.Refused > 0 {
		countRefused("memory", read.Refused)
		log.Error("entries of the journal refused and dropped: they were changed, moved, or written by another version",
			zap.String("path", path), zap.Int("entries", read.Refused))
	}
}

// Interface guards
var (
	_ storeProvider         = (*MemoryStore)(nil)
	_ caddy.Validator       = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
)
