package main

import (
	"bytes"
	"cmp"
	_ "embed" // for the Caddyfile
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // basic_auth, reverse_proxy, storage

	_ "github.com/caddymfa/caddymfa/caddymfa" // mfa
	"github.com/caddymfa/caddymfa/cmd/demo/intranet"
)

//go:embed Caddyfile.tmpl
var caddyfileText string

var caddyfile = template.Must(template.New("Caddyfile").Parse(caddyfileText))

const (
	// clientID and clientSecret are the API credential of the simulated
	// OneLogin.
	clientID     = "demo-client"
	clientSecret = "demo-secret"

	// passwordHash is bcrypt of "demo". It is cheap on purpose: the password
	// is no secret.
	passwordHash = "$2a$08$kwKkMddYYjnvRzTJEzXLyewKwUZ48TsJwqlXABbKEVtFCAZ3IpBuW"
)

// gateway is Caddy, running in this process. There is only one per process.
type gateway struct {
	folder string // what it keeps on disk; removed by stop
}

// startGateway runs Caddy as the Caddyfile says. It returns when the gateway
// accepts connections.
func startGateway(o options) (*gateway, error) {
	folder, err := os.MkdirTemp("", "caddymfa-demo-")
	if err != nil {
		return nil, fmt.Errorf("folder for Caddy: %w", err)
	}
	g := &gateway{folder}
	if err := g.load(o); err != nil {
		_ = os.RemoveAll(folder)
		return nil, fmt.Errorf("start Caddy: %w", err)
	}
	return g, nil
}

// load gives Caddy its config. A warning of the adapter is an error: the
// Caddyfile is ours.
func (g *gateway) load(o options) error {
	if err := os.WriteFile(filepath.Join(g.folder, "secret"), []byte(clientSecret), 0o600); err != nil {
		return err
	}
	text, err := g.caddyfile(o)
	if err != nil {
		return err
	}
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	if len(warnings) > 0 {
		return fmt.Errorf("%v", warnings)
	}
	return caddy.Load(config, true)
}

// caddyfile fills in the template.
func (g *gateway) caddyfile(o options) ([]byte, error) {
	host, _, err := net.SplitHostPort(o.Gateway)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = caddyfile.Execute(&text, map[string]any{
		"Admin":       cmp.Or(o.Admin, "off"),
		"Folder":      g.folder,
		"Verbose":     o.Verbose,
		"OneLogin":    "http://" + o.API,
		"ClientID":    clientID,
		"Company":     strconv.Quote(intranet.Company),
		"Gateway":     o.Gateway,
		"Bind":        loopback(host),
		"Hash":        passwordHash,
		"MaxAge":      o.MaxAge,
		"Lifetime":    max(24*time.Hour, o.MaxAge),
		"AdminMaxAge": o.AdminMaxAge,
		"App":         o.App,
	})
	return text.Bytes(), err
}

// loopback is the address that Caddy binds for host. Without it Caddy would
// take a host name for a matcher and listen on every interface.
func loopback(host string) string {
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}

// stop ends Caddy, with two seconds for requests under way, and removes what
// it kept on disk.
func (g *gateway) stop() error {
	err := caddy.Stop()
	if rmErr := os.RemoveAll(g.folder); err == nil {
		err = rmErr
	}
	return err
}
