// Package redistest starts real Redis servers for tests: one by itself, one
// behind a Sentinel, a cluster of some, and breaks them on demand.
//
// A server lives as long as its test, listens on a free port of 127.0.0.1,
// keeps its data in a directory of the test, and saves nothing by itself.
package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RequireEnv is the environment variable that, set to 1, makes a missing
// redis-server fail the test instead of skipping it.
const RequireEnv = "CADDYMFA_REQUIRE_REDIS"

// startTime is how long a server may take until it answers.
const startTime = 20 * time.Second

// Server is a running redis-server. Its methods fail the test where they
// cannot do what they say; they are for the test's own goroutine.
type Server struct {
	Addr string // host:port for clients, with TLS if the server was given a certificate

	t        testing.TB
	command  []string // how it is started, without the program
	data     string   // directory of its dump and log
	socket   string   // where Do talks to it, whatever Addr speaks
	password string
	process  *exec.Cmd
	exited   chan struct{}
}

// Start starts a server with further command line arguments, such as
// "--maxmemory", "1mb", and waits until it answers. If --tls-cert-file is among
// them Addr speaks TLS alone. Where there is no redis-server the test is
// skipped, or fails if [RequireEnv] is 1.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := prepare(t)
	port := []string{"--port", portOf(s.Addr)}
	if slices.Contains(args, "--tls-cert-file") {
		port = []string{"--port", "0", "--tls-port", portOf(s.Addr)}
	}
	if i := slices.Index(args, "--requirepass"); i >= 0 {
		s.password = args[i+1]
	}
	s.command = slices.Concat(port, []string{
		"--bind", "127.0.0.1", "--unixsocket", s.socket, "--dir", s.data, "--logfile", s.log(),
		"--save", "", "--appendonly", "no",
	}, args)
	s.run()
	return s
}

// prepare chooses an address and directories, and has them cleaned up.
func prepare(t testing.TB) *Server {
	t.Helper()
	program(t)
	short, err := os.MkdirTemp("", "redistest") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Addr: FreeAddr(t), t: t, data: t.TempDir(), socket: filepath.Join(short, "s"),
	}
	t.Cleanup(func() {
		if s.alive() {
			s.Kill()
		}
		os.RemoveAll(short)
		if t.Failed() {
			said, _ := os.ReadFile(s.log())
			t.Logf("redis-server %s said:\n%s", s.Addr, said)
		}
	})
	return s
}

// program returns the path of redis-server.
func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "NOT TESTED: there is no redis-server here; install it (Debian: apt install redis-server)"
	if os.Getenv(RequireEnv) == "1" {
		t.Fatal(missing + "; " + RequireEnv + "=1 forbids to skip this test")
	}
	t.Skip(missing)
	return ""
}

// FreeAddr returns an address of 127.0.0.1 on which nobody listened a moment
// ago. Its port lies below those that systems give to connections, one of which
// might take it while a server is away.
func FreeAddr(t testing.TB) string {
	t.Helper()
	const first, last, tries = 11_000, 32_000, 100
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", first+rand.N(last-first))
		if listener, err := net.Listen("tcp", addr); err == nil {
			listener.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func (s *Server) log() string { return filepath.Join(s.data, "log") }

// run starts the process and waits until it answers.
func (s *Server) run() {
	s.t.Helper()
	os.Remove(s.socket)
	s.process = exec.Command(program(s.t), s.command...)
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	exited := make(chan struct{})
	s.exited = exited
	go func(process *exec.Cmd) {
		_ = process.Wait()
		close(exited)
	}(s.process)
	Eventually(s.t, startTime, "redis-server answers", func() bool {
		if !s.alive() {
			s.t.Fatal("redis-server ended by itself")
		}
		_, err := s.Try("PING")
		return err == nil
	})
}

func (s *Server) alive() bool {
	if s.exited == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Stop ends the server as an operator would (SIGTERM). What was not saved is
// lost.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server at once (SIGKILL).
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(with syscall.Signal) {
	s.t.Helper()
	s.signal(with)
	select {
	case <-s.exited:
	case <-time.After(startTime):
		s.t.Fatalf("redis-server did not end by %v", with)
	}
}

// Freeze stops the server from running, as a machine without memory would:
// connections stay, and nothing is answered (SIGSTOP).
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on (SIGCONT).
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(what syscall.Signal) {
	s.t.Helper()
	if !s.alive() {
		s.t.Fatalf("%v for a redis-server that does not run", what)
	}
	if err := s.process.Process.Signal(what); err != nil {
		s.t.Fatalf("%v: %v", what, err)
	}
}

// Restart ends the server if it runs and starts it again at the same address,
// with what it held or empty. After Kill or Stop, keepData brings back what was
// saved last, by Do("SAVE") or by an earlier Restart.
func (s *Server) Restart(keepData bool) {
	s.t.Helper()
	if s.alive() {
		if keepData {
			s.Do("SAVE")
		}
		s.Stop()
	}
	if !keepData {
		os.Remove(filepath.Join(s.data, "dump.rdb"))
	}
	s.run()
}

// Config changes a setting of the running server (CONFIG SET).
func (s *Server) Config(name, value string) {
	s.t.Helper()
	s.Do("CONFIG", "SET", name, value)
}

// Field returns a line of INFO by its name, such as "role" or "used_memory".
func (s *Server) Field(name string) string {
	s.t.Helper()
	for line := range strings.Lines(s.Do("INFO")) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	s.t.Fatalf("INFO has no %s", name)
	return ""
}

// Eventually asks until the answer is yes, and fails the test if that takes
// longer than patience.
func Eventually(t testing.TB, patience time.Duration, what string, yes func() bool) {
	t.Helper()
	often := time.NewTicker(2 * time.Millisecond)
	defer often.Stop()
	end := time.After(patience)
	for !yes() {
		select {
		case <-often.C:
		case <-end:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
