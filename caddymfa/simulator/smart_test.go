package simulator_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	smartPath   = "/api/2/smart-mfa"
	smartVerify = smartPath + "/verify"

	staleStateB = `{"name":"BadRequestError","message":"State token is invalid or expired"}`
	wrongCodeB  = `{"name":"Unauthorized","message":"Failed authentication with this factor"}`
)

// smartBody is a request about identifier at address, with more fields.
func smartBody(identifier, address, more string) string {
	return fmt.Sprintf(`{"user_identifier":%q,"email":"alice@example.com","context":{"user_agent":"x","ip":%q}%s}`, identifier, address, more)
}

func validate(p *peer) answer { return p.call("POST", smartPath, smartBody("u1", "203.0.113.7", "")) }

// stateOf returns the state token of an answer, or "".
func stateOf(a answer) string {
	if match := regexp.MustCompile(`"state_token":"([^"]+)"`).FindStringSubmatch(a.body); match != nil {
		return match[1]
	}
	return ""
}

func (p *peer) verifySmart(stateToken, code string) answer {
	p.t.Helper()
	return p.call("POST", smartVerify, `{"state_token":"`+stateToken+`","otp_token":"`+code+`"}`)
}

// prove goes through the first code of u1, which is always sent.
func prove(p *peer) {
	p.t.Helper()
	state := stateOf(validate(p))
	check(p.t, "first code", p.verifySmart(state, p.sim.Code("alice", simulator.Email)), 200, "OK")
}

func TestSmartRefusals(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no JSON", `{`, 400, badJSON},
		{"nobody", `{}`, 422, invalid("user_identifier")},
		{"no address", `{"user_identifier":"u1"}`, 422, invalid("email")},
		{"no agent", `{"user_identifier":"u1","phone":"+12025550101"}`, 422, invalid("context.user_agent")},
		{"no ip", `{"user_identifier":"u1","email":"a@b","context":{"user_agent":"x"}}`, 422, invalid("context.ip")},
		{"threshold", smartBody("u1", "a", `,"risk_threshold":101`), 422, invalid("risk_threshold")},
		{"negative threshold", smartBody("u1", "a", `,"risk_threshold":-1`), 422, invalid("risk_threshold")},
		{"too long", smartBody("u1", "a", `,"expires_in":901`), 422, invalid("expires_in")},
	} {
		check(t, test.name, p.call("POST", smartPath, test.body), test.status, test.want)
	}
	check(t, "no token", p.send("POST", smartPath, smartBody("u1", "a", ""), "Bearer x"), 401, invalidB)
	if len(p.sim.Sent()) != 0 || len(p.sim.Users()) != 3 {
		t.Error("a refused call sent a code or made a user")
	}
}

func TestSmartFirstTimeSendsACode(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.sim.SetRisk("u1", 0)
	got := p.call("POST", smartPath+"/", smartBody("u1", "203.0.113.7", `,"risk_threshold":100`))
	want := `^{"user_id":101,"risk":{"score":0,"reasons":\["Set for this user"\]},"mfa":{"otp_sent":true,"state_token":"[0-9a-f-]{36}"}}$`
	if got.status != 200 || !regexp.MustCompile(want).MatchString(got.body) {
		t.Errorf("validate = %d %s, want %s", got.status, got.body, want)
	}
	if again := validate(p); stateOf(again) == "" || stateOf(again) == stateOf(got) {
		t.Errorf("before any right code, again = %s, want another code", again.body)
	}
	shows(t, open(t, p.sim, "GET", "/people/alice", ""), p.sim.Code("alice", simulator.Email))
}

func TestSmartRiskDecidesLater(t *testing.T) {
	for _, test := range []struct {
		name      string
		risks     map[string]int
		threshold string
		sent      bool
	}{
		{"known and unremarkable", nil, "", false},
		{"threshold below everything", nil, `,"risk_threshold":0`, true},
		{"user just below", map[string]int{"u1": 49}, "", false},
		{"user at the threshold", map[string]int{"u1": 50}, "", true},
		{"address", map[string]int{"203.0.113.7": 90}, "", true},
		{"user before address", map[string]int{"203.0.113.7": 90, "u1": 10}, "", false},
		{"another address", map[string]int{"203.0.113.8": 90}, "", false},
		{"own threshold", map[string]int{"u1": 90}, `,"risk_threshold":91`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			prove(p)
			for key, score := range test.risks {
				p.sim.SetRisk(key, score)
			}
			before := len(p.sim.Sent())
			got := p.call("POST", smartPath, smartBody("u1", "203.0.113.7", test.threshold))
			sent := len(p.sim.Sent()) > before
			if sent != test.sent || sent != (stateOf(got) != "") || !sent && !strings.HasSuffix(got.body, `"mfa":{"otp_sent":false}}`) {
				t.Errorf("validate = %s, sent %v; want sent %v", got.body, sent, test.sent)
			}
		})
	}
}

func TestSmartMakesUsers(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	const newcomer = `{"user_identifier":"crm-7","phone":"+12025550177","context":{"user_agent":"x","ip":"a"}}`
	got := p.call("POST", smartPath, newcomer)
	if field(t, got.body, "user_id") != "9001" || len(p.sim.Users()) != 4 || p.sim.Users()[3].Phone != "+12025550177" {
		t.Errorf("validate = %s, users %+v; want a fourth", got.body, p.sim.Users())
	}
	if got := p.sim.Sent(); len(got) != 1 || got[0].Username != "crm-7" || got[0].Factor != simulator.SMS {
		t.Errorf("sent = %+v, want an SMS to the new user", got)
	}
	p.call("POST", smartPath, newcomer)
	check(t, "another address later", p.call("POST", smartPath, smartBody("crm-7", "a", "")), 422, invalid("user_identifier"))
	if len(p.sim.Users()) != 4 {
		t.Error("a known identifier made another user")
	}
	if got := p.call("POST", smartPath, smartBody("ALICE", "a", "")); field(t, got.body, "user_id") != "101" {
		t.Errorf("a username as identifier = %s, want alice", got.body)
	}
}

func TestSmartVerify(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	state := stateOf(validate(p))
	code := p.sim.Code("alice", simulator.Email)
	check(t, "no token", p.send("POST", smartVerify, `{}`, "Bearer x"), 401,
		`{"name":"UnauthorizedError","message":"The request requires user authentication."}`)
	check(t, "no JSON", p.call("POST", smartVerify, `{`), 400, `{"name":"BadRequestError","message":"Input JSON is not valid"}`)
	check(t, "unknown", p.verifySmart("x", code), 400, staleStateB)
	check(t, "wrong", p.verifySmart(state, "wrong"), 401, wrongCodeB)
	got := p.verifySmart(state, code)
	check(t, "right", got, 200, "OK")
	if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("Content-Type = %s", kind)
	}
	check(t, "used", p.verifySmart(state, code), 400, staleStateB)
	check(t, "the node path is not there", p.call("POST", "/api/2/verify", `{}`), 404, notFoundB)
	p.sim.SetRisk("u1", 99)
	state = stateOf(validate(p))
	for range 5 {
		check(t, "guess", p.verifySmart(state, "wrong"), 401, wrongCodeB)
	}
	check(t, "after five", p.verifySmart(state, p.sim.Code("alice", simulator.Email)), 400, staleStateB)
	state = stateOf(validate(p))
	p.sim.Advance(8 * time.Minute)
	check(t, "expired", p.verifySmart(state, p.sim.Code("alice", simulator.Email)), 400, staleStateB)
}

// A right code of one identifier says nothing about another of the same person.
func TestSmartIdentifiersAreProvenOneByOne(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	prove(p)
	if got := p.call("POST", smartPath, smartBody("u2", "203.0.113.7", "")); stateOf(got) == "" || field(t, got.body, "user_id") != "101" {
		t.Errorf("another identifier = %s, want a code", got.body)
	}
}
