package caddymfa

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

func init() {
	caddy.RegisterModule(MemoryStore{})
}

// sweepEvery is how often the memory store looks for expired records in one of
// its shards. Expiry itself does not wait for it; only memory does.
const sweepEvery = time.Second

// MemoryStore keeps sessions in this process. It survives a config reload, not
// the end of the process, and is not shared between nodes.
type MemoryStore struct{}

// CaddyModule returns the Caddy module information.
func (MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "mfa.stores.memory",
		New: func() caddy.Module { return new(MemoryStore) },
	}
}

// UnmarshalCaddyfile reads "memory", which takes no options.
func (*MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the store's name
	if d.NextArg() {
		return d.Errf("store memory takes no arguments, got %q", d.Val())
	}
	if d.NextBlock(d.Nesting()) {
		return d.Errf("store memory takes no options, got %q", d.Val())
	}
	return nil
}

func (*MemoryStore) identity() string { return "memory" }

func (*MemoryStore) open() (session.Store, func(), error) {
	store := memory.New(memory.Config{SweepEvery: sweepEvery})
	return store, store.Close, nil
}

// Interface guards
var (
	_ storeProvider         = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
)
