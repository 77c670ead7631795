package page

import (
	"html/template"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxRead = 1 << 10  // bytes of a name that are looked at
	maxName = 40       // runes of a device's name
	maxText = 80       // runes of a user's or site's name
	maxLogo = 24 << 10 // bytes of the data: URI
)

var (
	// Any script's digits count, and whatever people put between them.
	phoneNumber  = regexp.MustCompile(`\+?\(?\p{Nd}(?:[\p{Zs}\p{Pd}.,()/+]*\p{Nd}){6,}`)
	emailAddress = regexp.MustCompile(`[^\s•…]+@[^\s•…]+`)
)

// Clean makes a device's name fit to be shown. Names come from OneLogin, where
// the user or an attacker typed them, and OneLogin puts phone numbers and mail
// addresses into them.
//
// It drops control, direction and invisible characters, joins runs of white
// space, masks what looks like a phone number (the last 2 digits stay) or a
// mail address (at most the last 4 characters stay), and cuts to 40 characters.
// It does not escape HTML. Cleaning twice changes nothing.
func Clean(name string) string {
	name = visible(name)
	name = emailAddress.ReplaceAllStringFunc(name, func(address string) string {
		domain := address[strings.LastIndex(address, "@")+1:]
		return "•••@•••" + lastRunes(domain, min(4, utf8.RuneCountInString(domain)/2))
	})
	name = phoneNumber.ReplaceAllStringFunc(name, func(number string) string {
		return "••••" + lastRunes(number, 2)
	})
	return cut(name, maxName)
}

// tidy is Clean without the masks, for names that their owner may see whole.
func tidy(text string) string { return cut(visible(text), maxText) }

// visible drops everything that has no shape of its own, and white space at the
// ends and in runs.
func visible(text string) string {
	shown := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return r
		}
		return -1
	}, strings.ToValidUTF8(text[:min(len(text), maxRead)], ""))
	return strings.Join(strings.Fields(shown), " ")
}

// groups puts a space after every n letters of what people copy by eye, such as
// a key, unless it has signs of its own that set it apart.
func groups(text string, n int) string {
	text = strings.ReplaceAll(tidy(text), " ", "")
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return text
	}
	var b strings.Builder
	for i, r := range []rune(text) {
		if i > 0 && i%n == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func lastRunes(s string, n int) string {
	runes := []rune(s)
	return string(runes[max(0, len(runes)-n):])
}

func cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return strings.TrimSpace(string(runes[:limit-1])) + "…"
}

// local lets only a path on this site pass. Callers check their addresses
// themselves; this is the net below them.
func local(target string) string {
	bad := func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsFunc(target, bad) {
		return "/"
	}
	return target
}

// formPattern is an address that a browser may be sent to with a secret: over
// https, or within this computer. Its first group is the origin. Numbers in
// brackets are left out because a Content-Security-Policy cannot name them.
var formPattern = regexp.MustCompile(`^(https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?|http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?)(/[!#-~]*)?$`)

func isForm(address string) bool { return formPattern.MatchString(address) }

// isOrigin says whether origin is such an address and nothing after the host.
func isOrigin(origin string) bool {
	found := formPattern.FindStringSubmatch(origin)
	return found != nil && found[1] == origin
}

var logoPattern = regexp.MustCompile(`^data:image/(?:png|jpeg|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$`)

// logo returns "" for anything that is not an image we asked for. An image
// cannot run script in an img element, whatever is inside it.
func logo(uri string) template.URL {
	if len(uri) > maxLogo || !logoPattern.MatchString(uri) {
		return ""
	}
	return template.URL(uri) //nolint:gosec // checked above
}
