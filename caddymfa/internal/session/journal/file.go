package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

const (
	fileMode      = 0o600
	directoryMode = 0o700
)

// format is the layout of the buckets and of what is sealed in them. A file
// says which one it has; a change of the layout takes a new number.
const format = "1"

var (
	formatBucket = []byte("caddymfa")
	formatKey    = []byte("format")
)

// bucketOf returns the name of the bucket for keys of one kind.
func bucketOf(kind session.Kind) []byte { return []byte{byte(kind)} }

// openFile opens the file, and makes it if there is none. One that exists is
// looked at before bbolt may write to it. Where making one goes wrong, such as
// on a full disk, no half of it is left to be taken for a corrupt one.
func openFile(path string, options bbolt.Options) (*bbolt.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), directoryMode); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && info.Size() > 0 {
		if err := inspect(path, options); err != nil {
			return nil, err
		}
		return openBolt(path, options)
	}
	db, err := openBolt(path, options)
	if err == nil {
		syncDirectory(filepath.Dir(path))
	} else if !errors.Is(err, berrors.ErrTimeout) {
		os.Truncate(path, 0)
	}
	return db, err
}

// openBolt opens the file for reading and writing, with all buckets.
func openBolt(path string, options bbolt.Options) (*bbolt.DB, error) {
	db, err := guardOpen(path, options)
	if err != nil {
		return nil, err
	}
	complete := false
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			complete = hasBuckets(tx)
			return nil
		})
	})
	if err == nil && !complete {
		err = update(db, makeBuckets)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func hasBuckets(tx *bbolt.Tx) bool {
	for kind := session.KindSession; kind.Valid(); kind++ {
		if tx.Bucket(bucketOf(kind)) == nil {
			return false
		}
	}
	return tx.Bucket(formatBucket) != nil
}

func makeBuckets(tx *bbolt.Tx) error {
	for kind := session.KindSession; kind.Valid(); kind++ {
		if _, err := tx.CreateBucketIfNotExists(bucketOf(kind)); err != nil {
			return err
		}
	}
	bucket, err := tx.CreateBucketIfNotExists(formatBucket)
	if err != nil {
		return err
	}
	return bucket.Put(formatKey, []byte(format))
}

// syncDirectory makes a new file's name survive a loss of power, where the
// system lets directories be synced.
func syncDirectory(path string) {
	if directory, err := os.Open(path); err == nil {
		directory.Sync()
		directory.Close()
	}
}

func guardOpen(path string, options bbolt.Options) (db *bbolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, fileMode, &options)
		return err
	})
	return db, err
}

// update runs change in a transaction and commits it. After a panic of bbolt,
// too, the transaction is over and its lock free.
func update(db *bbolt.DB, change func(*bbolt.Tx) error) error {
	return guard(func() error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after Commit
		if err := change(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// guard makes an error of a panic: bbolt panics where a page is not what it
// should be, and the file that it maps into memory faults where it was cut.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, reason)
		}
	}()
	return f()
}

// explain says which file err is about and what can be done.
func explain(path string, err error) error {
	const fresh = "; to start without the sessions in it, move it away"
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("journal %s %w: end that process, or give each a path of its own", path, ErrLocked)
	case errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("journal %s %w%s", path, ErrFormat, fresh)
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrFormat), errors.Is(err, ErrKey):
		return fmt.Errorf("journal %s %w%s", path, err, fresh)
	case errors.As(err, new(*fs.PathError)):
		return fmt.Errorf("journal %s: %w; it needs a directory that this process may write to, on a disk with room", path, err)
	default:
		return fmt.Errorf("journal %s: %w", path, err)
	}
}
