package policy_test

import (
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"pgregory.net/rapid"
)

// legacy is a server of the kind that stands behind the gateway: it turns the
// path of a request into the path of what it serves. The models are written
// from the servers' habits, not from the steps of the package.
type legacy struct {
	name  string
	serve func(escapedPath string) string
}

func legacyServers() []legacy { return append(ordinaryServers(), farFetched()...) }

// farFetched are servers that read even an ordinary path in a way of their own.
func farFetched() []legacy {
	return []legacy{
		{"PHP front controller", pathInfo},
		{"PHP below a folder", func(p string) string { return php.ReplaceAllString(path.Clean("/"+unescape(p)), "/") }},
		{"PHP router that decodes like a form", func(p string) string { return iis(strings.ReplaceAll(p, "+", " ")) }},
		{"file names without accents", func(p string) string { return path.Clean("/" + bare(unescape(p))) }},
	}
}

func ordinaryServers() []legacy {
	return []legacy{
		{"prefix router on the raw path", func(p string) string { return p }},
		{"decode and clean", func(p string) string { return path.Clean("/" + unescape(p)) }},
		{"prefix router on the decoded path", unescape},
		{"clean, then decode", func(p string) string { return unescape(path.Clean("/" + p)) }},
		{"decode twice", func(p string) string { return path.Clean("/" + unescape(unescape(p))) }},
		{"clean between two decodings", func(p string) string { return unescape(path.Clean("/" + unescape(p))) }},
		{"servlet container", servlet},
		{"servlet container that decodes first", func(p string) string { return path.Clean("/" + parameter.ReplaceAllString(unescape(p), "")) }},
		{"cut at the session id", func(p string) string { p, _, _ = strings.Cut(p, ";"); return path.Clean("/" + unescape(p)) }},
		{"IIS", iis},
		{"IIS below a decoding proxy", func(p string) string { return iis(unescape(p)) }},
		{"ASP.NET without cookies", func(p string) string { return iis(cookieless.ReplaceAllString(unescape(p), "")) }},
		{"C string", func(p string) string { p, _, _ = strings.Cut(unescape(p), "\x00"); return path.Clean("/" + p) }},
		{"fragment and query after decoding", fragment},
		{"PHP with a filter for ../", func(p string) string { return path.Clean("/" + strings.ReplaceAll(unescape(p), "../", "")) }},
		{"URL parser of a browser", browserPath},
		{"overlong UTF-8", func(p string) string { return path.Clean("/" + narrow(unescape(p))) }},
		{"best fit to ASCII", func(p string) string { return path.Clean("/" + bestFit(unescape(p))) }},
		{"filter for controls", func(p string) string { return path.Clean("/" + printing(unescape(p))) }},
	}
}

// unescape decodes once and leaves broken escapes alone, as C programs do.
func unescape(p string) string {
	return regexp.MustCompile(`%[0-9A-Fa-f]{2}`).ReplaceAllStringFunc(p, func(escape string) string {
		b, _ := strconv.ParseUint(escape[1:], 16, 8)
		return string([]byte{byte(b)})
	})
}

var (
	parameter  = regexp.MustCompile(`;[^/]*`)
	php        = regexp.MustCompile(`(?i)/[^/]*\.(?:php[3-8]?|phtml|cgi|pl|aspx)(?:/|$)`)
	cookieless = regexp.MustCompile(`(?i)/?\(([a-z]\([^/()]*\))+\)`)
)

func servlet(p string) string {
	return path.Clean("/" + unescape(parameter.ReplaceAllString(p, "")))
}

// pathInfo is what PHP calls PATH_INFO if there is one: frameworks look up the
// page by it.
func pathInfo(p string) string {
	p = path.Clean("/" + unescape(p))
	if script := php.FindStringIndex(p); script != nil {
		return "/" + p[script[1]:]
	}
	return p
}

// bare drops combining marks.
func bare(p string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, p)
}

func iis(p string) string {
	p = regexp.MustCompile(`%[uU][0-9A-Fa-f]{4}`).ReplaceAllStringFunc(p, func(escape string) string {
		r, _ := strconv.ParseUint(escape[2:], 16, 16)
		return string(rune(r))
	})
	p = strings.ReplaceAll(bestFit(unescape(p)), `\`, "/")
	segments := strings.Split(path.Clean("/"+p), "/")
	for i, segment := range segments {
		segment, _, _ = strings.Cut(segment, "::$")
		segments[i] = strings.TrimRight(segment, ". ")
	}
	return strings.ToLower(path.Clean("/" + strings.Join(segments, "/")))
}

func fragment(p string) string {
	p = unescape(p)
	if end := strings.IndexAny(p, "?#"); end >= 0 {
		p = p[:end]
	}
	return path.Clean("/" + p)
}

// browserPath is the path that the WHATWG URL standard sees in a target that is
// resolved against the site, "//host/x" included.
func browserPath(p string) string {
	p = strings.ReplaceAll(strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(p), `\`, "/")
	if rest, ok := strings.CutPrefix(p, "//"); ok {
		_, p, _ = strings.Cut(rest, "/")
	}
	p = regexp.MustCompile(`(?i)%2e`).ReplaceAllString(p, ".")
	return path.Clean("/" + p)
}

func narrow(p string) string {
	return strings.NewReplacer("\xc0\xaf", "/", "\xc0\xae", ".", "\xc1\x9c", `\`, "\xe0\x80\xaf", "/", "\xc1\xa1", "a").Replace(p)
}

func bestFit(p string) string {
	return strings.NewReplacer("／", "/", "．", ".", "＼", `\`, "∕", "/", "ａ", "a", "á", "a").Replace(p)
}

func printing(p string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, p)
}

// inAdmin reports whether a server would look below /admin. Some file systems
// do not tell upper from lower case.
func inAdmin(served string) bool {
	served = strings.ToLower(served)
	return served == "/admin" || strings.HasPrefix(served, "/admin/")
}

func TestEachLegacyServerFallsForSomeSpelling(t *testing.T) {
	for _, server := range legacyServers() {
		fooled := 0
		for _, p := range load(t, "protected-spellings.txt") {
			if inAdmin(server.serve(p.line)) {
				fooled++
			}
		}
		if fooled < 10 {
			t.Errorf("%s serves only %d spellings from /admin: the model shows nothing", server.name, fooled)
		}
	}
}

// oddPath draws paths that are rich in what servers disagree about.
func oddPath() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"/", "/", "/", "//", `\`, "..", "..", ".", "...", "....//", "%2e", "%2E%2e", "%2f", "%5c", "%252e", "%252f", "%25",
		"2f", ";", ";x=y", "%3b", "admin", "admin", "admin/", "%61dmin", "ADMIN", "%2561dmin", "ａdmin", "%EF%BD%81dmin",
		"%c1%a1dmin", "static", "x", "evil.example", "%00", "\x00", "%23", "#", "%3f", "%20", " ", ". ", "%c0%af", "%c0%ae",
		"%u002f", "%u002e", "%u0061dmin", "%uff0f", "::$DATA", "~1", "%09", "%7f", "%e2%88%95", ".mfa", "%2emfa",
		"+", "%2b", "(S(x))", "%28A(a)", "))", "index.php", "/index.php/", "x.cgi/", ".PHP/", "%CC%81",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(piece, 1, 9).Draw(t, "pieces"), "")
	})
}

func TestNoLegacyServerServesAdminUnasked(t *testing.T) {
	opened, closed := compile(t, []string{"/*"}, adminRule()), compile(t, []string{"/static/*"})
	check := func(fatalf func(string, ...any), p string, chain ...legacy) {
		served, names := p, ""
		for _, server := range chain {
			served, names = server.serve(served), names+" "+server.name
		}
		if !inAdmin(served) {
			return
		}
		if j := opened.Judge(policy.Request{Method: "GET", Path: p}); j.Exempt || j.Requirement.MaxAge != adminAge {
			fatalf("%s: %q is served as %q, but Judge = %+v", names, p, served, j)
		}
		if j := closed.Judge(policy.Request{Method: "GET", Path: p}); j.Exempt {
			fatalf("%s: %q is served as %q, but Judge = %+v", names, p, served, j)
		}
	}
	for _, file := range []string{"exempt-lookalikes.txt", "protected-spellings.txt", "endpoint-spellings.txt"} {
		corpus(t, file, func(_, line string) {
			for _, server := range legacyServers() {
				check(t.Errorf, line, server)
			}
		})
	}
	// A proxy in front of the app may read the path in its own way first.
	rapid.Check(t, func(t *rapid.T) {
		chain := rapid.SliceOfN(rapid.SampledFrom(legacyServers()), 1, 2).Draw(t, "servers")
		check(t.Fatalf, oddPath().Draw(t, "path"), chain...)
	})
}

func TestBrowserStaysOnTheSite(t *testing.T) {
	good, targets := 0, oddPath()
	check := func(t *rapid.T) {
		target := targets.Draw(t, "target")
		if got, ok := policy.ReturnURL(target); ok {
			good++
			if host := browserHost(got); host != "" || got != target {
				t.Fatalf("ReturnURL(%q) = %q leads to host %q", target, got, host)
			}
		}
	}
	rapid.Check(t, check)
	if good == 0 {
		t.Error("no target was accepted: the property shows nothing")
	}
	corpus(t, "targets.txt", func(family, line string) {
		if host := browserHost(line); host != "" {
			t.Errorf("%s: %q leads to host %q", family, line, host)
		}
	})
}

// browserHost returns the host that a browser leaves the site for when it
// follows target, or "" if it stays (URL standard, sections 4.4 and 4.5).
func browserHost(target string) string {
	target = strings.TrimFunc(target, func(r rune) bool { return r <= ' ' })
	target = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(target)
	if len(target) > 1 && strings.Trim(target[:2], `/\`) == "" {
		return strings.Trim(target, `/\`)
	}
	if u, err := url.Parse(target); err == nil && u.Scheme != "" {
		return u.Scheme + ":" + u.Host
	}
	return ""
}
