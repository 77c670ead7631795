package caddymfa_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// endless is an app with a WebSocket that says "hello" and listens, an event
// stream, and a download that never ends.
func endless(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
		io.Copy(io.Discard, conn)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.URL.Path == "/download" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	fmt.Fprint(w, "hello")
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// openEndless starts a site in front of that app.
func openEndless(t *testing.T, options string) (*site, string) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(endless))
	t.Cleanup(app.Close)
	admin := freeAddress(t)
	file := strings.Replace(siteFile(options), "admin off", "admin "+admin, 1)
	return openFile(t, strings.Replace(file, "reverse_proxy APP", "reverse_proxy "+strings.TrimPrefix(app.URL, "http://"), 1)), "http://" + admin
}

// stream opens path as b and reads the app's first words. The connection ends
// when the gateway ends it.
func (b *browser) stream(path, extra string) net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	request, _ := http.NewRequest(http.MethodGet, b.url+path, nil)
	request.Host = cmp.Or(b.host, request.Host)
	cookies := ""
	for _, c := range b.cookies() {
		cookies += "; " + c.String()
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nRemote-User: %s\r\nCookie: %s\r\n%s\r\n",
		path, request.Host, b.user, strings.TrimPrefix(cookies, "; "), extra)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	reader := bufio.NewReader(conn)
	for text := ""; !strings.HasSuffix(text, "hello"); {
		c, err := reader.ReadByte()
		if err != nil {
			b.t.Fatalf("%s: %v after %q", path, err, text)
		}
		text += string(c)
	}
	return conn
}

// wantCut waits until the other side ends the connection.
func wantCut(t *testing.T, name string, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s is still open after ten seconds", name)
	}
}

const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"

func TestOpenStreamsEndWhenTheirSessionIsRevoked(t *testing.T) {
	s, admin := openEndless(t, "")
	alice, bob := s.program("alice"), s.program("bob")
	alice.verifyBy(simulator.TOTP, "/x")
	bob.verifyBy(simulator.SMS, "/x")
	streams := map[string]net.Conn{
		"WebSocket": alice.stream("/socket", upgrade), "event stream": alice.stream("/events", ""), "download": alice.stream("/download", ""),
	}
	others := bob.stream("/events", "")
	adminCall(t, "POST", admin+"/mfa/revoke", `{"user":"alice"}`)
	for name, conn := range streams {
		wantCut(t, name, conn)
	}
	_ = others.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := others.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("bob's stream ended with %v, want it open", err)
	}
}

func TestOpenStreamsEndWithTheLifetime(t *testing.T) {
	s, _ := openEndless(t, "max_age 5s\nlifetime 5s")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/x")
	for name, conn := range map[string]net.Conn{"WebSocket": alice.stream("/socket", upgrade), "event stream": alice.stream("/events", "")} {
		wantCut(t, name, conn)
	}
}

func TestOpenStreamsEndAtSignOut(t *testing.T) {
	s, _ := openEndless(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/x")
	conn := alice.stream("/events", "")
	home := alice.get("/.mfa/").wantStatus(t, http.StatusOK).json(t)
	alice.post("logout", map[string]string{"csrf": home.CSRF}).wantStatus(t, http.StatusNoContent)
	wantCut(t, "event stream", conn)
}
