package simulator

import (
	"context"
	"io"
	"net/http"
	"time"
)

// area is a part of the API with its own envelope and headers.
type area int

const (
	areaAuth area = iota // /auth, and everything that is not the API
	areaV1               // /api/1
	areaV2               // /api/2
)

// call is one request on its way through the simulator. It belongs to one
// goroutine; begin and answer complete it while they hold Simulator.mu.
type call struct {
	op        string
	area      area
	endpoint  *endpoint         // nil: unknown
	values    map[string]string // path segments that vary, as sent
	method    string
	request   *http.Request
	body      []byte
	switches  Switches // those that hold for this call
	number    int      // how many calls, this one included, met the switches
	now       time.Time
	remaining int // calls left in this hour, version 1 only
}

// maxBody bounds what a caller may send, in bytes.
const maxBody = 1 << 20

// API returns the simulated OneLogin API: its paths begin at the root and it
// answers on any host, so that a base URL is all that a client must change.
//
// Bodies over 1 MiB are refused. A client that leaves while a call is slow ends
// the call without an effect.
func (s *Simulator) API() http.Handler { return http.HandlerFunc(s.serveAPI) }

func (s *Simulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	c := &call{op: OpUnknown, method: r.Method, request: r, body: body}
	s.route(c)
	s.begin(c)
	if !wait(r.Context(), c.switches.Slow) {
		panic(http.ErrAbortHandler) // the caller has gone
	}
	answer := s.answer(c)
	answer.write(w, c)
}

// begin counts the call and fixes the switches that hold for it. Counting
// happens before anything else, so that Calls sees even a call that a slow
// switch still holds back.
func (s *Simulator) begin(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c.op]++
	var met bool
	if c.switches, met = s.switches.forCall(c.op, s.switchedCalls); met {
		s.switchedCalls++
	}
	c.number = s.switchedCalls
}

// answer carries the call out and records it, all under the lock: two calls
// never see each other half done. It records before the caller can read the
// answer, so a test that has its answer finds it in the history.
func (s *Simulator) answer(c *call) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.now()
	answer, faulty := c.edgeFault()
	switch {
	case faulty:
	case c.area == areaV1 && !s.charge(c):
		answer = quotaSpent()
	default:
		answer = s.dispatch(c)
	}
	if c.switches.Empty200 {
		answer.status = http.StatusOK
	}
	s.record(c, answer.status)
	return answer
}

// wait sleeps for d and reports whether ctx outlived it.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
