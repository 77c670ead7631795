package identity_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

// exchange sends request as it is to a server that passes every request through
// StripTrailer to next, and waits for the answer.
func exchange(t *testing.T, request string, next func(*http.Request)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		identity.StripTrailer(r, identity.Reserved)
		next(r)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, strings.ReplaceAll(request, "\n", "\r\n"))
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Fatalf("answer %q, %v", answer, err)
	}
}

const chunked = "POST / HTTP/1.1\nHost: app\nConnection: close\nTransfer-Encoding: chunked\n"

func TestTrailerNeverCarriesReservedNames(t *testing.T) {
	tests := []struct{ name, request, want string }{
		{"announced", chunked + "Trailer: X-Mfa-User\n\n2\nhi\n0\nX-Mfa-User: mallory\n\n", ""},
		{"not announced", chunked + "\n2\nhi\n0\nX-Mfa-User: mallory\n\n", ""},
		{"beside an announced one", chunked + "Trailer: X-Sum\n\n2\nhi\n0\nX-Sum: 1\nx_mfa_user: mallory\n\n", "1"},
		{"another path or method", chunked + "Trailer: X-Sum, X-Original-Url\n\n2\nhi\n0\nX-Sum: 1\nX-Original-Url: /x\nx_http_method: PUT\n\n", "1"},
		{"no reserved one", chunked + "Trailer: X-Sum\n\n2\nhi\n0\nX-Sum: 1\n\n", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			exchange(t, tt.request, func(r *http.Request) {
				if _, announced := r.Trailer["X-Mfa-User"]; announced {
					t.Error("trailer announces X-Mfa-User")
				}
				if body, err := io.ReadAll(r.Body); string(body) != "hi" || err != nil {
					t.Errorf("body = %q, %v, want hi", body, err)
				}
				for name := range r.Trailer {
					if name != "X-Sum" {
						t.Errorf("trailer holds %q", name)
					}
				}
				if got := r.Trailer.Get("X-Sum"); got != tt.want {
					t.Errorf("trailer X-Sum = %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestClosingTheBodyUnreadBringsNoReservedTrailer(t *testing.T) {
	exchange(t, chunked+"\n2\nhi\n0\nX-Mfa-User: mallory\n\n", func(r *http.Request) {
		r.Body.Close()
		if len(r.Trailer) != 0 {
			t.Errorf("trailer = %v, want none", r.Trailer)
		}
	})
}

// late is a body behind which a trailer comes.
type late struct {
	io.Reader
	trailer http.Header
}

func (l late) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err != nil {
		l.trailer.Set("X-Mfa-User", "mallory")
	}
	return n, err
}

func (late) Close() error { return nil }

// In HTTP/2 a body of known length can have a trailer too.
func TestTrailerBehindABodyOfKnownLength(t *testing.T) {
	r := &http.Request{ContentLength: 2, Trailer: http.Header{"X-Sum": nil}}
	r.Body = late{strings.NewReader("hi"), r.Trailer}
	identity.StripTrailer(r, identity.Reserved)
	io.ReadAll(r.Body)
	if _, forged := r.Trailer["X-Mfa-User"]; forged {
		t.Errorf("trailer = %v, want no X-Mfa-User", r.Trailer)
	}
}

func TestBodyWithoutTrailerIsNotWrapped(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody, io.NopCloser(strings.NewReader("hi"))} {
		r := &http.Request{Body: body, ContentLength: 2}
		identity.StripTrailer(r, identity.Reserved)
		if r.Body != body {
			t.Errorf("body %T became %T", body, r.Body)
		}
	}
}
