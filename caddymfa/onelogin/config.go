package onelogin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// maxTimeout is the limit of one call, and what it is if Config names none.
const maxTimeout = 10 * time.Second

var (
	tenantPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	portPattern   = regexp.MustCompile(`^([1-9][0-9]{0,4})?$`)
)

// Config says which tenant to talk to and how. BaseURL, ClientID and
// ClientSecret are required. It prints as [redacted].
type Config struct {
	redacted

	// BaseURL is the tenant's address. [New] takes what [BaseURL] takes.
	BaseURL string

	// ClientID and ClientSecret are the API credential. Verifications need one
	// with the scope Manage All (docs/onelogin.md, Scopes).
	ClientID     string
	ClientSecret string

	// Transport carries the requests. Nil selects a private one: TLS 1.2 or
	// newer, proxies as the environment says. A transport given here must see
	// to its own TLS rules.
	Transport http.RoundTripper

	// Timeout bounds one call of a method, all its tries and waits included.
	// Zero or less selects 10 seconds, and more counts as 10 seconds. The
	// caller's context can only shorten it.
	Timeout time.Duration

	// MaxConcurrent is how many HTTP requests may be under way at once. Zero or
	// less selects 64. As many calls again wait for their turn, for 2 seconds at
	// most; all others fail at once with an [*Error].
	MaxConcurrent int

	// API is the MFA API that Devices, Activate, Verify, VerifyUnbound and Poll
	// speak: "v2", which "" selects too, or "v1" (docs/onelogin.md, MFA v1).
	API string

	// HourlyBudget is how many HTTP requests the client may make in an hour,
	// access tokens and repeats included. Zero or less selects 4,000. It is a
	// bucket: a full one may be spent at once and refills evenly, so that an
	// hour that begins with a full one can see up to twice as many. When it is
	// spent, calls fail at once with an [*Error].
	HourlyBudget int

	// Reload, if not nil, is asked for the present API credential when OneLogin
	// has refused the one that is held: a file may hold a new secret. It is
	// asked once for all callers and not again for three seconds; what it
	// returns is used as by [Client.SetCredentials]. An error, the same
	// credential and one that cannot be sent change nothing. It runs on a
	// goroutine of the client and must heed ctx, which ends with the call.
	Reload func(ctx context.Context) (clientID, clientSecret string, err error)

	// Observe, if not nil, is told of every HTTP request after it ended. It
	// runs on the calling goroutine, possibly on many at once, and must be quick.
	Observe func(Call)
}

// Call describes one HTTP request that was made, for logs and metrics. It
// holds nothing secret and no personal data.
//
// Op is one of "access token", "rate limit", "find user", "get user", "list
// devices", "activate", "verify", "verify unbound", "poll", "list factors",
// "register", "verify registration", "poll registration", "create temporary
// code", "validate smart", "verify smart", "log in" and "verify login". They
// do not change from release to release, nor with the API's version.
type Call struct {
	Op         string        // what for, one of the names below
	StatusCode int           // 0 if no answer came
	RequestID  string        // OneLogin's X-Request-Id, "" if it sent none that we can read
	Duration   time.Duration // until the whole answer was read
	Err        error         // why there is no whole answer; nil for every answer, 5xx too
}

// BaseURL returns the base URL for tenant, without a trailing slash. Tenant is
// either a OneLogin subdomain ("acme" gives https://acme.onelogin.com) or a
// full URL: https, or http where the host is this machine (localhost or a
// loopback address), optionally with a path prefix. User names, queries,
// fragments, odd paths, link-local addresses and hosts that only look like
// OneLogin's, such as "acme.onelogin.com.example", are errors.
//
// It does not check that any other host belongs to OneLogin or exists.
func BaseURL(tenant string) (string, error) {
	if tenantPattern.MatchString(tenant) {
		return "https://" + strings.ToLower(tenant) + ".onelogin.com", nil
	}
	if !strings.Contains(tenant, "://") {
		return "", errors.New(`base URL: want a subdomain such as "acme" or a full URL such as "https://acme.onelogin.com"`)
	}
	if strings.ContainsAny(tenant, "?#") {
		return "", errors.New("base URL: no query or fragment allowed")
	}
	u, err := url.Parse(tenant)
	if err != nil {
		return "", errors.New("base URL: not a URL") // the cause would repeat a password in it
	}
	if err := checkBaseURL(u); err != nil {
		return "", fmt.Errorf("base URL: %w", err)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimSuffix(u.Path, "/"), nil
}

func checkBaseURL(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the scheme must be https")
	case u.User != nil:
		return errors.New("no user name or password allowed")
	case !validHost(u):
		return errors.New("the host is not a host name or an IP address")
	case lookalike(strings.ToLower(u.Hostname())):
		return errors.New("the host looks like OneLogin's and is not")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("http is allowed for this machine only, use https")
	case !plainPath(u):
		return errors.New("the path must be plain, without dots, doubled slashes or escapes")
	}
	return nil
}

func validHost(u *url.URL) bool {
	host := u.Hostname()
	address, err := netip.ParseAddr(host)
	validAddress := err == nil && address.Zone() == ""
	if err == nil && (address.IsLinkLocalUnicast() || address.IsUnspecified() || address.IsMulticast()) {
		return false // clouds answer there with secrets of their own
	}
	return (validAddress || hostPattern.MatchString(host)) && portPattern.MatchString(u.Port()) && !strings.HasSuffix(u.Host, ":")
}

// lookalike reports whether a host could be taken for a tenant's by who writes
// or reads the configuration.
func lookalike(host string) bool {
	const own = "onelogin.com"
	return strings.Contains(host, own+".") || strings.HasSuffix(host, own) && !strings.HasSuffix(host, "."+own)
}

func loopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

func plainPath(u *url.URL) bool {
	prefix := strings.TrimSuffix(u.Path, "/")
	return prefix == "" || (u.EscapedPath() == u.Path && path.Clean(prefix) == prefix)
}

// checkCredential refuses what cannot travel in the header that carries both
// values (docs/onelogin.md, Authentication). The texts never show the values.
func checkCredential(clientID, clientSecret string) error {
	if !headerWord(clientID) {
		return errors.New("client id: want printable ASCII without spaces and commas")
	}
	if !headerWord(clientSecret) {
		return errors.New("client secret: want printable ASCII without spaces and commas")
	}
	return nil
}

func headerWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' })
}
