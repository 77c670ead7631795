package policy

import (
	"strings"
	"unicode/utf8"
)

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
