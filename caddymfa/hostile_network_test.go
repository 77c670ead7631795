package caddymfa_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddymfa/caddymfa/caddymfa/internal/form"
)

// A plain connection to Redis that leaves this machine is warned of.
func TestPlainRedisElsewhereIsWarnedOf(t *testing.T) {
	for line, warned := range map[string]bool{
		"store redis 192.0.2.1:6379":             true,
		"store redis [2001:db8::1]:6379":         true,
		"store redis redis.example:6379":         true,
		"store redis 192.0.2.1:6379 {\n tls\n }": false,
		"store redis 127.0.0.1:6379":             false,
		"store redis [::1]:6379":                 false,
		"store redis localhost:6379":             false,
	} {
		dir := t.TempDir()
		write(t, dir+"/id", "demo-client")
		write(t, dir+"/secret", "demo-secret")
		file := strings.NewReplacer("level ERROR", "level WARN\n output file "+dir+"/log", "SITE", "127.0.0.1:1", "APP", "127.0.0.1:2", "ONELOGIN", "http://127.0.0.1:3",
			"STORAGE", dir, "ID_FILE", dir+"/id", "SECRET_FILE", dir+"/secret", " MATCHER", "").Replace(withGlobal(line, ""))
		config, err := parseConfig([]byte(adapt(t, file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(config); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		text, err := os.ReadFile(dir + "/log")
		if err != nil && warned {
			t.Errorf("%s: %v", line, err)
		}
		if got := strings.Contains(string(text), "Redis is not encrypted"); got != warned {
			t.Errorf("%s: warned %v, want %v\n%s", line, got, warned, text)
		}
	}
}

// A client that sends its form by the drop is cut off, and holds up nobody.
func TestSlowFormEndsWithinItsDeadline(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, _ := alice.begin("/")
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "POST /.mfa/start HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		strings.TrimPrefix(s.url, "http://"), asAlice)
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	// Twice as long as it should take, for machines with much to do.
	if err := connection.SetReadDeadline(time.Now().Add(2 * form.Deadline)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	if response, err := http.ReadResponse(reader, nil); err == nil {
		if _, err = io.Copy(io.Discard, response.Body); err != nil || response.StatusCode < 400 {
			t.Errorf("half a form = %s, %v", response.Status, err)
		}
	}
	if _, err := reader.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection is still open: %v", err)
	}
	s.app.wantCount(t, 0)
}
