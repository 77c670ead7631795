package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
	"github.com/caddymfa/caddymfa/cmd/demo/intranet"
)

// demo is everything that runs.
type demo struct {
	addresses options // as they are, with ports where the flags said 0
	gateway   *gateway
	servers   []*http.Server
}

// start opens every address, and then the servers behind them.
func start(o options) (*demo, error) {
	open, err := openAll(&o)
	if err != nil {
		return nil, err
	}
	// Caddy opens these two by itself; they were only tried.
	_ = errors.Join(open["-gateway"].Close(), closeIfOpen(open["-admin"]))

	d := &demo{addresses: o}
	fake := simulator.New(simulator.Options{ClientID: clientID, ClientSecret: clientSecret, Users: simulator.DemoUsers()})
	d.serve(open["-api"], fake.API())
	d.serve(open["-phone"], fake.Phone())
	d.serve(open["-app"], intranet.New(o.App))
	if d.gateway, err = startGateway(o); err != nil {
		_ = d.stop()
		return nil, err
	}
	return d, nil
}

// openAll listens on every address of o and writes the ports that were taken
// back into it. If one fails it names the flag and leaves nothing open.
func openAll(o *options) (map[string]net.Listener, error) {
	open := map[string]net.Listener{}
	for _, l := range o.listeners() {
		if *l.addr == "" {
			continue
		}
		taken, err := listen(l.addr)
		if err != nil {
			for _, other := range open {
				_ = other.Close()
			}
			return nil, fmt.Errorf("%s %s cannot be used (%w): choose another address with %[1]s", l.flag, *l.addr, err)
		}
		open[l.flag] = taken
	}
	return open, nil
}

// listen opens addr, whose host is a loopback one, and sets its port.
func listen(addr *string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(*addr)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(loopback(host), port))
	if err != nil {
		return nil, err
	}
	_, port, err = net.SplitHostPort(l.Addr().String())
	*addr = net.JoinHostPort(host, port)
	if err == nil && host == "localhost" {
		err = checkOtherLocalhost(port)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// checkOtherLocalhost sees whether somebody else listens on the port of [::1].
// Browsers try that address first for localhost, and would show another
// program's pages as if they were the demo's.
func checkOtherLocalhost(port string) error {
	l, err := net.Listen("tcp", net.JoinHostPort("::1", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return closeIfOpen(l) // any other error: this machine has no [::1]
}

// closeIfOpen closes l unless it is nil.
func closeIfOpen(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// serve answers on l until stop.
func (d *demo) serve(l net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	d.servers = append(d.servers, server)
	go func() { _ = server.Serve(l) }() // ends with stop
}

// stop ends the gateway first, so that nobody meets a gateway without an app.
func (d *demo) stop() error {
	var problems []error
	if d.gateway != nil {
		problems = append(problems, d.gateway.stop())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, server := range d.servers {
		if server.Shutdown(ctx) != nil {
			problems = append(problems, server.Close())
		}
	}
	return errors.Join(problems...)
}
