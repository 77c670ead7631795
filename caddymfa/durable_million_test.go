package caddymfa_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// BenchmarkStartWithAMillionSessions starts Caddy on a journal with a million
// sessions, until one of them has let a request pass to the app:
//
//	go test -run '^$' -bench StartWithAMillion ./caddymfa
//
// Memory is what the process holds at that moment. Anonymous memory is its own,
// garbage of the start included; the rest of what is resident is the program
// and the journal, which the system takes back when it needs room.
func BenchmarkStartWithAMillionSessions(b *testing.B) {
	const count = 1_000_000
	empty, full := newStarter(b, 1), newStarter(b, count)
	empty.startUp(b)
	_, without := empty.memory(b)
	file, err := os.Stat(full.journalFile())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		full.startUp(b)
		b.StopTimer()
		resident, anonymous := full.memory(b)
		b.ReportMetric(resident/(1<<20), "MiB-resident")
		b.ReportMetric(anonymous/(1<<20), "MiB-anonymous")
		b.ReportMetric((anonymous-without)/count, "anonymous-B/session")
		process := full.process
		full.end(os.Kill)
		busy := process.ProcessState.UserTime() + process.ProcessState.SystemTime()
		b.ReportMetric(busy.Seconds(), "cpu-s/start")
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/start")
	b.ReportMetric(float64(file.Size())/count, "file-B/session")
}

// starter is a node for a benchmark, and somebody who is verified there.
type starter struct {
	*node
	who holder
}

// newStarter returns a node that is not started yet, with count sessions in its
// journal.
func newStarter(b *testing.B, count int) *starter {
	b.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(app.Close)
	folder, err := os.MkdirTemp("", "mfa") // a short name: a socket will be in it
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	listener.Close()
	c := &cluster{folder: folder, api: "http://127.0.0.1:9", behind: app.URL} // nobody asks OneLogin
	s := &starter{node: c.named("north", listener.Addr().String())}
	for file, text := range map[string]string{s.file: s.config("", ""), folder + "/secret": "demo-secret"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s.who = seedJournal(b, folder, "north", count)[0]
	b.Cleanup(func() { s.end(os.Kill) })
	return s
}

// startUp starts the node and returns when it has answered a verified request.
func (s *starter) startUp(b *testing.B) {
	b.Helper()
	v := s.visitor(s.who.user, &http.Transport{DisableKeepAlives: true})
	v.client.Jar.SetCookies(&url.URL{Scheme: "http", Host: nodeSite}, []*http.Cookie{{Name: "mfa", Value: s.who.cookieValue}})
	s.process = s.program("run", "--config", s.file, "--adapter", "caddyfile")
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		b.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Minute); ; <-time.After(time.Millisecond) {
		a, err := v.ask(http.MethodGet, "/", nil)
		if err == nil && a.StatusCode == http.StatusOK {
			return
		}
		if err == nil || time.Now().After(end) {
			b.Fatalf("a verified request was answered with %d, %v:\n%s", a.StatusCode, err, s.log)
		}
	}
}

// memory returns the bytes that the process has resident, and those of them that
// no file has as well.
func (s *starter) memory(b *testing.B) (resident, anonymous float64) {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		b.Skipf("memory is read from Linux's /proc: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes float64
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "VmRSS":
			fmt.Sscanf(value, "%f kB", &kilobytes)
			resident = kilobytes * 1024
		case "RssAnon":
			fmt.Sscanf(value, "%f kB", &kilobytes)
			anonymous = kilobytes * 1024
		}
	}
	return resident, anonymous
}
