package onelogin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// Client talks to one OneLogin tenant with one API credential. It is safe for
// concurrent use and keeps one access token for all callers.
type Client struct {
	baseURL   string
	transport http.RoundTripper
	timeout   time.Duration
	observe   func(Call)
	tokens    *accessTokens
	budget    *rate.Limiter
	slots     slots
	circuit   *circuit
	mfa       backend
	end       context.CancelFunc
}

// New returns a client. It makes no request: a wrong credential shows at the
// first call. Errors name the field that is wrong and never its secret value.
func New(config Config) (*Client, error) {
	baseURL, err := BaseURL(config.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("onelogin: %w", err)
	}
	if err := checkCredential(config.ClientID, config.ClientSecret); err != nil {
		return nil, fmt.Errorf("onelogin: %w", err)
	}
	c := &Client{
		baseURL:   baseURL,
		transport: config.Transport,
		timeout:   config.Timeout,
		observe:   config.Observe,
		budget:    newBudget(config.HourlyBudget),
		slots:     newSlots(config.MaxConcurrent),
		circuit:   newCircuit(),
	}
	if c.mfa, err = c.backend(config.API); err != nil {
		return nil, fmt.Errorf("onelogin: %w", err)
	}
	if c.transport == nil {
		c.transport = newTransport()
	}
	if c.timeout <= 0 || c.timeout > maxTimeout {
		c.timeout = maxTimeout
	}
	lifetime, end := context.WithCancel(context.Background())
	c.end = end
	c.tokens = &accessTokens{
		fetch:  c.fetchAccessToken,
		reload: config.Reload,
		within: func() (context.Context, context.CancelFunc) { return context.WithTimeout(lifetime, c.timeout) },
	}
	c.SetCredentials(config.ClientID, config.ClientSecret)
	return c, nil
}

// backend returns what speaks the MFA API of this name.
func (c *Client) backend(api string) (backend, error) {
	switch api {
	case "", "v2":
		return v2{c}, nil
	case "v1":
		return v1{c}, nil
	default:
		return nil, errors.New(`API: want "v2" or "v1"`)
	}
}

// SetCredentials makes all further calls use this API credential. If it
// differs from the present one the access token held is dropped, and a fetch
// under way with the old credential is not kept. A credential that OneLogin
// does not accept shows at the next call.
func (c *Client) SetCredentials(clientID, clientSecret string) {
	c.tokens.setCredential(clientID, clientSecret)
}

// State tells whether calls go out to OneLogin at the moment. It makes no
// request, and is up to date with a call when the observer is told of it.
//
//   - "closed": they do.
//   - "paused": OneLogin throttles us, and all calls fail until the time that
//     it named, or a minute at most.
//   - "open": OneLogin could not be reached or was out of order three times in
//     a row, and all calls fail for ten seconds.
//   - "half-open": the next call tries whether that is over; all others fail
//     until it has an answer.
//
// Which failures count, and that no single user can open the circuit, is in
// docs/onelogin.md, Out of order.
func (c *Client) State() string {
	return c.circuit.state(time.Now())
}

// Close ends an access token fetch that may be under way and closes idle
// connections. The client must not be used afterwards. The access token is not
// revoked: OneLogin hands the same one to every holder of the credential.
func (c *Client) Close() {
	c.end()
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
