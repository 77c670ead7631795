package caddymfa_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// asCaddy makes this test binary be the program caddy, with the arguments that
// it is given: a Caddy in a process of its own can be killed.
const asCaddy = "CADDYMFA_TEST_AS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		bearFileLimit()
		caddycmd.Main()
		return
	}
	flag.Parse()
	// Tests with nodes wait more than they work, so more of them run at a time
	// than there are processors.
	if most := flag.Lookup("test.parallel"); most.Value.String() == most.DefValue {
		_ = most.Value.Set("8")
	}
	os.Exit(m.Run())
}

// cluster is a OneLogin and an app, and what the nodes in front of them share.
type cluster struct {
	t           *testing.T
	sim         *simulator.Simulator
	app         *app
	api, behind string // the addresses of OneLogin and of the app
	folder      string // holds Caddy's storage
}

// newCluster starts OneLogin and an app; handler answers for the app, or nil
// for one that says hello.
func newCluster(t *testing.T, handler http.Handler) *cluster {
	t.Helper()
	c := &cluster{t: t, sim: simulator.New(simulator.Options{}), app: new(app)}
	behind := http.Handler(c.app)
	if handler != nil {
		behind = c.app.before(handler)
	}
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	c.api, c.behind = serve(c.sim.API()), serve(behind)
	folder, err := os.MkdirTemp("", "mfa") // a short name: sockets will be in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	c.folder = folder
	write(t, folder+"/secret", "demo-secret")
	return c
}

// before counts what handler is asked.
func (a *app) before(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r)
		a.mu.Unlock()
		handler.ServeHTTP(w, r)
	})
}

// node is a Caddy in a process of its own.
type node struct {
	*cluster
	name    string
	url     string
	admin   string   // a unix socket
	file    string   // the Caddyfile
	under   []string // a command that runs Caddy as its arguments; usually none
	process *exec.Cmd
	log     *logBuffer
}

// logBuffer is what a process prints.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// nodeFile is the Caddyfile of a node. The site is app.test on every node,
// whatever port it listens on.
const nodeFile = `{
	admin unix/ADMIN
	persist_config off
	storage file_system FOLDER/storage
	auto_https off
	grace_period 2s
	log {
		level INFO
	}
	mfa {
		node NAME
		onelogin ONELOGIN {
			client_id demo-client
			client_secret {file.FOLDER/secret}
			hourly_budget 1000000
		}
		GLOBAL
	}
}
http://:PORT {
	bind 127.0.0.1
	mfa {
		user {http.request.header.Remote-User}
		insecure_http
		OPTIONS
	}
	reverse_proxy APP
}
`

// start starts a node with something in the global option mfa and something in
// the site's block, and waits until it serves. It ends with the test.
func (c *cluster) start(name, global, options string) *node {
	c.t.Helper()
	n := c.prepare(name, global, options)
	n.run()
	return n
}

// prepare is start without starting it.
func (c *cluster) prepare(name, global, options string) *node {
	c.t.Helper()
	n := c.named(name, freeAddress(c.t))
	write(c.t, n.file, n.config(global, options))
	c.t.Cleanup(func() {
		n.end(syscall.SIGTERM)
		if c.t.Failed() {
			c.t.Logf("log of node %s:\n%s", name, n.log)
		}
	})
	return n
}

// named is a node without a config yet.
func (c *cluster) named(name, address string) *node {
	return &node{cluster: c, name: name, url: "http://" + address, admin: c.folder + "/" + name + ".sock", file: c.folder + "/" + name + ".caddyfile", log: new(logBuffer)}
}

// config is the text of the node's Caddyfile.
func (n *node) config(global, options string) string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(n.url, "http://"))
	return strings.NewReplacer("ADMIN", n.admin, "FOLDER", n.folder, "NAME", n.name, "ONELOGIN", n.api,
		"PORT", port, "APP", strings.TrimPrefix(n.behind, "http://"), "GLOBAL", global, "OPTIONS", options).Replace(nodeFile)
}

// run starts the process and waits until it serves.
func (n *node) run() {
	n.t.Helper()
	n.launch()
	n.await()
}

// launch starts the process.
func (n *node) launch() {
	n.t.Helper()
	n.process = n.program("run", "--config", n.file, "--adapter", "caddyfile")
	n.process.Stdout, n.process.Stderr = n.log, n.log
	if err := n.process.Start(); err != nil {
		n.t.Fatal(err)
	}
}

// await waits until the node has loaded its config.
func (n *node) await() {
	n.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := n.adminClient().Get("http://localhost/config/"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			n.t.Fatalf("node %s does not serve:\n%s", n.name, n.log)
		}
	}
}

// wantNoStart fails the test unless Caddy ends by itself with an error that
// has these parts.
func (n *node) wantNoStart(parts ...string) {
	n.t.Helper()
	before := len(n.log.String())
	n.launch()
	impatient := time.AfterFunc(60*time.Second, func() { n.signal(os.Kill) })
	err := n.process.Wait()
	if !impatient.Stop() || err == nil {
		n.t.Fatalf("node %s started or hung, want an error: %v", n.name, err)
	}
	n.process = nil
	for _, part := range parts {
		if printed := n.log.String()[before:]; !strings.Contains(printed, part) {
			n.t.Errorf("node %s ended without saying %q:\n%s", n.name, part, printed)
		}
	}
}

// program is the command caddy, with a data folder of the cluster.
func (n *node) program(args ...string) *exec.Cmd {
	line := append(append(slices.Clone(n.under), os.Args[0]), args...)
	command := exec.Command(line[0], line[1:]...)
	command.Env = append(os.Environ(), asCaddy+"=1", "HOME="+n.folder, "XDG_DATA_HOME="+n.folder+"/"+n.name, "XDG_CONFIG_HOME="+n.folder)
	return command
}

// caddy runs another command of the program caddy against this node.
func (n *node) caddy(args ...string) (printed string, ok bool) {
	n.t.Helper()
	out, err := n.program(append(args, "--address", "unix/"+n.admin)...).CombinedOutput()
	return string(out), err == nil
}

// end sends the process a signal and waits until it has ended.
func (n *node) end(signal os.Signal) {
	if n.process == nil {
		return
	}
	_ = n.process.Process.Signal(signal)
	_ = n.process.Wait()
	n.process = nil
}

// signal sends the process a signal that it may survive.
func (n *node) signal(signal os.Signal) { _ = n.process.Process.Signal(signal) }

func (n *node) adminClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", n.admin)
		},
	}}
}

// ask calls the node's admin API.
func (n *node) ask(method, path, body string) (int, map[string]any) {
	n.t.Helper()
	r, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := n.adminClient().Do(r)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		n.t.Fatalf("%s %s = %s %q", method, path, answer.Status, text)
	}
	return answer.StatusCode, got
}

// person acts for user, as a program that asks for the site by its name. Its
// cookies can be taken to another node with at.
func (n *node) person(user string) *browser {
	s := &site{t: n.t, url: n.url, sim: n.sim, app: n.app}
	b := s.program(user)
	b.host = "app.test"
	return b
}

// at is the same browser at another node.
func (b *browser) at(n *node) *browser {
	moved := *b
	moved.site = &site{t: n.t, url: n.url, sim: n.sim, app: n.app}
	return &moved
}

func TestOperatorsListAndEndSessionsByCommand(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice := n.person("alice")
	alice.verifyBy(simulator.TOTP, "/")
	table, ok := n.caddy("mfa", "sessions")
	if !ok || !strings.Contains(table, "USER") || !strings.Contains(table, "alice") || !strings.Contains(table, "north") {
		t.Fatalf("caddy mfa sessions:\n%s", table)
	}
	text, ok := n.caddy("mfa", "sessions", "--user", "alice", "--json")
	var all []struct{ ID, User, Site string }
	if err := json.Unmarshal([]byte(text), &all); !ok || err != nil || len(all) != 1 || all[0].Site != "app.test" {
		t.Fatalf("caddy mfa sessions --json: %v\n%s", err, text)
	}
	if health, ok := n.caddy("mfa", "health"); !ok || !strings.Contains(health, "onelogin  ok") || !strings.Contains(health, "store     ok  memory") {
		t.Errorf("caddy mfa health:\n%s", health)
	}
	if text, ok := n.caddy("mfa", "rotate"); !ok {
		t.Errorf("caddy mfa rotate:\n%s", text)
	}
	for _, wrong := range [][]string{{"revoke"}, {"revoke", "--all", "--user", "alice"}, {"revoke", "--session", "x"}} {
		if text, ok := n.caddy(append([]string{"mfa"}, wrong...)...); ok {
			t.Errorf("caddy mfa %v went well:\n%s", wrong, text)
		}
	}
	alice.get("/").wantStatus(t, http.StatusOK)
	if text, ok := n.caddy("mfa", "revoke", "--session", all[0].ID); !ok || text != "sessions ended: 1\n" {
		t.Errorf("caddy mfa revoke:\n%s", text)
	}
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	n.app.wantCount(t, 1)
}
