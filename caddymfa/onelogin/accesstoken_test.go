package onelogin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func listDevices(t *testing.T, client *onelogin.Client) error {
	t.Helper()
	_, err := client.Devices(t.Context(), userID)
	return err
}

func TestAccessTokenRequest(t *testing.T) {
	f := newFake(t)
	f.on("token", reply{status: 200, body: fixture(t, "access_token.json")})
	f.on("devices", reply{status: 200, body: "[]"})
	if err := listDevices(t, f.client(func(c *onelogin.Config) { c.BaseURL = "https://mfa.example/prefix" })); err != nil {
		t.Fatal(err)
	}
	got := f.requests("token")[0]
	if got.method != "POST" || got.target != "/prefix/auth/oauth2/v2/token" || got.body != `{"grant_type":"client_credentials"}` {
		t.Errorf("token request = %+v", got)
	}
	if want := "client_id:client-id, client_secret:canary-secret"; got.authorization != want {
		t.Errorf("Authorization = %q, want %q", got.authorization, want)
	}
	if got := f.requests("devices")[0].authorization; got != "Bearer 3f9c1e7ab2d04865" {
		t.Errorf("Authorization of the call = %q", got)
	}
}

func TestAccessTokenBodies(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       bool
	}{
		{"documented", fixture(t, "access_token.json"), true},
		{"wrapped", fixture(t, "access_token_wrapped.json"), true},
		{"without the rest", `{"access_token":"T"}`, true},
		{"in array", `[{"access_token":"T"}]`, true},
		{"none", `{}`, false},
		{"empty", `{"access_token":""}`, false},
		{"number", `{"access_token":5}`, false},
		{"null", `null`, false},
		{"wrapped, none", `{"data":[{}]}`, false},
		{"wrapped, no object", `{"data":["T"]}`, false},
		{"wrapped, two", `{"data":[{"access_token":"T"},{"access_token":"U"}]}`, false},
		{"header split", `{"access_token":"T\r\nX-Evil: 1"}`, false},
		{"control", `{"access_token":"T\u0000"}`, false},
		{"longest", `{"access_token":"` + strings.Repeat("t", 4096) + `"}`, true},
		{"too long", `{"access_token":"` + strings.Repeat("t", 4097) + `"}`, false},
		{"twice", `{"access_token":"T","access_token":"U"}`, false},
		{"html", `<html>`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("token", reply{status: 200, body: tt.body})
			f.on("devices", reply{status: 200, body: "[]"})
			if err := listDevices(t, f.client()); (err == nil) != tt.want {
				t.Errorf("Devices with token body %s: %v, want it to work: %v", tt.body, err, tt.want)
			}
		})
	}
}

func TestAccessTokenIsUsedUntilItsOwnEnd(t *testing.T) {
	hours := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	body := func(created string, expiresIn string) string {
		return fmt.Sprintf(`{"access_token":"T1","created_at":%s,"expires_in":%s}`, created, expiresIn)
	}
	// The clock of a bubble starts at 2000-01-01T00:00:00Z.
	for _, tt := range []struct {
		name, body string
		life       time.Duration
	}{
		{"new", body(`"2000-01-01T00:00:00.000Z"`, "36000"), hours(10) - time.Minute},
		{"made five hours ago", body(`"1999-12-31T19:00:00Z"`, "36000"), hours(5) - time.Minute},
		{"made in another zone", body(`"2000-01-01T01:00:00+01:00"`, "36000"), hours(10) - time.Minute},
		{"a little ahead of us", body(`"2000-01-01T00:04:00Z"`, "36000"), hours(10) - time.Minute},
		{"far ahead of us", body(`"2000-01-01T00:06:00Z"`, "36000"), 5 * time.Minute},
		{"no creation time", `{"access_token":"T1","expires_in":36000}`, 5 * time.Minute},
		{"creation time as number", body(`946684800`, "36000"), 5 * time.Minute},
		{"creation time unreadable", body(`"yesterday"`, "36000"), 5 * time.Minute},
		{"no life", `{"access_token":"T1","created_at":"2000-01-01T00:00:00Z"}`, 5 * time.Minute},
		{"negative life", body(`"2000-01-01T00:00:00Z"`, "-5"), 5 * time.Minute},
		{"life as text", body(`"2000-01-01T00:00:00Z"`, `"36000"`), 5 * time.Minute},
		{"life without end", body(`"2000-01-01T00:00:00Z"`, "999999999"), hours(24) - time.Minute},
		{"over by our clock", body(`"1999-12-31T00:00:00Z"`, "36000"), 30 * time.Second},
		{"nearly over", body(`"1999-12-31T14:00:40Z"`, "36000"), 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.on("token", reply{status: 200, body: tt.body})
				f.on("devices", reply{status: 200, body: "[]"})
				client := f.client()
				for _, step := range []struct {
					wait  time.Duration
					calls int
				}{{0, 1}, {tt.life - time.Second, 1}, {time.Second, 2}} {
					advance(step.wait)
					if err := listDevices(t, client); err != nil {
						t.Fatal(err)
					}
					f.wantCalls("token", step.calls)
				}
			})
		})
	}
}

func TestColdStartFetchesOneAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.slow["token"] = time.Second
		f.on("devices", reply{status: 200, body: "[]"})
		client := f.client()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if err := listDevices(t, client); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		f.wantCalls("token", 1)
		f.wantCalls("devices", 100)
	})
}

func TestOneCallerThatGivesUpDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.slow["token"] = 2 * time.Second
		f.on("devices", reply{status: 200, body: "[]"})
		client := f.client()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var group sync.WaitGroup
		group.Go(func() {
			started := time.Now()
			if _, err := client.Devices(impatient, userID); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Second {
				t.Errorf("impatient caller: %v after %v, want its deadline", err, time.Since(started))
			}
		})
		synctest.Wait() // the impatient one has begun the fetch
		group.Go(func() {
			if err := listDevices(t, client); err != nil {
				t.Errorf("patient caller: %v", err)
			}
		})
		group.Wait()
		f.wantCalls("token", 1)
	})
}

// 401 for every call and always the same access token: a credential without
// scope. It must not become a stream of token requests.
func TestManyDoubtsAskOnceInAFewSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("poll", reply{status: 401, body: fixture(t, "error_401.json")})
		client := f.client()
		for range 10 { // one second each
			for range 20 {
				if got, err := client.Poll(t.Context(), verification); got != denied || err != nil {
					t.Fatalf("Poll = %v, %v, want denied", got, err)
				}
			}
			advance(time.Second)
		}
		f.wantCalls("poll", 200)
		f.wantCalls("token", 1+4) // the first, and one at 0, 3, 6 and 9 s
	})
}

func TestParallelDoubtsShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", accessTokenReply("T1", time.Now()), accessTokenReply("T2", time.Now()), accessTokenReply("T3", time.Now()))
		unauthorized := reply{status: 401, body: fixture(t, "error_401.json")}
		replies := []reply{}
		for range 50 {
			replies = append(replies, unauthorized)
		}
		f.on("poll", append(replies, reply{status: 200, body: `{"status":"accepted"}`})...)
		f.slow["poll"], f.slow["token"] = time.Second, time.Second
		client := f.client()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if got, err := client.Poll(t.Context(), verification); got != accepted || err != nil {
					t.Errorf("Poll = %v, %v, want accepted", got, err)
				}
			})
		}
		group.Wait()
		f.wantCalls("token", 2)
		f.wantCalls("poll", 100)
	})
}

func TestFailedRecheckIsNotRepeatedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", accessTokenReply("T1", time.Now()), reply{err: errReset})
		f.on("poll", reply{status: 401, body: fixture(t, "error_401.json")})
		client := f.client()
		for range 10 {
			if _, err := client.Poll(t.Context(), verification); err == nil {
				t.Fatal("Poll decided without knowing the access token")
			}
		}
		f.wantCalls("token", 2)
	})
}

func TestRefusedCredentialIsNotOfferedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", reply{status: 401, body: fixture(t, "access_token_refused.json")})
		client := f.client()
		for range 10 {
			refusal, ok := errors.AsType[*onelogin.Error](listDevices(t, client))
			if !ok || refusal.StatusCode != 401 || refusal.Op != "access token" {
				t.Fatalf("Devices = %v, want the token endpoint's 401", refusal)
			}
		}
		f.wantCalls("token", 1)
		advance(3 * time.Second)
		_ = listDevices(t, client)
		f.wantCalls("token", 2)
	})
}

func TestFirstCallAfterAnOutageGetsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", reply{err: errReset}, accessTokenReply("T1", time.Now()))
		f.on("devices", reply{status: 200, body: "[]"})
		client := f.client()
		if err := listDevices(t, client); !errors.Is(err, errReset) {
			t.Errorf("Devices = %v, want the lost connection", err)
		}
		if err := listDevices(t, client); err != nil {
			t.Errorf("Devices = %v, want it to work", err)
		}
	})
}

func TestBusyTokenEndpointIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", reply{status: 429, body: fixture(t, "throttled.html")}, reply{status: 500}, accessTokenReply("T1", time.Now()))
		f.on("activate", reply{status: 201, body: fixture(t, "activation.json")})
		if _, err := f.client().Activate(t.Context(), userID, deviceID, onelogin.Activation{}); err != nil {
			t.Errorf("Activate = %v, want it to work", err)
		}
		f.wantCalls("token", 3)
		f.wantCalls("activate", 1)
	})
}

func TestNewCredentialReplacesTheAccessToken(t *testing.T) {
	f := newFake(t)
	f.on("token", accessTokenReply("T1", time.Now()), accessTokenReply("T2", time.Now()))
	f.on("devices", reply{status: 200, body: "[]"})
	client := f.client()
	for _, secret := range []string{clientSecret, clientSecret, "new-secret", "new-secret"} {
		client.SetCredentials(clientID, secret)
		if err := listDevices(t, client); err != nil {
			t.Fatal(err)
		}
	}
	f.wantCalls("token", 2)
	if got := f.requests("token")[1].authorization; got != "client_id:client-id, client_secret:new-secret" {
		t.Errorf("second token request with %q", got)
	}
	if got := f.requests("devices")[3].authorization; got != "Bearer T2" {
		t.Errorf("call after rotation with %q, want T2", got)
	}
}

func TestFetchWithOldCredentialIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", accessTokenReply("old", time.Now()), accessTokenReply("new", time.Now()))
		f.on("devices", reply{status: 200, body: "[]"})
		f.slow["token"] = time.Second
		client := f.client()
		var group sync.WaitGroup
		group.Go(func() { _ = listDevices(t, client) })
		synctest.Wait()
		client.SetCredentials(clientID, "new-secret")
		group.Wait()
		if err := listDevices(t, client); err != nil {
			t.Fatal(err)
		}
		if got := f.requests("devices")[1].authorization; got != "Bearer new" {
			t.Errorf("call with %q, want the new credential's access token", got)
		}
	})
}

func TestCloseEndsAFetchUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.slow["token"] = time.Hour
		client := f.client()
		time.AfterFunc(time.Second, client.Close)
		started := time.Now()
		if err := listDevices(t, client); !errors.Is(err, context.Canceled) || time.Since(started) != time.Second {
			t.Errorf("Devices = %v after %v, want canceled after 1s", err, time.Since(started))
		}
	})
}

// An observer that panics must not take the gateway down from the goroutine
// of the fetch.
func TestPanicInAFetchIsAnError(t *testing.T) {
	f := newFake(t)
	client := f.client(func(c *onelogin.Config) { c.Observe = func(onelogin.Call) { panic("canary") } })
	if err := listDevices(t, client); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("Devices = %v, want an error without the panic's words", err)
	}
}
