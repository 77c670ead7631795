package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// Report says what became of the records in the file.
type Report struct {
	Read    int // given to yield
	Expired int // dropped: their time was over
	Refused int // dropped: not sealed by us for this key and kind, or with a key we no longer have
}

// chunk is how many records are read in one transaction.
const chunk = 4096

// Read gives every living entry to yield, in no order, and stops at the first
// error of yield. Call it before the first Write or Later.
//
// What is expired or refused is counted, and dropped from the file after all
// was read. Where records were sealed with an unknown key and not a single one
// opens, the error is [ErrKey] and nothing is dropped: the key is wrong, and
// not the records. Nor is anything dropped after another error, such as one of
// Caddy's storage, or [ErrCorrupt].
func (j *Journal) Read(ctx context.Context, yield func(Entry) error) (Report, error) {
	r := reader{journal: j, yield: yield, now: time.Now()}
	err := r.readAll(ctx)
	if err == nil && r.unknown > 0 && r.Read+r.Expired == 0 {
		err = fmt.Errorf("%w: the key in Caddy's storage has changed, or this is another storage; bring the key back", ErrKey)
	}
	if err != nil {
		return r.Report, explain(j.path, err)
	}
	for _, key := range r.dropped {
		j.Later(Entry{Key: key, Deleted: true})
	}
	return r.Report, nil
}

// reader is one Read under way.
type reader struct {
	Report
	journal *Journal
	yield   func(Entry) error
	now     time.Time
	unknown int // refused because of their key
	dropped []session.Key
}

func (r *reader) readAll(ctx context.Context) error {
	if err := warm(r.journal.path); err != nil {
		return err
	}
	for kind := session.KindSession; kind.Valid(); kind++ {
		var last []byte
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			var items []stored
			err := guard(func() (err error) {
				items, err = r.journal.chunk(kind, last)
				return err
			})
			if err != nil {
				return err
			}
			for _, it := range items {
				if err := r.take(ctx, kind, it); err != nil {
					return err
				}
				last = it.name
			}
			more = len(items) == chunk
		}
	}
	return nil
}

// warm reads the file once from its beginning to its end. The system then has
// it in memory when bbolt hops about in it, which it asks not to be helped with.
func warm(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(io.Discard, file)
	return err
}

// stored is what lies in a bucket.
type stored struct{ name, sealed []byte }

// chunk returns the records that follow the one with the name last.
func (j *Journal) chunk(kind session.Kind, last []byte) ([]stored, error) {
	items := make([]stored, 0, chunk)
	err := j.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketOf(kind)).Cursor()
		name, sealed := cursor.Seek(last)
		if last != nil && bytes.Equal(name, last) {
			name, sealed = cursor.Next()
		}
		for ; name != nil && len(items) < chunk; name, sealed = cursor.Next() {
			// Without this a damaged page could send us round in circles.
			if last != nil && bytes.Compare(name, last) <= 0 {
				return fmt.Errorf("%w: its records are out of order", ErrCorrupt)
			}
			items = append(items, stored{bytes.Clone(name), bytes.Clone(sealed)})
			last = items[len(items)-1].name
		}
		return nil
	})
	return items, err
}

// take opens one record and gives it to yield, or counts why not.
func (r *reader) take(ctx context.Context, kind session.Kind, it stored) error {
	key := session.Key{Kind: kind}
	if copy(key.Sum[:], it.name); len(it.name) != len(key.Sum) || it.sealed == nil {
		r.Refused++ // neither a name of ours nor something to be deleted by it
		return nil
	}
	record, err := r.journal.vault.Open(ctx, key, it.sealed)
	switch {
	case errors.Is(err, vault.ErrUnknownKey):
		r.unknown++
		return r.refuse(key)
	case errors.Is(err, vault.ErrForged), errors.Is(err, vault.ErrSchema):
		return r.refuse(key)
	case err != nil:
		return err
	}
	entry, ok := decode(key, record)
	switch {
	case !ok:
		return r.refuse(key)
	case !r.now.Before(record.Expires):
		r.Expired++
		r.dropped = append(r.dropped, key)
		return nil
	}
	r.Read++
	return r.yield(entry)
}

func (r *reader) refuse(key session.Key) error {
	r.Refused++
	r.dropped = append(r.dropped, key)
	return nil
}
