package memory

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
)

// farthest is the longest time an entry may be stored for. It keeps deadlines
// within what go-cache's nanoseconds can express.
const farthest = 10 * 365 * 24 * time.Hour

var (
	errCounter  = errors.New("key holds a counter, not a record")
	errRecord   = errors.New("key holds a record, not a counter")
	errDeadline = errors.New("deadline is not within the next ten years")
	errGroups   = fmt.Errorf("a record belongs to at most %d groups", session.MaxGroups)
	errTooLong  = fmt.Errorf("value is longer than %d bytes", session.MaxValue)
)

// record and counter are what the caches hold. They are never changed once
// they are stored: a reader may hold one while a writer replaces it.
type record struct {
	// stored is the entry's name in the cache, the number of its groups, the
	// groups, and the value. They are read one after the other, so with a
	// million sessions one piece of memory spares each reader a wait for a
	// second one.
	stored  string
	version uint64
	expires int64 // Unix nanoseconds
}

const (
	nameBytes  = len(session.Key{}.Sum)
	groupBytes = len(session.Group{})
)

func (r *record) value() string { return r.stored[r.valueAt():] }

// groups returns the record's groups one behind the other, as pack made them.
func (r *record) groups() string { return r.stored[nameBytes+1 : r.valueAt()] }

func (r *record) valueAt() int { return nameBytes + 1 + groupBytes*int(r.stored[nameBytes]) }

// in tells whether the record belongs to group.
func (r *record) in(group session.Group) bool {
	for packed := r.groups(); packed != ""; packed = packed[groupBytes:] {
		if packed[:groupBytes] == string(group[:]) {
			return true
		}
	}
	return false
}

// pack writes groups one behind the other.
func pack(groups []session.Group) string {
	var packed strings.Builder
	for _, group := range groups {
		packed.Write(group[:])
	}
	return packed.String()
}

// unpack reads what pack wrote.
func unpack(packed string) (groups []session.Group) {
	for ; packed != ""; packed = packed[groupBytes:] {
		groups = append(groups, session.Group([]byte(packed[:groupBytes])))
	}
	return groups
}

// record returns what callers are given.
func (r *record) record() session.Record {
	return session.Record{Value: r.value(), Version: r.version, Expires: moment(r.expires)}
}

type counter struct {
	n      int64
	resets int64 // Unix nanoseconds
}

// entry is a *record or a *counter.
type entry interface {
	deadline() int64
	size() int64             // in memory, roughly
	name(session.Key) string // of the key, within the shard
	journalled(session.Key) journal.Entry
}

func (r *record) deadline() int64  { return r.expires }
func (c *counter) deadline() int64 { return c.resets }

// entryBytes is about what go-cache and we take for an entry besides what is
// stored, and largest what the largest entry takes.
const (
	entryBytes = 128
	largest    = entryBytes + int64(nameBytes+1+session.MaxGroups*groupBytes+session.MaxValue)
)

func (r *record) name(session.Key) string      { return r.stored[:nameBytes] }
func (c *counter) name(key session.Key) string { return name(key) }

func (r *record) size() int64  { return int64(entryBytes + len(r.stored)) }
func (c *counter) size() int64 { return int64(entryBytes + nameBytes) }

func (r *record) journalled(key session.Key) journal.Entry {
	return journal.Entry{Key: key, Groups: unpack(r.groups()), Record: r.record()}
}

func (c *counter) journalled(key session.Key) journal.Entry {
	return journal.Entry{Key: key, Counter: true, N: c.n, Record: session.Record{Expires: moment(c.resets)}}
}

// expired tells whether e is over at now.
func expired(e entry, now time.Time) bool { return now.UnixNano() >= e.deadline() }

// moment returns the time that a deadline stands for.
func moment(deadline int64) time.Time { return time.Unix(0, deadline).UTC() }

// check refuses what a caller must not ask for: an entry that would be gone at
// once or hardly ever, and a value that is too long.
func check(value string, left time.Duration, groups ...session.Group) error {
	if left <= 0 || left > farthest {
		return errDeadline
	}
	if len(value) > session.MaxValue {
		return errTooLong
	}
	if len(groups) > session.MaxGroups {
		return errGroups
	}
	return nil
}
