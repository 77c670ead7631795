package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// write sends the answer with the headers of its area, broken where a switch
// asks for it.
func (p reply) write(w http.ResponseWriter, c *call) {
	body, contentType := p.encode(c.area)
	h := w.Header()
	if !p.fromEdge { // the proxy's pages carry none of OneLogin's headers
		setHeaders(h, c, p.status)
	}
	for name, values := range p.header {
		h[name] = values
	}
	if c.switches.Empty200 {
		body = nil
	}
	if p.status != http.StatusNoContent { // which may have neither
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(p.status)
	if c.switches.TruncateBody {
		w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}

// setHeaders adds what OneLogin itself, as opposed to its proxy, sends. Only
// version 1 tells about the quota, and only /auth repeats the status in a
// header and sets a cookie: that is how the recordings look.
func setHeaders(h http.Header, c *call, status int) {
	h.Set("X-Request-Id", requestID())
	h.Set("Cache-Control", "no-cache")
	switch c.area {
	case areaV2:
		h.Set("Cache-Control", "no-cache, must-revalidate, no-store")
	case areaV1:
		h.Set("X-Ratelimit-Limit", strconv.Itoa(c.switches.hourlyCalls()))
		h.Set("X-Ratelimit-Remaining", strconv.Itoa(c.remaining))
		h.Set("X-Ratelimit-Reset", strconv.Itoa(secondsLeftInHour(c.now)))
	case areaAuth:
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Status", fmt.Sprintf("%d %s", status, http.StatusText(status)))
		// A real one sends a cookie here, which a client must not keep.
		h.Set("Set-Cookie", "sub_session_onelogin.com="+fmt.Sprintf("%X", randomBytes(8))+"; path=/; HttpOnly")
	}
}

// requestID looks like 5F188C90-49E1609A-D47D-0A0B03ED-01BB-2869-1581.
func requestID() string {
	b := randomBytes(20)
	return fmt.Sprintf("%X-%X-%X-%X-%X-%X-%X", b[:4], b[4:8], b[8:10], b[10:14], b[14:16], b[16:18], b[18:20])
}

// secondsLeftInHour is when the quota starts afresh. OneLogin's window is an
// hour of its own; a full clock hour is the simplest that behaves like one.
func secondsLeftInHour(now time.Time) int { return 3600 - int(now.Unix()%3600) }
