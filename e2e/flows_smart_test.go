package e2e_test

import (
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// smart proves people by Smart MFA.
func smart(more string) options {
	return options{site: "smart_mfa {\nthreshold 50\n" + more + "\n}\nrequire /admin/* {\nfactors email\n}"}
}

// here is the address from which the tests' browser comes.
const here = "127.0.0.1"

// smartly has a code sent by Smart MFA.
func (b *tab) smartly(path string) {
	b.t.Helper()
	b.open(path)
	b.see(choosePage)
	b.start("email")
	b.see(codeField)
}

func TestSmartMFAByMail(t *testing.T) {
	t.Parallel()
	smart("").walk(t, "alice", func(t *testing.T, s *site, b *tab) {
		b.smartly("/orders")
		b.enter(wrongCode(s.sim.Code("alice", simulator.Email), 1))
		b.see(problemPart)
		s.nothingArrived()
		b.enter(s.sim.Code("alice", simulator.Email))
		b.arriveBy("email", "/orders")
		if n := len(s.sim.Users()); n != 6 {
			t.Errorf("OneLogin has %d users, want none added to the 6", n)
		}

		// A low risk is no proof where nobody says that it is one.
		s.forgetArrivals()
		s.sim.SetRisk(here, 1)
		openTab(t, s.demo, "alice").smartly("/orders")
		s.nothingArrived()
	})
}

func TestLowRiskPassesWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	smart("allow_low_risk").walk(t, "alice", func(t *testing.T, s *site, b *tab) {
		b.smartly("/")
		b.enter(s.sim.Code("alice", simulator.Email))
		b.arriveBy("email", "/")

		s.forgetArrivals()
		s.sim.SetRisk(here, 60)
		openTab(t, s.demo, "alice").smartly("/orders")
		s.nothingArrived()

		s.sim.SetRisk(here, 10)
		known := openTab(t, s.demo, "alice")
		known.open("/orders")
		known.see(choosePage)
		s.nothingArrived()
		known.start("email")
		known.arriveBy("low_risk", "/orders")

		s.forgetArrivals()
		known.smartly("/admin/") // which names the factor that it wants
		s.nothingArrived()
	})
}
