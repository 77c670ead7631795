package e2e_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// plainCalls are all that a site asks of OneLogin that turns nothing on.
func plainCalls() []string {
	return []string{simulator.OpToken, simulator.OpUsers, simulator.OpUser, simulator.OpDevices,
		simulator.OpActivate, simulator.OpVerify, simulator.OpPoll}
}

// TestPlainSiteMakesPlainCalls lets people pass, fail and give up on a site
// that turns nothing on, tries all that others turn on, and then reads every
// request that OneLogin got.
func TestPlainSiteMakesPlainCalls(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	s.plainJourneys()
	if printed, ok := s.caddy("mfa", "token", "alice", "--reason", "lost phone"); ok {
		t.Errorf("caddy mfa token = %q, want a failure", printed)
	}
	made := map[string]int{}
	for _, request := range s.sim.Requests() {
		made[request.Op]++
		if !slices.Contains(plainCalls(), request.Op) {
			t.Errorf("OneLogin got %s %s (%s)", request.Method, request.Path, request.Op)
		}
	}
	for _, op := range plainCalls() {
		if made[op] == 0 {
			t.Errorf("OneLogin got no call %q: the journeys are too short", op)
		}
	}
	t.Logf("calls: %v", made)
}

func (s *site) plainJourneys() {
	t := s.t
	for user, factors := range map[string][]string{"alice": {"sms", "totp", "email", "protect"}, "bob": {"sms"}, "fred": {"yubikey", "duo"}} {
		for _, factor := range factors {
			newProgram(t, s.demo, user).prove("/", factor)
		}
	}
	for _, answer := range []func(string) bool{s.sim.Approve, s.sim.Deny} {
		p := newProgram(t, s.demo, "alice")
		address, _ := p.begin("/", "protect")
		answer("alice")
		await(t, "the answer", func() bool { return p.look(address).State != "pending" })
	}
	calls := newProgram(t, s.demo, "dave")
	address, _ := calls.begin("/", "voice")
	s.sim.KeyIn("dave", "000000")
	await(t, "the wrong keys", func() bool { return calls.look(address).State == "denied" })

	s.tryEverythingElse(newProgram(t, s.demo, "alice"))
	s.tryEverythingElse(newProgram(t, s.demo, "carol")) // who has no device
	s.deviate(`{"html_502":true}`)
	p := newProgram(t, s.demo, "erin")
	if got := p.get(p.meet("/")); got.status != http.StatusServiceUnavailable {
		t.Errorf("a challenge without OneLogin = %d, want 503", got.status)
	}
	s.deviate(`{}`)
	s.nothingArrived() // nobody has asked for a page after their proof
}

// tryEverythingElse takes every step that a challenge has or could have, with
// a wrong code, and gives up.
func (s *site) tryEverythingElse(p *program) {
	address := p.meet("/orders")
	var c challenge
	for _, step := range []string{"look", "start", "verify", "name", "login", "enroll", "confirm", "cancel"} {
		if step == "look" {
			got := p.get(address)
			c = decode[challenge](p, got, got.status)
			continue
		}
		fields := map[string]string{"csrf": c.CSRF, "code": "000000", "user": "alice", "password": "demo", "factor": "totp"}
		if step == "start" && len(c.Factors) > 0 {
			fields["factor"] = c.factor(s.t, "sms")
		}
		if got := p.post(step, fields); got.status == http.StatusServiceUnavailable {
			s.t.Errorf("%s: %d %s", step, got.status, got.body)
		}
	}
}
