package session

import (
	"crypto/sha256"
	"encoding/binary"
)

// Kind is what a key stands for. It is part of every key, so that a record of
// one kind can never be read as another. Stores may bound each kind by itself.
type Kind uint8

// The kinds. Their numbers are part of every stored key: never renumber them.
const (
	KindSession   Kind = iota + 1 // a verified session
	KindChallenge                 // one demand put to one user, until it is decided
	KindUsedCode                  // a code that was accepted once and must not be again
	KindAttempt                   // something that may happen once, or one at a time
	KindCounter                   // tries, pushes and messages within a window
	KindTemporary                 // the device behind a user's temporary code
	KindLease                     // who does something that only one process may do at a time

	kindEnd // one past the last
)

// Valid reports whether k is one of the kinds above. Stores refuse all others.
func (k Kind) Valid() bool { return k >= KindSession && k < kindEnd }

// Key names an entry in a [Store]. Make it with [NewKey]. It shows nothing of
// what it was made from, so it may appear in a dump of the store.
type Key struct {
	Kind Kind
	Sum  [sha256.Size]byte
}

// keyBuffer is enough for a kind, a site and a cookie value, so that a key is
// usually made on the stack.
const keyBuffer = 512

// NewKey returns the key for parts: SHA-256 over the kind and every part behind
// its own length, so that ("ab", "c") and ("a", "bc") differ. Parts may
// hold any bytes and have any length.
//
// The sum hides parts that are hard to guess, such as a cookie value. It does
// not hide a user name from somebody who tries user names.
func NewKey(kind Kind, parts ...string) Key {
	var buffer [keyBuffer]byte
	b := append(buffer[:0], byte(kind))
	for _, part := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return Key{Kind: kind, Sum: sha256.Sum256(b)}
}

// Group names records that belong together, such as all sessions of one user.
// It is a hash cut short: two groups that meet by chance in a lifetime are
// thinkable, so whoever lists a group looks at what the records say.
type Group [8]byte

// MaxGroups is how many groups one record may belong to.
const MaxGroups = 2

// NewGroup returns the group for parts, which may hold any bytes. As with
// [NewKey], the parts stay apart, and names that can be guessed can be found.
func NewGroup(parts ...string) Group {
	const kindGroup = 0 // no key has this kind
	sum := NewKey(kindGroup, parts...).Sum
	return Group(sum[:len(Group{})])
}
