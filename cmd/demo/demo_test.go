package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// freePorts are flags that take free ports, so that tests meet nobody.
var freePorts = []string{"-gateway", "localhost:0", "-phone", "localhost:0", "-api", "127.0.0.1:0", "-app", "127.0.0.1:0"}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-gatway", "localhost:8080"}, "-gatway"},
		{[]string{"now"}, `unexpected argument "now"`},
		{[]string{"-gateway", "0.0.0.0:8080"}, "-gateway"},
		{[]string{"-phone", ":8091"}, "-phone"},
		{[]string{"-api", "192.0.2.1:8090"}, "-api"},
		{[]string{"-app", "example.com:8092"}, "-app"},
		{[]string{"-admin", "[::]:2019"}, "-admin"},
		{[]string{"-app", "8092"}, "host:port"},
		{[]string{"-app", "localhost:http"}, "not a port"},
		{[]string{"-app", "localhost:70000"}, "not a port"},
		{[]string{"-max-age", "soon"}, "-max-age"},
		{[]string{"-admin-max-age", "0s"}, "-admin-max-age"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), c.args, &stdout, &stderr)
		if status != 2 || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 {
			t.Errorf("run(%q) = %d, stdout %q, stderr %q; want 2 and %q on stderr", c.args, status, &stdout, &stderr, c.want)
		}
	}
}

func TestLoopbackAddressesAreAccepted(t *testing.T) {
	for _, addr := range []string{"localhost:8080", "127.0.0.1:0", "127.8.9.10:65535", "[::1]:8080"} {
		if err := checkLoopback(addr); err != nil {
			t.Errorf("checkLoopback(%q) = %v, want nil", addr, err)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-h"}, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("run(-h) = %d, stderr %q; want 0 and nothing", status, &stderr)
	}
	for _, name := range []string{"-gateway", "-phone", "-api", "-app", "-admin", "-max-age", "-admin-max-age", "-v"} {
		if !strings.Contains(stdout.String(), "  "+name+" ") {
			t.Errorf("the help text lacks %s", name)
		}
	}
}

func TestTakenPortNamesItsFlag(t *testing.T) {
	for _, flag := range []string{"-gateway", "-phone", "-api", "-app", "-admin"} {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		args := append(append([]string{}, freePorts...), flag, taken.Addr().String())
		status := run(t.Context(), args, &stdout, &stderr)
		_ = taken.Close()
		if status != 1 || !strings.Contains(stderr.String(), "with "+flag) || stdout.Len() > 0 {
			t.Errorf("%s taken: status %d, stdout %q, stderr %q; want 1 and the flag on stderr", flag, status, &stdout, &stderr)
		}
	}
}

func TestPortTakenOnOtherLocalhostIsSeen(t *testing.T) {
	taken, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no [::1]:", err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	addr := "localhost:" + port
	if l, err := listen(&addr); err == nil {
		_ = l.Close()
		t.Errorf("listen(%q) succeeded though [::1]:%s is taken", addr, port)
	}
}

func TestWrongAgeIsToldByTheGateway(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), append(freePorts, "-admin-max-age", "1s"), &stdout, &stderr)
	if status != 1 || !strings.Contains(stderr.String(), "max_age 1s") {
		t.Errorf("run with -admin-max-age 1s = %d, stderr %q; want 1 and the reason", status, &stderr)
	}
}

func TestBriefDurations(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{8 * time.Hour, "8h"},
		{90 * time.Minute, "1h30m"},
		{time.Minute, "1m"},
		{10 * time.Second, "10s"},
		{time.Hour + time.Second, "1h0m1s"},
	} {
		if got := brief(c.d); got != c.want {
			t.Errorf("brief(%v) = %q, want %q", c.d, got, c.want)
		}
	}
}

// running is a demo in this process.
type running struct {
	addr   map[string]string // gateway, phone, onelogin, app: base URL
	cancel context.CancelFunc
	status chan int
}

// runDemo starts the demo on free ports and reads the addresses that it
// prints.
func runDemo(t *testing.T, more ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	printed, stdout := io.Pipe()
	r := &running{addr: map[string]string{}, cancel: cancel, status: make(chan int, 1)}
	go func() {
		r.status <- run(ctx, append(append([]string{}, freePorts...), more...), stdout, os.Stderr)
		_ = stdout.Close()
	}()
	row := regexp.MustCompile(`^  (gateway|phone|onelogin|app|admin) +(http://\S+)`)
	lines := bufio.NewScanner(printed)
	for lines.Scan() && lines.Text() != "Ctrl+C stops it." {
		if found := row.FindStringSubmatch(lines.Text()); found != nil {
			r.addr[found[1]] = found[2]
		}
	}
	if len(r.addr) < 4 {
		t.Fatalf("the demo printed the addresses %v, want four", r.addr)
	}
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends the demo; a second call does nothing.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if status, ok := <-r.status; ok && status != 0 {
		t.Errorf("the demo ended with %d, want 0", status)
	}
	select {
	case <-r.status:
	default:
		close(r.status)
	}
}

// ask sends one request and returns the status and the body. A redirect is
// not followed.
func ask(t *testing.T, method, url, host, user string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if user != "" {
		r.SetBasicAuth(user, "demo")
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestDemoAnswersOnEveryAddressAndStops(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	r := runDemo(t)
	for _, c := range []struct {
		url, user string
		want      int
	}{
		{r.addr["gateway"] + "/healthz", "", 200},
		{r.addr["gateway"] + "/public/notice", "", 200},
		{r.addr["gateway"] + "/", "", 401},
		{r.addr["gateway"] + "/", "alice", 401}, // not a navigation: the step-up answer
		{r.addr["phone"] + "/", "", 200},
		{r.addr["onelogin"] + "/api/2/users", "", 401},
		{r.addr["app"] + "/", "", 200},
	} {
		if got, body := ask(t, "GET", c.url, "", c.user); got != c.want {
			t.Errorf("GET %s as %q = %d %.200s, want %d", c.url, c.user, got, body, c.want)
		}
	}
	r.stop(t)
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
	for name, url := range r.addr {
		if c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
			_ = c.Close()
			t.Errorf("%s still listens", name)
		}
	}
}

func TestNobodyReachesTheCounterThroughTheGateway(t *testing.T) {
	r := runDemo(t, "-gateway", "127.0.0.1:0") // the app's own host name
	own := strings.TrimPrefix(r.addr["app"], "http://")
	ask(t, "GET", r.addr["app"]+"/orders", "", "")
	for _, host := range []string{"", own} {
		for _, target := range []string{"POST /-/reset", "POST /public/../-/reset", "POST /public/..%2f-/reset", "POST //-/reset", "GET /-/requests"} {
			method, path, _ := strings.Cut(target, " ")
			status, body := ask(t, method, r.addr["gateway"]+path, host, "alice")
			if strings.Contains(body, `"requests"`) || status == http.StatusNoContent {
				t.Errorf("%s with Host %q = %d %q", target, host, status, body)
			}
		}
	}
	if _, body := ask(t, "GET", r.addr["app"]+"/-/requests", "", ""); !strings.Contains(body, `"/orders"`) {
		t.Errorf("the counter was reset through the gateway: %s", body)
	}
}

func TestAdminIsOffUnlessAskedFor(t *testing.T) {
	r := runDemo(t)
	if url, ok := r.addr["admin"]; ok {
		t.Errorf("an admin address is printed: %s", url)
	}
	r.stop(t)
	r = runDemo(t, "-admin", "localhost:0")
	status, body := ask(t, "GET", r.addr["admin"]+"/config/", "", "")
	if status != 200 || !strings.Contains(body, "mfa") {
		t.Errorf("GET /config/ = %d %.200s, want 200 and the config", status, body)
	}
	if strings.Contains(body, clientSecret) {
		t.Error(fmt.Sprint("the config holds the client secret: ", body))
	}
}
