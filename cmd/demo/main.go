// Command demo runs the whole of caddymfa on one laptop: a legacy app, Caddy
// with MFA in front of it, a simulated OneLogin, and the person's phone as a
// web page. It needs no tenant, no certificate and no network beyond loopback.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl+C ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run starts the demo, tells on stdout what to open, and stops it when ctx
// ends. It returns the exit status: 0 after a stop or a request for help, 2
// for a wrong flag, 1 for everything else. Reasons go to stderr, and so does
// Caddy's log.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, status := parseOptions(args, stdout, stderr)
	if opts == nil {
		return status
	}
	d, err := start(*opts)
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	d.printGuide(stdout)
	<-ctx.Done()
	if err := d.stop(); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}
