package policy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Reading a strange path costs work that a stranger chooses, so it is bounded.
const (
	maxOddPath  = 4096     // bytes; a longer path is not read at all
	maxReading  = 64 << 10 // bytes of all readings of one path together
	readingCost = 512      // bytes that a reading counts besides its own
)

// readings returns every form that path takes when the steps are applied to it
// in any order and any number of times, path itself first. It is false if there
// are too many to tell.
func readings(path string) ([]string, bool) {
	if len(path) > maxOddPath {
		return []string{path}, false
	}
	all, spent := []string{path}, 0
	add := func(s string) {
		if !slices.Contains(all, s) {
			all = append(all, s)
			spent += len(s) + readingCost
		}
	}
	for next := 0; next < len(all) && spent <= maxReading; next++ {
		current := all[next]
		for _, apply := range structural() {
			add(apply(current))
		}
		for _, apply := range far() {
			add(apply(current))
		}
		for i := range len(cutters) {
			if end := strings.IndexByte(current, cutters[i]); end >= 0 {
				add(current[:end])
			}
		}
	}
	return all, spent <= maxReading
}

// Canonical returns the decoded form of a percent-encoded path if it can be
// read in one way only. Otherwise it returns "" and false.
//
// Such a path starts with a slash; has no empty or dot segment, backslash,
// semicolon, "#", "?", control character or peculiarity of Windows or ASP.NET,
// neither in clear nor encoded; encodes no character that needs no encoding,
// nor a slash; does not decode a second time; and is UTF-8 in which no character
// is a variant of another. Case is kept. Spaces inside a segment, letters of any
// script, a plus and a script with more behind it are fine, as long as no empty
// or dot segment comes of blanks for plusses or of letters without accents.
func Canonical(escapedPath string) (path string, ok bool) {
	if plain(escapedPath) {
		return escapedPath, true
	}
	if len(escapedPath) > maxOddPath || !cleanlyEncoded(escapedPath) {
		return "", false
	}
	path = decode(escapedPath)
	if !stable(path) {
		return "", false
	}
	return path, true
}

// plain reports whether path is so ordinary that it has one reading, itself, by
// the far-fetched steps too. It is what keeps the common case free of
// allocation, and it errs on the side of false.
func plain(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		var next byte = '/'
		if i+1 < len(path) {
			next = path[i+1]
		}
		switch b := path[i]; {
		case unreserved(b) && b != '.' && b != '~':
		case b == '/' && (next != '/' || i+1 == len(path)):
		case b == '.' && next != '/': // a dot at the end of a segment is odd
		case b == '~' && (next < '0' || next > '9'):
		case b == ':' && next != ':' && next != '$':
		case b == ')' && next != ')': // two of them may end a session id
		case strings.IndexByte("!&'(*,=@$", b) >= 0:
		default:
			return false
		}
	}
	return pathInfo(path) == path && dropIndex(path) == path
}

// unreserved reports whether b never needs to be encoded (RFC 3986 section
// 2.3).
func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '-' || b == '.' || b == '_' || b == '~'
}

// cleanlyEncoded reports whether path has only bytes that a path may have
// (RFC 3986 section 3.3), and no escape that hides structure or a plain letter.
func cleanlyEncoded(path string) bool {
	for i := 0; i < len(path); i++ {
		b := path[i]
		if hidden, ok := escaped(path[i:]); ok {
			if unreserved(hidden) || hidden == '/' {
				return false
			}
			i += 2
			continue
		}
		if !unreserved(b) && strings.IndexByte("/!$&'()*+,=:@", b) < 0 {
			return false
		}
	}
	return strings.HasPrefix(path, "/")
}

// stable reports whether no structural step changes a decoded path, and none
// that is far-fetched brings an empty or a dot segment into it.
func stable(path string) bool {
	if strings.ContainsAny(path, cutters) || shortName(path) || !settled(path) {
		return false
	}
	for _, apply := range structural() {
		if apply(path) != path {
			return false
		}
	}
	// Far-fetched readings are fine as long as they lead to the same place.
	loose := trimSegments(blanks(fold(path)))
	return mergeSlashes(loose) == loose && resolveDots(loose) == loose
}

// settled reports whether path is UTF-8 whose characters beyond ASCII are
// letters, marks and digits that normalisation and case mapping leave alone or
// keep beyond ASCII.
func settled(path string) bool {
	if !utf8.ValidString(path) || !norm.NFKC.IsNormalString(path) {
		return false
	}
	for _, r := range path {
		if r < utf8.RuneSelf {
			continue
		}
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) ||
			unicode.ToLower(r) < utf8.RuneSelf || unicode.ToUpper(r) < utf8.RuneSelf {
			return false
		}
	}
	return true
}

// shortName reports whether a segment looks like the 8.3 name that Windows
// gives a file besides its own, as in "/ADMINI~1/". Which file that is cannot
// be told from the path.
func shortName(path string) bool {
	for rest := path; ; {
		i := strings.IndexByte(rest, '~')
		if i < 0 || i+1 == len(rest) {
			return false
		}
		rest = rest[i+1:]
		if '0' <= rest[0] && rest[0] <= '9' {
			return true
		}
	}
}
