package policy

import (
	"bytes"
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
	const longest = 5
	extension := name[strings.LastIndexByte(name, '.')+1:]
	if len(extension) > longest || len(extension) == len(name) {
		return false
	}
	var folded [longest]byte
	for i := range len(extension) {
		folded[i] = lower(extension[i])
	}
	switch string(folded[:len(extension)]) {
	case "php", "php3", "php4", "php5", "php7", "php8", "phtml", "asp", "aspx", "ashx", "asmx",
		"cgi", "fcgi", "pl", "py", "rb", "cfm", "jsp", "jspx", "dll", "exe":
		return true
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

// dropSessionIDs removes what ASP.NET writes into a path for browsers without
// cookies, one letter and an id in brackets, once or more: "(S(x)F(y))", with
// the slash in front. What stands around it is joined: "/ad/(S(x))min" becomes
// "/admin".
func dropSessionIDs(s string) string {
	if !strings.Contains(s, "))") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		size := sessionID(s[i:])
		if size == 0 {
			out = append(out, s[i])
			i++
			continue
		}
		out = bytes.TrimSuffix(out, []byte("/"))
		i += size
	}
	return string(out)
}

// sessionID returns the length of the ids at the start of s, brackets included,
// or 0 if there are none.
func sessionID(s string) int {
	end := 1
	for len(s) > end+1 && s[0] == '(' && 'a' <= s[end]|0x20 && s[end]|0x20 <= 'z' && s[end+1] == '(' {
		size := strings.IndexAny(s[end+2:], "()/")
		if end += 2 + size; size < 0 || s[end] != ')' {
			return 0
		}
		end++
	}
	if end == 1 || len(s) <= end || s[end] != ')' {
		return 0
	}
	return end + 1
}
