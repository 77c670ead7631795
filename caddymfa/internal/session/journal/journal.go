// Package journal is a file that remembers what a store in memory holds, so
// that it survives the process: bbolt with one bucket for each kind of key,
// hashes for keys, and records sealed by a vault.
//
// A write is on disk when [Journal.Write] returns; what [Journal.Later] is given
// may be lost with the process. bbolt never overwrites what is in use, so a
// process that is killed leaves the file as its last transaction did.
//
// The file can be deleted or put back as it was earlier by whoever can write
// it, which nothing in it can show. It belongs to one process at a time. What is
// dropped leaves room for what comes; the file itself never shrinks.
package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// Why a journal cannot be used. What wraps them names the file and says what
// an operator can do.
var (
	// ErrLocked: another process, or another journal of this one, has it open.
	ErrLocked = errors.New("is in use by another process")

	// ErrCorrupt: the file was cut or overwritten, or is no journal.
	ErrCorrupt = errors.New("is corrupt")

	// ErrFormat: another version of this program wrote the file.
	ErrFormat = errors.New("has the format of another version")

	// ErrKey: there are records, and none was sealed with a key we have.
	ErrKey = errors.New("holds no record that opens")

	errClosed = errors.New("journal is closed")
)

// DefaultWait is the default of [Config.Wait].
const DefaultWait = time.Second

// Config says where a journal lies. Path and Vault are required.
type Config struct {
	// Path of the file. It is made if it does not exist, with mode 0600, and so
	// is its directory, with mode 0700.
	Path string

	// Vault seals what is written.
	Vault *vault.Vault

	// Wait is for how long another process may still hold the file, such as
	// one that is ending. Zero selects [DefaultWait].
	Wait time.Duration
}

// Journal is an open file. Make it with [Open], end it with Close. It may be
// used concurrently.
type Journal struct {
	path  string
	vault *vault.Vault
	db    *bbolt.DB

	disk   sync.Mutex // held while a transaction is written
	broken error      // guarded by disk: why the file is not written any more

	mu      sync.Mutex // guards what follows, and is never held for long
	filling *batch     // what the next transaction will write
	writing *batch     // what this one writes
	later   map[session.Key]item
	timer   *time.Timer // set while later waits to be written
	closed  bool
}

// Open opens the journal. It reads none of its records: see [Journal.Read].
//
// Errors name the file and what to do: [ErrLocked] after Config.Wait,
// [ErrCorrupt], [ErrFormat], or whatever the file system says. They leave the
// file as it was. A file of no bytes is a new journal.
func Open(ctx context.Context, config Config) (*Journal, error) {
	return open(ctx, config, bbolt.Options{})
}

func open(ctx context.Context, config Config, options bbolt.Options) (*Journal, error) {
	if options.Timeout = config.Wait; config.Wait == 0 {
		options.Timeout = DefaultWait
	}
	options.FreelistType = bbolt.FreelistMapType
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := openFile(config.Path, options)
	if err != nil {
		return nil, explain(config.Path, err)
	}
	return &Journal{
		path: config.Path, vault: config.Vault, db: db,
		filling: new(batch), writing: new(batch), later: make(map[session.Key]item),
	}, nil
}

// Close writes what Later left and closes the file, whether or not that could
// be written. Closing again does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	if j.timer != nil {
		j.timer.Stop()
	}
	j.mu.Unlock()
	if closed {
		return nil
	}
	err := j.drain()
	j.disk.Lock()
	defer j.disk.Unlock()
	j.broken = errClosed
	return errors.Join(err, j.db.Close())
}
