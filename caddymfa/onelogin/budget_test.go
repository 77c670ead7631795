package onelogin_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func budgetOf(calls int) func(*onelogin.Config) {
	return func(c *onelogin.Config) { c.HourlyBudget = calls }
}

func wantSpent(t *testing.T, call string, err error) {
	t.Helper()
	spent, ok := errors.AsType[*onelogin.Error](err)
	if !ok || spent.Message != "hourly budget is spent" || spent.StatusCode != 0 {
		t.Errorf("%s = %v, want the budget spent", call, err)
	}
}

func TestSpentBudgetMakesNoRequestAndDoesNotWait(t *testing.T) {
	for _, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on("devices", reply{status: 200, body: `[]`})
			var observed int
			client := f.client(speaking("v2"), budgetOf(2), func(c *onelogin.Config) { c.Observe = func(onelogin.Call) { observed++ } })
			if _, err := client.Devices(t.Context(), userID); err != nil { // and an access token
				t.Fatal(err)
			}
			started := time.Now()
			wantSpent(t, operation.String(), operation.call(t.Context(), client))
			_, _, err := client.UserByID(t.Context(), userID)
			wantSpent(t, "UserByID", err)
			if took := time.Since(started); took != 0 || observed != 2 {
				t.Errorf("%s: waited %v, %d requests observed, want none and 2", operation, took, observed)
			}
			f.wantCalls(operation.op, 0)
		})
	}
}

func TestBudgetRefillsEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
		client := f.client(budgetOf(60))
		poll := func() bool { _, err := client.Poll(t.Context(), verification); return err == nil }
		for range 59 { // the access token took one
			if !poll() {
				t.Fatal("refused within the budget")
			}
		}
		if poll() {
			t.Error("allowed beyond the budget")
		}
		advance(time.Minute + time.Millisecond)
		if !poll() || poll() {
			t.Error("want one more a minute later, and one only")
		}
		advance(2 * time.Hour)
		if got := client.Budget(); got.Left != 60 {
			t.Errorf("Left = %d after two hours, want 60 and no more", got.Left)
		}
	})
}

func TestBudgetTellsWhenItIsScarce(t *testing.T) {
	for _, tt := range []struct {
		perHour, spent int
		want           onelogin.Budget
	}{
		{0, 0, onelogin.Budget{Limit: 4000, Left: 4000}},
		{-5, 0, onelogin.Budget{Limit: 4000, Left: 4000}},
		{20, 18, onelogin.Budget{Limit: 20, Left: 2}},
		{20, 19, onelogin.Budget{Limit: 20, Left: 1, Scarce: true}},
		{20, 20, onelogin.Budget{Limit: 20, Scarce: true}},
		{1, 0, onelogin.Budget{Limit: 1, Left: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on("poll", reply{status: 200, body: `{"status":"pending"}`})
			client := f.client(budgetOf(tt.perHour))
			for range tt.spent - 1 {
				_, _ = client.Poll(t.Context(), verification)
			}
			if got := client.Budget(); got != tt.want {
				t.Errorf("Budget of %d after %d = %+v, want %+v", tt.perHour, tt.spent, got, tt.want)
			}
			f.wantCalls("poll", max(0, tt.spent-1))
		})
	}
}

// Every request counts: also the one that follows a dead access token, and the
// repeats of a lookup.
func TestBudgetBoundsRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("verify", reply{status: 401, body: fixture(t, "error_401.json")})
		got, err := f.client(budgetOf(2)).Verify(t.Context(), verification, "012345")
		wantSpent(t, "Verify", err)
		if got != undecided {
			t.Errorf("Verify = %v, want undecided", got)
		}
		f.wantCalls("token", 1)

		f.on("devices", reply{status: 503})
		_, err = f.client(budgetOf(3)).Devices(t.Context(), userID)
		wantSpent(t, "Devices", err)
		f.wantCalls("devices", 2)
	})
}

func TestRateLimit(t *testing.T) {
	f := newFake(t)
	f.on("rate limit", reply{status: 200, body: fixture(t, "rate_limit.json")})
	got, err := f.client().RateLimit(t.Context())
	if want := (onelogin.RateLimit{Limit: 5000, Remaining: 4988, Resets: 832 * time.Second}); err != nil || got != want {
		t.Errorf("RateLimit = %+v, %v, want %+v", got, err, want)
	}
	if got := f.requests("rate limit")[0]; got.method != "GET" || got.target != "/auth/rate_limit" {
		t.Errorf("asked %s %s", got.method, got.target)
	}
}

func TestRateLimitAnswersThatTellNothing(t *testing.T) {
	const ok = `{"status":{"code":200,"error":false},"data":`
	for _, tt := range []reply{
		{status: 200, body: ok + `{}}`},
		{status: 200, body: ok + `{"X-RateLimit-Limit":"5000","X-RateLimit-Remaining":1,"X-RateLimit-Reset":1}}`},
		{status: 200, body: ok + `{"X-RateLimit-Limit":5000,"X-RateLimit-Remaining":-1,"X-RateLimit-Reset":1}}`},
		{status: 200, body: ok + `{"X-RateLimit-Limit":5000,"X-RateLimit-Remaining":1}}`},
		{status: 200, body: `{"status":{"code":500,"error":false},"data":{"X-RateLimit-Limit":1,"X-RateLimit-Remaining":1,"X-RateLimit-Reset":1}}`},
		{status: 200, body: `{"status":{"code":200,"error":true},"data":{"X-RateLimit-Limit":1,"X-RateLimit-Remaining":1,"X-RateLimit-Reset":1}}`},
		{status: 200, body: `<html>`},
		{status: 400, body: envelopeA("Authorization Information is incorrect")},
		{status: 404, body: envelopeA("No Route Exists")},
	} {
		f := newFake(t)
		f.on("rate limit", tt)
		if got, err := f.client().RateLimit(context.Background()); !refused(err, tt.status) || got != (onelogin.RateLimit{}) {
			t.Errorf("RateLimit on %s = %+v, %v, want *Error with status %d", tt.body, got, err, tt.status)
		}
	}
}

// Calls that we keep back ourselves cost nothing of the hour.
func TestCallsThatAreKeptBackCostNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		client := f.client(budgetOf(100))
		trip(t, f, client)
		before := client.Budget().Left
		for n := range 50 {
			_, _ = client.Poll(t.Context(), verificationOf(n))
		}
		if got := client.Budget().Left; got != before {
			t.Errorf("%d calls left, want %d", got, before)
		}
	})
}
