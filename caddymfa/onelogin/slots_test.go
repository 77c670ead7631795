package onelogin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// gauge counts the requests that are under way in a transport.
type gauge struct {
	http.RoundTripper
	now, most, all atomic.Int32
}

// RoundTrip implements http.RoundTripper.
func (g *gauge) RoundTrip(r *http.Request) (*http.Response, error) {
	g.all.Add(1)
	now := g.now.Add(1)
	defer g.now.Add(-1)
	for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); most = g.most.Load() {
	}
	return g.RoundTripper.RoundTrip(r)
}

func crowded(err error) bool {
	refusal, ok := errors.AsType[*onelogin.Error](err)
	return ok && refusal.Message == "too many calls at once" && refusal.StatusCode == 0
}

// A thousand people and a OneLogin that hangs: 64 requests are under way, 64
// wait two seconds for their turn, and all others are told at once.
func TestCallsUnderWayAreCapped(t *testing.T) {
	for _, tt := range []struct{ configured, want int }{{0, 64}, {-1, 64}, {1, 1}, {5, 5}} {
		synctest.Test(t, func(t *testing.T) {
			const people = 1000
			f := newFake(t)
			f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
			f.on("devices", reply{status: 200, body: "[]"})
			f.slow["poll"] = time.Hour
			g := &gauge{RoundTripper: f}
			client := f.client(func(c *onelogin.Config) { c.Transport, c.MaxConcurrent = g, tt.configured })
			if err := listDevices(t, client); err != nil { // there is an access token
				t.Fatal(err)
			}
			var present, quick atomic.Int32
			var group sync.WaitGroup
			started := time.Now()
			for n := range people {
				group.Go(func() {
					present.Add(1)
					defer present.Add(-1)
					_, err := client.Poll(t.Context(), verificationOf(n))
					if err == nil {
						t.Error("a call that hangs had an answer")
					}
					if crowded(err) && time.Since(started) == 0 {
						quick.Add(1)
					}
				})
			}
			wantPresent := func(after time.Duration, want int) {
				synctest.Wait()
				if got := int(present.Load()); got != want {
					t.Errorf("%d callers after %v, want %d", got, after, want)
				}
			}
			wantPresent(0, 2*tt.want)
			if got := int(quick.Load()); got != people-2*tt.want {
				t.Errorf("%d were told at once, want %d", got, people-2*tt.want)
			}
			advance(2 * time.Second)
			wantPresent(2*time.Second, tt.want)
			advance(8 * time.Second)
			wantPresent(10*time.Second, 0)
			group.Wait()
			if got := int(g.most.Load()); got != tt.want {
				t.Errorf("%d requests at once, want %d", got, tt.want)
			}
		})
	}
}

func TestQueuedCallGoesOutWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
		f.slow["poll"] = time.Second
		g := &gauge{RoundTripper: f}
		client := f.client(func(c *onelogin.Config) { c.Transport, c.MaxConcurrent = g, 2 })
		var group sync.WaitGroup
		for n := range 4 {
			group.Go(func() {
				if _, err := client.Poll(t.Context(), verificationOf(n)); err != nil {
					t.Errorf("Poll = %v, want it to wait and work", err)
				}
			})
		}
		group.Wait()
		f.wantCalls("poll", 4)
		if got := g.most.Load(); got != 2 {
			t.Errorf("%d requests at once, want 2", got)
		}
	})
}

func TestCallThatGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
		f.slow["poll"] = time.Second
		client := f.client(func(c *onelogin.Config) { c.MaxConcurrent = 1 })
		poll := func(ctx context.Context) error { _, err := client.Poll(ctx, verification); return err }
		if err := poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() { _ = poll(t.Context()) })
		synctest.Wait()
		for range 3 { // each leaves room for the next
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/10)
			if err := poll(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Poll in the queue = %v, want its deadline", err)
			}
			cancel()
		}
		group.Wait()
		f.wantCalls("poll", 2)
	})
}

// Those in the queue do not go out when the circuit has opened meanwhile.
func TestQueuedCallsMeetTheOpenCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("poll", reply{status: 500})
		f.slow["poll"] = time.Second
		client := f.client(func(c *onelogin.Config) { c.MaxConcurrent = 1 })
		poll := func(n int) error { _, err := client.Poll(t.Context(), verificationOf(n)); return err }
		_, _ = poll(0), poll(1)
		var group sync.WaitGroup
		group.Go(func() { _ = poll(2) })
		synctest.Wait()
		group.Go(func() {
			if err := poll(3); err == nil || !strings.Contains(err.Error(), isOpen) {
				t.Errorf("Poll from the queue = %v, want %q", err, isOpen)
			}
		})
		group.Wait()
		f.wantCalls("poll", 3)
		wantState(t, client, "open")
	})
}

// panicking is a transport that breaks the client from below.
type panicking struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if opOf(r.Method, r.URL.Path, "") == "verify" {
		panic("broken")
	}
	return p.RoundTripper.RoundTrip(r)
}

// A panic is the server's to catch. It decides nothing, and the place of the
// call is free again.
func TestPanicGivesNoVerdictAndFreesItsPlace(t *testing.T) {
	f := newFake(t)
	f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
	client := f.client(func(c *onelogin.Config) { c.Transport, c.MaxConcurrent = panicking{f}, 1 })
	for n := range 10 {
		verdict, caught := undecided, false
		func() {
			defer func() { caught = recover() != nil }()
			verdict, _ = client.Verify(t.Context(), verificationOf(n), "012345")
		}()
		if !caught || verdict != undecided {
			t.Errorf("Verify = %v, caught %v, want the panic and no verdict", verdict, caught)
		}
	}
	if got, err := client.Poll(t.Context(), verification); got != pending || err != nil {
		t.Errorf("Poll after the panics = %v, %v, want pending", got, err)
	}
	wantState(t, client, "closed")
}

// One call tries whether OneLogin is back, and has the only place. The others
// do not wait for it.
func TestNobodyQueuesBehindTheCallThatTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		client := f.client(func(c *onelogin.Config) { c.MaxConcurrent = 1 })
		trip(t, f, client)
		advance(10*time.Second + 1)
		f.slow["poll"] = 5 * time.Second
		var group sync.WaitGroup
		group.Go(func() { _, _ = client.Poll(t.Context(), verification) })
		synctest.Wait()
		group.Go(func() { wantRefused(t, isOpen, func() error { return listDevices(t, client) }) })
		group.Wait()
	})
}
