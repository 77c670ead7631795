package e2e_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	enrollPage    = `form[action$="/enroll"]`
	confirmButton = `form[action$="/confirm"] button`
	qrCode        = `svg.qr`
	secretText    = `.secret code`
)

// enroll presses the button that adds a factor of that kind.
func (b *tab) enroll(kind string) {
	b.t.Helper()
	offered := decode[struct {
		Enroll []struct{ ID, Kind string }
	}](b.program(), b.program().get(eval[string](b, "document.body.dataset.self")), http.StatusOK)
	for _, one := range offered.Enroll {
		if one.Kind == kind {
			b.follow(fmt.Sprintf(`form[action$="/enroll"]:has(input[name="factor"][value="%s"]) button`, one.ID))
			return
		}
	}
	b.t.Fatalf("the page offers %+v, want %s", offered.Enroll, kind)
}

// authenticator shows the code of a secret, as an app on a phone does that
// knows nothing but what it was told (RFC 6238).
func authenticator(t *testing.T, secret string, now time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		t.Fatalf("the secret %q is not base 32: %v", secret, err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, now.Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

func TestAuthenticatorIsAddedAndThenProves(t *testing.T) {
	t.Parallel()
	options{site: "enroll"}.walk(t, "carol", func(t *testing.T, s *site, b *tab) {
		b.open("/orders?page=2")
		b.see(enrollPage)
		b.enroll("totp")
		b.see(qrCode)
		secret := b.words(secretText)
		code := authenticator(t, secret, s.sim.Now())
		b.fill(wrongCode(code, 1))
		b.follow(confirmButton)
		b.see(problemPart)
		s.nothingArrived()
		b.fill(authenticator(t, secret, s.sim.Now()))
		b.follow(confirmButton)
		b.see(choosePage)
		s.nothingArrived() // a device is no proof

		s.sim.Advance(30 * time.Second)
		b.start("totp")
		b.see(codeField)
		s.nothingArrived()
		b.enter(authenticator(t, secret, s.sim.Now()))
		b.arriveBy("totp", "/orders?page=2")
	})
}

func TestPhoneIsAddedByItsApp(t *testing.T) {
	t.Parallel()
	options{site: "enroll"}.walk(t, "carol", func(t *testing.T, s *site, b *tab) {
		b.open("/")
		b.see(enrollPage)
		b.enroll("protect")
		b.see(pushPage)
		b.openPhone().press(`[data-enrols] [data-action="approve"]`)
		b.see(choosePage)
		s.nothingArrived()
		b.start("protect")
		b.see(pushPage)
		s.nothingArrived()
		s.sim.Approve("carol")
		b.arriveBy("protect", "/")
	})
}

func TestPhoneRefusesToBeAdded(t *testing.T) {
	t.Parallel()
	options{site: "enroll"}.walk(t, "carol", func(t *testing.T, s *site, b *tab) {
		b.open("/")
		b.see(enrollPage)
		b.enroll("protect")
		b.see(pushPage)
		b.openPhone().press(`[data-enrols] [data-action="deny"]`)
		b.see(problemPart)
		s.nothingArrived()
		if user := s.sim.Users()[2]; user.Username != "carol" || len(user.Devices) != 0 {
			t.Errorf("%s has %v, want carol without a device", user.Username, user.Devices)
		}
	})
}

func TestNobodyEnrollsFromElsewhere(t *testing.T) {
	t.Parallel()
	options{site: "enroll {\nfrom 10.0.0.0/8\n}"}.walk(t, "carol", func(t *testing.T, s *site, b *tab) {
		b.open("/orders")
		b.see(helpText)
		if b.has(enrollPage) {
			t.Error("there is something to add")
		}
		if n := s.sim.Calls(simulator.OpEnrol) + s.sim.Calls(simulator.OpFactors); n != 0 {
			t.Errorf("OneLogin was asked %d times about an enrolment, want never", n)
		}
		s.nothingArrived()
	})
}
