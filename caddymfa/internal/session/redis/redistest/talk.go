package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// talkTime bounds one command of a test. A frozen server does not answer.
const talkTime = 10 * time.Second

// Do runs a command as the server's default user and returns the reply as
// redis-cli prints it into a pipe: elements below each other, nothing for nil.
// An error reply fails the test.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	reply, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("%s: %v", args[0], err)
	}
	return reply
}

// Try is Do for a command that may fail.
func (s *Server) Try(args ...string) (string, error) {
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(talkTime))
	reader := bufio.NewReader(conn)
	if s.password != "" {
		if _, err := exchange(conn, reader, "AUTH", s.password); err != nil {
			return "", err
		}
	}
	return exchange(conn, reader, args...)
}

// exchange speaks RESP, version 2.
func exchange(w io.Writer, r *bufio.Reader, args ...string) (string, error) {
	request := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		request = fmt.Appendf(request, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := w.Write(request); err != nil {
		return "", err
	}
	return readReply(r)
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", errors.New(rest)
	}
	size, err := strconv.Atoi(rest)
	if err != nil || kind != '$' && kind != '*' {
		return "", fmt.Errorf("reply %q is not understood", line)
	}
	if kind == '$' {
		return readBulk(r, size)
	}
	return readArray(r, size)
}

func readBulk(r *bufio.Reader, size int) (string, error) {
	if size < 0 {
		return "", nil
	}
	text := make([]byte, size+len("\r\n"))
	_, err := io.ReadFull(r, text)
	return string(text[:size]), err
}

func readArray(r *bufio.Reader, size int) (string, error) {
	var lines []string
	for range size {
		line, err := readReply(r)
		if err != nil {
			return "", err
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), nil
}
