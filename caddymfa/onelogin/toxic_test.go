package onelogin_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// ruined is a healthy OneLogin behind a real proxy that can ruin what passes.
type ruined struct {
	proxy *toxiproxy.Proxy
	codes atomic.Int32 // that reached OneLogin
}

// zero returns a new T for a field of a type that we do not import.
func zero[T any](*T) *T { return new(T) }

func newRuined(t *testing.T) *ruined {
	t.Helper()
	r := &ruined{}
	padding := strings.Repeat(" ", 1000) // less than one write: the proxy stumbles over two
	healthy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch opOf(req.Method, req.URL.Path, "") {
		case "token":
			_, _ = io.WriteString(w, `{"access_token":"canary-bearer"}`)
		case "devices":
			_, _ = io.WriteString(w, `[{"device_id":"1"}]`+padding)
		case "verify":
			r.codes.Add(1)
			fallthrough
		default:
			_, _ = io.WriteString(w, yes+padding)
		}
	}))
	t.Cleanup(healthy.Close)
	server := &toxiproxy.ApiServer{Metrics: toxiproxy.NewMetricsContainer(nil), Collection: toxiproxy.NewProxyCollection()}
	server.Logger = zero(server.Logger)
	r.proxy = toxiproxy.NewProxy(server, "onelogin", "127.0.0.1:0", healthy.Listener.Addr().String())
	if err := r.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.proxy.Toxics.ResetToxics(t.Context()) // one that waits would wait on
		r.proxy.Stop()
	})
	return r
}

// client has an access token already: the proxy was sound so far.
func (r *ruined) client(t *testing.T, timeout time.Duration) *onelogin.Client {
	t.Helper()
	client, err := onelogin.New(onelogin.Config{BaseURL: "http://" + r.proxy.Listen, ClientID: clientID, ClientSecret: clientSecret, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for range 5 { // a machine under load may not answer within a short timeout
		if err = listDevices(t, client); err == nil {
			return client
		}
	}
	t.Fatal(err)
	return nil
}

// A real network that fails in the ways that networks do. What waits for ever
// ends at the client's timeout, which is short here.
func TestNetworkFaultsGiveNoVerdict(t *testing.T) {
	const short, long = time.Second, 10 * time.Second
	t.Logf("%-30s %-28s %-28s %-28s %5s %10s", "fault", "verify", "poll", "devices", "codes", "goroutines")
	for _, tt := range []struct {
		name, toxic string
		timeout     time.Duration
		codes       int32 // at most
	}{
		{"none", "", long, 1},
		{"latency of a minute", `{"type":"latency","attributes":{"latency":60000}}`, short, 1},
		{"latency on the way there", `{"type":"latency","stream":"upstream","attributes":{"latency":60000}}`, short, 0},
		{"nothing comes back", `{"type":"timeout","attributes":{"timeout":0}}`, short, 1},
		{"nothing gets there", `{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`, short, 0},
		{"reset at once", `{"type":"reset_peer","attributes":{"timeout":0}}`, long, 1},
		{"reset after a while", `{"type":"reset_peer","attributes":{"timeout":100}}`, long, 1},
		{"cut in the headers", `{"type":"limit_data","attributes":{"bytes":30}}`, long, 1},
		{"cut in the body", `{"type":"limit_data","attributes":{"bytes":300}}`, long, 1},
	} {
		running := goleak.IgnoreCurrent()
		var ends [3]met
		var codes int32
		t.Run(tt.name, func(t *testing.T) {
			var calling sync.WaitGroup
			for i, c := range faultCalls {
				r := newRuined(t)
				client := r.client(t, tt.timeout)
				r.poison(t, tt.toxic)
				calling.Go(func() {
					ends[i] = c.call(t.Context(), client)
					if m := ends[i]; m.passed != (tt.toxic == "") || m.isError != (tt.toxic != "") {
						t.Errorf("%s = %s, want an error unless there is no fault", c.name, m.outcome)
					}
					if c.name == "verify" {
						codes = r.codes.Load()
					}
				})
			}
			calling.Wait()
			if codes > tt.codes {
				t.Errorf("%d codes reached OneLogin, want %d at most", codes, tt.codes)
			}
		})
		left := 0
		if err := goleak.Find(running); err != nil {
			left = strings.Count(err.Error(), "Goroutine")
			t.Errorf("%s left something running: %v", tt.name, err)
		}
		t.Logf("%-30s %-28s %-28s %-28s %5d %10d", tt.name, ends[0].outcome, ends[1].outcome, ends[2].outcome, codes, left)
	}
}

// poison has the proxy ruin what passes from now on.
func (r *ruined) poison(t *testing.T, toxic string) {
	t.Helper()
	if toxic == "" {
		return
	}
	if _, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
}

// Everything is refused: the proxy is gone. The circuit opens, and once
// OneLogin is back one call finds out.
func TestConnectionsThatAreRefused(t *testing.T) {
	r := newRuined(t)
	client := r.client(t, 0)
	r.proxy.Stop()
	for range 3 {
		if got, err := client.Verify(t.Context(), verification, "012345"); got != undecided || err == nil {
			t.Errorf("Verify = %v, %v, want undecided", got, err)
		}
	}
	wantState(t, client, "open")
	if _, err := client.Poll(t.Context(), verificationOf(1)); err == nil || !strings.Contains(err.Error(), isOpen) {
		t.Errorf("Poll = %v, want %q", err, isOpen)
	}
	if got := r.codes.Load(); got != 0 {
		t.Errorf("%d codes reached OneLogin", got)
	}
}

// silentServer starts a TLS server that does not print what clients refuse.
func silentServer(t *testing.T, config *tls.Config, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// Certificates that are not trusted, TLS that is too old, and no TLS at all:
// neither the secret nor a code is sent.
func TestBadTLSIsSentNothing(t *testing.T) {
	var asked atomic.Int32
	answer := func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); _, _ = io.WriteString(w, yes) }
	plain := httptest.NewServer(http.HandlerFunc(answer))
	defer plain.Close()
	for _, tt := range []struct{ name, baseURL, want string }{
		{"untrusted", silentServer(t, nil, answer).URL, "TLS certificate not trusted"},
		{"TLS 1.1", silentServer(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, answer).URL, "TLS failed"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), "TLS failed"},
		{"not TLS", strings.Replace(listen(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-x\r\n") }), "http:", "https:", 1), "TLS failed"},
	} {
		client := clientOf(t, tt.baseURL)
		got, err := client.Verify(t.Context(), verification, "012345")
		t.Logf("%-10s %s", tt.name, outcome(got.String(), err))
		if got != undecided || outcome("", err) != tt.want {
			t.Errorf("%s: Verify = %v, %v, want undecided, %s", tt.name, got, err, tt.want)
		}
	}
	if got := asked.Load(); got != 0 {
		t.Errorf("%d requests reached a handler, want none", got)
	}
}

// The client's own transport offers TLS 1.2 and 1.3 and nothing below.
func TestOldTLSIsNotEvenOffered(t *testing.T) {
	offered := make(chan []uint16, 1)
	config := &tls.Config{MinVersion: tls.VersionTLS10, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered <- hello.SupportedVersions
		return nil, nil
	}}
	server := silentServer(t, config, func(http.ResponseWriter, *http.Request) {})
	if err := listDevices(t, clientOf(t, server.URL)); err == nil {
		t.Error("Devices worked over a certificate that nobody trusts")
	}
	for _, version := range <-offered {
		if version < tls.VersionTLS12 {
			t.Errorf("offered %s", tls.VersionName(version))
		}
	}
}
