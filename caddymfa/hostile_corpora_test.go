package caddymfa_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// payload is one line of a corpus, with the family that it is in.
type payload struct{ family, line string }

// payloads returns a corpus of an internal package, whose first lines say how
// it is written, and logs how many there are in each family.
func payloads(t *testing.T, file string) []payload {
	t.Helper()
	text, err := os.ReadFile("internal/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []payload
	family, count := "", map[string]int{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "# "); ok || line == "" {
			if ok {
				family = title
			}
			continue
		}
		if plain, err := strconv.Unquote(line); err == nil && line[0] == '"' {
			line = plain
		}
		all = append(all, payload{family, line})
		count[family]++
	}
	var families strings.Builder
	for _, family := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&families, "; %s: %d", family, count[family])
	}
	if t.Logf("%s: %d payloads%s", file, len(all), families.String()); len(all) == 0 {
		t.Fatal("no payload")
	}
	return all
}

// wire sends requests byte for byte, over one connection while it lasts.
type wire struct {
	*site
	connection net.Conn
	reader     *bufio.Reader
}

func (w *wire) host() string { return strings.TrimPrefix(w.url, "http://") }

// send returns the status of one request, and how many requests the app saw
// because of it. Lines are further header lines.
func (w *wire) send(method, target, lines string) (status, seen int) {
	w.t.Helper()
	before := len(w.app.requests())
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, target, w.host(), lines)
	if w.connection == nil {
		w.dial()
	}
	if _, err := io.WriteString(w.connection, text); err != nil {
		w.dial()
		if _, err = io.WriteString(w.connection, text); err != nil {
			w.t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(w.reader, &http.Request{Method: method})
	if err != nil {
		w.hangUp()
		return 0, len(w.app.requests()) - before
	}
	if _, err = io.Copy(io.Discard, response.Body); err != nil || response.Close || strings.ContainsAny(target, "\r\n") {
		w.hangUp()
	}
	return response.StatusCode, len(w.app.requests()) - before
}

func (w *wire) dial() {
	w.t.Helper()
	w.hangUp()
	connection, err := net.Dial("tcp", w.host())
	if err != nil {
		w.t.Fatal(err)
	}
	w.connection, w.reader = connection, bufio.NewReader(connection)
}

func (w *wire) hangUp() {
	if w.connection != nil {
		w.connection.Close()
		w.connection = nil
	}
}

// raw opens a wire to the site.
func (s *site) raw(t *testing.T) *wire {
	w := &wire{site: s}
	t.Cleanup(w.hangUp)
	return w
}

const asAlice = "Remote-User: alice\r\nAccept: application/json\r\n"

// settled are payloads that only look odd in a rule: on the wire they are
// exempt paths, and the app gets them in the one way they can be read.
var settled = map[string]string{
	"/healthz?":       "/healthz?",
	"/static/x?y":     "/static/x?y",
	"/static/<x>.css": "/static/%3Cx%3E.css",
	"/static/{x}.css": "/static/%7Bx%7D.css",
	"/static/x|y.css": "/static/x%7Cy.css",
	"/static/\"x.css": "/static/%22x.css",
	"/static/ü.css":   "/static/%C3%BC.css",
}

// wantTarget fails the test unless the app sees the request as target.
func (w *wire) wantTarget(method, line, target string) {
	w.t.Helper()
	status, seen := w.send(method, line, asAlice)
	requests := w.app.requests()
	if seen != 1 || requests[len(requests)-1].RequestURI != target {
		w.t.Errorf("%s %q = %d, and the app saw %d requests, want one for %s", method, line, status, seen, target)
	}
}

// Nothing that looks exempt is.
func TestPathsThatLookExemptNeverReachTheApp(t *testing.T) {
	s := open(t, "exempt /static/* /healthz")
	w := s.raw(t)
	for _, p := range payloads(t, "policy/testdata/exempt-lookalikes.txt") {
		for _, method := range []string{"GET", "POST"} {
			if want := settled[p.line]; want != "" {
				w.wantTarget(method, p.line, want)
				continue
			}
			if status, seen := w.send(method, p.line, asAlice); seen != 0 || status == 0 && !strings.ContainsAny(p.line, "\r\n") {
				t.Errorf("%s: %s %q = %d, and the app saw %d requests", p.family, method, p.line, status, seen)
			}
		}
	}
	for _, p := range payloads(t, "policy/testdata/exempt.txt") {
		if status, seen := w.send("GET", p.line, asAlice); seen != 1 {
			t.Errorf("%s: GET %q = %d, and the app saw %d requests, want 1", p.family, p.line, status, seen)
		}
	}
}

// Where all is exempt but one folder, no spelling leads into the folder.
func TestSpellingsOfAProtectedPathNeverReachTheApp(t *testing.T) {
	s := open(t, "exempt /*\n require /admin/* {\n factors totp\n }")
	w := s.raw(t)
	for _, p := range payloads(t, "policy/testdata/protected-spellings.txt") {
		for _, method := range []string{"GET", "FOO"} {
			if status, seen := w.send(method, p.line, asAlice); seen != 0 {
				t.Errorf("%s: %s %q = %d, and the app saw %d requests", p.family, method, p.line, status, seen)
			}
		}
	}
	for _, control := range []string{"/", "/orders/1", "/a%20b", "/search?q=%2Fadmin%2F", "/go?to=https://x.example/admin/a", "/administrator"} {
		if status, seen := w.send("GET", control, asAlice); seen != 1 {
			t.Errorf("GET %q = %d, and the app saw %d requests, want 1", control, status, seen)
		}
	}
}

// What is ours never reaches the app, not even for people who
// may pass; what is not ours does.
func TestSpellingsOfOurPrefixNeverReachTheApp(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	lines := asAlice + "Cookie: mfa=" + alice.client.Jar.Cookies(mustParse(t, s.url))[0].Value + "\r\n"
	w := s.raw(t)
	for _, p := range payloads(t, "policy/testdata/endpoint-spellings.txt") {
		for _, method := range []string{"GET", "POST"} {
			if status, seen := w.send(method, p.line, lines); seen != 0 {
				t.Errorf("%s: %s %q = %d, and the app saw %d requests", p.family, method, p.line, status, seen)
			}
		}
	}
	for _, p := range payloads(t, "policy/testdata/endpoint-strangers.txt") {
		if status, seen := w.send("GET", p.line, asAlice); seen != 0 {
			t.Errorf("%s: GET %q without a proof = %d, and the app saw %d requests", p.family, p.line, status, seen)
		}
		if status, seen := w.send("GET", p.line, lines); seen != 1 {
			t.Errorf("%s: GET %q = %d, and the app saw %d requests, want 1", p.family, p.line, status, seen)
		}
	}
}

// A cookie that is nearly right is no cookie.
func TestForgedCookiesNeverReachTheApp(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	value := alice.client.Jar.Cookies(mustParse(t, s.url))[0].Value
	swapped := strings.Map(func(r rune) rune {
		if 'a' <= r|0x20 && r|0x20 <= 'z' {
			return r ^ 0x20
		}
		return r
	}, value)
	fill := strings.NewReplacer("{name}", "mfa", "{value}", value, "{short}", value[:len(value)-1], "{swapped}", swapped)
	w := s.raw(t)
	for _, p := range payloads(t, "identity/testdata/forged-cookies.txt") {
		cookies := "Cookie: " + strings.ReplaceAll(fill.Replace(p.line), "\r\n", "\r\nCookie: ") + "\r\n"
		if status, seen := w.send("GET", "/", asAlice+cookies); seen != 0 || status == http.StatusOK {
			t.Errorf("%s: %q = %d, and the app saw %d requests", p.family, p.line, status, seen)
		}
	}
	if status, seen := w.send("GET", "/", asAlice+"Cookie: a=1; mfa="+value+"\r\n"); seen != 1 {
		t.Errorf("the genuine cookie = %d, and the app saw %d requests, want 1", status, seen)
	}
}

// Whatever a client adds, the app hears of the user from us alone, and
// on exempt paths from nobody.
func TestForgedHeadersNeverReachTheAppThroughCaddy(t *testing.T) {
	s := open(t, "exempt /static/*")
	s.sim.AddUser(simulator.User{ID: 401, Username: "ada", Devices: []simulator.Device{{ID: 4001, Factor: simulator.TOTP, Name: "App"}}})
	ada := s.program("ada")
	ada.verifyBy(simulator.TOTP, "/")
	own := "Cookie: a=1; mfa=" + ada.client.Jar.Cookies(mustParse(t, s.url))[0].Value + "\r\nRemote-User: ada\r\nAccept: application/json\r\n"
	w, passed := s.raw(t), 0
	all := payloads(t, "identity/testdata/headers.txt")
	for _, p := range all {
		for path, user := range map[string]string{"/": "ada", "/static/a": ""} {
			status, seen := w.send("GET", path, own+p.line+"\r\n")
			if seen == 0 && status == http.StatusBadRequest {
				continue
			}
			passed++
			if seen != 1 {
				t.Errorf("%s: %q at %s = %d, and the app saw %d requests", p.family, p.line, path, status, seen)
				continue
			}
			requests := s.app.requests()
			wantForgeryGone(t, p, requests[len(requests)-1], user)
		}
	}
	if passed < len(all) {
		t.Errorf("%d of %d requests passed: the others show nothing", passed, 2*len(all))
	}
}

func wantForgeryGone(t *testing.T, p payload, r *http.Request, user string) {
	t.Helper()
	for name, values := range r.Header {
		folded := strings.Map(func(r rune) rune {
			if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", r|0x20) {
				return r | 0x20
			}
			return '_'
		}, name)
		text := strings.Join(values, ",")
		if strings.HasPrefix(folded, "x_mfa_") && strings.Contains(text, "mallory") || strings.Contains(text, "/forged") {
			t.Errorf("%s: %q: the app reads %s: %s", p.family, p.line, name, text)
		}
	}
	if got := strings.Join(r.Header["X-Mfa-User"], ","); got != user || r.Header.Get("Cookie") != "a=1" {
		t.Errorf("%s: %q: the app reads the user %q and the cookies %q", p.family, p.line, got, r.Header.Get("Cookie"))
	}
}

// shameless is an app that answers with the header lines that it is told to.
func shameless(t *testing.T) (address string, say func(lines string)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan string, 1)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
				fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n%s\r\n\r\nhi", <-said)
			}
			connection.Close()
		}
	}()
	return listener.Addr().String(), func(lines string) { said <- lines }
}

// No line of the app's sets or clears a cookie of ours.
func TestNoLineOfTheAppTouchesOurCookies(t *testing.T) {
	behind, say := shameless(t)
	s := openFile(t, strings.Replace(siteFile("exempt /open/*"), "APP", behind, 1))
	answerTo := func(p payload) []string {
		say(strings.ReplaceAll(p.line, "{name}", "mfa"))
		got, err := http.Get(s.url + "/open/x")
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		return got.Header["Set-Cookie"]
	}
	for _, p := range payloads(t, "identity/testdata/app-cookies.txt") {
		for _, line := range answerTo(p) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "=")
			if name = strings.TrimSpace(strings.SplitN(name, ";", 2)[0]); name == "mfa" || strings.HasPrefix(name, "mfa-") {
				t.Errorf("%s: %q sets %q", p.family, p.line, line)
			}
		}
	}
	for _, p := range payloads(t, "identity/testdata/app-cookies-kept.txt") {
		var want []string
		for line := range strings.SplitSeq(strings.ReplaceAll(p.line, "{name}", "mfa"), "\r\n") {
			if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Set-Cookie") {
				want = append(want, strings.Trim(value, " \t"))
			}
		}
		if got := answerTo(p); !slices.Equal(got, want) {
			t.Errorf("%s: %q reaches the browser as %q", p.family, p.line, got)
		}
	}
}
