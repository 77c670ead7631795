package onelogin_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const (
	clientID     = "client-id"
	clientSecret = "canary-secret"
	userID       = "64515901"
	deviceID     = "3920371"
	verifID      = "5a0ba80a-39a1-4627-9a8b-1273278b34ee"
)

var verification = onelogin.Verification{ID: verifID, UserID: userID, DeviceID: deviceID}

// reply is what the fake answers. With err the connection is lost instead.
type reply struct {
	status int
	body   string
	header map[string]string
	err    error
}

// sent is one request as the fake saw it.
type sent struct {
	op, method, target, authorization, body string
	header                                  http.Header
}

// fake is a OneLogin in a http.RoundTripper: no network, so it works inside
// synctest bubbles. Each operation answers its replies in order and then
// repeats the last one.
type fake struct {
	t *testing.T

	mu      sync.Mutex
	replies map[string][]reply
	seen    []sent
	slow    map[string]time.Duration
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, replies: map[string][]reply{}, slow: map[string]time.Duration{}}
	f.on("token", accessTokenReply("T1", time.Now()))
	return f
}

func accessTokenReply(value string, created time.Time) reply {
	return reply{status: 200, body: fmt.Sprintf(`{"access_token":%q,"created_at":%q,"expires_in":36000,"token_type":"bearer","account_id":1}`,
		value, created.UTC().Format("2006-01-02T15:04:05.000Z"))}
}

func (f *fake) on(op string, replies ...reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies[op] = replies
}

// suffixes name an operation by the end of its path, the most telling first.
var suffixes = []struct{ suffix, op string }{
	{"/auth/oauth2/v2/token", "token"},
	{"/auth/rate_limit", "rate limit"},
	{"/api/1/login/auth", "log in"},
	{"/api/1/login/verify_factor", "verify login"},
	{"/api/2/smart-mfa", "validate smart"},
	{"/api/2/smart-mfa/verify", "verify smart"},
	{"/factors", "list factors"},
	{"/registrations", "register"},
	{"/mfa_token", "create temporary code"},
	{"/otp_devices", "devices"},
	{"/trigger", "activate"},
	{"/devices", "devices"},
	{"/api/2/users", "find"},
}

// opOf names the operation of a request. A few share their path, and the body
// tells them apart.
func opOf(method, path, body string) string {
	for _, s := range suffixes {
		if strings.HasSuffix(path, s.suffix) {
			return s.op
		}
	}
	put := method == http.MethodPut
	switch {
	case strings.Contains(path, "/registrations/"):
		return either(put, "verify registration", "poll registration")
	case strings.Contains(path, "/verifications/"):
		return either(put, "verify", "poll")
	case strings.HasSuffix(path, "/verifications"):
		return either(strings.Contains(body, `"otp"`), "verify unbound", "activate")
	case strings.Contains(path, "/otp_devices/"):
		return either(strings.Contains(body, `"otp_token"`), "verify", "poll")
	default:
		return "user"
	}
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	op := opOf(req.Method, req.URL.Path, string(body))
	answer, wait := f.next(op, sent{op, req.Method, req.URL.RequestURI(), req.Header.Get("Authorization"), string(body), req.Header.Clone()})
	select {
	case <-time.After(wait):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if answer.err != nil {
		return nil, answer.err
	}
	header := http.Header{}
	for name, value := range answer.header {
		header.Set(name, value)
	}
	return &http.Response{StatusCode: answer.status, Header: header, Body: io.NopCloser(bytes.NewBufferString(answer.body)), Request: req}, nil
}

func (f *fake) next(op string, s sent) (reply, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, s)
	queue := f.replies[op]
	if len(queue) == 0 {
		f.t.Errorf("unexpected request: %s %s", s.method, s.target)
		return reply{status: 500}, 0
	}
	if len(queue) > 1 {
		f.replies[op] = queue[1:]
	}
	return queue[0], f.slow[op]
}

// requests returns what was sent for one operation.
func (f *fake) requests(op string) []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []sent
	for _, s := range f.seen {
		if s.op == op {
			out = append(out, s)
		}
	}
	return out
}

func (f *fake) wantCalls(op string, want int) {
	f.t.Helper()
	if got := len(f.requests(op)); got != want {
		f.t.Errorf("%d requests %q, want %d", got, op, want)
	}
}

// client returns a client of the fake with the given changes to its config.
func (f *fake) client(change ...func(*onelogin.Config)) *onelogin.Client {
	f.t.Helper()
	config := onelogin.Config{BaseURL: "acme", ClientID: clientID, ClientSecret: clientSecret, Transport: f}
	for _, c := range change {
		c(&config)
	}
	client, err := onelogin.New(config)
	if err != nil {
		f.t.Fatalf("New: %v", err)
	}
	f.t.Cleanup(client.Close)
	return client
}

// speaking selects an MFA API.
func speaking(api string) func(*onelogin.Config) {
	return func(c *onelogin.Config) { c.API = api }
}

// refused reports whether err is an *Error with this status.
func refused(err error, status int) bool {
	refusal, ok := errors.AsType[*onelogin.Error](err)
	return ok && refusal.StatusCode == status
}

// advance lets the clock of a synctest bubble run.
func advance(d time.Duration) { <-time.After(d) }

func fixture(t testing.TB, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
