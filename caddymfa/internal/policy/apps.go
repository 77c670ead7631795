package policy

import (
	"regexp"
	"strings"
)

// far returns the steps that only some apps take, and that may change a path
// which can be read in one way: spaces, scripts and accents are common in
// paths. A require rule still holds for what they make of it.
func far() [5]step {
	return [...]step{fold, blanks, pathInfo, dropScript, dropIndex}
}

// blanks takes every plus for a space, as apps do that decode a path by the
// rules for forms.
func blanks(s string) string { return strings.ReplaceAll(s, "+", " ") }

// pathInfo returns what follows the first script, which is the path that a
// front controller looks up (RFC 3875 section 4.1.5): "/index.php/a" leads to
// "/a".
func pathInfo(s string) string {
	_, end := scriptIn(s)
	return s[end:]
}

// dropScript removes the name of the first script if something follows it:
// "/blog/index.php/a" is how some servers write "/blog/a".
func dropScript(s string) string {
	start, end := scriptIn(s)
	if end == 0 {
		return s
	}
	return s[:start] + s[end:]
}

// scriptIn returns where the first segment lies that runs as a script and has
// more behind it, from the slash before it to the slash after it. Both are 0 if
// there is none.
func scriptIn(s string) (start, end int) {
	if strings.IndexByte(s, '.') < 0 {
		return 0, 0
	}
	for end < len(s) {
		start = end
		next := strings.IndexByte(s[start+1:], '/')
		if next < 0 {
			return 0, 0
		}
		end = start + 1 + next
		if runs(s[start:end]) {
			return start, end
		}
	}
	return 0, 0
}

// runs reports whether a file with that name is a program to some server.
func runs(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return false
	}
	for _, extension := range [...]string{
		"php", "php3", "php4", "php5", "php7", "php8", "phtml", "asp", "aspx", "ashx", "asmx",
		"cgi", "fcgi", "pl", "py", "rb", "cfm", "jsp", "jspx", "dll", "exe",
	} {
		if strings.EqualFold(name[dot+1:], extension) {
			return true
		}
	}
	return false
}

// dropIndex removes a last segment that stands for the folder itself, such as
// "index.html" or, for some frameworks, "index" alone.
func dropIndex(s string) string {
	slash := strings.LastIndexByte(s, '/')
	name, _, _ := strings.Cut(s[slash+1:], ".")
	if strings.EqualFold(name, "index") || strings.EqualFold(name, "default") {
		return s[:slash+1]
	}
	return s
}

// sessionID is how ASP.NET writes the ids of browsers without cookies into a
// path: one letter and an id, once or more, in brackets.
var sessionID = regexp.MustCompile(`/?\((?:[A-Za-z]\([^()/]*\))+\)`)

// dropSessionIDs removes such ids with the slash in front. What stands around
// them is joined: "/ad/(S(x))min" becomes "/admin".
func dropSessionIDs(s string) string {
	if !strings.Contains(s, "))") {
		return s
	}
	return sessionID.ReplaceAllLiteralString(s, "")
}
