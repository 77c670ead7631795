package journal

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Entry is what a store holds under one key: a record or a counter.
type Entry struct {
	Key    session.Key
	Groups []session.Group // of a record, at most [session.MaxGroups]

	// Record holds Value and Expires of a record. Of a counter it holds when
	// the counter resets, as Expires. Version is not written.
	Record session.Record

	Counter bool
	N       int64 // of a counter

	// Deleted: there is nothing under Key any more. Nothing else is looked at.
	Deleted bool
}

// What is sealed begins with one byte that says what follows:
//
//	'r'   1 byte: number of groups; the groups; the record's value
//	'c'   8 bytes: the counter, big endian
const (
	tagRecord  = 'r'
	tagCounter = 'c'

	counterBytes = 8
	groupBytes   = len(session.Group{})
)

func (e Entry) encode() string {
	if e.Counter {
		return string(binary.BigEndian.AppendUint64([]byte{tagCounter}, uint64(e.N)))
	}
	b := make([]byte, 0, 2+groupBytes*len(e.Groups)+len(e.Record.Value))
	b = append(b, tagRecord, byte(len(e.Groups)))
	for _, group := range e.Groups {
		b = append(b, group[:]...)
	}
	return string(append(b, e.Record.Value...))
}

// decode makes an entry of an opened record. False: we did not write it.
func decode(key session.Key, r session.Record) (Entry, bool) {
	sealed := r.Value
	e := Entry{Key: key, Record: session.Record{Expires: r.Expires}}
	switch {
	case len(sealed) == 1+counterBytes && sealed[0] == tagCounter:
		e.Counter = true
		e.N = int64(binary.BigEndian.Uint64([]byte(sealed[1:])))
		return e, true
	case len(sealed) < 2 || sealed[0] != tagRecord:
		return Entry{}, false
	}
	count, rest := int(sealed[1]), sealed[2:]
	if count > session.MaxGroups || len(rest) < count*groupBytes {
		return Entry{}, false
	}
	for range count {
		e.Groups = append(e.Groups, session.Group([]byte(rest[:groupBytes])))
		rest = rest[groupBytes:]
	}
	e.Record.Value = rest
	return e, true
}

// item is an entry as the file has it.
type item struct {
	key    session.Key
	sealed []byte // nil: there shall be none
}

func (j *Journal) seal(e Entry) (item, error) {
	if !e.Key.Kind.Valid() {
		return item{}, fmt.Errorf("unknown kind of key %d", e.Key.Kind)
	}
	if len(e.Groups) > session.MaxGroups {
		return item{}, fmt.Errorf("a record belongs to at most %d groups", session.MaxGroups)
	}
	if e.Deleted {
		return item{key: e.Key}, nil
	}
	record := session.Record{Value: e.encode(), Expires: e.Record.Expires}
	sealed, _, err := j.vault.Seal(context.Background(), e.Key, record)
	return item{e.Key, sealed}, err
}
