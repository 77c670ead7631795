package identity

import (
	"net/http"
	"strings"
)

// The whitespace that may stand around a cookie. Reading allows what RFC 6265
// lets a browser send. Cutting also allows what lenient servers skip, so that
// no app finds a cookie of ours where we saw none.
const (
	strictSpace  = " \t"
	lenientSpace = " \t\r\n\v\f"
)

// Cookie returns the value of the cookie called name, from h's Cookie lines as
// they came: nothing is decoded, and quotes belong to the value. The name is
// compared exactly; what has no '=' has no name.
//
// A cookie that is there more than once is a conflict, even with equal values:
// somebody else may have set one of them. Then found is false and value empty.
// Malformed neighbours do no harm. Cookie never judges the value.
func Cookie(h http.Header, name string) (value string, found, conflict bool) {
	for _, line := range h["Cookie"] {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			key, v, ok := strings.Cut(strings.Trim(pair, strictSpace), "=")
			if !ok || key != name {
				continue
			}
			if found {
				return "", false, true
			}
			value, found = v, true
		}
	}
	return value, found, false
}

// StripCookies cuts the cookies that own names from h's Cookie lines. All
// others stay byte for byte, well-formed or not, and keep their order; a line
// that holds nothing else goes, and so does the header without a line.
//
// own is asked for the name without the space around it. A cookie without '='
// counts as a name here: some servers read it so.
func StripCookies(h http.Header, own func(name string) bool) {
	lines := h["Cookie"]
	if !anyCookie(lines, own) {
		return
	}
	kept := make([]string, 0, len(lines)) // the old lines may be somebody else's too
	for _, line := range lines {
		if line = cutCookies(line, own); line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// anyCookie reports whether a line holds a cookie of ours.
func anyCookie(lines []string, own func(string) bool) bool {
	for _, line := range lines {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			if own(cookieName(pair)) {
				return true
			}
		}
	}
	return false
}

// cutCookies returns the line without our cookies, or "" where no other is
// left. A line without any of ours comes back as it is.
func cutCookies(line string, own func(string) bool) string {
	var kept strings.Builder
	kept.Grow(len(line))
	others, cut, begun := false, false, false
	for rest, more := line, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, ";")
		if own(cookieName(pair)) {
			cut = true
			continue
		}
		switch {
		case begun:
			kept.WriteByte(';')
		case cut: // the space in front belonged to the separator that went
			pair = strings.TrimLeft(pair, strictSpace)
		}
		begun = true
		kept.WriteString(pair)
		others = others || strings.Trim(pair, lenientSpace) != ""
	}
	switch {
	case !cut:
		return line
	case !others:
		return ""
	}
	return kept.String()
}

// cookieName returns the name in one part of a Cookie line.
func cookieName(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return strings.Trim(name, lenientSpace)
}
