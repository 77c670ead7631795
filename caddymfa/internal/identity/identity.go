// Package identity keeps what a client sends apart from what the app may
// believe: the identity headers are ours alone, and our cookies stay here.
//
// Client-sent headers are judged by their folded name: letters in lower case,
// every byte outside [a-z0-9] as '-'. Old servers and CGI (RFC 3875, section
// 4.1.18) hand X-Mfa-User, x_mfa_user and X.MFA.User to an app as one variable,
// so one of them being harmless is not enough.
//
// The functions work on an [http.Header] as net/http makes it. For requests
// that carry nothing of ours they change and allocate nothing.
package identity

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Reserved is how the folded names of our headers begin.
const Reserved = "x-mfa-"

// The headers that the app may believe, in the spelling net/http uses.
const (
	HeaderUser     = "X-Mfa-User"      // who proved themselves
	HeaderFactor   = "X-Mfa-Factor"    // by which factor
	HeaderAuthTime = "X-Mfa-Auth-Time" // and when: RFC 3339, UTC, in seconds
)

// MaxValue is the longest value that is asserted, in bytes, before encoding.
const MaxValue = 256

// Assertion is what the app is told about a verified request.
type Assertion struct {
	User     string    // required
	Factor   string    // no header if empty
	AuthTime time.Time // no header if zero
}

// Assert sets our headers for the app in h, one value each, instead of whatever
// they held. A value that is not known leaves its header out.
//
// The user may be any UTF-8 text. '%', everything that is not printable ASCII,
// and spaces at either end become percent-encoded bytes (RFC 3986, section
// 2.1), so that decoding gives back exactly the user: zoë is sent as zo%C3%AB.
// An encoded user has up to three times [MaxValue] bytes.
//
// Errors: a user that is empty, longer than MaxValue, not UTF-8, or holds a
// control character; a factor that is not [Valid]. Then h holds none of the
// three headers, and the request must not go on.
//
// Assert does not remove other spellings of our names: call [Strip] before.
func Assert(h http.Header, a Assertion) error {
	h.Del(HeaderUser)
	h.Del(HeaderFactor)
	h.Del(HeaderAuthTime)
	user, err := encode(a.User)
	if err != nil {
		return fmt.Errorf("assert user: %w", err)
	}
	if a.Factor != "" && !Valid(a.Factor) {
		return errors.New("assert factor: not a header value")
	}
	values := []string{user, a.Factor, ""} // one allocation for three headers
	h[HeaderUser] = values[0:1:1]
	if a.Factor != "" {
		h[HeaderFactor] = values[1:2:2]
	}
	if !a.AuthTime.IsZero() {
		values[2] = a.AuthTime.UTC().Format(time.RFC3339)
		h[HeaderAuthTime] = values[2:3:3]
	}
	return nil
}

// Valid reports whether value may be a header for the app as it is: 1 to
// [MaxValue] bytes of printable ASCII, without a space at either end, because
// a receiver would drop it and read another value.
func Valid(value string) bool {
	if value == "" || len(value) > MaxValue || value[0] == ' ' || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if !printable(value[i]) {
			return false
		}
	}
	return true
}

// printable reports whether c is printable ASCII.
func printable(c byte) bool { return ' ' <= c && c <= '~' }

// encode returns user as [Assert] sends it.
func encode(user string) (string, error) {
	switch {
	case user == "":
		return "", errors.New("value is empty")
	case len(user) > MaxValue:
		return "", fmt.Errorf("value is longer than %d bytes", MaxValue)
	case !utf8.ValidString(user):
		return "", errors.New("value is not UTF-8")
	case strings.ContainsFunc(user, unicode.IsControl):
		return "", errors.New("value holds a control character")
	case Valid(user) && !strings.Contains(user, "%"):
		return user, nil
	}
	return percentEncode(user), nil
}

// percentEncode encodes what Assert says.
func percentEncode(user string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(user) {
		c, edge := user[i], i == 0 || i == len(user)-1
		if !printable(c) || c == '%' || c == ' ' && edge {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
