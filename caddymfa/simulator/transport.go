package simulator

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Transport returns a round tripper that calls [Simulator.API] directly,
// whatever host and scheme a request names. It opens no connection and starts
// no goroutine, so it works inside testing/synctest bubbles.
func (s *Simulator) Transport() http.RoundTripper { return transport{s.API()} }

type transport struct{ handler http.Handler }

// RoundTrip runs the handler in the caller's goroutine. A cancelled request
// gives its context's error; a broken answer gives io.ErrUnexpectedEOF.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := &recorder{header: http.Header{}}
	aborted := answer.run(t.handler, asReceived(r))
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if aborted && answer.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return answer.response(r, aborted), nil
}

// asReceived returns r as a server would see it.
func asReceived(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "192.0.2.1:1234" // a documentation address, RFC 5737
	return in
}

// recorder is the http.ResponseWriter of one round trip. That of
// net/http/httptest would do, but it belongs to tests and this is also used by
// programs.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers to be sent.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader keeps the first status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write keeps b.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// run reports whether the handler broke off.
func (w *recorder) run(h http.Handler, r *http.Request) (aborted bool) {
	defer func() {
		if problem := recover(); problem == http.ErrAbortHandler {
			aborted = true
		} else if problem != nil {
			panic(problem)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

func (w *recorder) response(r *http.Request, aborted bool) *http.Response {
	var body io.Reader = &w.body
	if aborted {
		body = io.MultiReader(body, brokenOff{})
	}
	length, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = int64(w.body.Len())
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: length, Request: r,
	}
}

// brokenOff reads as a connection that was closed too early.
type brokenOff struct{}

// Read always gives io.ErrUnexpectedEOF.
func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
