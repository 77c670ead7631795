package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Where things are in a page of bbolt, in the byte order of the machine. See
// Page, Meta and freelist in bbolt's internal/common and internal/freelist,
// where they have been the same since version 1.
const (
	pageHeader    = 16 // 8 bytes id, 2 flags, 2 count, 4 overflow
	metaFreelist  = pageHeader + 32
	flagsAt       = 8
	countAt       = 10
	overflowAt    = 12
	freelistFlag  = 0x10
	countFollows  = 0xFFFF // the count is the first element
	pageIDBytes   = 8
	firstDataPage = 2
)

// inspect looks at an existing file without writing to it: whether it is all
// there and a journal of this format. bbolt itself would panic, with the file
// locked, where the list of free pages is not one; and where the list is wrong
// it would overwrite what is in use.
func inspect(path string, options bbolt.Options) error {
	options.ReadOnly = true
	db, err := guardOpen(path, options)
	if err != nil {
		return judge(err)
	}
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if err := checkPages(path, tx); err != nil {
				return fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			return checkFormat(tx)
		})
	})
	return errors.Join(err, db.Close())
}

// judge tells what is wrong with the file from what the system refused. bbolt
// has no names for all that it finds wrong.
func judge(err error) error {
	if errors.Is(err, berrors.ErrTimeout) || errors.Is(err, berrors.ErrVersionMismatch) || errors.As(err, new(syscall.Errno)) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// checkFormat lets a file pass that has no buckets at all: whoever made it was
// killed before they were.
func checkFormat(tx *bbolt.Tx) error {
	if first, _ := tx.Cursor().First(); first == nil {
		return nil
	}
	bucket := tx.Bucket(formatBucket)
	if bucket == nil {
		return fmt.Errorf("%w: it is not a journal", ErrCorrupt)
	}
	if string(bucket.Get(formatKey)) != format {
		return ErrFormat
	}
	return nil
}

// checkPages checks that no page lies beyond the file's end, and the list of
// free pages.
func checkPages(path string, tx *bbolt.Tx) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("it has %d bytes of %d", info.Size(), tx.Size())
	}
	return checkFreelist(file, tx)
}

func checkFreelist(file io.ReaderAt, tx *bbolt.Tx) error {
	pageSize := int64(tx.DB().Info().PageSize)
	pages := tx.Size() / pageSize
	// Of the two meta pages, transactions use each in turn.
	meta, err := read(file, int64(tx.ID()%2)*pageSize+metaFreelist, pageIDBytes)
	if err != nil {
		return err
	}
	at := binary.NativeEndian.Uint64(meta)
	if at < firstDataPage || at >= uint64(pages) {
		return errors.New("its list of free pages is missing")
	}
	header, err := read(file, int64(at)*pageSize, pageHeader)
	if err != nil {
		return err
	}
	length := 1 + int64(binary.NativeEndian.Uint32(header[overflowAt:]))
	if binary.NativeEndian.Uint16(header[flagsAt:]) != freelistFlag || int64(at)+length > pages {
		return errors.New("its list of free pages is no list")
	}
	ids, err := read(file, int64(at)*pageSize+pageHeader, length*pageSize-pageHeader)
	if err != nil {
		return err
	}
	return checkFree(ids, uint64(binary.NativeEndian.Uint16(header[countAt:])), uint64(pages))
}

// checkFree checks that ids are count different pages in their order.
func checkFree(ids []byte, count, pages uint64) error {
	if count == countFollows {
		count, ids = binary.NativeEndian.Uint64(ids), ids[pageIDBytes:]
	}
	if count > uint64(len(ids))/pageIDBytes {
		return errors.New("its list of free pages is too long")
	}
	for last := uint64(firstDataPage - 1); count > 0; count-- {
		id := binary.NativeEndian.Uint64(ids)
		if id <= last || id >= pages {
			return errors.New("its list of free pages is wrong")
		}
		last, ids = id, ids[pageIDBytes:]
	}
	return nil
}

func read(file io.ReaderAt, offset, length int64) ([]byte, error) {
	b := make([]byte, length)
	_, err := file.ReadAt(b, offset)
	return b, err
}
