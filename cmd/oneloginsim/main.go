// Command oneloginsim runs the OneLogin simulator alone: the API on one
// address, the people's phones and the control API on another. It is for demos
// and tests and protects nothing. See docs/simulator.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "oneloginsim:", err)
	os.Exit(1)
}
