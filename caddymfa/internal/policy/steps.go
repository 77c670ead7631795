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
// changed by. fold is not among them: letters with accents are common in paths
// and the reading without them is far-fetched.
func structural() [11]step {
	return [...]step{
		decode, decodeU, overlong, dropInvisible, backslashes, dropParameters,
		trimSegments, mergeSlashes, resolveDots, dropClimbs, dropOrigin,
	}
}

// cutters are the bytes at which some server takes a path to end.
const cutters = "\x00\r\n#?;"

// decode undoes percent-encoding once. What is no escape stays as it is.
func decode(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if b, ok := escaped(s[i:]); ok {
			out = append(out, b)
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// escaped returns the byte that an escape at the start of s stands for.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, low := hex(s[1]), hex(s[2])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

func hex(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}

// decodeU undoes the encoding %uXXXX of old IIS and of JavaScript's escape.
func decodeU(s string) string {
	if !strings.Contains(s, "%u") && !strings.Contains(s, "%U") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if r, ok := escapedU(s[i:]); ok {
			out = utf8.AppendRune(out, r)
			i += 5
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func escapedU(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '%' || s[1]|0x20 != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range []byte(s[2:6]) {
		h := hex(b)
		if h < 0 {
			return 0, false
		}
		r = r<<4 | rune(h)
	}
	return r, true
}

// overlong reads invalid UTF-8 as a careless decoder does: 0xC0 0xAF is a
// slash. Only sequences that yield ASCII matter.
func overlong(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if _, size := utf8.DecodeRuneInString(s[i:]); size > 1 {
			out = append(out, s[i:i+size]...)
			i += size
			continue
		}
		b, size := careless(s[i:])
		out = append(out, b)
		i += size
	}
	return string(out)
}

// careless returns the ASCII character that an invalid sequence at the start of
// s yields if nobody checks its form, and the number of bytes it takes.
func careless(s string) (byte, int) {
	size, lead := 1, s[0]
	for lead&0x40 != 0 && lead >= 0x80 && size < 6 {
		size++
		lead = lead<<1 | 0x80
	}
	if size == 1 || len(s) < size {
		return s[0], 1
	}
	value := rune(s[0]) & (0x7f >> size)
	for _, b := range []byte(s[1:size]) {
		value = value<<6 | rune(b&0x3f)
	}
	if value >= utf8.RuneSelf {
		return s[0], 1
	}
	return byte(value), size
}

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
		bad := r == utf8.RuneError && size == 1
		if !bad && !unicode.In(r, unicode.Cc, unicode.Cf) {
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
