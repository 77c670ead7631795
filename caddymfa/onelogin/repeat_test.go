package onelogin_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

var errReset = errors.New("connection reset by peer: secret words")

// operation is a call that must not be repeated.
type operation struct {
	op, api string
	call    func(ctx context.Context, c *onelogin.Client) error
}

var operations = []operation{
	{"activate", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Activate(ctx, userID, deviceID, onelogin.Activation{Lifetime: time.Minute})
		return err
	}},
	{"verify", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Verify(ctx, verification, "012345")
		return err
	}},
	{"verify unbound", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.VerifyUnbound(ctx, userID, deviceID, "012345")
		return err
	}},
	{"poll", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Poll(ctx, verification)
		return err
	}},
	{"activate", "v1", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Activate(ctx, userID, smsV1, onelogin.Activation{})
		return err
	}},
	{"verify", "v1", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Verify(ctx, triggered, "012345")
		return err
	}},
	{"poll", "v1", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Poll(ctx, triggered)
		return err
	}},
	{"register", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Register(ctx, userID, "58958", "Mobile", 0)
		return err
	}},
	{"verify registration", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, _, err := c.VerifyRegistration(ctx, registration, "012345")
		return err
	}},
	{"poll registration", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, _, err := c.PollRegistration(ctx, registration)
		return err
	}},
	{"create temporary code", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.CreateTemporaryCode(ctx, userID, time.Hour, false)
		return err
	}},
	{"validate smart", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.ValidateSmart(ctx, smartRequest)
		return err
	}},
	{"verify smart", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.VerifySmart(ctx, "state", "012345")
		return err
	}},
	{"log in", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Login(ctx, loginRequest)
		return err
	}},
	{"verify login", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, _, err := c.VerifyLogin(ctx, waitingLogin, "111111", "012345", false)
		return err
	}},
	{"rate limit", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.RateLimit(ctx)
		return err
	}},
}

// do makes the call with a client of f. With the API v1, activation lists the
// devices first.
func (o operation) do(ctx context.Context, f *fake) error {
	f.on("devices", reply{status: 200, body: fixture(f.t, "v1_devices.json")})
	return o.call(ctx, f.client(speaking(o.api)))
}

func (o operation) String() string { return o.op + " " + o.api }

func TestOneSendWhateverHappens(t *testing.T) {
	for _, answer := range []struct {
		name  string
		reply reply
		want  int // StatusCode of the error
	}{
		{"429", reply{status: 429, body: "<html>"}, 429},
		{"429 that asks to come back", reply{status: 429, header: map[string]string{"Retry-After": "1"}}, 429},
		{"500", reply{status: 500}, 500},
		{"502", reply{status: 502, body: "<html>"}, 502},
		{"503", reply{status: 503, header: map[string]string{"Retry-After": "1"}}, 503},
		{"reset", reply{err: errReset}, 0},
		{"closed", reply{err: io.ErrUnexpectedEOF}, 0},
		{"403", reply{status: 403, body: envelopeB("no")}, 403},
		{"too large", reply{status: 200, body: strings.Repeat(" ", 256<<10+1)}, 200},
	} {
		for _, operation := range operations {
			t.Run(operation.String()+" "+answer.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t)
					f.on(operation.op, answer.reply)
					err := operation.do(t.Context(), f)
					refusal, ok := errors.AsType[*onelogin.Error](err)
					if !ok || refusal.StatusCode != answer.want || refusal.Op != operation.op {
						t.Errorf("%s = %#v, want *Error with status %d", operation, err, answer.want)
					}
					f.wantCalls(operation.op, 1)
					f.wantCalls("token", 1)
				})
			})
		}
	}
}

func TestTimeoutSendsOnce(t *testing.T) {
	for _, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on(operation.op, reply{status: 200, body: `{"status":"accepted"}`})
			f.slow[operation.op] = time.Hour
			started := time.Now()
			err := operation.do(t.Context(), f)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s = %v, want a deadline error", operation, err)
			}
			if took := time.Since(started); took != 10*time.Second {
				t.Errorf("%s took %v, want the default of 10s", operation, took)
			}
			f.wantCalls(operation.op, 1)
		})
	}
}

func TestCancelledCallEndsAtOnce(t *testing.T) {
	for _, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on(operation.op, reply{status: 200})
			f.slow[operation.op] = time.Hour
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			started := time.Now()
			if err := operation.do(ctx, f); !errors.Is(err, context.Canceled) {
				t.Errorf("%s = %v, want canceled", operation, err)
			}
			if took := time.Since(started); took != time.Second {
				t.Errorf("%s took %v, want 1s", operation, took)
			}
		})
	}
}

func TestLookupsWaitForABusyOneLogin(t *testing.T) {
	busy := reply{status: 503}
	throttled := reply{status: 429, body: "<html>"}
	after := func(wish string) reply {
		return reply{status: 429, header: map[string]string{"Retry-After": wish}}
	}
	ok := reply{status: 200, body: "[]"}
	for _, tt := range []struct {
		name     string
		replies  []reply
		sends    int
		atLeast  time.Duration
		atMost   time.Duration
		wantFail bool
	}{
		{"recovers", []reply{busy, ok}, 2, time.Second, 3 * time.Second / 2, false},
		{"recovers late", []reply{throttled, busy, ok}, 3, 3 * time.Second, 9 * time.Second / 2, false},
		{"never", []reply{throttled}, 3, 3 * time.Second, 9 * time.Second / 2, true},
		{"OneLogin's wish", []reply{after("4"), ok}, 2, 4 * time.Second, 4 * time.Second, false},
		{"no wait wished", []reply{after("0"), ok}, 2, 0, 0, false},
		{"wish beyond the cap", []reply{after("6"), ok}, 1, 0, 0, true},
		{"wish beyond the deadline", []reply{after("5"), after("5"), ok}, 2, 5 * time.Second, 5 * time.Second, true},
		{"unreadable wish", []reply{after("soon"), ok}, 2, time.Second, 3 * time.Second / 2, false},
		{"date as wish", []reply{after("Sat, 01 Jan 2000 00:00:03 GMT"), ok}, 2, 3 * time.Second, 3 * time.Second, false},
		{"date in the past", []reply{after("Fri, 31 Dec 1999 00:00:00 GMT"), ok}, 2, 0, 0, false},
		{"not repeated: 400", []reply{{status: 400}}, 1, 0, 0, true},
		{"not repeated: reset", []reply{{err: errReset}}, 1, 0, 0, true},
		{"not repeated: redirect", []reply{{status: 302}}, 1, 0, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock starts on 1 January 2000
				f := newFake(t)
				f.on("devices", tt.replies...)
				started := time.Now()
				_, err := f.client().Devices(t.Context(), userID)
				if (err != nil) != tt.wantFail {
					t.Errorf("Devices: %v, want failure: %v", err, tt.wantFail)
				}
				if took := time.Since(started); took < tt.atLeast || took > tt.atMost {
					t.Errorf("took %v, want %v to %v", took, tt.atLeast, tt.atMost)
				}
				f.wantCalls("devices", tt.sends)
			})
		})
	}
}

func TestCancelEndsTheWaitBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("find", reply{status: 429})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		started := time.Now()
		_, found, err := f.client().UserByEmail(ctx, "jdoe@example.com")
		if found || err == nil || time.Since(started) != time.Second/2 {
			t.Errorf("UserByEmail = %v, %v after %v, want an error after 500ms", found, err, time.Since(started))
		}
		f.wantCalls("find", 1)
	})
}

func TestObserverSeesEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("devices", reply{status: 503, header: map[string]string{"X-Request-Id": "5F188C90-49E1609A"}}, reply{status: 200, body: "[]"})
		f.on("poll", reply{err: errReset})
		f.slow["poll"] = time.Second
		var calls []onelogin.Call
		client := f.client(func(c *onelogin.Config) { c.Observe = func(call onelogin.Call) { calls = append(calls, call) } })
		if _, err := client.Devices(t.Context(), userID); err != nil {
			t.Fatal(err)
		}
		_, _ = client.Poll(t.Context(), verification)

		want := []onelogin.Call{
			{Op: "access token", StatusCode: 200},
			{Op: "list devices", StatusCode: 503, RequestID: "5F188C90-49E1609A"},
			{Op: "list devices", StatusCode: 200},
			{Op: "poll", Duration: time.Second},
		}
		if len(calls) != len(want) {
			t.Fatalf("observed %+v, want %d calls", calls, len(want))
		}
		for i, call := range calls {
			if (call.Err != nil) != (call.Op == "poll") {
				t.Errorf("call %d: Err = %v", i, call.Err)
			}
			call.Err = nil
			if call != want[i] {
				t.Errorf("call %d = %+v, want %+v", i, call, want[i])
			}
		}
	})
}

func TestRequestsCarryTheSameHeaders(t *testing.T) {
	f := newFake(t)
	f.on("token", reply{status: 200, body: fixture(t, "access_token.json"), header: map[string]string{"Set-Cookie": "a=b"}})
	f.on("verify", reply{status: 200, body: `{"status":"pending"}`, header: map[string]string{"Set-Cookie": "a=b"}})
	client := f.client()
	for range 2 {
		if _, err := client.Verify(t.Context(), verification, "012345"); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range append(f.requests("token"), f.requests("verify")...) {
		for name, want := range map[string]string{
			"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "caddymfa",
			"Accept-Encoding": "identity", "Cookie": "",
		} {
			if got := s.header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", s.op, name, got, want)
			}
		}
		if len(s.header) != 5 {
			t.Errorf("%s: headers %v, want those four and Authorization", s.op, s.header)
		}
	}
}
