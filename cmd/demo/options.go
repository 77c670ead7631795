package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// usage is the whole help text.
const usage = `Usage: demo [flags]

Runs a small legacy app, Caddy with MFA in front of it, a simulated OneLogin
and the person's phone, and prints what to open. Ctrl+C stops it.

Where to listen (loopback only; port 0 takes a free one):
  -gateway ADDR        Caddy                   (default localhost:8080)
  -phone ADDR          the person's phone      (default localhost:8091)
  -api ADDR            the simulated OneLogin  (default 127.0.0.1:8090)
  -app ADDR            the legacy app          (default 127.0.0.1:8092)
  -admin ADDR          Caddy's admin API       (default: off)

How long a proof is good for:
  -max-age DURATION        the app             (default 8h)
  -admin-max-age DURATION  pages below /admin/ (default 1m)

  -v                   log what the gateway decides
`

// options are the flags.
type options struct {
	Gateway, Phone, API, App string // host:port
	Admin                    string // host:port; empty: no admin API
	MaxAge, AdminMaxAge      time.Duration
	Verbose                  bool
}

// listener is the address that one flag sets.
type listener struct {
	flag string
	addr *string
}

// listeners lists the addresses in the order in which they are opened.
func (o *options) listeners() []listener {
	return []listener{{"-gateway", &o.Gateway}, {"-phone", &o.Phone}, {"-api", &o.API}, {"-app", &o.App}, {"-admin", &o.Admin}}
}

// parseOptions reads the flags. Where there is nothing to run it returns nil
// and the exit status.
func parseOptions(args []string, stdout, stderr io.Writer) (*options, int) {
	var o options
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(io.Discard) // the usage text is ours
	set.StringVar(&o.Gateway, "gateway", "localhost:8080", "")
	set.StringVar(&o.Phone, "phone", "localhost:8091", "")
	set.StringVar(&o.API, "api", "127.0.0.1:8090", "")
	set.StringVar(&o.App, "app", "127.0.0.1:8092", "")
	set.StringVar(&o.Admin, "admin", "", "")
	set.DurationVar(&o.MaxAge, "max-age", 8*time.Hour, "")
	set.DurationVar(&o.AdminMaxAge, "admin-max-age", time.Minute, "")
	set.BoolVar(&o.Verbose, "v", false, "")
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return nil, 0
	}
	if err == nil {
		err = o.check(set.Args())
	}
	if err != nil {
		fmt.Fprintf(stderr, "demo: %v\nRun demo -h for the flags.\n", err)
		return nil, 2
	}
	return &o, 0
}

// check refuses what cannot be meant, naming the flag. What the gateway itself
// demands of a duration is left to the gateway.
func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.MaxAge <= 0 || o.AdminMaxAge <= 0 {
		return errors.New("-max-age and -admin-max-age must be longer than nothing")
	}
	for _, l := range o.listeners() {
		if l.flag == "-admin" && *l.addr == "" {
			continue
		}
		if err := checkLoopback(*l.addr); err != nil {
			return fmt.Errorf("%s %q: %w", l.flag, *l.addr, err)
		}
	}
	return nil
}

// checkLoopback refuses every address that another machine could reach: the
// passwords are printed and the phone approves whatever it is told to.
func checkLoopback(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("want host:port, such as localhost:8080")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not a port", port)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("the demo listens on loopback only: localhost, 127.0.0.1 or [::1]")
	}
	return nil
}
