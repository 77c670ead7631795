package simulator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kinds of call, for [Simulator.Calls], [Request] and Switches.Only.
const (
	OpToken     = "token"      // POST /auth/oauth2/v2/token, and the older path
	OpRevoke    = "revoke"     // POST /auth/oauth2/revoke
	OpRateLimit = "rate_limit" // GET /auth/rate_limit
	OpUsers     = "users"      // GET /api/2/users
	OpUser      = "user"       // GET /api/2/users/<id>
	OpDevices   = "devices"    // GET .../devices
	OpActivate  = "activate"   // POST .../verifications
	OpOneShot   = "one_shot"   // POST .../verifications with a code
	OpVerify    = "verify"     // PUT .../verifications/<id>
	OpPoll      = "poll"       // GET .../verifications/<id>
	OpUnknown   = "unknown"    // anything else
)

func allOps() []string {
	return []string{OpToken, OpRevoke, OpRateLimit, OpUsers, OpUser, OpDevices,
		OpActivate, OpOneShot, OpVerify, OpPoll, OpUnknown}
}

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
	op             string
	area           area
	wrapped        bool   // token: the older path, which wraps
	userPart       string // path segments as sent
	verificationID string
	method         string
	request        *http.Request
	body           []byte
	switches       Switches // those that hold for this call
	number         int      // how many calls, this one included, met the switches
	now            time.Time
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
	c := newCall(r, body)
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
	if !faulty {
		answer = s.dispatch(c)
	}
	if c.switches.Empty200 {
		answer.status = http.StatusOK
	}
	s.record(c, answer.status)
	return answer
}

func (s *Simulator) dispatch(c *call) reply {
	switch c.op {
	case OpToken:
		return s.grant(c)
	case OpRevoke:
		return s.revoke(c)
	case OpRateLimit:
		return s.rateLimit(c)
	case OpUsers:
		return s.listUsers(c)
	case OpUser:
		return s.getUser(c)
	case OpDevices:
		return s.listDevices(c)
	case OpActivate:
		return s.activate(c)
	case OpOneShot:
		return s.verifyOneShot(c)
	case OpVerify:
		return s.verify(c)
	case OpPoll:
		return s.poll(c)
	}
	if c.area == areaV2 {
		return notFound()
	}
	return errorA(http.StatusNotFound, messageNoRoute)
}

// newCall says what kind of call r is. One slash at the end is ignored, as the
// documentation's own samples have one.
func newCall(r *http.Request, body []byte) *call {
	c := &call{op: OpUnknown, method: r.Method, request: r, body: body}
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case strings.HasPrefix(path, "/api/2/"):
		c.area = areaV2
	case strings.HasPrefix(path, "/api/1/"):
		c.area = areaV1
	}
	c.route(strings.Split(strings.TrimPrefix(path, "/"), "/"))
	// Same method and path: only the body tells the two apart.
	if c.op == OpActivate && carriesCode(body) {
		c.op = OpOneShot
	}
	return c
}

// route fills op and the variable parts of the path. A known path with another
// method is unknown, because OneLogin answers it with 404 and not with 405.
func (c *call) route(parts []string) {
	fixed := c.method + " " + strings.Join(parts, "/")
	switch fixed {
	case "POST auth/oauth2/v2/token":
		c.op = OpToken
	case "POST auth/oauth2/token":
		c.op, c.wrapped = OpToken, true
	case "POST auth/oauth2/revoke":
		c.op = OpRevoke
	case "GET auth/rate_limit":
		c.op = OpRateLimit
	case "GET api/2/users":
		c.op = OpUsers
	default:
		c.routeUser(parts)
	}
}

// routeUser is route for paths that name a user.
func (c *call) routeUser(parts []string) {
	prefix := strings.Join(parts[:min(3, len(parts))], "/")
	switch {
	case prefix == "api/2/users" && len(parts) == 4 && c.method == "GET":
		c.op, c.userPart = OpUser, parts[3]
	case strings.Join(parts[:min(4, len(parts))], "/") != "api/2/mfa/users" || len(parts) < 6:
		return
	case len(parts) == 6:
		c.userPart = parts[4]
		c.op = map[string]string{"GET devices": OpDevices, "POST verifications": OpActivate}[c.method+" "+parts[5]]
	case len(parts) == 7 && parts[5] == "verifications":
		c.userPart, c.verificationID = parts[4], parts[6]
		c.op = map[string]string{"PUT": OpVerify, "GET": OpPoll}[c.method]
	}
	if c.op == "" {
		c.op = OpUnknown
	}
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

// edgeFault returns the answer of the proxy in front of OneLogin, or of its
// quota, when a switch asks for one. The call then has no effect.
func (c *call) edgeFault() (reply, bool) {
	edge := http.Header{"Cache-Control": {"no-cache"}, "Connection": {"close"}}
	switch {
	case c.switches.Edge429 > 0 && c.number >= c.switches.Edge429:
		return reply{status: http.StatusTooManyRequests, page: pageEdge429, header: edge}, true
	case c.switches.HTML502:
		return reply{status: http.StatusBadGateway, page: page502, header: edge}, true
	case c.switches.Quota429:
		quota := errorA(http.StatusTooManyRequests, "Rate limit exceeded")
		quota.header = http.Header{"X-Ratelimit-Limit": {"5000"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"206"}}
		return quota, true
	}
	return reply{}, false
}

// write sends the answer with the headers of its area, broken where a switch
// asks for it.
func (p reply) write(w http.ResponseWriter, c *call) {
	body, contentType := p.encode(c.area)
	h := w.Header()
	if p.page == "" { // the proxy's pages carry none of OneLogin's headers
		setHeaders(h, c, p.status)
	}
	for name, values := range p.header {
		h[name] = values
	}
	h.Set("Content-Type", contentType)
	if c.switches.Empty200 {
		body = nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
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
		h.Set("X-Ratelimit-Limit", "5000")
		h.Set("X-Ratelimit-Remaining", "5000")
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
