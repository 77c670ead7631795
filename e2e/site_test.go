package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// caddyBinary builds Caddy with the module, once.
var caddyBinary = sync.OnceValues(func() (string, error) {
	if err := touchSources(); err != nil {
		return "", err
	}
	binary := filepath.Join(scratch, "caddy")
	out, err := exec.Command("go", "build", "-o", binary, "../cmd/caddy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build cmd/caddy: %w\n%s", err, out)
	}
	return binary, nil
})

// siteFile is a site with a first login for everybody, whose password is demo.
const siteFile = `{
	admin ADMIN
	persist_config off
	storage file_system FOLDER/storage
	auto_https off
	grace_period 1s
	SERVERS
	mfa {
		GLOBAL
		onelogin ONELOGIN {
			client_id {env.DEMO_ID}
			client_secret {env.DEMO_SECRET}
			TENANT
		}
	}
}

http://SITE {
	bind fd/3
	PEOPLE
	mfa {
		insecure_http
		OPTIONS
	}
	reverse_proxy APP
}
`

// options are what a test adds to the site's Caddyfile. SITE stands for the
// site's host and port.
type options struct {
	servers string // in the global options, beside mfa
	global  string // in the global option mfa
	tenant  string // in the tenant's block
	site    string // in the site's mfa block
	signIn  bool   // no first login stands in front of mfa

	api func(http.Handler) http.Handler // changes OneLogin's API
}

// site is the program caddy with a Caddyfile, between an app that counts and a
// OneLogin in this process. Tabs and programs look at it as at a demo.
type site struct {
	*demo
	sim            *simulator.Simulator
	binary, folder string
}

// startSite runs a site until the test ends.
func startSite(t *testing.T, o options) *site {
	t.Helper()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(scratch, "site-") // a short name: a socket will be in it
	if err != nil {
		t.Fatal(err)
	}
	sim := simulator.New(simulator.Options{})
	for _, user := range morePeople() {
		sim.AddUser(user)
	}
	api := sim.API()
	if o.api != nil {
		api = o.api(api)
	}
	behind := new(countingApp)
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	listener := listen(t)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s := &site{sim: sim, binary: binary, folder: folder, demo: &demo{t: t, gateway: "http://localhost:" + port, app: serve(behind.control()),
		phone: serve(sim.Phone()), admin: "unix/" + filepath.Join(folder, "admin")}}
	s.run(o.file(s, serve(api), serve(behind)), listener)
	return s
}

// listen opens a port. Caddy is given the open port and not its number, which
// somebody else could take meanwhile.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// morePeople have the devices that the demo's people do not have.
func morePeople() []simulator.User {
	return []simulator.User{
		{Username: "dave", Devices: []simulator.Device{{Factor: simulator.Voice, Name: "Desk"}}},
		{Username: "erin", Email: "erin@example.com", Devices: []simulator.Device{{Factor: simulator.MagicLink, Name: "Erin's mail"}}},
		{Username: "fred", Devices: []simulator.Device{
			{Factor: simulator.YubiKey, Name: "Fred's key"}, {Factor: simulator.Duo, Name: "Fred's Duo"}}},
	}
}

// file is the Caddyfile.
func (o options) file(s *site, api, behind string) string {
	people := ""
	if !o.signIn {
		people = "basic_auth {\n"
		for _, user := range s.sim.Users() {
			people += user.Username + " $2a$04$VxfukQSW74Ij7X.DE1cOzuW6kDTrOuyr5lkyew2THBA4McnvV7Sqi\n"
		}
		people += "}"
	}
	text := strings.NewReplacer("SERVERS", o.servers, "GLOBAL", o.global, "TENANT", o.tenant, "OPTIONS", o.site, "PEOPLE", people).Replace(siteFile)
	return strings.NewReplacer("ADMIN", s.admin, "FOLDER", s.folder, "ONELOGIN", api,
		"SITE", strings.TrimPrefix(s.gateway, "http://"), "APP", strings.TrimPrefix(behind, "http://")).Replace(text)
}

// run starts caddy as an operator does, and stops it at the test's end.
func (s *site) run(text string, listener *net.TCPListener) {
	s.t.Helper()
	port, err := listener.File()
	if err != nil {
		s.t.Fatal(err)
	}
	defer port.Close()
	file := filepath.Join(s.folder, "Caddyfile")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(s.binary, "run", "--config", file, "--adapter", "caddyfile")
	command.Env = append(os.Environ(), "DEMO_ID=demo-client", "DEMO_SECRET=demo-secret", "HOME="+s.folder)
	command.ExtraFiles = []*os.File{port} // number 3
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := command.Wait(); err != nil {
			s.t.Errorf("caddy run ended with %v", err)
		}
		if s.t.Failed() {
			s.t.Logf("log of caddy:\n%s", &log)
		}
	})
	await(s.t, "the site", s.loaded)
}

// loaded tells whether caddy has loaded its config: until then its admin API
// is not there or does not answer.
func (s *site) loaded() bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(s.admin, "unix/"))
	}}}
	got, err := client.Get("http://127.0.0.1/config/")
	if err != nil {
		return false
	}
	got.Body.Close()
	return got.StatusCode == http.StatusOK
}

// caddy runs one of the program's other commands against the running site, and
// returns what it printed and whether it said that all is well.
func (s *site) caddy(args ...string) (printed string, ok bool) {
	s.t.Helper()
	out, err := exec.Command(s.binary, append(args, "--address", s.admin)...).CombinedOutput()
	return string(out), err == nil
}

// walk goes through a journey twice, with scripts and without, each time on a
// site of its own as a user of the first login; "" where there is none.
func (o options) walk(t *testing.T, user string, journey func(t *testing.T, s *site, b *tab)) {
	for name, scripts := range map[string]bool{"scripts on": true, "scripts off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, o)
			journey(t, s, openTab(t, s.demo, user).scripts(scripts))
		})
	}
}

// countingApp remembers every request that reached it, and shows a page where
// browsers can tell that they have arrived.
type countingApp struct {
	mu   sync.Mutex
	seen []arrival
}

func (a *countingApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := arrival{Method: r.Method, Path: r.URL.RequestURI(), User: r.Header.Get("X-Mfa-User"), Factor: r.Header.Get("X-Mfa-Factor")}
	for _, cookie := range r.Cookies() {
		one.Cookies = append(one.Cookies, cookie.Name)
	}
	a.mu.Lock()
	a.seen = append(a.seen, one)
	a.mu.Unlock()
	if elsewhere := r.URL.Query().Get("go"); elsewhere != "" { // as many apps do
		http.Redirect(w, r, elsewhere, http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>The app</title>`+
		`<dl id="identity"><dt>User</dt><dd>you</dd></dl></html>`)
}

// control tells what arrived, at an address that no proxy leads to.
func (a *countingApp) control() http.Handler {
	control := http.NewServeMux()
	control.HandleFunc("GET /-/requests", func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"Requests": a.seen, "Count": len(a.seen)})
	})
	control.HandleFunc("POST /-/reset", func(http.ResponseWriter, *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.seen = nil
	})
	return control
}

// words is what a part says. It asks the page itself: a page that has just come
// may still be changing under chromedp's own queries.
func (b *tab) words(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}
