package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// step is one thing that a server may do to a path before it looks up what to
// serve. A step that finds nothing to do returns its argument.
type step func(path string) string

// structural returns the steps that a path which can be read in one way is not
// changed by.
func structural() [12]step {
	return [...]step{
		decode, decodeU, overlong, dropInvisible, backslashes, dropParameters,
		dropSessionIDs, trimSegments, mergeSlashes, resolveDots, dropClimbs, dropOrigin,
	}
}

// cutters are the bytes at which some server takes a path to end.
const cutters = "\x00\r\n#?;"

// fold turns characters into the plain ASCII ones that compatibility
// normalisation, a code page's best fit or a case mapping makes of them.
func fold(s string) string {
	if ascii(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for wide := norm.NFKD.String(s); wide != ""; {
		r, size := utf8.DecodeRuneInString(wide)
		switch {
		case r == utf8.RuneError:
			out = append(out, wide[:size]...)
		case !unicode.Is(unicode.Mn, r):
			out = utf8.AppendRune(out, plainForm(r))
		}
		wide = wide[size:]
	}
	return string(out)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainForm returns the ASCII character for those that have no decomposition
// but that code pages map nevertheless.
func plainForm(r rune) rune {
	switch r {
	case '\u2044', '\u2215', '\u29f8': // fraction, division, big solidus
		return '/'
	case '\u2216', '\u29f5', '\u29f9', '\u00a5', '\u20a9': // set minus, reverse solidi, yen, won
		return '\\'
	case '\u3002', '\u00b7': // ideographic full stop, middle dot
		return '.'
	case '\u066a':
		return '%'
	case 'đ', 'Đ':
		return 'd'
	case 'ħ', 'Ħ':
		return 'h'
	case 'ł', 'Ł':
		return 'l'
	case 'ø', 'Ø':
		return 'o'
	case 'ŧ', 'Ŧ':
		return 't'
	case 'ı':
		return 'i'
	}
	return r
}

// dropInvisible removes control and format characters and bytes that are no
// UTF-8, as filters and some file systems do.
func dropInvisible(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		bad := r == utf8.RuneError && size == 1 || unicode.IsControl(r) || r >= utf8.RuneSelf && unicode.Is(unicode.Cf, r)
		if !bad {
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	if len(out) == len(s) {
		return s
	}
	return string(out)
}

// backslashes takes every backslash for a slash.
func backslashes(s string) string { return strings.ReplaceAll(s, `\`, "/") }

// dropParameters removes ";x=y" from every segment (RFC 2396 section 3.3), as
// servlet containers do.
func dropParameters(s string) string {
	if !strings.Contains(s, ";") {
		return s
	}
	return eachSegment(s, func(segment string) string {
		segment, _, _ = strings.Cut(segment, ";")
		return segment
	})
}

// trimSegments removes what Windows drops from a file name: blanks and dots at
// its end, and the name of a stream ("::$DATA").
func trimSegments(s string) string {
	if !strings.ContainsAny(s, ". :") {
		return s
	}
	return eachSegment(s, func(segment string) string {
		for _, stream := range []string{"::", ":$"} {
			segment, _, _ = strings.Cut(segment, stream)
		}
		segment = strings.Trim(segment, " ")
		if segment == "." || segment == ".." {
			return segment
		}
		return strings.TrimRight(segment, ". ")
	})
}

func eachSegment(s string, change func(string) string) string {
	segments := strings.Split(s, "/")
	for i := range segments {
		segments[i] = change(segments[i])
	}
	return strings.Join(segments, "/")
}

// mergeSlashes makes one slash of several.
func mergeSlashes(s string) string {
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	return s
}

// resolveDots removes dot segments as RFC 3986 section 5.2.4 says: an empty
// segment is a segment that ".." removes.
func resolveDots(s string) string {
	if !strings.Contains(s, "/.") {
		return s
	}
	segments := strings.Split(s, "/")
	kept := segments[:1]
	for i, segment := range segments[1:] {
		last := i == len(segments)-2
		if segment == ".." && len(kept) > 1 {
			kept = kept[:len(kept)-1]
		}
		switch {
		case segment != "." && segment != "..":
			kept = append(kept, segment)
		case last:
			kept = append(kept, "")
		}
	}
	return strings.Join(kept, "/")
}

// dropClimbs deletes "../" wherever it stands, as filters do that forget what
// the deletion joins: "....//" becomes "../".
func dropClimbs(s string) string { return strings.ReplaceAll(s, "../", "") }

// dropOrigin removes scheme and host from "http://host/x" and "//host/x", and
// gives a path without a leading slash one.
func dropOrigin(s string) string {
	rest, relative := strings.CutPrefix(s, "//")
	if !relative && !strings.HasPrefix(s, "/") {
		_, after, absolute := strings.Cut(s, "://")
		if !absolute {
			return "/" + s
		}
		rest, relative = after, true
	}
	if !relative {
		return s
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}
