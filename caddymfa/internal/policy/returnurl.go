package policy

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxReturnURL is the longest return URL in bytes.
const maxReturnURL = 2048

// ReturnURL reports whether target may be sent as the Location of a redirect
// back to the page that the user wanted, and returns it byte for byte. If not,
// it returns "/" and false.
//
// A good target is a path of this site, with or without query and fragment: it
// starts with one slash, and so does every reading of its path; it has no
// backslash in the path and no blank or control character anywhere, neither in
// clear nor, in the path, encoded once; it parses as a URL without scheme, user
// or host; no reading of it lies in the gateway's own prefix; and it has 2048
// bytes at most.
//
// An encoded space is fine inside the path, but not as the first segment. What
// stands in the query is the app's affair, a whole URL included.
//
// It does not check that the page exists or that the user may see it.
func ReturnURL(target string) (string, bool) {
	if len(target) > maxReturnURL || !strings.HasPrefix(target, "/") || !printable(target) {
		return "/", false
	}
	if u, err := url.Parse(target); err != nil || u.Scheme != "" || u.Opaque != "" || u.User != nil || u.Host != "" {
		return "/", false
	}
	path := target
	if end := strings.IndexAny(target, "?#"); end >= 0 {
		path = target[:end]
	}
	if !harmless(decode(path)) || !staysHere(path) {
		return "/", false
	}
	return target, true
}

// printable reports whether s is UTF-8 without spaces, control and format
// characters. Browsers remove some of them before they read a URL.
func printable(s string) bool {
	for _, r := range s {
		if r == ' ' || !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// harmless reports whether a decoded path has neither a backslash nor a control
// character, nor a space where a browser might take the next slash for the
// first.
func harmless(path string) bool {
	return !strings.HasPrefix(path, "/ ") &&
		!strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' })
}

// staysHere reports whether no reading of path begins like another host or lies
// in the gateway's own prefix.
func staysHere(path string) bool {
	if UnderPrefix(path, ownPrefix) {
		return false
	}
	if plain(path) {
		return true
	}
	all, _ := readings(path) // complete, or UnderPrefix would have been true
	return !slices.ContainsFunc(all, func(reading string) bool {
		return strings.HasPrefix(reading, "//")
	})
}
