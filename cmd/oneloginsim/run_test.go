package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestBadCommandLines(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"-colour", "red"}, "-colour"},
		{"argument", []string{"start"}, `unexpected argument "start"`},
		{"switch without value", []string{"-switch", "html_502"}, "want NAME=VALUE"},
		{"unknown switch", []string{"-switch", "html_503=true"}, "html_503"},
		{"unknown value", []string{"-switch", "verify_body=round"}, "none of string, object, flat"},
		{"credential without scope", []string{"-credential", "a:b"}, "want ID:SECRET:SCOPE"},
		{"unknown scope", []string{"-credential", "a:b:Everything"}, "Authentication Only"},
		{"phone for everybody", []string{"-phone", "0.0.0.0:0"}, "only a loopback address"},
		{"phone on all addresses", []string{"-phone", ":0"}, "only a loopback address"},
		{"phone under a name", []string{"-phone", "phone.example:0"}, "only a loopback address"},
		{"phone without port", []string{"-phone", "127.0.0.1"}, "want HOST:PORT"},
		{"taken api port", []string{"-api", taken.Addr().String(), "-phone", "127.0.0.1:0"}, "choose another address with -api"},
		{"taken phone port", []string{"-api", "127.0.0.1:0", "-phone", taken.Addr().String()}, "choose another address with -phone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), test.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("run(%q) = %v, want an error with %q", test.args, err, test.want)
			}
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	var stderr strings.Builder
	err := run(t.Context(), []string{"-h"}, io.Discard, &stderr)
	if !errors.Is(err, flag.ErrHelp) || stderr.String() != usage {
		t.Errorf("run(-h) = %v and printed %q", err, stderr.String())
	}
}

func TestServesUntilToldToStop(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer http.DefaultClient.CloseIdleConnections()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-api", "127.0.0.1:0", "-phone", "127.0.0.1:0",
			"-client-id", "me", "-client-secret", "mine", "-credential", "reader:r:Read All", "-switch", "html_502=true", "-switch", "only=users"}, write, io.Discard)
	}()
	addresses := announced(t, read)
	for url, want := range map[string]int{
		addresses[0] + "/api/2/users": 502, addresses[0] + "/api/2/users/101": 401, addresses[1] + "/": 200, addresses[1] + "/_sim/users": 200, addresses[0] + "/portal": 200,
	} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", url, resp.StatusCode, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run = %v, want nil after a stop", err)
	}
}

// announced returns the addresses of the API and the phones from what the
// program prints.
func announced(t *testing.T, printed io.Reader) []string {
	t.Helper()
	var found []string
	lines := bufio.NewScanner(printed)
	for lines.Scan() {
		if address := regexp.MustCompile(`http://[0-9.:]+`).FindString(lines.Text()); address != "" {
			found = append(found, address)
		}
		if strings.HasPrefix(lines.Text(), "Stop") {
			return found
		}
	}
	t.Fatalf("the program printed only %q", found)
	return nil
}
