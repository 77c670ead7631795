package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const usage = `oneloginsim runs a simulated OneLogin. It protects nothing.

Usage: oneloginsim [flags]

  -api ADDRESS           where the API listens (default 127.0.0.1:8090)
  -phone ADDRESS         where the phones and the control API listen, loopback
                         only (default 127.0.0.1:8091)
  -client-id ID          API credential (default demo-client)
  -client-secret SECRET  its secret (default demo-secret)
  -credential ID:SECRET:SCOPE
                         a further API credential, repeatable, such as
                         -credential "login:s3cret:Authentication Only"
  -switch NAME=VALUE     a deviation, repeatable, such as -switch slow=2s
`

// settings are what the command line says.
type settings struct {
	apiAddress, phoneAddress string
	options                  simulator.Options
}

// run starts the simulator and stops it when ctx ends. Errors are mistakes on
// the command line, addresses that cannot be used, and servers that break.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := requireLoopback(set.phoneAddress); err != nil {
		return err
	}
	apiListener, err := listen("api", set.apiAddress)
	if err != nil {
		return err
	}
	defer apiListener.Close()
	phoneListener, err := listen("phone", set.phoneAddress)
	if err != nil {
		return err
	}
	defer phoneListener.Close()
	sim := simulator.New(set.options)
	announce(stdout, apiListener.Addr(), phoneListener.Addr(), set.options)
	return serve(ctx, map[net.Listener]http.Handler{apiListener: sim.API(), phoneListener: sim.Phone()})
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("oneloginsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	flags.StringVar(&set.apiAddress, "api", "127.0.0.1:8090", "")
	flags.StringVar(&set.phoneAddress, "phone", "127.0.0.1:8091", "")
	flags.StringVar(&set.options.ClientID, "client-id", "demo-client", "")
	flags.StringVar(&set.options.ClientSecret, "client-secret", "demo-secret", "")
	flags.Func("credential", "", func(text string) error {
		parts := strings.SplitN(text, ":", 3)
		if len(parts) != 3 || !slices.Contains(simulator.Scopes(), simulator.Scope(parts[2])) {
			return fmt.Errorf("want ID:SECRET:SCOPE with a scope of %q", simulator.Scopes())
		}
		set.options.Credentials = append(set.options.Credentials,
			simulator.Credential{ClientID: parts[0], ClientSecret: parts[1], Scope: simulator.Scope(parts[2])})
		return nil
	})
	flags.Func("switch", "", func(text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return errors.New("want NAME=VALUE")
		}
		return set.options.Switches.Set(name, value)
	})
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	if flags.NArg() > 0 {
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return set, nil
}

// requireLoopback refuses an address that other machines could reach, because
// whoever reaches the phones can approve everything.
func requireLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("phone address %q: want HOST:PORT", address)
	}
	ip := net.ParseIP(host)
	if host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("phone address %q: anybody who reaches the phones can approve everything, so only a loopback address such as 127.0.0.1:8091 is allowed", address)
}

func listen(name, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the %s (choose another address with -%s): %w", name, name, err)
	}
	return listener, nil
}

// announce says what to open. The secret is that of an invented account.
func announce(stdout io.Writer, api, phone net.Addr, o simulator.Options) {
	fmt.Fprintf(stdout, `OneLogin simulator. Not OneLogin; protects nothing.
  API     http://%s   (client id %s, client secret %s)
  Phones  http://%s/
  Control http://%s/_sim/users
  Portal  http://%s/portal
Stop with Ctrl-C.
`, api, o.ClientID, o.ClientSecret, phone, phone, api)
}

// serve runs one server per listener until ctx ends or one of them breaks.
func serve(ctx context.Context, handlers map[net.Listener]http.Handler) error {
	broken := make(chan error, len(handlers))
	var servers []*http.Server
	for listener, handler := range handlers {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		go func() { broken <- server.Serve(listener) }()
	}
	var problem error
	select {
	case <-ctx.Done():
	case problem = <-broken:
	}
	// Calls in flight get a moment to end; slow ones are cut off.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for _, server := range servers {
		if server.Shutdown(grace) != nil {
			server.Close()
		}
	}
	return problem
}
