package identity

import (
	"net/http"
	"slices"
	"strings"
)

// StripSetCookie deletes from the header of an app's response what would set,
// replace or clear the cookies that own names: Set-Cookie lines, and what
// Clear-Site-Data says of cookies. Everything else stays byte for byte.
//
// A Set-Cookie line goes as a whole if it is for one of our cookies to any
// browser: to one that follows RFC 6265bis, section 5.6, and to those that take
// a comma or a line end for the start of the next cookie. It also goes if it
// has no name, but a value that browsers send back looking like one of ours.
// Names are compared exactly, as browsers compare them: "__host-mfa" is another
// cookie than "__Host-mfa", even though both get the protection of the prefix.
//
// In Clear-Site-Data "cookies" goes, and "*" becomes the other types that it
// stands for. The app's own cookies are not cleared then either; it can still
// end each of them by Set-Cookie.
//
// It has to run whenever a header is written, those of status 1xx included:
// browsers take cookies from a 101 as well.
func StripSetCookie(h http.Header, own func(name string) bool) {
	for name, lines := range h { // a handler may have spelled the names in its own way
		switch {
		case strings.EqualFold(name, "Set-Cookie"):
			ours := func(line string) bool { return setsOwn(line, own) }
			if slices.ContainsFunc(lines, ours) {
				keep(h, name, slices.DeleteFunc(slices.Clone(lines), ours))
			}
		case strings.EqualFold(name, "Clear-Site-Data"):
			if slices.ContainsFunc(lines, clearsCookies) {
				keep(h, name, withoutCookies(lines))
			}
		}
	}
}

// keep sets h's lines of that name, or deletes the header if there are none.
func keep(h http.Header, name string, lines []string) {
	if len(lines) == 0 {
		delete(h, name)
		return
	}
	h[name] = lines
}

// setsOwn reports whether a Set-Cookie line is for a cookie of ours, whatever a
// browser takes for the end of a cookie besides a semicolon.
func setsOwn(line string, own func(string) bool) bool {
	pair, _, _ := strings.Cut(line, ";")
	if own(cookieName(sentBack(pair))) {
		return true
	}
	for _, ends := range [...]string{";,", ";\r\n\x00", ";,\r\n\x00"} {
		for rest, more := line, true; more; {
			pair, rest, more = cutAny(rest, ends)
			if pair = sentBack(pair); strings.Contains(pair, "=") && own(cookieName(pair)) {
				return true
			}
		}
	}
	return false
}

// cutAny is strings.Cut at the first of several bytes.
func cutAny(s, ends string) (before, after string, found bool) {
	if i := strings.IndexAny(s, ends); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// sentBack returns a cookie as it comes back: without a name, its value alone.
func sentBack(pair string) string { return strings.TrimLeft(pair, "="+lenientSpace) }

// everythingElse is what "*" stands for in Clear-Site-Data besides cookies.
const everythingElse = `"cache", "clientHints", "executionContexts", "storage"`

// clearsCookies reports whether a Clear-Site-Data line clears cookies.
func clearsCookies(line string) bool {
	for kind := range strings.SplitSeq(line, ",") {
		if kind = siteData(kind); kind == "*" || strings.EqualFold(kind, "cookies") {
			return true
		}
	}
	return false
}

// withoutCookies returns Clear-Site-Data lines that leave cookies alone.
func withoutCookies(lines []string) []string {
	var kept []string
	for _, line := range lines {
		var kinds []string
		for kind := range strings.SplitSeq(line, ",") {
			switch name := siteData(kind); {
			case name == "*":
				kinds = append(kinds, everythingElse)
			case !strings.EqualFold(name, "cookies"):
				kinds = append(kinds, strings.Trim(kind, lenientSpace))
			}
		}
		if kinds != nil {
			kept = append(kept, strings.Join(kinds, ", "))
		}
	}
	return kept
}

// siteData returns the type that an element of Clear-Site-Data names. Browsers
// want it in quotes; here it counts without them, too.
func siteData(element string) string {
	element, _, _ = strings.Cut(element, ";")
	return strings.Trim(element, `"`+lenientSpace)
}
