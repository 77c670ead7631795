package caddymfa

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// heartbeat is how often a silent event stream says that it is alive. The
// page's script takes a stream for broken that is silent for longer.
const heartbeat = 10 * time.Second

// serveStatus answers how a challenge stands: once, or as a stream of
// server-sent events until it changes for good.
func (h *Handler) serveStatus(c *call) error {
	sealed := c.r.URL.Query().Get("c")
	if strings.Contains(c.r.Header.Get("Accept"), "text/event-stream") {
		return h.withTicket(c, sealed, h.stream)
	}
	return h.withTicket(c, sealed, h.look)
}

// stream sends the challenge's state now, at every change, and at every
// heartbeat. It ends when the state is final, when the client leaves, and when
// a newer config has taken over: browsers then connect again by themselves.
//
// It finishes nothing: a session's cookie could not be set in a stream.
func (h *Handler) stream(c *call) error {
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	defer context.AfterFunc(h.config, cancel)()

	cookieValue := h.challengeCookie(c)
	result, err := h.steps().Look(ctx, c.demand, cookieValue)
	if err != nil {
		return h.unavailable(c.w, c.r, "look at challenge", err)
	}
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	for sendEvent(c.w, result) && ctx.Err() == nil {
		result, err = h.next(ctx, c, cookieValue, result.Revision)
		if err != nil {
			return nil // the stream breaks off; the page asks again and learns why
		}
	}
	return nil
}

// next waits for the next change, at most until the next heartbeat.
func (h *Handler) next(ctx context.Context, c *call, cookieValue string, seen uint64) (stepup.Result, error) {
	beat, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	return h.steps().Wait(beat, c.demand, cookieValue, seen)
}

// sendEvent writes one event and tells whether another can follow.
func sendEvent(w http.ResponseWriter, result stepup.Result) bool {
	state := result.State
	switch {
	case result.Notice == stepup.OtherBrowser:
		state = stepup.Expired // nothing is told about it
	case state == stepup.Enrolling:
		state = stepup.Pending // something is awaited, which is all that a stream tells
	}
	if _, err := fmt.Fprintf(w, "data: {\"state\":%q}\n\n", state); err != nil {
		return false
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return false
	}
	return state == stepup.Pending
}
