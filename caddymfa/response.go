package caddymfa

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddymfa/caddymfa/caddymfa/internal/identity"
)

// response is the writer that the app's answer goes through. The app can
// neither set nor clear our cookies, whoever made it try, and the headers that
// name the user to it do not come back to the browser; and an answer to a
// verified request that says nothing about caching is marked private, so that
// no cache between us and the browser keeps it for others.
type response struct {
	caddyhttp.ResponseWriterWrapper
	own     func(name string) bool
	private bool // the request was verified
	headed  bool // the final header was written
}

func (h *Handler) guardResponse(w http.ResponseWriter, private bool) *response {
	return &response{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, own: h.cookies.own, private: private}
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if !w.headed {
		w.headed = status >= http.StatusOK || status == http.StatusSwitchingProtocols
		identity.StripSetCookie(w.Header(), w.own)
		identity.Strip(w.Header(), identity.Reserved)
		if header := w.Header(); w.headed && w.private && header["Cache-Control"] == nil && header["Expires"] == nil {
			header.Set("Cache-Control", "private")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (w *response) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements [io.ReaderFrom], so that files are still sent by the
// kernel.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is what [http.ResponseController] calls: flushing writes the
// header.
func (w *response) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// begin writes the header if nobody has.
func (w *response) begin() {
	if !w.headed {
		w.WriteHeader(http.StatusOK)
	}
}
