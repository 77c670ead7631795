package identity

import (
	"net/http"
	"strings"
)

// Strip deletes from h every header that is reserved: those whose folded name
// begins with the folded reserved if that ends in '-', and otherwise those
// whose folded name is just that. h may also be a trailer; but see
// [StripTrailer].
func Strip(h http.Header, reserved string) {
	for name := range h {
		if covers(reserved, name) {
			delete(h, name)
		}
	}
}

// StripRouting deletes the headers by which some apps and frameworks read
// another path, method, host or client address than the request's own. Behind
// a gate that judges the request line they are a way around it, and Caddy
// passes them on. X-Forwarded-For, -Host and -Proto are not among them: Caddy
// sets those itself. h may also be a trailer.
func StripRouting(h http.Header) {
	for name := range h {
		if routing(name) {
			delete(h, name)
		}
	}
}

// routing reports whether StripRouting deletes the header.
func routing(name string) bool {
	const longest = 32
	if len(name) > longest || name == "" || fold(name[0]) != 'x' && fold(name[0]) != 'f' {
		return false
	}
	var folded [longest]byte
	for i := range len(name) {
		folded[i] = fold(name[i])
	}
	switch string(folded[:len(name)]) {
	case "forwarded", "x-envoy-original-dst-host", "x-envoy-original-path",
		"x-forwarded-context", "x-forwarded-method", "x-forwarded-path", "x-forwarded-prefix", "x-forwarded-uri",
		"x-forwarded-url", "x-http-destinationurl", "x-http-host-override", "x-http-method", "x-http-method-override",
		"x-ingress-path", "x-method-override", "x-original-host", "x-original-method", "x-original-path",
		"x-original-prefix", "x-original-uri", "x-original-url", "x-override-url", "x-proxycontextpath",
		"x-request-uri", "x-rewrite-uri", "x-rewrite-url", "x-script-name", "x-waws-unencoded-url":
		return true
	}
	return false
}

// StripConnection removes from h's Connection lines the names of headers that
// a proxy behind us would otherwise delete on the client's wish (RFC 9110,
// section 7.6.1): every reserved one as in [Strip], Authorization,
// Content-Length, Cookie, Forwarded, Host, Remote-*, X-Forwarded-* and
// X-Real-Ip. All other options stay as they are; lines that become empty go.
func StripConnection(h http.Header, reserved string) {
	lines := h["Connection"]
	if !anyOption(lines, reserved) {
		return
	}
	var kept []string
	for _, line := range lines {
		if line = cutOptions(line, reserved); line != "" {
			kept = append(kept, line)
		}
	}
	if kept == nil {
		delete(h, "Connection")
		return
	}
	h["Connection"] = kept
}

// anyOption reports whether a line names a protected header.
func anyOption(lines []string, reserved string) bool {
	for _, line := range lines {
		for more := true; more; {
			var option string
			option, line, more = strings.Cut(line, ",")
			if protected(option, reserved) {
				return true
			}
		}
	}
	return false
}

// cutOptions returns the line without options that name a protected header.
func cutOptions(line, reserved string) string {
	var kept []string
	for option := range strings.SplitSeq(line, ",") {
		if !protected(option, reserved) {
			kept = append(kept, option)
		}
	}
	return strings.Trim(strings.Join(kept, ","), " \t,")
}

// protected reports whether a Connection option names a header that must
// reach the app.
func protected(option, reserved string) bool {
	option = strings.TrimSpace(option) // more than RFC 9110 says: some proxies do
	for _, name := range [...]string{
		reserved, "x-forwarded-", "remote-",
		"authorization", "content-length", "cookie", "forwarded", "host", "x-real-ip",
	} {
		if covers(name, option) {
			return true
		}
	}
	return false
}

// covers reports whether reserved covers the name, as [Strip] says.
func covers(reserved, name string) bool {
	last := len(reserved) - 1
	prefix := last >= 0 && fold(reserved[last]) == '-'
	if len(name) < len(reserved) || len(name) > len(reserved) && !prefix {
		return false
	}
	for i := range len(reserved) {
		if fold(name[i]) != fold(reserved[i]) {
			return false
		}
	}
	return true
}

// fold returns c as the package comment says.
func fold(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return '-'
}
