package caddymfa

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// OneLogin names the tenant and the API credential that the gateway uses.
//
// The credential needs OneLogin's scope "Manage All": no smaller one may send
// and check codes (docs/onelogin.md, Scopes). Keep the secret outside the
// config, as {env.NAME} or {file./path}.
type OneLogin struct {
	// Tenant is the subdomain ("acme" for https://acme.onelogin.com) or a
	// full base URL. A base URL is https; http is allowed for a loopback
	// host, for tests. Required.
	Tenant string `json:"tenant,omitempty"`

	// ClientID is the id of the API credential. Placeholders {env.*} and
	// {file.*} are filled in when the config is loaded; an unset one is an
	// error. Required.
	ClientID string `json:"client_id,omitempty"`

	// ClientSecret is the secret of the API credential. Placeholders as for
	// ClientID; when OneLogin refuses the credential they are filled in again,
	// so that a new secret in a file is taken without a reload. A secret written into the config itself works, with a
	// warning: Caddy shows and stores its config in clear. Required.
	ClientSecret string `json:"client_secret,omitempty"`

	// CA is a PEM file with the root certificates that OneLogin's certificate
	// must lead to, in place of the system's. It is for a base URL behind a
	// private root. Verification cannot be turned off. Default: the system's
	// roots.
	CA string `json:"ca,omitempty"`

	// API is the version of OneLogin's MFA API that proves people: "v2", or
	// "v1" for tenants that still need it. Looking users up uses v2 in both.
	// Default: v2.
	API string `json:"api,omitempty"`

	// EmailLink is where OneLogin sends people after they opened a link in a
	// mail, for tenants whose Email factor sends links and not codes: an
	// https URL, the same for everybody. Left out, mails hold codes.
	EmailLink string `json:"email_link,omitempty"`

	// HourlyBudget is how many calls to OneLogin this process may make in an
	// hour. OneLogin counts 5,000 an hour for the whole account, shared with
	// everything else that uses its API. Default: 4000.
	HourlyBudget int `json:"hourly_budget,omitempty"`
}

// credential is an [OneLogin] with its placeholders filled in. It is never
// logged and never put back into the config.
type credential struct {
	baseURL, clientID, clientSecret string
	api                             string
	emailLink                       string
	hourlyBudget                    int
	helpDesk                        bool
	transport                       http.RoundTripper
}

// identity names what a client and its engine are made for, but not the
// secret: a new secret for the same credential is no new client.
func (c credential) identity() string {
	return fmt.Sprintf("%s\n%s\n%s\n%s\n%d\n%t", c.baseURL, c.clientID, c.api, c.emailLink, c.hourlyBudget, c.helpDesk)
}

func (o *OneLogin) resolve(log *zap.Logger) (credential, error) {
	fill := caddy.NewReplacer()
	var c credential
	tenant, err := fill.ReplaceOrErr(o.Tenant, true, true)
	if err == nil {
		c.baseURL, err = onelogin.BaseURL(tenant)
	}
	if err != nil {
		return c, fmt.Errorf("onelogin: %w", err)
	}
	if c.clientID, c.clientSecret, err = o.secrets(); err != nil {
		return c, err
	}
	if !isPlaceholder(o.ClientSecret) {
		log.Warn("client_secret is written into the config, which Caddy shows and stores in clear: use {env.NAME} or {file./path}")
	}
	if err := o.checkRest(); err != nil {
		return c, err
	}
	c.api, c.emailLink, c.hourlyBudget = cmp.Or(o.API, apiV2), o.EmailLink, o.HourlyBudget
	c.transport, err = transport(o.CA)
	return c, err
}

// secrets returns the credential as its placeholders say now.
func (o *OneLogin) secrets() (clientID, clientSecret string, err error) {
	fill := caddy.NewReplacer()
	if clientID, err = fillSecret(fill, "client_id", o.ClientID); err != nil {
		return "", "", err
	}
	clientSecret, err = fillSecret(fill, "client_secret", o.ClientSecret)
	return clientID, clientSecret, err
}

// Versions of OneLogin's MFA API.
const (
	apiV1 = "v1"
	apiV2 = "v2"
)

// checkRest refuses what needs no placeholder to be judged.
func (o *OneLogin) checkRest() error {
	if o.API != "" && o.API != apiV1 && o.API != apiV2 {
		return fmt.Errorf("onelogin: api %q is neither v1 nor v2", o.API)
	}
	if o.HourlyBudget < 0 {
		return fmt.Errorf("onelogin: hourly_budget %d is below zero", o.HourlyBudget)
	}
	if o.EmailLink == "" {
		return nil
	}
	link, err := url.Parse(o.EmailLink)
	if err != nil || link.Scheme != "https" || link.Host == "" || link.User != nil {
		return fmt.Errorf("onelogin: email_link %q is not an https URL", o.EmailLink)
	}
	return nil
}

// fillSecret names the option and the placeholder when it fails, never the
// value.
func fillSecret(fill *caddy.Replacer, option, value string) (string, error) {
	if value == "" {
		return "", fmt.Errorf("onelogin: %s is missing: give it as {env.NAME} or {file./path}", option)
	}
	filled, err := fill.ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("onelogin: %s: %w", option, err)
	}
	if filled = strings.TrimSpace(filled); filled == "" {
		return "", fmt.Errorf("onelogin: %s is empty", option)
	}
	return filled, nil
}

// transport trusts the roots in the file ca alone. Without a file it is nil:
// the client then brings its own.
func transport(ca string) (http.RoundTripper, error) {
	if ca == "" {
		return nil, nil
	}
	roots, err := readRoots(ca)
	if err != nil {
		return nil, fmt.Errorf("onelogin: %w", err)
	}
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("onelogin: ca: the default transport was replaced")
	}
	own := base.Clone()
	own.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return own, nil
}

// readRoots reads a PEM file of root certificates.
func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: no certificate in %s", file)
	}
	return roots, nil
}

// subdomain is the tenant's name, which password logins have to give. At a
// host outside onelogin.com it is the host's first label.
func (o *OneLogin) subdomain() string {
	host := o.Tenant
	if base, err := url.Parse(o.Tenant); err == nil && base.Host != "" {
		host = base.Hostname()
	}
	label, _, _ := strings.Cut(host, ".")
	return label
}

// foreignHost is the host of a base URL outside onelogin.com, or "". Such a
// host is allowed (a custom domain, a simulator) and said at start.
func (o *OneLogin) foreignHost() string {
	base, err := url.Parse(o.Tenant)
	if err != nil || base.Host == "" || strings.HasSuffix(base.Hostname(), ".onelogin.com") {
		return ""
	}
	return base.Host
}
