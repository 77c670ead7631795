package simulator_test

import (
	"slices"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestStatusesGoBackAndForth(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, status := range []int{0, 1, 2, 1, 3, 1, 3, 2, 2, 4, 1} {
		p.sim.SetStatus("bob", status, 1)
	}
	if got, want := kinds(p.sim.Events()), []int{15, 16, 21, 32, 19, 12, 19, 21}; !slices.Equal(got, want) {
		t.Errorf("events = %v, want %v", got, want)
	}
}

func TestRemovedPeopleLeaveNothingBehind(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.postSession(sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo"))))
	sessionToken := sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo")))
	id := p.activate("1001")
	loginState := stateOf(logInAlice(p))
	known := field(t, validate(p).body, "user_id")
	if !p.sim.RemoveUser("alice") || p.sim.RemoveUser("alice") || !p.sim.RemoveUser("carol") {
		t.Error("RemoveUser does not tell whether there was somebody")
	}
	check(t, "user", p.call("GET", users+"/101", ""), 404, notFoundB)
	check(t, "poll", p.poll(id), 404, notFoundB)
	check(t, "login", p.call("POST", loginPath, loginBody("alice", "demo")), 401, badLogin)
	if p.sim.Approve("alice") || p.sim.PortalSessions("carol") != 0 || len(p.sim.Users()) != 1 {
		t.Errorf("something is left: sessions %d, users %+v", p.sim.PortalSessions("carol"), p.sim.Users())
	}
	if got := p.postSession(sessionToken).status; got != 401 {
		t.Errorf("session token of a login that was done = %d, want 401", got)
	}
	if got := p.factor(loginState, "1002", "", false).status; got != 400 {
		t.Errorf("second factor of a login that had begun = %d, want 400", got)
	}
	if got := field(t, validate(p).body, "user_id"); got == known {
		t.Errorf("Smart MFA still knows user %s", got)
	}
}

func TestRemovedDeviceEndsItsPush(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.activate("1001")
	if p.sim.RemoveDevice("alice", 9) || p.sim.RemoveDevice("nobody", 1001) || !p.sim.RemoveDevice("alice", 1001) {
		t.Error("RemoveDevice does not tell whether there was one")
	}
	if p.sim.Approve("alice") {
		t.Error("the push of a removed device can be approved")
	}
}

func TestChangedPasswordIsTheOneThatLogsIn(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.sim.SetPassword("carol", "new")
	p.sim.SetPassword("nobody", "new")
	check(t, "the old one", p.call("POST", loginPath, loginBody("carol", "demo")), 401, badLogin)
	if got := p.call("POST", loginPath, loginBody("carol", "new")).status; got != 200 {
		t.Errorf("the new one = %d, want 200", got)
	}
}
