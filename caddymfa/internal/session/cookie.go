package session

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// cookieBytes is the randomness in a cookie value, cookieChars its length in
// base64url without padding.
const (
	cookieBytes = 32
	cookieChars = 43
)

// newCookieValue returns a cookie value that nobody can guess. rand.Read never
// returns an error.
func newCookieValue() string {
	var random [cookieBytes]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// isCookieValue reports whether v is spelled as newCookieValue spells.
//
// 43 characters hold 258 bits, so the last one must leave its two lowest bits
// 0: otherwise four spellings would stand for one value. encoding/base64 would
// skip line breaks, so the check is our own; and it looks characters up in a
// set of bits, because random letters make a processor guess branches wrong.
func isCookieValue(v string) bool {
	const letters = 1<<26 - 1
	alphabet := [4]uint64{
		1<<'-' | (1<<10-1)<<'0',
		letters<<('A'-64) | letters<<('a'-64) | 1<<('_'-64),
	}
	if len(v) != cookieChars {
		return false
	}
	all := uint64(1)
	for i := range len(v) {
		all &= alphabet[v[i]>>6] >> (v[i] & 63)
	}
	return all == 1 && strings.IndexByte("AEIMQUYcgkosw048", v[cookieChars-1]) >= 0
}

// SessionKey returns the key of the session that cookieValue leads to at site.
// False: it is not exactly as [Sessions.Create] spells cookie values. Whether
// there is such a session the key does not tell.
func SessionKey(site, cookieValue string) (Key, bool) {
	if !isCookieValue(cookieValue) {
		return Key{}, false
	}
	return sessionKey(site, cookieValue), true
}

func sessionKey(site, cookieValue string) Key { return NewKey(KindSession, site, cookieValue) }
