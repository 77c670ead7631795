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
//	4 × string    User, UserID, Site, Factor: 2 bytes of length, then the bytes
//
// and nothing after it. A change of this layout takes a new format number;
// records of a format we do not know are an error, not a missing session.
const (
	format     = 1
	stampBytes = 8
	headBytes  = 1 + 3*stampBytes
	sizeBytes  = 2
)

// Bounds of a session's texts, in bytes.
const (
	maxUser   = 256
	maxUserID = 64
	maxSite   = 256
	maxFactor = 32
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
	case s.AuthTime.IsZero() || s.Created.IsZero() || s.Seen.IsZero():
		return errors.New("session: a time is missing")
	}
	return nil
}

// encode returns s as a record value. It expects a session that passed check.
func encode(s Session) string {
	texts := [...]string{s.User, s.UserID, s.Site, s.Factor}
	size := headBytes
	for _, text := range texts {
		size += sizeBytes + len(text)
	}
	b := append(make([]byte, 0, size), format)
	for _, stamp := range [...]time.Time{s.AuthTime, s.Created, s.Seen} {
		b = binary.BigEndian.AppendUint64(b, uint64(stamp.UnixMilli()))
	}
	for _, text := range texts {
		b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
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
	for _, text := range [...]*string{&s.User, &s.UserID, &s.Site, &s.Factor} {
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
	if len(b) < sizeBytes {
		return "", "", false
	}
	size := int(number(b[:sizeBytes]))
	b = b[sizeBytes:]
	if len(b) < size {
		return "", "", false
	}
	return b[:size], b[size:], true
}

// number reads b as a big-endian number. encoding/binary would need a []byte.
func number(b string) uint64 {
	var n uint64
	for i := range len(b) {
		n = n<<8 | uint64(b[i])
	}
	return n
}
