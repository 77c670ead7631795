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

// setsOwn reports whether a Set-Cookie line is for a cookie of ours.
func setsOwn(line string, own func(string) bool) bool {
	const separators = ",;\r\n\x00"
	pair, _, _ := strings.Cut(line, ";")
	// Of a cookie without a name the value comes back alone.
	if own(cookieName(strings.TrimLeft(pair, "="+lenientSpace))) {
		return true
	}
	for {
		end := strings.IndexAny(line, separators)
		if end < 0 {
			return false
		}
		line = line[end+1:]
		name := strings.IndexAny(line, "="+separators)
		if name >= 0 && line[name] == '=' && own(strings.Trim(line[:name], lenientSpace)) {
			return true
		}
	}
}

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
