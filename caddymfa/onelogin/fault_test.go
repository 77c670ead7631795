package onelogin_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// pipeTenant is a OneLogin on the other end of pipes, so that a bubble's clock
// runs. It hands out access tokens and answers all else with a fault.
type pipeTenant struct {
	fault   func(net.Conn)
	serving sync.WaitGroup

	mu     sync.Mutex
	dialed map[string]int // connections, by address
	calls  int            // requests that met the fault
}

func (p *pipeTenant) dial(_ context.Context, _, address string) (net.Conn, error) {
	near, far := net.Pipe()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialed[address]++
	p.serving.Go(func() { defer far.Close(); p.serve(far) })
	return near, nil
}

func (p *pipeTenant) serve(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	body, _ := io.ReadAll(r.Body)
	if opOf(r.Method, r.URL.Path, string(body)) == "token" {
		say(conn, "200 OK", "application/json", `{"access_token":"canary-bearer"}`)
		return
	}
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
	p.fault(conn)
}

// say answers whole and well-formed.
func say(conn net.Conn, status, contentType, body string, headers ...string) {
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s",
		status, contentType, len(body), strings.Join(append(headers, ""), "\r\n"), body)
}

// raw answers with these bytes and closes.
func raw(answer string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, answer) }
}

// endless answers with a beginning and then one piece for ever.
func endless(beginning, piece string) func(net.Conn) {
	return func(conn net.Conn) {
		_, err := io.WriteString(conn, beginning)
		for err == nil {
			_, err = io.WriteString(conn, piece)
		}
	}
}

// drip answers byte by byte, one in a second.
func drip(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		for i := range len(answer) {
			if _, err := io.WriteString(conn, answer[i:i+1]); err != nil {
				return
			}
			advance(time.Second)
		}
	}
}

// then answers with a beginning and says nothing more until the client leaves.
func then(beginning string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, beginning)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// bomb packs size bytes that all say nothing behind an accepted verdict.
func bomb(size int) string {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = io.WriteString(zip, yes)
	_, _ = io.CopyN(zip, blanks{}, int64(size))
	_ = zip.Close()
	return packed.String()
}

// blanks are spaces without end.
type blanks struct{}

// Read implements io.Reader.
func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

const (
	yes  = `{"status":"accepted"}`
	head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
)

// pipeFaults are all that can go wrong above TCP. Those with a body say
// "accepted" wherever a body can, so that a client that overlooks the fault
// lets somebody in.
func pipeFaults() []struct {
	name  string
	serve func(net.Conn)
} {
	padded := yes + strings.Repeat(" ", 32<<10)
	deep := strings.Repeat("[", 10_000) + yes + strings.Repeat("]", 10_000)
	answer := func(status, contentType, body string, headers ...string) func(net.Conn) {
		return func(conn net.Conn) { say(conn, status, contentType, body, headers...) }
	}
	const json = "application/json"
	packed := bomb(20 << 20)
	return []struct {
		name  string
		serve func(net.Conn)
	}{
		{"closed before an answer", raw("")},
		{"closed in the status line", raw("HTTP/1.1 20")},
		{"closed in the headers", raw(head + "X-A: ")},
		{"closed in the body", raw(head + "Content-Length: 500\r\n\r\n" + yes)},
		{"closed in a chunk", raw(head + "Transfer-Encoding: chunked\r\n\r\n15\r\n" + yes + "\r\n")},
		{"body longer than it says", raw(head + "Connection: close\r\nContent-Length: 10\r\n\r\n" + yes)},
		{"two lengths", raw(head + "Content-Length: 21\r\nContent-Length: 22\r\n\r\n" + yes)},
		{"negative length", raw(head + "Content-Length: -1\r\n\r\n" + yes)},
		{"chunk of no size", raw(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + yes + "\r\n0\r\n\r\n")},
		{"not HTTP", raw(yes)},
		{"header without a colon", raw("HTTP/1.1 200 OK\r\nX\r\n\r\n" + yes)},
		{"silence", then("")},
		{"silence in the headers", then(head)},
		{"silence in the body", then(head + "Content-Length: 500\r\n\r\n" + yes)},
		{"dripping headers", drip(head + "Content-Length: 21\r\n\r\n" + yes)},
		{"dripping body", func(conn net.Conn) {
			_, _ = io.WriteString(conn, head+"Content-Length: 500\r\n\r\n"+yes)
			drip(strings.Repeat(" ", 479))(conn)
		}},
		{"answer after a minute", func(conn net.Conn) { advance(time.Minute); say(conn, "200 OK", json, yes) }},
		{"endless headers", endless(head, "X-A: "+strings.Repeat("a", 1000)+"\r\n")},
		{"one endless header", endless(head+"X-A: ", strings.Repeat("a", 1000))},
		{"endless early hints", endless("", "HTTP/1.1 103 Early Hints\r\nLink: <"+strings.Repeat("a", 1000)+">\r\n\r\n")},
		{"endless body", endless(head+"\r\n"+yes, strings.Repeat(" ", 32<<10))},
		{"endless chunks", endless(head+"Transfer-Encoding: chunked\r\n\r\n15\r\n"+yes+"\r\n", "400\r\n"+strings.Repeat(" ", 1024)+"\r\n")},
		{"endless chunk header", endless(head+"Transfer-Encoding: chunked\r\n\r\n15;", strings.Repeat("a", 1000))},
		{"endless trailers", endless(head+"Transfer-Encoding: chunked\r\n\r\n15\r\n"+yes+"\r\n0\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n")},
		{"200 MB", answerOf(200<<20, padded)},
		{"gzip", answer("200 OK", json, bomb(0), "Content-Encoding: gzip")},
		{"gzip bomb of 20 MB", answer("200 OK", json, packed, "Content-Encoding: gzip")},
		{"gzip bomb unannounced", answer("200 OK", json, packed)},
		{"JSON 10,000 deep", answer("200 OK", json, deep)},
		{"wrong content type", answer("200 OK", "text/html; charset=utf-8", yes)},
		{"content type of a file", answer("200 OK", "application/octet-stream", yes)},
		{"content type unreadable", answer("200 OK", "application/json/x;;", yes)},
		{"HTML", answer("200 OK", "text/html", "<html>"+yes+"</html>")},
		{"empty body", answer("200 OK", json, "")},
		{"no content", raw("HTTP/1.1 204 No Content\r\n\r\n")},
		{"redirect to another host", answer("302 Found", json, yes, "Location: https://evil.example/api/2/mfa/users/1/devices")},
		{"redirect that keeps the method", answer("307 Temporary Redirect", json, yes, "Location: https://evil.example/x")},
		{"redirect to plain HTTP", answer("308 Permanent Redirect", json, yes, "Location: http://acme.onelogin.com/x")},
		{"redirect to itself", answer("301 Moved Permanently", json, yes, "Location: /")},
		{"refresh header", answer("503 Service Unavailable", json, yes, "Refresh: 0; url=https://evil.example/", "Retry-After: 600")},
		{"switching protocols", raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + yes)},
	}
}

// answerOf is a body of one size that is announced.
func answerOf(size int, piece string) func(net.Conn) {
	return endless(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, size), piece)
}

// met is how a call ended.
type met struct {
	outcome string
	passed  bool
	isError bool
	took    time.Duration
}

// faultCalls are a code, a poll and a lookup.
var faultCalls = []struct {
	name string
	call func(ctx context.Context, c *onelogin.Client) met
}{
	{"verify", func(ctx context.Context, c *onelogin.Client) met {
		verdict, err := c.Verify(ctx, verification, "012345")
		return met{outcome: outcome(verdict.String(), err), passed: verdict == accepted, isError: err != nil || verdict == denied}
	}},
	{"poll", func(ctx context.Context, c *onelogin.Client) met {
		verdict, err := c.Poll(ctx, verification)
		return met{outcome: outcome(verdict.String(), err), passed: verdict == accepted, isError: err != nil || verdict == denied}
	}},
	{"devices", func(ctx context.Context, c *onelogin.Client) met {
		devices, err := c.Devices(ctx, userID)
		return met{outcome: outcome(fmt.Sprint(len(devices)), err), passed: len(devices) > 0, isError: err != nil}
	}},
}

// outcome is the value, or the fixed words of the error.
func outcome(value string, err error) string {
	if err == nil {
		return value
	}
	words := strings.Split(err.Error(), ": ")
	return words[len(words)-1]
}

// meet makes one call against one fault and returns how it ended.
func meet(t *testing.T, serve func(net.Conn), call func(context.Context, *onelogin.Client) met) (m met, tenant *pipeTenant) {
	t.Helper()
	tenant = &pipeTenant{fault: serve, dialed: map[string]int{}}
	transport := onelogin.PrivateTransport()
	transport.Proxy, transport.DialContext = nil, tenant.dial
	client, err := onelogin.New(onelogin.Config{BaseURL: "http://127.0.0.1:8080", ClientID: clientID, ClientSecret: clientSecret, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	m = call(t.Context(), client)
	m.took = time.Since(started)
	client.Close()
	tenant.serving.Wait()
	return m, tenant
}

// allocated runs f and returns how many bytes it allocated.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Each fault against each call: an error or a refusal within the deadline, in
// bounded memory, after one request and to no other address. The bubble fails
// if a goroutine is left.
func TestFaultsGiveNoVerdict(t *testing.T) {
	const mostMemory = 4 << 20
	t.Logf("%-32s %-36s %-36s %-36s %10s", "fault", "verify", "poll", "devices", "memory")
	for _, fault := range pipeFaults() {
		row, memory := fmt.Sprintf("%-32s", fault.name), uint64(0)
		for _, c := range faultCalls {
			synctest.Test(t, func(t *testing.T) {
				var m met
				var tenant *pipeTenant
				memory = max(memory, allocated(func() { m, tenant = meet(t, fault.serve, c.call) }))
				row += fmt.Sprintf(" %-36s", fmt.Sprintf("%s, %.1fs", m.outcome, m.took.Seconds()))
				if m.passed || !m.isError || m.took > 10*time.Second {
					t.Errorf("%s: %s = %s after %v, want an error or a refusal within 10s", fault.name, c.name, m.outcome, m.took)
				}
				if sends := tenant.calls; sends < 1 || c.name != "devices" && sends > 1 {
					t.Errorf("%s: %s made %d requests", fault.name, c.name, sends)
				}
				if len(tenant.dialed) != 1 {
					t.Errorf("%s: %s connected to %v", fault.name, c.name, tenant.dialed)
				}
			})
		}
		t.Logf("%s %7d KB", row, memory>>10)
		if memory > mostMemory {
			t.Errorf("%s: %d bytes allocated, want %d at most", fault.name, memory, mostMemory)
		}
	}
}

// The same without a fault: what the faults are measured against.
func TestWithoutAFaultAllCallsWork(t *testing.T) {
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON", "application/problem+json", "text/plain"} {
		for _, c := range faultCalls {
			synctest.Test(t, func(t *testing.T) {
				body := yes
				if c.name == "devices" {
					body = `[{"device_id":"1"}]`
				}
				m, _ := meet(t, func(conn net.Conn) { say(conn, "200 OK", contentType, body) }, c.call)
				if !m.passed || m.took != 0 {
					t.Errorf("%s as %s = %s after %v, want it to work", c.name, contentType, m.outcome, m.took)
				}
			})
		}
	}
}

// A OneLogin that accepts connections and never says a word of TLS.
func TestSilentTLSHandshakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := onelogin.PrivateTransport()
		var serving sync.WaitGroup
		transport.Proxy = nil
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			serving.Go(func() { _, _ = io.Copy(io.Discard, far) })
			return near, nil
		}
		client, err := onelogin.New(onelogin.Config{BaseURL: "acme", ClientID: clientID, ClientSecret: clientSecret, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		_, err = client.Devices(t.Context(), userID)
		if took := time.Since(started); err == nil || took > 10*time.Second {
			t.Errorf("Devices = %v after %v, want an error within 10s", err, took)
		}
		client.Close()
		serving.Wait()
	})
}
