package onelogin_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A 401 with the same access token speaks of the code, so the code is not
// sent again.
func TestSameAccessTokenAfter401IsNoReasonToRepeat(t *testing.T) {
	for _, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on(operation.op, reply{status: 401, body: fixture(t, "error_401.json")})
			_ = operation.do(t.Context(), f)
			f.wantCalls(operation.op, 1)
			f.wantCalls("token", 2)
		})
	}
}

// deadAnswers are 401 that may be due to a dead access token. Words that we do
// not know may mean one as well.
func deadAnswers(t *testing.T) []string {
	return []string{
		fixture(t, "error_401.json"), envelopeA("Authentication Failure"), envelopeB("The request requires user authentication."),
		envelopeB("Unheard of"), "", "<html>", `{"status":401}`,
	}
}

// The access token was dead: what reads is asked again, once. A code, a
// password, a message and all that makes something are not sent again.
func TestOnlyReadsAreRepeatedAfterADeadAccessToken(t *testing.T) {
	reads := 0
	for _, second := range []reply{
		{status: 401, body: `{"statusCode":401,"name":"InvalidCredentials","message":"Please provide valid credentials"}`},
		{status: 503},
		{status: 200, body: `{"status":"accepted"}`},
	} {
		for _, operation := range operations {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.on("token", accessTokenReply("T1", time.Now()), accessTokenReply("T2", time.Now()), accessTokenReply("T3", time.Now()))
				f.on(operation.op, reply{status: 401, body: fixture(t, "error_401.json")}, second)
				err := operation.do(t.Context(), f)
				f.wantCalls("token", 2)
				requests := f.requests(operation.op)
				if requests[0].method != "GET" {
					if len(requests) != 1 || !refused(err, 401) || !strings.Contains(err.Error(), "not sent again") {
						t.Errorf("%s: sent %d times, %v, want one and an error that says so", operation, len(requests), err)
					}
					return
				}
				reads++
				if len(requests) != 2 || requests[0].authorization != "Bearer T1" || requests[1].authorization != "Bearer T2" {
					t.Errorf("%s after %d: sent %+v, want one with T1 and one with T2", operation, second.status, requests)
				}
			})
		}
	}
	if reads != 3*3 {
		t.Errorf("%d reads among the operations, want poll, poll registration and rate limit", reads/3)
	}
}

// Both forms of a 401, and all others that there are: whatever it says and
// whatever the token endpoint has, one code makes one request.
func TestCodeIsNeverSentTwice(t *testing.T) {
	for _, body := range append(deadAnswers(t), envelopeA("Failed authentication with this factor"), envelopeB("Failed authentication with this factor")) {
		for _, newest := range []string{"T1", "T2"} {
			for _, operation := range operations {
				if !strings.HasPrefix(operation.op, "verify") {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t)
					f.on("token", accessTokenReply("T1", time.Now()), accessTokenReply(newest, time.Now()))
					f.on(operation.op, reply{status: 401, body: body}, reply{status: 200, body: `{"status":"accepted"}`})
					_ = operation.do(t.Context(), f)
					f.wantCalls(operation.op, 1)
				})
			}
		}
	}
}

func TestCodeAfterADeadAccessTokenGoesOutWithANewOne(t *testing.T) {
	f := newFake(t)
	f.on("token", accessTokenReply("T1", time.Now()), accessTokenReply("T2", time.Now()))
	f.on("verify", reply{status: 401, body: fixture(t, "error_401.json")}, reply{status: 200, body: fixture(t, "verification_accepted.json")})
	client := f.client()
	if got, err := client.Verify(t.Context(), verification, "012345"); got != undecided || !refused(err, 401) {
		t.Errorf("Verify = %v, %v, want undecided", got, err)
	}
	if got, err := client.Verify(t.Context(), verification, "012345"); got != accepted || err != nil {
		t.Errorf("the next Verify = %v, %v, want accepted", got, err)
	}
	f.wantCalls("token", 2)
	if got := f.requests("verify")[1].authorization; got != "Bearer T2" {
		t.Errorf("the next Verify went out with %q, want T2", got)
	}
}

func TestRepeatWithLiveAccessTokenDecides(t *testing.T) {
	for _, body := range deadAnswers(t) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.on("token", accessTokenReply("T1", time.Now()), accessTokenReply("T2", time.Now()))
			f.on("poll", reply{status: 401, body: body}, reply{status: 200, body: fixture(t, "verification_accepted.json")})
			if got, err := f.client().Poll(t.Context(), verification); got != accepted || err != nil {
				t.Errorf("Poll after 401 %s = %v, %v, want accepted", body, got, err)
			}
		})
	}
}

// The words of a wrong code must not cost an access token fetch, let alone a
// second send.
func TestWrongCodeIn401AsksForNoAccessToken(t *testing.T) {
	for _, message := range []string{"Failed authentication with this factor", "Authentication pending on OL Protect", "OTP token blank", "Insufficient Permission"} {
		f := newFake(t)
		f.on("verify", reply{status: 401, body: envelopeB(message)})
		_, _ = f.client().Verify(t.Context(), verification, "012345")
		f.wantCalls("verify", 1)
		f.wantCalls("token", 1)
	}
}

func TestUndecidableWhenAccessTokenCannotBeRechecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on("token", accessTokenReply("T1", time.Now()), reply{err: errReset})
		f.on("verify", reply{status: 401, body: fixture(t, "error_401.json")})
		got, err := f.client().Verify(t.Context(), verification, "012345")
		if got != undecided || !errors.Is(err, errReset) {
			t.Errorf("Verify = %v, %v, want undecided with the cause", got, err)
		}
		f.wantCalls("verify", 1)
	})
}
