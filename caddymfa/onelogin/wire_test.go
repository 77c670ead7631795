package onelogin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// overNetwork returns a client of a real server, with the client's own
// transport. Handler answers everything but the token endpoint.
func overNetwork(t *testing.T, handler http.HandlerFunc) *onelogin.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/oauth2/v2/token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"canary-bearer"}`)
	})
	mux.HandleFunc("/", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return clientOf(t, server.URL)
}

func clientOf(t *testing.T, baseURL string) *onelogin.Client {
	t.Helper()
	client, err := onelogin.New(onelogin.Config{BaseURL: baseURL, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		t.Errorf("followed to %s with Authorization %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{other.URL + "/x", "/api/2/elsewhere"} {
			var requests atomic.Int32
			client := overNetwork(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", location)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"status":"accepted"}`)
			})
			if _, err := client.Devices(t.Context(), userID); err == nil {
				t.Errorf("%d: Devices took a redirect for an answer", status)
			}
			if got, err := client.Verify(t.Context(), verification, "012345"); got != denied || err != nil {
				t.Errorf("%d: Verify = %v, %v, want denied", status, got, err)
			}
			if got := requests.Load(); got != 2 {
				t.Errorf("%d: %d requests, want 2", status, got)
			}
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestTokenEndpointRedirectDoesNotLeakTheSecret(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("followed with Authorization %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	if _, err := clientOf(t, server.URL).Devices(t.Context(), userID); err == nil {
		t.Error("Devices worked without an access token")
	}
}

func TestEndlessBodyIsCutOff(t *testing.T) {
	stopped := make(chan struct{})
	client := overNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(stopped)
		line := bytes.Repeat([]byte(" "), 32<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	got, err := client.Poll(t.Context(), verification)
	if got != undecided || err == nil || !strings.Contains(err.Error(), "answer too large") {
		t.Errorf("Poll = %v, %v, want undecided, too large", got, err)
	}
	<-stopped
}

// A body of exactly the limit is read, one more byte is not.
func TestLimitOfTheBody(t *testing.T) {
	body := `{"status":"accepted"}`
	for _, tt := range []struct {
		size int
		want onelogin.Verdict
	}{{256 << 10, accepted}, {256<<10 + 1, undecided}} {
		client := overNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body+strings.Repeat(" ", tt.size-len(body)))
		})
		if got, err := client.Poll(t.Context(), verification); got != tt.want {
			t.Errorf("Poll of %d bytes = %v, %v, want %v", tt.size, got, err, tt.want)
		}
	}
}

func TestGzipIsNeverUnpacked(t *testing.T) {
	pack := func(body []byte) []byte {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		_, _ = zip.Write(body)
		_ = zip.Close()
		return packed.Bytes()
	}
	for name, body := range map[string][]byte{
		"bomb":     pack(bytes.Repeat([]byte(" "), 4<<20)),
		"accepted": pack([]byte(`{"status":"accepted"}`)),
	} {
		client := overNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(body)
		})
		if got, err := client.Poll(t.Context(), verification); got != denied || err != nil {
			t.Errorf("%s: Poll = %v, %v, want denied", name, got, err)
		}
	}
}

func TestDeepBodyIsRefused(t *testing.T) {
	for _, depth := range []int{33, 10_000, 100_000} {
		client := overNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("[", depth)+strings.Repeat("]", depth))
		})
		if got, err := client.Poll(t.Context(), verification); got != denied || err != nil {
			t.Errorf("depth %d: Poll = %v, %v, want denied", depth, got, err)
		}
		if _, err := client.Devices(t.Context(), userID); err == nil {
			t.Errorf("depth %d: Devices took it for a list", depth)
		}
	}
}

// The connection breaks in the middle of a body that has already said
// "accepted".
func TestBodyCutOffDecidesNothing(t *testing.T) {
	var requests atomic.Int32
	client := overNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Length", "500")
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	})
	if got, err := client.Verify(t.Context(), verification, "012345"); got != undecided || err == nil {
		t.Errorf("Verify = %v, %v, want undecided", got, err)
	}
	if got := requests.Load(); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

// net/http repeats requests by itself on a kept connection that breaks, where
// it takes the method for harmless. A code is not among those.
func TestBrokenKeptConnectionSendsACodeOnce(t *testing.T) {
	var codes atomic.Int32
	client := overNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "[]")
			return
		}
		codes.Add(1)
		_, _ = io.ReadAll(r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	if _, err := client.Devices(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Verify(t.Context(), verification, "012345"); got != undecided || err == nil {
		t.Errorf("Verify = %v, %v, want undecided", got, err)
	}
	if _, err := client.Activate(t.Context(), userID, deviceID, onelogin.Activation{}); err == nil {
		t.Error("Activate worked on a broken connection")
	}
	if got := codes.Load(); got != 2 {
		t.Errorf("%d requests, want one code and one activation", got)
	}
}

// dripper sends an answer byte by byte, for ever.
type dripper struct{ ctx context.Context }

func (d dripper) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d dripper) Close() error { return nil }

// RoundTrip implements http.RoundTripper.
func (dripper) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: dripper{req.Context()}, Request: req}, nil
}

func TestDrippingAnswerEndsAtTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := onelogin.New(onelogin.Config{
			BaseURL: "acme", ClientID: clientID, ClientSecret: clientSecret, Transport: dripper{}, Timeout: 4500 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		started := time.Now()
		_, err = client.Devices(t.Context(), userID)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != 4500*time.Millisecond {
			t.Errorf("Devices = %v after %v, want its deadline after 4.5s", err, time.Since(started))
		}
	})
}

func TestTroubleBelowHTTPIsNamed(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	garbage := listen(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "canary is not HTTP\r\n\r\n") })
	silent := listen(t, func(net.Conn) {})
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, tt := range []struct{ name, baseURL, want string }{
		{"untrusted certificate", untrusted.URL, "TLS certificate not trusted"},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), "TLS failed"},
		{"nobody listens", closed.URL, "no connection"},
		{"no HTTP there", garbage, "no connection"},
		{"connection closed", silent, "no connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := clientOf(t, tt.baseURL).Devices(t.Context(), userID)
			if want := "onelogin: access token: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("Devices = %v, want %q", err, want)
			}
		})
	}
}

// listen answers each connection with serve after reading from it, and then
// closes it.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			serve(conn)
			conn.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); group.Wait() })
	return "http://" + listener.Addr().String()
}
