package onelogin_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func throttled(retryAfter string) reply {
	return reply{status: 429, body: "<html>", header: map[string]string{"Retry-After": retryAfter}}
}

// A storm: two hundred people poll and OneLogin throttles us. The first two
// find out; nobody else asks until the time that it named.
func TestThrottlingIsHeededByAllGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("poll", throttled("30"))
		client := f.client()
		poll := func(n int) error { _, err := client.Poll(t.Context(), verificationOf(n)); return err }
		_, _ = poll(0), poll(1)
		wantState(t, client, "paused")
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})

		storm := func() (failed int) {
			var group sync.WaitGroup
			var mu sync.Mutex
			for n := range 200 {
				group.Go(func() {
					if poll(n) != nil {
						mu.Lock()
						defer mu.Unlock()
						failed++
					}
				})
			}
			group.Wait()
			return failed
		}
		for range 3 { // 0, 10 and 20 s
			if failed := storm(); failed != 200 {
				t.Errorf("%d of 200 failed while paused, want all", failed)
			}
			advance(10 * time.Second)
		}
		f.wantCalls("poll", 2)
		wantState(t, client, "closed")
		if err := poll(3); err != nil {
			t.Errorf("Poll after the pause = %v", err)
		}
	})
}

func TestPausedCallsFailAtOnceAndSayWhy(t *testing.T) {
	for _, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on("rate limit", throttled("30")) // about nobody, so for everybody
			client := f.client()
			_, _ = client.RateLimit(t.Context())
			seen := len(f.requests("rate limit"))
			wantRefused(t, isPaused, func() error { return operation.call(t.Context(), client) })
			f.wantCalls("rate limit", seen)
			if operation.op != "rate limit" {
				f.wantCalls(operation.op, 0)
			}
		})
	}
}

// How long everybody stays away after this answer about the account.
func TestLengthOfThePause(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		want  time.Duration
	}{
		{"as named", throttled("7"), 7 * time.Second},
		{"as a date", throttled("Sat, 01 Jan 2000 00:00:20 GMT"), 20 * time.Second},
		{"capped", throttled("86400"), time.Minute},
		{"capped date", throttled("Sat, 01 Jan 2050 00:00:00 GMT"), time.Minute},
		{"not named", reply{status: 429, body: "<html>"}, time.Second},
		{"unreadable", throttled("soon"), time.Second},
		{"negative", throttled("-5"), time.Second},
		{"none wished", throttled("0"), 0},
		{"503 that names a time", reply{status: 503, header: map[string]string{"Retry-After": "7"}}, 7 * time.Second},
		{"503 that names none", reply{status: 503}, 0},
		{"500 that names a time", reply{status: 500, header: map[string]string{"Retry-After": "7"}}, 0},
		{"answer that names a time", reply{status: 200, header: map[string]string{"Retry-After": "7"}, body: "{}"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock starts on 1 January 2000
				f := newFake(t)
				f.on("rate limit", tt.reply)
				client := f.client()
				_, _ = client.RateLimit(t.Context())
				started := time.Now()
				for client.State() == "paused" && time.Since(started) < time.Hour {
					advance(time.Second / 2)
				}
				if got := time.Since(started); got != tt.want {
					t.Errorf("paused for %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// OneLogin may throttle a user who does too much. The others go on.
func TestThrottledUserAloneStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("verify", throttled("30"))
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
		client := f.client()
		_, _ = client.Verify(t.Context(), verification, "012345")
		wantRefused(t, isPaused, func() error { _, err := client.Poll(t.Context(), verification); return err })
		if _, err := client.Poll(t.Context(), verificationOf(1)); err != nil {
			t.Errorf("Poll of another user = %v", err)
		}
		wantState(t, client, "closed")
		advance(30 * time.Second)
		if _, err := client.Poll(t.Context(), verification); err != nil {
			t.Errorf("Poll after the pause = %v", err)
		}
	})
}

// A shorter wish that arrives late does not end a longer one.
func TestPausesDoNotShortenEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("rate limit", throttled("20"))
		f.on("verify", throttled("5"))
		f.slow["verify"] = time.Second
		client := f.client()
		var group sync.WaitGroup
		group.Go(func() { _, _ = client.Verify(t.Context(), verification, "012345") })
		synctest.Wait()
		_, _ = client.RateLimit(t.Context())
		group.Wait()
		advance(18 * time.Second)
		wantState(t, client, "paused")
		advance(time.Second)
		wantState(t, client, "closed")
	})
}

// A pause that is over does not make the next one everybody's.
func TestPausesThatAreOverDoNotAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("verify", throttled("30"))
		client := f.client()
		verify := func(v onelogin.Verification) { _, _ = client.Verify(t.Context(), v, "012345") }
		verify(verificationOf(1))
		advance(30 * time.Second)
		verify(verificationOf(2))
		wantState(t, client, "closed")
	})
}

// A lookup that is throttled repeats itself when its own pause is over.
func TestLookupOutlivesItsOwnPause(t *testing.T) {
	for _, first := range []reply{{status: 429}, throttled("4"), throttled("0")} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on("devices", first, reply{status: 200, body: "[]"})
			if err := listDevices(t, f.client()); err != nil {
				t.Errorf("Devices after %+v = %v", first, err)
			}
			f.wantCalls("devices", 2)
		})
	}
}
