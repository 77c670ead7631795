package caddymfa_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const webhookSecret = "a-secret-of-the-webhook"

// tell posts a webhook's body to the site, as OneLogin does.
func (s *site) tell(secret, body string) answer {
	s.t.Helper()
	return s.program("").do(http.MethodPost, "/.mfa/events", strings.NewReader(body),
		http.Header{"Authorization": {secret}, "Content-Type": {"application/json"}})
}

// event is one item of a webhook about the person that the program of s acts
// for.
func (s *site) event(number int, user string, at time.Time) string {
	for _, known := range s.sim.Users() {
		if known.Username == user {
			return fmt.Sprintf(`[{"uuid":"5a0ba80a","event_type_id":%d,"event_timestamp":%q,"user_id":%d,"actor_user_id":1}]`,
				number, at.UTC().Format("2006-01-02 15:04:05 UTC"), known.ID)
		}
	}
	s.t.Fatalf("no user %s", user)
	return ""
}

func TestWebhookIsNotThereUnlessTurnedOn(t *testing.T) {
	s := open(t, "")
	s.tell(webhookSecret, "[]").wantStatus(t, http.StatusNotFound)
}

func TestWebhookWithoutTheSecretEndsNothing(t *testing.T) {
	s := openGlobal(t, "webhook "+webhookSecret, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	body := s.event(19, "alice", time.Now())
	for _, secret := range []string{"", "wrong", webhookSecret + "x", "Bearer " + webhookSecret, webhookSecret[:10]} {
		s.tell(secret, body).wantStatus(t, http.StatusUnauthorized)
	}
	s.tell(webhookSecret, "not JSON").wantStatus(t, http.StatusBadRequest)
	s.tell(webhookSecret, "["+strings.Repeat(" ", 2<<20)+"]").wantStatus(t, http.StatusBadRequest)
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestWebhookEndsSessionsThatWereProvedBefore(t *testing.T) {
	s := openGlobal(t, "webhook "+webhookSecret, "")
	alice, bob := s.program("alice"), s.program("bob")
	alice.verifyBy(simulator.TOTP, "/")
	bob.verifyBy(simulator.SMS, "/")
	s.tell(webhookSecret, s.event(5, "alice", time.Now())).wantStatus(t, http.StatusNoContent)                  // signed in: nothing
	s.tell(webhookSecret, s.event(19, "alice", time.Now().Add(-time.Hour))).wantStatus(t, http.StatusNoContent) // old news
	alice.get("/").wantStatus(t, http.StatusOK)
	for range 2 { // OneLogin may tell twice
		s.tell(webhookSecret, s.event(19, "alice", time.Now())).wantStatus(t, http.StatusNoContent)
		alice.get("/secret").wantStatus(t, http.StatusUnauthorized)
	}
	s.app.wantCount(t, 1)
	bob.get("/").wantStatus(t, http.StatusOK)
}

func TestWebhookTakesTheEventsThatAreConfigured(t *testing.T) {
	s := openGlobal(t, "webhook "+webhookSecret+" {\n events 5 7\n}", "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	s.tell(webhookSecret, s.event(19, "alice", time.Now())).wantStatus(t, http.StatusNoContent)
	alice.get("/").wantStatus(t, http.StatusOK)
	s.tell(webhookSecret, s.event(7, "alice", time.Now())).wantStatus(t, http.StatusNoContent)
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
}

// The simulated OneLogin tells what its administrator does, by itself.
func TestLockedUserIsSignedOutByWebhook(t *testing.T) {
	for _, lines := range []bool{false, true} {
		t.Run(fmt.Sprintf("lines=%v", lines), func(t *testing.T) {
			s := openGlobal(t, "webhook "+webhookSecret, "")
			alice := s.program("alice")
			alice.verifyBy(simulator.TOTP, "/")
			if err := s.sim.SetWebhook(simulator.Webhook{URL: s.url + "/.mfa/events", Authorization: webhookSecret, Lines: lines}); err != nil {
				t.Fatal(err)
			}
			s.sim.SetStatus("alice", 3, 1)
			for end := time.Now().Add(10 * time.Second); alice.get("/").StatusCode == http.StatusOK; {
				if time.Now().After(end) {
					t.Fatal("alice is still let in ten seconds after OneLogin locked her")
				}
			}
		})
	}
}
