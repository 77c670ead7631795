package caddymfa_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion/assertiontest"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// checker is the app that an assertion of this site is for.
func (s *site) checker(audience string) *assertiontest.Checker {
	host := strings.TrimPrefix(s.url, "http://")
	if audience == "" {
		audience = host
	}
	return &assertiontest.Checker{
		KeysURL: s.url + "/.mfa/jwks.json", Issuer: host, Audience: audience, Client: http.DefaultClient, Now: time.Now,
	}
}

// lastHeader is a header of the last request that reached the app: one value
// or none.
func (a *app) lastHeader(t *testing.T, name string) string {
	t.Helper()
	seen := a.requests()
	values := seen[len(seen)-1].Header[name]
	if len(values) > 1 {
		t.Errorf("the app got %s %d times", name, len(values))
	}
	return strings.Join(values, ", ")
}

func TestAppCanCheckWhoWasVerified(t *testing.T) {
	s := open(t, "assertion\n require /admin/* {\n factors totp\n }")
	alice := s.program("alice")
	alice.get("/orders").wantStatus(t, http.StatusUnauthorized)
	before := time.Now()
	alice.verifyBy(simulator.SMS, "/orders")
	got := alice.get("/orders").wantStatus(t, http.StatusOK)
	if echoed := got.Header.Get("X-Mfa-Assertion"); echoed != "" {
		t.Errorf("the browser was told %q", echoed)
	}
	sent := s.app.lastHeader(t, "X-Mfa-Assertion")
	said, err := s.checker("").Check(sent)
	if err != nil {
		t.Fatalf("Check(%s): %v", sent, err)
	}
	if said.Subject != "alice" || said.Class != "mfa" || !slices.Equal(said.Methods, []string{"sms"}) {
		t.Errorf("claims = %+v", said)
	}
	if life := said.Expiry.Time().Sub(said.IssuedAt.Time()); life > time.Minute || life <= 0 {
		t.Errorf("good for %s, want a minute at most", life)
	}
	if proved := said.AuthTime.Time(); proved.Before(before.Truncate(time.Second)) || proved.After(time.Now()) {
		t.Errorf("auth_time = %s", proved)
	}
	if _, err := s.checker("payroll").Check(sent); err == nil {
		t.Error("another app took the assertion for its own")
	}
	alice.get("/orders").wantStatus(t, http.StatusOK)
	if again := s.app.lastHeader(t, "X-Mfa-Assertion"); again != sent {
		t.Error("the second request was signed for again within half a minute")
	}
	alice.verifyBy(simulator.TOTP, "/admin/users")
	alice.get("/orders").wantStatus(t, http.StatusOK)
	if said, err = s.checker("").Check(s.app.lastHeader(t, "X-Mfa-Assertion")); err != nil || !slices.Equal(said.Methods, []string{"otp"}) {
		t.Errorf("after another proof: %+v, %v", said, err)
	}
}

func TestAudienceAndHeaderAreTheSitesOwn(t *testing.T) {
	s := open(t, "assertion {\n audience orders\n header x-app-JWT\n }")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	alice.get("/").wantStatus(t, http.StatusOK)
	if sent := s.app.lastHeader(t, "X-Mfa-Assertion"); sent != "" {
		t.Errorf("the app got X-Mfa-Assertion %q too", sent)
	}
	if said, err := s.checker("orders").Check(s.app.lastHeader(t, "X-App-Jwt")); err != nil || said.Subject != "alice" {
		t.Errorf("Check = %+v, %v", said, err)
	}
}

func TestWithoutTheOptionNothingIsSigned(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	alice.get("/").wantStatus(t, http.StatusOK)
	if sent := s.app.lastHeader(t, "X-Mfa-Assertion"); sent != "" {
		t.Errorf("the app got an assertion: %q", sent)
	}
	alice.get("/.mfa/jwks.json").wantStatus(t, http.StatusNotFound)
}

func TestLoneFactorIsNotCalledMFA(t *testing.T) {
	file := strings.Replace(siteFile("sign_in passwordless\n assertion"), "user {http.request.header.Remote-User}", "", 1)
	s := openFile(t, file)
	nobody := s.program("")
	c, _ := nobody.begin("/orders")
	c = nobody.post("name", map[string]string{"csrf": c.CSRF, "user": "alice"}).wantStatus(t, http.StatusOK).json(t)
	nobody.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	nobody.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	nobody.get("/orders").wantStatus(t, http.StatusOK)
	said, err := s.checker("").Check(s.app.lastHeader(t, "X-Mfa-Assertion"))
	if err != nil || said.Subject != "alice" || said.Class != "" || !slices.Equal(said.Methods, []string{"otp"}) {
		t.Errorf("Check = %+v, %v", said, err)
	}
}

// for the header of an assertion: whatever its name is and
// whatever the path, the app sees what we signed or nothing.
func TestClientsOwnAssertionNeverArrives(t *testing.T) {
	for _, tt := range []struct{ options, header, near string }{
		{"assertion", "X-Mfa-Assertion", "X-Mfb-Assertion"},
		{"assertion {\n header X-App-Jwt\n }", "X-App-Jwt", "X-App-Jwt-2"},
	} {
		s := openFile(t, strings.Replace(siteFile(tt.options+"\n exempt /public/*"),
			"\tmfa MATCHER", "\t@some path /guarded/* /public/*\n\tmfa @some", 1))
		alice := s.program("alice")
		alice.verifyBy(simulator.TOTP, "/guarded/a")
		forged := http.Header{tt.near: {"the client's"}, "Connection": {"close, " + strings.ToLower(tt.header), tt.header}}
		for _, spelled := range spellings(tt.header) {
			forged[spelled] = []string{"forged", "twice"}
		}
		for path, signed := range map[string]bool{"/guarded/a": true, "/public/a": false, "/open": false, "/guarded/b": true} {
			alice.do(http.MethodGet, path, nil, forged).wantStatus(t, http.StatusOK)
			seen := s.app.requests()
			last := seen[len(seen)-1]
			if values := last.Header[tt.header]; (len(values) == 1 && values[0] != "forged") != signed || len(values) > 1 {
				t.Errorf("%s: %s reached the app as %q, want it signed: %v", path, tt.header, values, signed)
			}
			if last.Header.Get(tt.near) != "the client's" {
				t.Errorf("%s: %s was taken for %s", path, tt.near, tt.header)
			}
			for name, values := range last.Header {
				if name != tt.header && slices.Contains(values, "forged") {
					t.Errorf("%s: the app got %s: %q", path, name, values)
				}
			}
		}
		count := len(s.app.requests())
		s.program("alice").do(http.MethodGet, "/guarded/a", nil, forged).wantStatus(t, http.StatusUnauthorized)
		s.app.wantCount(t, count)
		wantNoTrailer(t, s, tt.header)
	}
}

// spellings are names that some app may take for the header.
func spellings(header string) []string {
	change := func(old, new string) string { return strings.ReplaceAll(header, old, new) }
	return []string{
		header, strings.ToLower(header), strings.ToUpper(header), change("-", "_"), strings.ToUpper(change("-", "_")),
		change("-", "."), change("-", "~"), strings.Replace(header, "-", "_", 1), change("-", "!"),
	}
}

// wantNoTrailer sends the header behind a body, where an exempt path is open.
func wantNoTrailer(t *testing.T, s *site, header string) {
	t.Helper()
	host := strings.TrimPrefix(s.url, "http://")
	connection, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "POST /public/x HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nTrailer: %s, X-Sum\r\nConnection: close\r\n\r\n"+
		"2\r\nhi\r\n0\r\n%s: forged\r\nX-Sum: 1\r\n\r\n", host, header, header)
	if _, err := http.ReadResponse(bufio.NewReader(connection), nil); err != nil {
		t.Fatal(err)
	}
	seen := s.app.requests()
	if last := seen[len(seen)-1]; last.Header.Get(header) != "" || last.Trailer.Get(header) != "" {
		t.Errorf("the app got header %v, trailer %v", last.Header, last.Trailer)
	}
}

// What one guard signed is not taken away by the next; what only the next one
// reserves is.
func TestTwoGuardsKeepEachOthersAssertion(t *testing.T) {
	block := `
	mfa /pay/* {
		user {http.request.header.Remote-User}
		insecure_http
		assertion {
			header X-App-Jwt
		}
	}
	mfa /none/* {
		insecure_http
		assertion {
			header X-Other-Jwt
		}
	}
	reverse_proxy APP`
	file := strings.Replace(siteFile("assertion {\n header X-App-Jwt\n }"), " MATCHER", " /admin/*", 1)
	s := openFile(t, strings.Replace(file, "\n\treverse_proxy APP", block, 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/admin/a")
	forged := http.Header{"X-App-Jwt": {"forged"}, "X_other_JWT": {"forged"}, "X-Other-Jwt": {"forged"}}
	for path, signed := range map[string]bool{"/admin/a": true, "/pay/a": true, "/open": false} {
		alice.do(http.MethodGet, path, nil, forged).wantStatus(t, http.StatusOK)
		sent := s.app.lastHeader(t, "X-App-Jwt")
		if _, err := s.checker("").Check(sent); signed && err != nil || !signed && sent != "" {
			t.Errorf("%s: the app got %q: %v", path, sent, err)
		}
		if other := s.app.lastHeader(t, "X-Other-Jwt"); other != "" {
			t.Errorf("%s: the app got X-Other-Jwt %q", path, other)
		}
	}
}

func TestKeysAreThereForEverybody(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in passwordless\n assertion"), "user {http.request.header.Remote-User}", "", 1))
	app := s.browser("", http.Header{"Accept": {"application/json"}})
	got := app.get("/.mfa/jwks.json").wantStatus(t, http.StatusOK)
	for name, want := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300", "Vary": "", "Set-Cookie": "",
		"X-Content-Type-Options": "nosniff",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s = %q, want %q", name, value, want)
		}
	}
	if strings.Count(got.body, `"kid"`) != 1 || strings.Contains(got.body, `"d"`) {
		t.Errorf("keys = %s", got.body)
	}
	app.do(http.MethodHead, "/.mfa/jwks.json", nil, nil).wantStatus(t, http.StatusOK)
	app.do(http.MethodPost, "/.mfa/jwks.json", nil, nil).wantStatus(t, http.StatusMethodNotAllowed)
	s.app.wantCount(t, 0)
}

func TestKeysNeedNoLoginButHTTPS(t *testing.T) {
	s := open(t, "assertion")
	s.program("").get("/.mfa/jwks.json").wantStatus(t, http.StatusOK)
	s.program("").get("/.mfa/").wantStatus(t, http.StatusForbidden)
	s.load(strings.Replace(s.file, "insecure_http", "", 1))
	s.program("").get("/.mfa/jwks.json").wantStatus(t, http.StatusForbidden) // who could read them could replace them
}

func TestReloadsNeverLeaveTheAppWithoutAnAssertion(t *testing.T) {
	s := open(t, "assertion")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	check := s.checker("").Check
	for range 10 {
		s.load(s.file)
		alice.get("/").wantStatus(t, http.StatusOK)
		if _, err := check(s.app.lastHeader(t, "X-Mfa-Assertion")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnreadableSigningKeysAreRefusedAtStart(t *testing.T) {
	s := open(t, "assertion")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	_, rest, _ := strings.Cut(s.file, "storage file_system ")
	folder, _, _ := strings.Cut(rest, "\n")
	write(t, folder+"/mfa/assertion.keys", "canary")
	err := s.tryLoad(s.file)
	if err == nil || !strings.Contains(err.Error(), "mfa/assertion.keys") || strings.Contains(err.Error(), "canary") {
		t.Errorf("load = %v, want an error that names the file alone", err)
	}
	if err := s.tryLoad(strings.Replace(s.file, "storage file_system "+folder, "storage file_system /proc/none", 1)); err == nil {
		t.Error("a config was loaded whose storage is not there")
	}
	alice.get("/").wantStatus(t, http.StatusOK) // the old config goes on, with the keys that it holds
	if _, err := s.checker("").Check(s.app.lastHeader(t, "X-Mfa-Assertion")); err != nil {
		t.Error(err)
	}
	if err := os.Remove(folder + "/mfa/assertion.keys"); err != nil {
		t.Fatal(err)
	}
	s.load(s.file)
}

func TestDocumentedAssertionAdapts(t *testing.T) {
	for _, block := range blocks(t, "../docs/assertion.md", "caddyfile") {
		if got := adapt(t, block); !strings.Contains(got, `"audience": "orders"`) {
			t.Errorf("adapted to %s", got)
		}
	}
}

func TestNodesSignWithOneKeyAndRotateByCommand(t *testing.T) {
	c := newCluster(t, nil)
	north, south := c.start("north", "", "assertion"), c.start("south", "", "assertion")
	alice, bob := north.person("alice"), south.person("bob")
	alice.verifyBy(simulator.TOTP, "/")
	bob.verifyBy(simulator.SMS, "/")
	checker := func(n *node) *assertiontest.Checker {
		return &assertiontest.Checker{
			KeysURL: n.url + "/.mfa/jwks.json", Issuer: "app.test", Audience: "app.test", Client: http.DefaultClient, Now: time.Now,
		}
	}
	alice.get("/").wantStatus(t, http.StatusOK)
	before := c.app.lastHeader(t, "X-Mfa-Assertion")
	if _, err := checker(south).Check(before); err != nil {
		t.Errorf("signed in the north, checked with the keys of the south: %v", err)
	}
	if text, ok := north.caddy("mfa", "rotate"); !ok {
		t.Fatalf("caddy mfa rotate:\n%s", text)
	}
	if keys := alice.get("/.mfa/jwks.json").body; strings.Count(keys, `"kid"`) != 2 {
		t.Errorf("after a rotation the keys are %s, want two", keys)
	}
	for name, keys := range map[string]*assertiontest.Checker{"north": checker(north), "south": checker(south)} {
		if _, err := keys.Check(before); err != nil {
			t.Errorf("signed before the rotation, checked with the keys of the %s: %v", name, err)
		}
	}
	bob.get("/").wantStatus(t, http.StatusOK)
	if _, err := checker(north).Check(c.app.lastHeader(t, "X-Mfa-Assertion")); err != nil {
		t.Errorf("signed in the south after the rotation: %v", err)
	}
}
