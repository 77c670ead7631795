package policy

import (
	"fmt"
	"path"
	"strings"
)

// ownPrefix is where the gateway's own pages live. No rule may name it: they
// are reached without proof, and nothing else ever is there.
const ownPrefix = "/.mfa"

// pattern is one path of a rule: "/a" names one path, "/a/*" all below it, and
// "*" or "/*" every path there is.
type pattern struct {
	text  string // as written
	base  string // without the star
	below bool   // ends in /*
	every bool   // is * or /*
}

// parsePattern reads a path of a rule. Its error names the pattern, says why it
// is refused and suggests another if one comes to mind.
func parsePattern(text string) (pattern, error) {
	if text == "*" || text == "/*" {
		return pattern{text: text, below: true, every: true}, nil
	}
	base, below := strings.CutSuffix(text, "/*")
	why, instead := objection(text, base)
	if why == "" {
		return pattern{text: text, base: base, below: below}, nil
	}
	again, _ := objection(instead, strings.TrimSuffix(instead, "/*"))
	if again == "" && instead != "/*" { // nobody is talked into exempting everything
		why += fmt.Sprintf("; did you mean %q?", instead)
	}
	return pattern{}, fmt.Errorf("path pattern %q %s", text, why)
}

// objection returns why a pattern is refused and what may have been meant.
// Both are empty if there is nothing to object to.
func objection(text, base string) (why, instead string) {
	switch {
	case text == "":
		return "is empty", ""
	case strings.Contains(base, "*"):
		return "has a star that is not a last segment of its own",
			strings.TrimRight(base[:strings.IndexByte(base, '*')], "/") + "/*"
	case text[0] != '/':
		return "does not start with a slash", "/" + text
	case strings.ContainsAny(text, "?#"):
		return "has a query or a fragment, and rules judge the path alone", text[:strings.IndexAny(text, "?#")]
	case strings.Contains(text, "%"):
		return "is percent-encoded; patterns are written decoded", decode(text)
	case strings.Contains(text, ";"):
		return "has a semicolon, which some servers cut off", dropParameters(text)
	case strings.Contains(text, `\`):
		return "has a backslash, which some servers take for a slash", backslashes(text)
	case strings.Contains(text, "//"):
		return "has an empty segment", mergeSlashes(text)
	case base != "/" && path.Clean(base) != strings.TrimSuffix(base, "/"):
		return "has a dot segment", path.Clean(text)
	case !ascii(text) || dropInvisible(text) != text:
		return "has a control character or one that is not ASCII", ""
	case strings.ContainsAny(text, "{}\"<>^`|[]"):
		return "has a character that no path has in clear; placeholders and regular expressions are not supported", ""
	case !stable(base):
		return "is read in more than one way by some servers", trimSegments(text)
	case UnderPrefix(base, ownPrefix):
		return "lies in " + ownPrefix + ", where the gateway's own pages are", ""
	}
	return "", ""
}

// matchesExactly is the test of an exempt pattern: canonical is a path as
// [Canonical] returns it, and every byte counts. A folder does not stand for
// what follows a script in it: some servers hand "/static/index.php/x" to the
// front controller of the whole site, which runs "/x".
func (p pattern) matchesExactly(canonical string) bool {
	switch {
	case p.every:
		return true
	case !p.below:
		return canonical == p.base
	}
	rest, ok := strings.CutPrefix(canonical, p.base)
	return ok && len(rest) > 1 && rest[0] == '/' && pathInfo(rest) == rest
}

// matchesReading is the test of a require pattern against one reading of a
// path. Case does not count, "/a/*" has "/a" too, and a file with an extension
// has all that follows it: "/a.php/x" runs a.php.
func (p pattern) matchesReading(reading string) bool {
	if p.every {
		return true
	}
	if len(reading) < len(p.base) || !equalFold(reading[:len(p.base)], p.base) {
		return false
	}
	rest := reading[len(p.base):]
	switch {
	case rest == "" || rest == "/":
		return true
	case rest[0] != '/':
		return false
	}
	return p.below || strings.Contains(path.Base(p.base), ".")
}

// equalFold compares two strings of one length without regard to ASCII case.
func equalFold(a, b string) bool {
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// covers reports whether every path of o is also one of p, both taken as
// require patterns.
func (p pattern) covers(o pattern) bool {
	if p.every || o.every {
		return p.every
	}
	return p.matchesReading(o.base) && (p.below || !o.below)
}

// same reports whether p and o are spellings of one pattern.
func (p pattern) same(o pattern) bool {
	return p.every == o.every && p.below == o.below && strings.EqualFold(p.base, o.base)
}

// parseRequired is parsePattern for a require rule, which does not care for a
// slash at the end: whoever writes one means the folder.
func parseRequired(text string) (pattern, error) {
	p, err := parsePattern(text)
	if err != nil {
		return pattern{}, err
	}
	if len(p.base) > 1 && strings.HasSuffix(p.base, "/") {
		return pattern{}, fmt.Errorf("path pattern %q ends in a slash; did you mean %q?", text, text+"*")
	}
	return p, nil
}
