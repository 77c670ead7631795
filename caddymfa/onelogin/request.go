package onelogin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxBody bounds what is read of an answer. A full page of users is about
	// 50 KiB.
	maxBody = 256 << 10

	// userAgent is fixed: no text of a user or an operator goes into headers.
	userAgent = "caddymfa"
)

// request is one call of the API, before it meets an access token.
type request struct {
	op     string // for errors and observers
	method string
	path   string // below the base URL; ids in it are checked by naming
	query  url.Values
	body   any    // nil: none
	about  string // the user whose odd answers these may be, or nobody
	word   bool   // the answer is a word, of whatever type
	flaw   string // class of why it must not be sent at all; "" if it may
}

// naming checks the ids that the request is built of. It is sent only if they
// are ids: most of them stand in the path.
func (r request) naming(userID string, recordIDs ...string) request {
	r.about = userID
	if !userIDPattern.MatchString(userID) || slices.ContainsFunc(recordIDs, func(id string) bool { return !recordIDPattern.MatchString(id) }) {
		r.flaw = classInvalidID
	}
	return r
}

// answer is an HTTP answer that was read whole, whatever its status.
type answer struct {
	status     int
	body       []byte
	requestID  string
	retryAfter string
}

// lookup sends a request that changes nothing, and tries again when OneLogin
// is busy.
func (c *Client) lookup(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return retry(ctx, func() (answer, error) { return c.authorized(ctx, r) })
}

// submit sends a request that must not be repeated, because it sends a
// message, counts as a try, or is repeated by its caller.
func (c *Client) submit(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.authorized(ctx, r)
}

// authorized sends r once, and a second time only if r changes nothing and the
// first was refused for an access token that proved to be dead: OneLogin hands
// out the same access token as long as it lives, so only a different one is
// proof. The same one means that the 401 spoke of something else, and it
// stands (docs/onelogin.md, Dead access tokens).
func (c *Client) authorized(ctx context.Context, r request) (answer, error) {
	if r.flaw != "" {
		return answer{}, &Error{Op: r.op, Message: r.flaw}
	}
	used, err := c.tokens.current(ctx, "")
	if err != nil {
		return answer{}, err
	}
	first, err := c.once(ctx, r, "Bearer "+used)
	if err != nil || !first.doubtsAccessToken() {
		return first, err
	}
	newest, err := c.tokens.current(ctx, used)
	switch {
	case err != nil:
		return answer{}, err
	case newest == used:
		return first, nil
	case r.method != http.MethodGet:
		return answer{}, first.problem(r.op, classReplaced)
	}
	return c.once(ctx, r, "Bearer "+newest)
}

// once makes at most one HTTP request and reports it to the observer. Every
// request of the client passes here.
func (c *Client) once(ctx context.Context, r request, authorization string) (answer, error) {
	call, a, err := c.send(ctx, r, authorization)
	if c.observe != nil && call.Op != "" {
		c.observe(call)
	}
	return a, err
}

// send makes one HTTP request if there is room for it, the circuit is closed
// and the hour's budget is not spent. Whoever waits is a person, so of these
// it waits for the first alone, and not for long. The call is empty if there
// was no request.
func (c *Client) send(ctx context.Context, r request, authorization string) (call Call, a answer, err error) {
	if err := c.circuit.refuses(r, time.Now()); err != nil {
		return Call{}, answer{}, err
	}
	if err := c.slots.enter(ctx, r.op); err != nil {
		return Call{}, answer{}, err
	}
	defer c.slots.leave()
	done, err := c.circuit.enter(r, time.Now())
	if err != nil {
		return Call{}, answer{}, err
	}
	defer func() { done(a, err) }()
	if !c.budget.Allow() {
		return Call{}, answer{}, &Error{Op: r.op, Message: classBudget}
	}
	started := time.Now()
	a, err = c.exchange(ctx, r, authorization)
	call = Call{Op: r.op, StatusCode: a.status, RequestID: a.requestID, Duration: time.Since(started), Err: err}
	return call, a, err
}

// exchange asks the transport directly. An http.Client would follow redirects
// with the bearer, keep cookies, and put the URL, which names the user, into
// its errors.
func (c *Client) exchange(ctx context.Context, r request, authorization string) (answer, error) {
	req, err := c.encode(ctx, r, authorization)
	if err != nil {
		return answer{}, &Error{Op: r.op, Message: classUnsendable, Err: err}
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return answer{}, lost(ctx, r.op, answer{}, err)
	}
	defer res.Body.Close()
	a := answer{
		status:     res.StatusCode,
		requestID:  readRequestID(res.Header),
		retryAfter: res.Header.Get("Retry-After"),
	}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return a, lost(ctx, r.op, a, err)
	}
	if len(a.body) > maxBody {
		return a, a.problem(r.op, classTooLarge)
	}
	if a.status/100 == 2 && !r.word && !declaresJSON(res.Header) {
		a.body = nil // not what was asked for, whatever it looks like
	}
	return a, nil
}

// declaresJSON reports whether an answer may be read as JSON: by its type, by
// having none, or as plain text, which says nothing.
func declaresJSON(h http.Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	switch mediaType = strings.ToLower(strings.TrimSpace(mediaType)); mediaType {
	case "", "application/json", "text/json", "text/plain":
		return true
	default:
		return strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
	}
}

// expect reads the body of an answer that must have one of these statuses.
// Read returns the class of what is wrong with the body, or "".
func expect[T any](op string, a answer, read func(body []byte) (T, string), statuses ...int) (T, error) {
	var none T
	if !slices.Contains(statuses, a.status) {
		return none, a.refusal(op)
	}
	value, class := read(a.body)
	if class != "" {
		return none, a.problem(op, class)
	}
	return value, nil
}

func (c *Client) encode(ctx context.Context, r request, authorization string) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	target := c.baseURL + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	// Asked for by name, so that no transport unpacks an answer behind our
	// back: the limit on the body then counts the bytes we parse.
	req.Header.Set("Accept-Encoding", "identity")
	return req, nil
}
