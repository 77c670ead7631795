package identity_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// payloads returns the lines of a file in testdata that is written one payload
// a line, as the file itself says, and logs how many there are in each family.
func payloads(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	family, count := "", map[string]int{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "# "); ok || line == "" {
			family = title
			continue
		}
		if plain, err := strconv.Unquote(line); err == nil && line[0] == '"' {
			line = plain
		}
		all = append(all, line)
		count[family]++
	}
	var families strings.Builder
	for _, family := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&families, "; %s: %d", family, count[family])
	}
	if t.Logf("%s: %d payloads%s", name, len(all), families.String()); len(all) == 0 {
		t.Fatal("no payload")
	}
	return all
}

// parse reads header lines as net/http does; false means that it answers 400.
func parse(lines string) (http.Header, bool) {
	reader := bufio.NewReader(strings.NewReader(lines + "\r\n\r\n"))
	h, err := textproto.NewReader(reader).ReadMIMEHeader()
	return http.Header(h), err == nil
}

// handedOn is what an app behind a proxy gets of a verified request, under the
// names of CGI, if the client sent h.
func handedOn(t testing.TB, h http.Header) map[string]string {
	t.Helper()
	identity.StripConnection(h, identity.Reserved)
	identity.Strip(h, identity.Reserved)
	identity.StripRouting(h)
	if err := identity.Assert(h, identity.Assertion{User: "ada", Factor: "totp"}); err != nil {
		t.Fatal(err)
	}
	for _, line := range h["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(option))
		}
	}
	variables := map[string]string{}
	for name, values := range h {
		variables[variable(name)] += strings.Join(values, ",")
	}
	return variables
}

func TestForgedHeadersNeverReachTheApp(t *testing.T) {
	refused := 0
	for _, lines := range payloads(t, "headers.txt") {
		h, ok := parse(lines + "\r\nCookie: a=1\r\nAuthorization: Basic x\r\nX-Forwarded-For: 192.0.2.1")
		if !ok {
			refused++
			continue
		}
		got := handedOn(t, h)
		for name, value := range got {
			if strings.HasPrefix(name, "HTTP_X_MFA_") && strings.Contains(value, "mallory") || strings.Contains(value, "/forged") {
				t.Errorf("%q: the app reads %s = %q", lines, name, value)
			}
		}
		for name, want := range map[string]string{
			"HTTP_X_MFA_USER": "ada", "HTTP_X_MFA_FACTOR": "totp", "HTTP_COOKIE": "a=1", "HTTP_AUTHORIZATION": "Basic x",
			"HTTP_X_FORWARDED_FOR": "192.0.2.1",
		} {
			if got[name] != want {
				t.Errorf("%q: the app reads %s = %q, want %q", lines, name, got[name], want)
			}
		}
	}
	if refused > 10 {
		t.Errorf("%d payloads are no headers at all: they show nothing", refused)
	}
}

// genuine is spelled as the value of a session's cookie.
const genuine = "MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY"

// filled puts names and values into a payload.
func filled(payload string) string {
	swapped := strings.Map(func(r rune) rune {
		if 'a' <= r|0x20 && r|0x20 <= 'z' {
			return r ^ 0x20
		}
		return r
	}, genuine)
	return strings.NewReplacer("{name}", cookieName, "{value}", genuine,
		"{short}", genuine[:len(genuine)-1], "{swapped}", swapped).Replace(payload)
}

func TestForgedCookiesNeverLeadToTheGenuineSession(t *testing.T) {
	want, ok := session.SessionKey("app", genuine)
	if value, found, _ := identity.Cookie(http.Header{"Cookie": {filled("{name}={value}")}}, cookieName); !found || value != genuine || !ok {
		t.Fatalf("the genuine cookie is read as %q, %v, %v", value, found, ok)
	}
	for _, payload := range payloads(t, "forged-cookies.txt") {
		lines := strings.Split(filled(payload), "\r\n")
		value, found, _ := identity.Cookie(http.Header{"Cookie": lines}, cookieName)
		if key, ok := session.SessionKey("app", value); found && ok && key == want {
			t.Errorf("Cookie(%q) = %q, which leads to the session", lines, value)
		}
	}
}

// A request may hold as many cookies as fit into its header.
func TestManyCookiesCostNothing(t *testing.T) {
	line := strings.Repeat("a=1; ", 10_000) + filled("{name}={value}")
	h := http.Header{"Cookie": {line}}
	if value, found, _ := identity.Cookie(h, cookieName); !found || value != genuine {
		t.Errorf("Cookie behind 10,000 others = %q, %v", value, found)
	}
	if n := testing.AllocsPerRun(10, func() { identity.Cookie(h, cookieName) }); n != 0 {
		t.Errorf("Cookie allocates %v times, want 0", n)
	}
}

func FuzzHeaders(f *testing.F) {
	for _, lines := range payloads(f, "headers.txt") {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		h, ok := parse(lines)
		if !ok {
			return
		}
		if got := handedOn(t, h); got["HTTP_X_MFA_USER"] != "ada" || got["HTTP_X_MFA_FACTOR"] != "totp" || got["HTTP_X_MFA_AUTH_TIME"] != "" {
			t.Errorf("%q: the app reads %q", lines, got)
		}
	})
}
