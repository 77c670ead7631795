package identity

import (
	"io"
	"net/http"
)

// StripTrailer deletes from r's trailer what [Strip] and [StripRouting] delete
// from a header: some servers merge the two. A trailer comes behind the body,
// and net/http also takes names from it that were not announced, so the trailer
// is stripped now and once more when the body has ended. For that r.Body is
// wrapped if a trailer can follow.
func StripTrailer(r *http.Request, reserved string) {
	stripBoth(r.Trailer, reserved)
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength >= 0 && r.Trailer == nil {
		return
	}
	r.Body = &body{ReadCloser: r.Body, request: r, reserved: reserved}
}

// body strips its request's trailer whenever it may just have arrived.
type body struct {
	io.ReadCloser
	request  *http.Request
	reserved string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		stripBoth(b.request.Trailer, b.reserved)
	}
	return n, err
}

// Close reads up to the end of some bodies, and so may bring the trailer too.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	stripBoth(b.request.Trailer, b.reserved)
	return err
}

func stripBoth(trailer http.Header, reserved string) {
	Strip(trailer, reserved)
	StripRouting(trailer)
}
