package onelogin_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// verificationOf is an attempt of another user, by a small number.
func verificationOf(n int) onelogin.Verification {
	return onelogin.Verification{ID: verifID, UserID: strconv.Itoa(100 + n), DeviceID: deviceID}
}

// trip has three users meet a failure each.
func trip(t *testing.T, f *fake, client *onelogin.Client) {
	t.Helper()
	f.on("poll", reply{status: 503})
	for n := range 3 {
		if _, err := client.Poll(t.Context(), verificationOf(n)); err == nil {
			t.Fatal("Poll worked with a OneLogin that is out of order")
		}
	}
	wantState(t, client, "open")
}

func wantState(t *testing.T, client *onelogin.Client, want string) {
	t.Helper()
	if got := client.State(); got != want {
		t.Errorf("State = %q, want %q", got, want)
	}
}

// wantRefused wants an error of our own that has this message and comes at once.
func wantRefused(t *testing.T, message string, call func() error) {
	t.Helper()
	started := time.Now()
	err := call()
	refusal, ok := errors.AsType[*onelogin.Error](err)
	if !ok || refusal.Message != message || refusal.StatusCode != 0 || time.Since(started) != 0 {
		t.Errorf("%v after %v, want %q at once", err, time.Since(started), message)
	}
}

const (
	isOpen   = "circuit breaker is open"
	isPaused = "paused after throttling"
)

func TestOpenCircuitFailsEveryCallAtOnce(t *testing.T) {
	for _, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			client := f.client(speaking("v2"))
			trip(t, f, client)
			polls := len(f.requests("poll"))
			f.on(operation.op, reply{status: 200, body: `{"status":"accepted"}`})
			wantRefused(t, isOpen, func() error { return operation.call(t.Context(), client) })
			wantRefused(t, isOpen, func() error { _, _, err := client.UserByID(t.Context(), userID); return err })
			if operation.op != "poll" {
				f.wantCalls(operation.op, 0)
			}
			f.wantCalls("poll", polls)
		})
	}
}

func TestOneCallTriesWhetherOneLoginIsBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		want  string
	}{
		{"it is", reply{status: 200, body: `{"status":"pending"}`}, "closed"},
		{"it says no", reply{status: 404, body: "{}"}, "closed"},
		{"it is not", reply{status: 500}, "open"},
		{"no answer", reply{err: errReset}, "open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				client := f.client()
				trip(t, f, client)
				advance(10*time.Second + 1)
				wantState(t, client, "half-open")

				f.on("poll", tt.reply)
				f.slow["poll"] = time.Second
				before := len(f.requests("poll"))
				var group sync.WaitGroup
				group.Go(func() { _, _ = client.Poll(t.Context(), verificationOf(0)) })
				synctest.Wait()
				for n := range 50 {
					wantRefused(t, isOpen, func() error { _, err := client.Poll(t.Context(), verificationOf(n)); return err })
				}
				group.Wait()
				f.wantCalls("poll", before+1)
				wantState(t, client, tt.want)
			})
		})
	}
}

// A person who leaves while their call tries proves nothing: the next tries.
func TestCallThatGivesUpLeavesTheTryToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		client := f.client()
		trip(t, f, client)
		advance(10*time.Second + 1)
		f.slow["poll"] = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, _ = client.Poll(ctx, verification)
		wantState(t, client, "half-open")
		f.slow["poll"] = 0
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
		if _, err := client.Poll(t.Context(), verification); err != nil {
			t.Errorf("Poll = %v, want it to try", err)
		}
		wantState(t, client, "closed")
	})
}

// What opens the circuit and what does not, by twenty calls in a row of
// different users.
func TestWhatCountsAsAFailure(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, tt := range []struct {
		name  string
		reply reply
		opens bool
	}{
		{"500", reply{status: 500}, true},
		{"502", reply{status: 502, body: "<html>"}, true},
		{"503", reply{status: 503}, true},
		{"reset", reply{err: errReset}, true},
		{"refused", reply{err: refused}, true},
		{"name not found", reply{err: &net.DNSError{Err: "no such host", Name: "acme.onelogin.com", IsNotFound: true}}, true},
		{"accepted", reply{status: 200, body: `{"status":"accepted"}`}, false},
		{"wrong code", reply{status: 401, body: envelopeB("Failed authentication with this factor")}, false},
		{"denied", reply{status: 200, body: `{"status":"rejected"}`}, false},
		{"gone", reply{status: 404, body: `{}`}, false},
		{"refused request", reply{status: 422, body: `{}`}, false},
		{"no scope", reply{status: 403, body: `{}`}, false},
		{"unreadable", reply{status: 200, body: `<html>`}, false},
		{"redirect", reply{status: 302}, false},
		{"request timeout", reply{status: 408}, false},
		{"too large", reply{status: 200, body: strings.Repeat(" ", 256<<10+1)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.on("verify", tt.reply)
				client := f.client()
				for n := range 20 {
					_, _ = client.Verify(t.Context(), verificationOf(n), "012345")
				}
				if opened := client.State() == "open"; opened != tt.opens {
					t.Errorf("State = %q, want open: %v", client.State(), tt.opens)
				}
				f.wantCalls("verify", map[bool]int{true: 3, false: 20}[tt.opens])
			})
		})
	}
}

func TestTimeoutsOpenTheCircuitAndPeopleWhoLeaveDoNot(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave bool
	}{{"timeouts", false}, {"people who leave", true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
				f.slow["poll"] = time.Hour
				client := f.client()
				var group sync.WaitGroup
				for n := range 20 {
					group.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if tt.leave {
							time.AfterFunc(time.Second, cancel)
						}
						_, _ = client.Poll(ctx, verificationOf(n))
					})
				}
				group.Wait()
				wantState(t, client, map[bool]string{false: "open", true: "closed"}[tt.leave])
			})
		})
	}
}

// One user's calls fail for ever, in every way there is, and those of names
// that strangers type: nobody else notices.
func TestOneUserCannotOpenTheCircuitForOthers(t *testing.T) {
	for _, odd := range []reply{{status: 500}, {status: 503, header: map[string]string{"Retry-After": "600"}}, {status: 429, header: map[string]string{"Retry-After": "600"}}, {err: errReset}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on("verify", odd)
			f.on("devices", odd)
			f.on("activate", odd)
			f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
			client := f.client()
			for range 50 {
				_, _ = client.Verify(t.Context(), verification, "012345")
				_, _ = client.Activate(t.Context(), userID, deviceID, onelogin.Activation{})
				_, _ = client.Devices(t.Context(), userID)
			}
			wantState(t, client, "closed")
			if _, err := client.Poll(t.Context(), verificationOf(1)); err != nil {
				t.Errorf("Poll of another user after %+v = %v", odd, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("find", reply{status: 500})
		f.on("log in", reply{status: 500})
		client := f.client()
		for n := range 20 {
			_, _, _ = client.UserByUsername(t.Context(), fmt.Sprint("odd name ", n))
			_, _ = client.Login(t.Context(), onelogin.LoginRequest{UsernameOrEmail: fmt.Sprint("odd name ", n), Password: "a", Subdomain: "acme"})
		}
		wantState(t, client, "closed")
	})
}

// An answer to anybody forgives: failures that are far between do not add up.
func TestAnswerBetweenFailuresKeepsTheCircuitClosed(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for n := range 30 {
		f.on("poll", reply{status: map[bool]int{true: 500, false: 404}[n%3 < 2], body: "{}"})
		_, _ = client.Poll(t.Context(), verificationOf(n))
	}
	wantState(t, client, "closed")
	f.wantCalls("poll", 30)
}

// After an answer all start again: two who failed before count once more.
func TestFailuresCountAgainAfterAnAnswer(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for round := range 2 {
		f.on("poll", reply{status: 500})
		_, _ = client.Poll(t.Context(), verificationOf(1))
		_, _ = client.Poll(t.Context(), verificationOf(2))
		wantState(t, client, "closed")
		if round == 0 {
			f.on("poll", reply{status: 404, body: "{}"})
		}
		_, _ = client.Poll(t.Context(), verificationOf(3))
	}
	wantState(t, client, "open")
}

// One who was on the way when the circuit opened, and who then is the first to
// try, opens it again all the same.
func TestLateFailureDoesNotSpoilTheTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("verify", reply{status: 500})
		f.slow["verify"] = time.Second
		client := f.client()
		var group sync.WaitGroup
		group.Go(func() { _, _ = client.Verify(t.Context(), verificationOf(9), "012345") })
		synctest.Wait()
		trip(t, f, client)
		group.Wait()
		advance(10 * time.Second)
		_, _ = client.Verify(t.Context(), verificationOf(9), "012345")
		wantState(t, client, "open")
	})
}

func TestTokenEndpointOutOfOrderOpensTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", reply{status: 500})
		client := f.client()
		_ = listDevices(t, client)
		wantState(t, client, "open")
		wantRefused(t, isOpen, func() error { return listDevices(t, client) })
		f.wantCalls("token", 3)
		f.wantCalls("devices", 0)
	})
}

// The observer is where a caller learns that the state has changed.
func TestObserverFindsTheStateUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var client *onelogin.Client
		var states []string
		client = f.client(func(c *onelogin.Config) {
			c.Observe = func(call onelogin.Call) {
				if call.Op == "poll" {
					states = append(states, client.State())
				}
			}
		})
		trip(t, f, client)
		advance(10*time.Second + 1)
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
		_, _ = client.Poll(t.Context(), verification)
		if got, want := fmt.Sprint(states), "[closed closed open closed]"; got != want {
			t.Errorf("states after each poll %s, want %s", got, want)
		}
	})
}
