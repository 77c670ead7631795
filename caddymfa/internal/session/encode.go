package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A stored session is, in this order:
//
//	1 byte        format, see below
//	3 × 8 bytes   AuthTime, Created, Seen: Unix milliseconds, big endian
//	6 × string    User, UserID, Site, Factor, Node, Browser:
//	              the length in 7 bits a byte, as encoding/binary's uvarint,
//	              then the bytes
//
// and nothing after it. A change of this layout takes a new format number;
// records of a format we do not know are an error, not a missing session.
const (
	format     = 2
	stampBytes = 8
	headBytes  = 1 + 3*stampBytes
	sizeBytes  = 2 // the longest that a text's length takes
)

// Bounds of a session's texts, in bytes.
const (
	maxUser    = 256
	maxUserID  = 64
	maxSite    = 256
	maxFactor  = 32
	maxNode    = 64
	maxBrowser = 64
)

var errUndecodable = errors.New("stored session cannot be decoded")

// check refuses sessions that nobody could use, or that would make a record
// larger than it should be.
func (s Session) check() error {
	switch {
	case s.User == "" || len(s.User) > maxUser:
		return fmt.Errorf("session: user has %d bytes, want 1 to %d", len(s.User), maxUser)
	case len(s.UserID) > maxUserID:
		return fmt.Errorf("session: user id has %d bytes, want at most %d", len(s.UserID), maxUserID)
	case s.Site == "" || len(s.Site) > maxSite:
		return fmt.Errorf("session: site has %d bytes, want 1 to %d", len(s.Site), maxSite)
	case len(s.Factor) > maxFactor:
		return fmt.Errorf("session: factor has %d bytes, want at most %d", len(s.Factor), maxFactor)
	case len(s.Node) > maxNode:
		return fmt.Errorf("session: node has %d bytes, want at most %d", len(s.Node), maxNode)
	case len(s.Browser) > maxBrowser:
		return fmt.Errorf("session: browser has %d bytes, want at most %d", len(s.Browser), maxBrowser)
	case s.AuthTime.IsZero() || s.Created.IsZero() || s.Seen.IsZero():
		return errors.New("session: a time is missing")
	}
	return nil
}

// encode returns s as a record value. It expects a session that passed check.
func encode(s Session) string {
	texts := [...]string{s.User, s.UserID, s.Site, s.Factor, s.Node, s.Browser}
	size := headBytes
	for _, text := range texts {
		size += sizeBytes + len(text)
	}
	b := append(make([]byte, 0, size), format)
	for _, stamp := range [...]time.Time{s.AuthTime, s.Created, s.Seen} {
		b = binary.BigEndian.AppendUint64(b, uint64(stamp.UnixMilli()))
	}
	for _, text := range texts {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return string(b)
}

// decode reads a record value. The session's texts are parts of value, so
// nothing is copied.
func decode(value string) (Session, error) {
	if len(value) < headBytes || value[0] != format {
		return Session{}, errUndecodable
	}
	var s Session
	rest := value[1:]
	for _, stamp := range [...]*time.Time{&s.AuthTime, &s.Created, &s.Seen} {
		*stamp = time.UnixMilli(int64(number(rest[:stampBytes]))).UTC()
		rest = rest[stampBytes:]
	}
	for _, text := range [...]*string{&s.User, &s.UserID, &s.Site, &s.Factor, &s.Node, &s.Browser} {
		var ok bool
		if *text, rest, ok = cutText(rest); !ok {
			return Session{}, errUndecodable
		}
	}
	if rest != "" || s.check() != nil {
		return Session{}, errUndecodable
	}
	return s, nil
}

// cutText splits a text off the front of b, behind its length.
func cutText(b string) (text, rest string, ok bool) {
	size, b, ok := cutSize(b)
	if !ok || len(b) < size {
		return "", "", false
	}
	return b[:size], b[size:], true
}

// cutSize splits a length off the front of b. A second byte of 0 would be
// another spelling of a length that fits into one. A third byte never follows:
// no text is that long.
func cutSize(b string) (size int, rest string, ok bool) {
	const more = 0x80 // another byte follows
	switch {
	case len(b) >= 1 && b[0] < more:
		return int(b[0]), b[1:], true
	case len(b) >= 2 && b[1] > 0:
		return int(b[0]-more) | int(b[1])<<7, b[2:], true
	}
	return 0, "", false
}

// number reads b as a big-endian number. encoding/binary would need a []byte.
func number(b string) uint64 {
	var n uint64
	for i := range len(b) {
		n = n<<8 | uint64(b[i])
	}
	return n
}
