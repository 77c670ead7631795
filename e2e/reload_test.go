package e2e_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const reloadFile = `{
	admin ADMIN
	persist_config off
	storage file_system FOLDER/storage
	auto_https off
	mfa {
		onelogin ONELOGIN {
			client_id {env.DEMO_ID}
			client_secret {env.DEMO_SECRET}
		}
	}
}

http://SITE {
	basic_auth {
		alice $2a$04$VxfukQSW74Ij7X.DE1cOzuW6kDTrOuyr5lkyew2THBA4McnvV7Sqi
	}
	mfa {
		insecure_http
		max_age MAX_AGE
	}
	reverse_proxy APP
}
`

// TestCaddyReloadLosesNothing runs the caddy binary as an operator does:
// "caddy run", and "caddy reload" while one person is verified, another has a
// code to type and a third waits for an approval.
func TestCaddyReloadLosesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	caddy := filepath.Join(folder, "caddy")
	if out, err := exec.Command("go", "build", "-o", caddy, "../cmd/caddy").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/caddy: %v\n%s", err, out)
	}
	sim := simulator.New(simulator.Options{})
	api := httptest.NewServer(sim.API())
	defer api.Close()
	var arrivals atomic.Int32
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrivals.Add(1) }))
	defer app.Close()

	site, admin := freeAddress(t), freeAddress(t)
	write := func(maxAge string) string {
		file := filepath.Join(folder, "Caddyfile")
		text := strings.NewReplacer("ADMIN", admin, "FOLDER", folder, "ONELOGIN", api.URL, "SITE", site,
			"MAX_AGE", maxAge, "APP", strings.TrimPrefix(app.URL, "http://")).Replace(reloadFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	run := exec.Command(caddy, "run", "--config", write("8h"), "--adapter", "caddyfile")
	run.Env = append(os.Environ(), "DEMO_ID=demo-client", "DEMO_SECRET=demo-secret", "HOME="+folder)
	var log bytes.Buffer
	run.Stdout, run.Stderr = &log, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(os.Interrupt)
		if err := run.Wait(); err != nil || t.Failed() {
			t.Logf("caddy run ended with %v:\n%s", err, &log)
		}
	})
	await(t, "the site", func() bool {
		connection, err := net.Dial("tcp", site)
		if err == nil {
			connection.Close()
		}
		return err == nil
	})

	phone := httptest.NewServer(sim.Phone())
	defer phone.Close()
	d := &demo{t: t, gateway: "http://" + site, phone: phone.URL}
	verified, typing, waiting := newProgram(t, d, "alice"), newProgram(t, d, "alice"), newProgram(t, d, "alice")
	verify := func(p *program, csrf, code string) {
		t.Helper()
		decode[challenge](p, p.post("verify", map[string]string{"csrf": csrf, "code": code}), http.StatusOK)
	}
	_, first := verified.begin("/", "totp")
	verify(verified, first.CSRF, sim.Code("alice", simulator.TOTP))
	_, code := typing.begin("/", "sms")
	challengeURL, _ := waiting.begin("/", "protect")
	if n := arrivals.Load(); n != 0 {
		t.Fatalf("the app saw %d requests before anybody asked for a page", n)
	}

	out, err := exec.Command(caddy, "reload", "--config", write("4h"), "--adapter", "caddyfile", "--address", admin).CombinedOutput()
	if err != nil {
		t.Fatalf("caddy reload: %v\n%s", err, out)
	}

	if got := verified.get("/"); got.status != http.StatusOK {
		t.Errorf("the verified session after the reload: %d %s", got.status, got.body)
	}
	verify(typing, code.CSRF, sim.Code("alice", simulator.SMS))
	sim.Approve("alice")
	await(t, "the approval to be seen", func() bool { return waiting.look(challengeURL).State == "verified" })
	for name, p := range map[string]*program{"typing": typing, "waiting": waiting} {
		if got := p.get("/"); got.status != http.StatusOK {
			t.Errorf("%s after the reload: %d %s", name, got.status, got.body)
		}
	}
	if sent := d.sent(); sent != 2 {
		t.Errorf("%d messages went out, want one SMS and one push", sent)
	}
	if n := arrivals.Load(); n != 3 {
		t.Errorf("the app saw %d requests, want one of each browser", n)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
