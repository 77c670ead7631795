package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestCodesOfKeysAndOfDuo(t *testing.T) {
	t.Parallel()
	for _, factor := range []simulator.Factor{simulator.YubiKey, simulator.Duo} {
		t.Run(string(factor), func(t *testing.T) {
			t.Parallel()
			options{}.walk(t, "fred", func(t *testing.T, s *site, b *tab) {
				b.open("/orders?page=2")
				b.see(choosePage)
				b.start(string(factor))
				b.see(codeField)
				b.enter("123456")
				b.see(problemPart)
				s.nothingArrived()
				b.enter(s.sim.Code("fred", factor))
				b.arriveBy(string(factor), "/orders?page=2")
			})
		})
	}
}

func TestFirstVersionOfTheAPI(t *testing.T) {
	t.Parallel()
	options{tenant: "api v1"}.walk(t, "alice", func(t *testing.T, s *site, b *tab) {
		b.push("/orders")
		s.nothingArrived()
		s.sim.Approve("alice")
		b.arriveBy("protect", "/orders")

		b.open("/.mfa/")
		b.follow(logoutButton)
		b.see(onwards)
		s.forgetArrivals()
		b.push("/orders")
		s.sim.Deny("alice")
		b.see(deniedPage)
		s.nothingArrived()
		b.follow(onwards)
		b.see(choosePage)
		b.see(lockedPart)
		b.start("sms")
		b.see(codeField)
		b.enter(wrongCode(s.sim.Code("alice", simulator.SMS), 1))
		b.see(problemPart)
		s.nothingArrived()
		b.enter(s.sim.Code("alice", simulator.SMS))
		b.arriveBy("sms", "/orders")
		if s.sim.Calls(simulator.OpV1Verify) == 0 || s.sim.Calls(simulator.OpActivate)+s.sim.Calls(simulator.OpDevices) != 0 {
			t.Error("OneLogin was asked by version 2 of its API")
		}
	})
}

// activatesNothing is a OneLogin that refuses every activation. A code that
// comes without one is still checked.
func activatesNothing(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/verifications") && !bytes.Contains(body, []byte(`"otp"`)) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"statusCode":422,"name":"ValidationError","message":"no"}`)
			return
		}
		api.ServeHTTP(w, r)
	})
}

func TestAuthenticatorThatOneLoginDoesNotActivate(t *testing.T) {
	t.Parallel()
	options{api: activatesNothing}.walk(t, "alice", func(t *testing.T, s *site, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.start("totp")
		b.see(codeField)
		b.enter(wrongCode(s.sim.Code("alice", simulator.TOTP), 1))
		b.see(problemPart)
		s.nothingArrived()
		b.enter(s.sim.Code("alice", simulator.TOTP))
		b.arriveBy("totp", "/orders")
		if one, two := s.sim.Calls(simulator.OpOneShot), s.sim.Calls(simulator.OpVerify); one != 2 || two != 0 {
			t.Errorf("OneLogin got %d codes by POST and %d by PUT, want 2 and none", one, two)
		}
	})
}

func TestMessageThatOneLoginDoesNotSend(t *testing.T) {
	t.Parallel()
	options{api: activatesNothing}.walk(t, "bob", func(t *testing.T, s *site, b *tab) {
		b.open("/orders")
		b.see(choosePage)
		b.start("sms")
		if b.has(codeField) {
			t.Error("a code is asked for that was never sent")
		}
		if n := s.sim.Calls(simulator.OpOneShot); n != 0 {
			t.Errorf("OneLogin got %d codes by POST, want none", n)
		}
		s.nothingArrived()
	})
}
