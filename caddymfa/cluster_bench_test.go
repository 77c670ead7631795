package caddymfa_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

const (
	benchRounds  = 60
	benchRound   = 150 * time.Millisecond
	benchWorkers = 8

	// pageRequests is how many requests a person makes in a row, as a browser
	// does that loads a page.
	pageRequests = 20
)

// contender is a Caddy in a process of its own that is measured.
type contender struct {
	name     string
	address  string
	process  *exec.Cmd
	requests [][]byte // one for each person
	conns    []*benchConn

	rates  []float64 // requests a second, by round
	served int64
	ticks  int64 // of CPU time, while it was measured
}

// BenchmarkThroughput asks three Caddies in front of one app in turn, in short
// rounds: one without mfa, one with the memory store and its journal, one with
// Redis. Ratios are medians over the rounds, so that whatever else the machine
// does hits all three alike. CPU times are of the Caddy processes alone: load
// and app, which have the same two cores, do not dilute those.
//
// "busy" is 50 people who never pause; "pages" is 2,000 people who load a page of
// 20 requests and pause for longer than a copy of their session lasts.
func BenchmarkThroughput(b *testing.B) {
	for name, people := range map[string]int{"busy": 50, "pages": 2000} {
		b.Run(name, func(b *testing.B) {
			all := contenders(b, people)
			for b.Loop() {
				for i := range benchRounds {
					for k := range all {
						all[(i+k)%len(all)].round(b)
					}
				}
			}
			report(b, all)
		})
	}
}

// contenders starts the three, with people who are verified at two of them.
func contenders(b *testing.B, people int) []*contender {
	b.Helper()
	folder := b.TempDir()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	b.Cleanup(app.Close)
	keys, server := sealKey(b, folder), redistest.Start(b)
	file := filepath.Join(folder, "journal")
	kept := memory.New(memory.Config{Open: func(ctx context.Context) (*journal.Journal, error) {
		return journal.Open(ctx, journal.Config{Path: file, Vault: vault.New(keys)})
	}})
	shared := openRedis(b, keys, server.Addr)
	inMemory, inRedis := make([]string, people), make([]string, people)
	var seeding sync.WaitGroup
	for worker := range 32 {
		seeding.Go(func() {
			for i := worker; i < people; i += 32 {
				user := fmt.Sprintf("user%05d", i)
				inMemory[i], inRedis[i] = seed(b, kept, user, 0), seed(b, shared, user, 0)
			}
		})
	}
	seeding.Wait()
	kept.Close()
	const options = "{\n\t\tuser {http.request.header.Remote-User}\n\t\tinsecure_http\n\t}"
	all := []*contender{
		{name: "plain", requests: benchRequests(inMemory)},
		{name: "memory", requests: benchRequests(inMemory)},
		{name: "redis", requests: benchRequests(inRedis)},
	}
	for i, store := range []string{"", "store memory {\n\t\t\tjournal " + file + "\n\t\t}", "store redis " + server.Addr} {
		mfa := "mfa " + options
		if store == "" {
			mfa = ""
		}
		all[i].start(b, folder, strings.NewReplacer("FOLDER", folder, "STORE", store, "MFA", mfa,
			"APP", strings.TrimPrefix(app.URL, "http://")).Replace(benchFile))
	}
	return all
}

const benchFile = `{
	admin off
	persist_config off
	storage file_system FOLDER/storage
	auto_https off
	mfa {
		onelogin http://127.0.0.1:1 {
			client_id demo-client
			client_secret demo-secret
		}
		STORE
	}
}
http://:PORT {
	bind 127.0.0.1
	MFA
	reverse_proxy APP
}
`

func benchRequests(cookieValues []string) [][]byte {
	var requests [][]byte
	for i, cookieValue := range cookieValues {
		requests = append(requests, fmt.Appendf(nil, "GET /reports/2026?page=%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"+
			"Accept: text/html\r\nRemote-User: user%05d\r\nCookie: theme=dark; %s=%s; lang=en\r\n\r\n", i, clusterSite, i, clusterCookie, cookieValue))
	}
	return requests
}

// start starts the Caddy and asks it once for everybody.
func (c *contender) start(b *testing.B, folder, file string) {
	b.Helper()
	c.address = redistest.FreeAddr(b)
	_, port, _ := net.SplitHostPort(c.address)
	path := filepath.Join(folder, c.name+".caddyfile")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(file, "PORT", port)), 0o600); err != nil {
		b.Fatal(err)
	}
	said := new(bytes.Buffer)
	c.process = exec.Command(os.Args[0], "run", "--config", path, "--adapter", "caddyfile")
	c.process.Env = append(os.Environ(), asCaddy+"=1", "HOME="+folder, "XDG_DATA_HOME="+folder+"/"+c.name, "XDG_CONFIG_HOME="+folder)
	c.process.Stderr = said
	if err := c.process.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.process.Process.Signal(syscall.SIGTERM)
		_ = c.process.Wait()
		if b.Failed() {
			b.Logf("%s:\n%s", c.name, said)
		}
	})
	redistest.Eventually(b, time.Minute, c.name+" listens", func() bool {
		conn, err := net.Dial("tcp", c.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	for range benchWorkers {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		c.conns = append(c.conns, &benchConn{conn, bufio.NewReader(conn)})
	}
	for _, request := range c.requests {
		if err := c.conns[0].ask(request); err != nil {
			b.Fatalf("%s: %v", c.name, err)
		}
	}
}

// round measures for a moment.
func (c *contender) round(b *testing.B) {
	b.Helper()
	var served atomic.Int64
	var workers sync.WaitGroup
	before, began := c.cpu(), time.Now()
	for _, conn := range c.conns {
		workers.Go(func() {
			for time.Since(began) < benchRound {
				request := c.requests[rand.N(len(c.requests))]
				for range pageRequests {
					if err := conn.ask(request); err != nil {
						b.Errorf("%s: %v", c.name, err)
						return
					}
				}
				served.Add(pageRequests)
			}
		})
	}
	workers.Wait()
	c.rates = append(c.rates, float64(served.Load())/time.Since(began).Seconds())
	c.served, c.ticks = c.served+served.Load(), c.ticks+c.cpu()-before
}

// cpu returns the CPU time of the process in hundredths of a second, where
// there is /proc.
func (c *contender) cpu() int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.process.Process.Pid))
	_, text, _ = bytes.Cut(text, []byte(") "))
	fields := strings.Fields(string(text))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return user + system
}

// benchConn is a connection that costs little beside what is measured.
type benchConn struct {
	net.Conn
	answers *bufio.Reader
}

// ask fails unless the app answers.
func (c *benchConn) ask(request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	line, err := c.answers.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q, %w", line, err)
	}
	length := 0
	for len(line) > len("\r\n") {
		if line, err = c.answers.ReadSlice('\n'); err != nil {
			return err
		}
		if size, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(size)))
		}
	}
	_, err = c.answers.Discard(length)
	return err
}

// report prints how the contenders compare.
func report(b *testing.B, all []*contender) {
	cost := func(c *contender) float64 { return float64(c.ticks) * 10_000 / float64(c.served) }
	for _, pair := range [][2]*contender{{all[2], all[1]}, {all[1], all[0]}, {all[2], all[0]}} {
		var ratios []float64
		for i, rate := range pair[0].rates {
			ratios = append(ratios, rate/pair[1].rates[i])
		}
		slices.Sort(ratios)
		name := pair[0].name + "/" + pair[1].name
		b.ReportMetric(ratios[len(ratios)/2], name)
		b.Logf("%s: requests a second %.3f (quartiles %.3f and %.3f, %d rounds), CPU time of Caddy %.1f and %.1f µs a request: %.3f", name,
			ratios[len(ratios)/2], ratios[len(ratios)/4], ratios[len(ratios)*3/4], len(ratios), cost(pair[0]), cost(pair[1]), cost(pair[1])/cost(pair[0]))
	}
	for _, c := range all {
		slices.Sort(c.rates)
		b.ReportMetric(c.rates[len(c.rates)/2], c.name+"-req/s")
	}
	b.ReportMetric(0, "ns/op") // says nothing
}
