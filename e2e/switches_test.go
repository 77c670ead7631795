package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// deviation is one way in which OneLogin may differ from what it does by
// default, and who gets in then.
type deviation struct {
	switches string // JSON for the simulator
	code     bool   // the right code opens the gate
	push     bool   // an approved push opens it
	apart    bool   // each journey needs a demo that remembers nothing of the others
}

// deviations are the simulator's switches. What is documented or was seen lets
// the right person in; what nobody can read for sure lets nobody in.
func deviations() []deviation {
	return []deviation{
		{`{}`, true, true, false},
		// Shapes.
		{`{"arrays":true}`, true, true, false},
		{`{"double_array":true}`, true, true, false},
		{`{"ids_as_numbers":true}`, true, true, false},
		{`{"numeric_verification_ids":true}`, true, true, false},
		{`{"numeric_verification_ids":true,"ids_as_numbers":true}`, true, true, false},
		{`{"activate_status":200}`, true, true, false},
		{`{"activate_status":201}`, true, true, false},
		{`{"verify_body":"string"}`, true, true, false},
		{`{"verify_body":"object"}`, true, true, false},
		{`{"verify_body":"flat"}`, false, true, false},
		{`{"alphanumeric_codes":true}`, true, true, false},
		{`{"extra_unknown_status":"approved"}`, false, false, false},
		// Answers about somebody or something else.
		{`{"verification_id_mismatch":true}`, false, false, false},
		{`{"device_id_mismatch":true}`, false, false, false},
		{`{"device_id_mismatch":true,"only":"verify,poll"}`, false, false, false},
		{`{"duplicate_users":true}`, false, false, false},
		{`{"no_devices":true}`, false, false, false},
		{`{"unknown_factor_name":true}`, false, false, true},
		{`{"user_status":2}`, false, false, false},
		{`{"user_status":3}`, false, false, false},
		{`{"user_state":0}`, false, false, false},
		{`{"wildcards":"off"}`, true, true, false},
		// Forms of a wrong code and of an expiry.
		{`{"wrong_code":"pending"}`, true, true, false},
		{`{"wrong_code":"rejected"}`, true, true, false},
		{`{"wrong_code":"401_factor"}`, true, true, false},
		{`{"tries":1}`, true, true, false},
		{`{"expired":"404"}`, true, true, false},
		{`{"expired":"rejected"}`, true, true, false},
		{`{"expired":"pending_forever"}`, true, true, false},
		{`{"error_envelope_on_poll":"A"}`, true, true, false},
		{`{"error_envelope_on_poll":"B"}`, true, true, false},
		// Access tokens. Within seconds of a dead one no other is taken for dead.
		{`{"token_wrapped":true}`, true, true, false},
		{`{"token_no_refresh_field":true}`, true, true, false},
		{`{"token_created_at_skew":"3h"}`, true, true, false},
		{`{"token_created_at_skew":"-12h"}`, true, true, false},
		{`{"token_killed_by_other_client":true}`, true, true, true},
		{`{"token_killed_by_other_client":true,"only":"activate"}`, false, false, true}, // what sends is sent once
		{`{"token_killed_by_other_client":true,"only":"verify"}`, false, true, true},
		{`{"token_killed_by_other_client":true,"only":"poll"}`, true, true, true},
		{`{"same_token_after_401":true}`, false, false, false},
		{`{"same_token_after_401":true,"only":"verify"}`, false, true, false},
		{`{"same_token_after_401":true,"only":"poll"}`, true, false, false},
		// Too much, too slow, broken. Calls pause after a 429.
		{`{"edge_429":1}`, false, false, false},
		{`{"edge_429":1,"only":"activate"}`, false, false, true},
		{`{"edge_429":1,"only":"verify"}`, false, true, true},
		{`{"edge_429":1,"only":"poll"}`, true, false, true},
		{`{"edge_429":1,"only":"poll","times":1}`, true, true, false},
		{`{"quota_429":true}`, false, false, false},
		{`{"quota_429":true,"only":"verify"}`, false, true, true},
		{`{"html_502":true}`, false, false, false},
		{`{"html_502":true,"only":"activate"}`, false, false, false},
		{`{"html_502":true,"only":"verify"}`, false, true, false},
		{`{"html_502":true,"only":"poll"}`, true, false, false},
		{`{"html_502":true,"only":"poll","times":1}`, true, true, false},
		{`{"slow":"200ms"}`, true, true, false},
		{`{"truncate_body":true}`, false, false, false},
		{`{"truncate_body":true,"only":"activate"}`, false, false, false},
		{`{"truncate_body":true,"only":"verify"}`, false, true, false},
		{`{"truncate_body":true,"only":"poll"}`, true, false, false},
		{`{"empty_200":true}`, false, false, false},
		{`{"empty_200":true,"only":"activate"}`, false, false, false},
		{`{"empty_200":true,"only":"verify"}`, false, true, false},
		{`{"empty_200":true,"only":"poll"}`, true, false, false},
	}
}

// TestEverySwitch goes through the journeys under every deviation. The right
// proof passes or nobody does, and no press of a button sends a push or a code
// twice.
func TestEverySwitch(t *testing.T) {
	t.Parallel()
	for _, one := range deviations() {
		t.Run(one.switches, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			for _, j := range []struct {
				name string
				run  func(p *program) bool
				want bool
			}{
				{"authenticator", proveWith("totp"), one.code},
				{"text message", proveWith("sms"), one.code},
				{"wrong code", proveWrongly, false},
				{"push", waitForApproval, one.push},
				{"late code", proveTooLate, false},
			} {
				if one.apart {
					d = startDemo(t)
				}
				d.deviate(one.switches)
				d.judge(j.name, j.run, j.want)
			}
			if !one.apart {
				d.deviate(`{}`)
				await(t, "OneLogin to be asked again", d.offersFactors)
				d.judge("afterwards", proveWith("sms"), true)
			}
		})
	}
}

// judge runs one journey of alice in a new browser, and checks who got in and
// what was sent.
func (d *demo) judge(name string, journey func(p *program) bool, want bool) {
	d.t.Helper()
	d.forgetArrivals()
	d.call("POST", d.phone+"/_sim/reset", nil, nil)
	p := newProgram(d.t, d, "alice")
	if got := journey(p); got != want {
		d.t.Errorf("%s: verified = %v, want %v", name, got, want)
	}
	page := p.get("/orders")
	if passed := page.status == http.StatusOK; passed != want {
		d.t.Errorf("%s: the page afterwards = %d, want it to open: %v", name, page.status, want)
	}
	if n := len(d.arrivals()); n != map[bool]int{true: 1}[want] {
		d.t.Errorf("%s: the app saw %d requests", name, n)
	}
	for _, op := range []string{"activate", "verify"} {
		if n := d.carriedOut(op); n > 1 {
			d.t.Errorf("%s: OneLogin got %d times %s for one press", name, n, op)
		}
	}
	if n := d.sent(); n > 1 {
		d.t.Errorf("%s: %d messages went out for one press", name, n)
	}
}

// offersFactors tells whether alice is offered something. That she had nothing
// is remembered for a moment.
func (d *demo) offersFactors() bool {
	d.t.Helper()
	p := newProgram(d.t, d, "alice")
	got := p.get(p.meet("/orders"))
	return got.status == http.StatusOK && len(decode[challenge](p, got, http.StatusOK).Factors) > 0
}

// carriedOut is how many calls of one kind OneLogin took. One with a dead
// access token is refused before anything is done, and may be repeated.
func (d *demo) carriedOut(op string) int {
	d.t.Helper()
	n := 0
	for _, call := range d.calls(op) {
		if call.Status != http.StatusUnauthorized {
			n++
		}
	}
	return n
}

// tryToBegin presses the button of a factor. It returns false where that is
// not possible.
func (p *program) tryToBegin(factor string) (challengeURL string, started challenge, ok bool) {
	p.t.Helper()
	challengeURL = p.meet("/orders")
	looked := p.get(challengeURL)
	var c challenge
	if looked.status != http.StatusOK || json.Unmarshal([]byte(looked.body), &c) != nil || len(c.Factors) == 0 {
		return challengeURL, c, false
	}
	got := p.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(p.t, factor)})
	if got.status != http.StatusOK {
		return challengeURL, c, false
	}
	return challengeURL, decode[challenge](p, got, http.StatusOK), true
}

// tryCode sends a code and tells whether that verified.
func (p *program) tryCode(csrf, code string) bool {
	p.t.Helper()
	got := p.post("verify", map[string]string{"csrf": csrf, "code": code})
	return got.status == http.StatusOK && decode[challenge](p, got, http.StatusOK).State == "verified"
}

func proveWith(factor string) func(p *program) bool {
	return func(p *program) bool {
		_, started, ok := p.tryToBegin(factor)
		return ok && p.tryCode(started.CSRF, p.d.code(p.user, factor))
	}
}

func proveWrongly(p *program) bool {
	_, started, ok := p.tryToBegin("sms")
	return ok && p.tryCode(started.CSRF, wrongCode(p.d.code(p.user, "sms"), 5))
}

func proveTooLate(p *program) bool {
	_, started, ok := p.tryToBegin("sms")
	if !ok {
		return false
	}
	code := p.d.code(p.user, "sms")
	p.d.advance(verificationLife)
	return p.tryCode(started.CSRF, code)
}

// waitForApproval approves a push and waits until that is seen, or until
// OneLogin was asked often enough to show that it will not be.
func waitForApproval(p *program) bool {
	challengeURL, _, ok := p.tryToBegin("protect")
	if !ok {
		return false
	}
	p.d.answer(p.user, "approve")
	enough := len(p.d.calls("poll")) + 3
	verified := false
	await(p.t, "the approval", func() bool {
		polls := len(p.d.calls("poll"))
		got := p.get(challengeURL)
		var c challenge
		if got.status != http.StatusOK || json.Unmarshal([]byte(got.body), &c) != nil {
			return polls >= enough
		}
		verified = c.State == "verified"
		return c.State != "pending" || polls >= enough
	})
	return verified
}
