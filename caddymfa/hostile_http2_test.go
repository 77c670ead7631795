package caddymfa_test

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// overHTTP2 sends one request whose pseudo-headers are exactly these, and
// returns the status, or "" if the server refused the stream or connection.
func (s *site) overHTTP2(headers ...string) string {
	s.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(headers); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: headers[i], Value: headers[i+1]})
	}
	framer := http2.NewFramer(connection, connection)
	framer.AllowIllegalWrites = true
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = connection.Write([]byte(http2.ClientPreface))
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return ""
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}

func TestOddTargetsOverHTTP2(t *testing.T) {
	file := strings.Replace(catchAll("exempt /public/*"), "\tmfa {\n\t\tonelogin", "\tservers {\n\t\tprotocols h1 h2c\n\t}\n\tmfa {\n\t\tonelogin", 1)
	s := openFile(t, file)
	host := strings.TrimPrefix(s.url, "http://")
	for _, path := range []string{
		"", "*", "admin", "public/x", "#", "/#/public/x", "/public#/../../admin", "/public/x#/../../admin", " /public/x", "/ad min", "/public/../admin",
		"/public/..%2fadmin", `/public/..\admin`, "//evil.example/public/x", "http://" + host + "/public/x", "/public/x\r\n\r\nGET /admin", "/public\x00/../admin",
	} {
		status := s.overHTTP2(":method", "GET", ":scheme", "http", ":authority", host, ":path", path, "remote-user", "alice", "accept", "application/json")
		if status == "200" {
			t.Errorf(":path %q = 200", path)
		}
	}
	for _, headers := range [][]string{
		{":method", "GET", ":scheme", "http", ":authority", host, ":path", "/admin", "host", "evil.example"},
		{":method", "GET", ":scheme", "http", ":authority", "evil.example", ":path", "/admin", "host", host},
		{":method", "GET", ":scheme", "https", ":authority", host, ":path", "/public/x", ":path", "/admin"},
		{":method", "GET", ":scheme", "http", ":path", "/admin", "host", host},
		{":method", "CONNECT", ":authority", host},
		{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", host, ":path", "/public/x"},
	} {
		if status := s.overHTTP2(headers...); status == "200" {
			t.Errorf("%q = 200", headers)
		}
	}
	s.app.wantCount(t, 0)
	if status := s.overHTTP2(":method", "GET", ":scheme", "http", ":authority", host, ":path", "/public/x"); status != "200" {
		t.Errorf("an exempt path = %q, want 200", status)
	}
	s.app.wantCount(t, 1)
	if got := s.app.requests()[0]; got.Method != http.MethodGet || got.URL.Path != "/public/x" {
		t.Errorf("the app got %s %s", got.Method, got.URL)
	}
}
