package simulator

import (
	"cmp"
	"net/http"
	"strings"
)

// smartIdentity is a person as a caller of Smart MFA knows them.
type smartIdentity struct {
	person       *person
	email, phone string // what the caller sent the first time
	proven       bool   // a right code has been sent back once
}

// smartRequest is the body of POST /api/2/smart-mfa.
type smartRequest struct {
	Identifier string `json:"user_identifier"`
	Email      string `json:"email"`
	Phone      string `json:"phone"`
	Context    struct {
		UserAgent string `json:"user_agent"`
		IP        string `json:"ip"`
	} `json:"context"`
	Threshold *jsonID `json:"risk_threshold"`
	ExpiresIn *jsonID `json:"expires_in"`
}

// smartBody is the answer.
type smartBody struct {
	UserID int64     `json:"user_id"`
	Risk   smartRisk `json:"risk"`
	MFA    smartMFA  `json:"mfa"`
}

type smartRisk struct {
	Score   int      `json:"score"`
	Reasons []string `json:"reasons"`
}

type smartMFA struct {
	OTPSent    any    `json:"otp_sent"` // a truth value, or a switch makes it text
	StateToken string `json:"state_token,omitempty"`
}

// validateSmart answers POST /api/2/smart-mfa: it scores the risk and sends a
// code if the score reaches the threshold. An unknown identifier creates a user.
func (s *Simulator) validateSmart(c *call) reply {
	var request smartRequest
	if failure := c.readBody(&request); failure != nil {
		return *failure
	}
	if field := request.missing(); field != "" {
		return invalidField(field)
	}
	lifetime, ok := seconds(request.ExpiresIn, 480, 1, 900)
	if !ok {
		return invalidField("expires_in")
	}
	known := s.identity(c, request)
	if known.email != request.Email || known.phone != request.Phone {
		return invalidField("user_identifier") // one address for ever
	}
	risk := s.risk(c, known, request)
	body := smartBody{UserID: known.person.ID, Risk: risk, MFA: smartMFA{OTPSent: false}}
	threshold := jsonID(50)
	if request.Threshold != nil {
		threshold = *request.Threshold
	}
	if !known.proven || risk.Score >= int(threshold) {
		v := s.open(c, s.receiver(known), request.device(), bySmart, lifetime)
		v.userID, v.ip, v.stateToken = known.person.ID, request.Context.IP, newVerificationID(Switches{})
		v.identity = known
		s.send(v, "")
		body.MFA = smartMFA{OTPSent: true, StateToken: v.stateToken}
	}
	if c.switches.SmartMFATextBooleans {
		body.MFA.OTPSent = map[any]string{true: "true", false: "false"}[body.MFA.OTPSent]
	}
	return reply{status: http.StatusOK, body: body}
}

// missing names the first field that is missing or out of range, or "".
func (r smartRequest) missing() string {
	switch {
	case r.Identifier == "":
		return "user_identifier"
	case r.Email == "" && r.Phone == "":
		return "email"
	case r.Context.UserAgent == "":
		return "context.user_agent"
	case r.Context.IP == "":
		return "context.ip"
	case r.Threshold != nil && (*r.Threshold < 0 || *r.Threshold > 100):
		return "risk_threshold"
	}
	return ""
}

// device is what the code goes to. Nothing of the kind is enrolled.
func (r smartRequest) device() Device {
	if r.Phone != "" {
		return Device{Factor: SMS, Name: "Smart MFA"}
	}
	return Device{Factor: Email, Name: "Smart MFA"}
}

// identity returns who is meant. An identifier that nobody has used belongs to
// the user with that name or with that address, and to a new one otherwise.
func (s *Simulator) identity(c *call, r smartRequest) *smartIdentity {
	if known := s.smart[r.Identifier]; known != nil {
		return known
	}
	p := cmp.Or(s.personBy(r.Identifier), s.owner(r.Email, r.Phone))
	if p == nil {
		// Nobody knows the password of such a user.
		p = s.add(User{Username: r.Identifier, Email: r.Email, Phone: r.Phone, MayEnrol: []Factor{}, Password: newStateToken()})
		s.note(eventUserCreated, p, s.byCaller(c))
	}
	known := &smartIdentity{person: p, email: r.Email, phone: r.Phone}
	s.smart[r.Identifier] = known
	return known
}

// owner returns the person with this mail address or phone number, or nil.
func (s *Simulator) owner(email, phone string) *person {
	for _, p := range s.people {
		if email != "" && strings.EqualFold(p.Email, email) || phone != "" && p.Phone == phone {
			return p
		}
	}
	return nil
}

// receiver is whose phone shows the code: a message goes to an address, not to
// a user.
func (s *Simulator) receiver(known *smartIdentity) *person {
	return cmp.Or(s.owner(known.email, known.phone), known.person)
}

// risk scores a call. Scores that were set win, the identifier's before the
// address's; without one, somebody new is risky and anybody else is not.
func (s *Simulator) risk(c *call, known *smartIdentity, r smartRequest) smartRisk {
	byIdentifier, identifierSet := s.risks[r.Identifier]
	byAddress, addressSet := s.risks[r.Context.IP]
	switch {
	case c.switches.RiskScore != nil:
		return smartRisk{*c.switches.RiskScore, []string{}}
	case identifierSet:
		return smartRisk{byIdentifier, []string{"Set for this user"}}
	case addressSet:
		return smartRisk{byAddress, []string{"Set for this address"}}
	case !known.proven:
		return smartRisk{93, []string{"Accessed from a new device"}}
	}
	return smartRisk{5, []string{}}
}

// verifySmart answers POST /api/2/smart-mfa/verify.
func (s *Simulator) verifySmart(c *call) reply {
	var request struct {
		StateToken string `json:"state_token"`
		OTP        string `json:"otp_token"`
	}
	if c.readBody(&request) != nil {
		return shortB(http.StatusBadRequest, "BadRequestError", messageBadJSON)
	}
	v := s.smartVerification(c, request.StateToken)
	if v == nil {
		return shortB(http.StatusBadRequest, "BadRequestError", messageStateToken)
	}
	if v.judge(request.OTP, c.now) == wrongCode {
		s.happen(v, wrongCode, c.switches.allowedTries())
		return shortB(http.StatusUnauthorized, "Unauthorized", messageWrongCode)
	}
	s.happen(v, rightCode, c.switches.allowedTries())
	v.identity.proven = true
	ok := reply{status: http.StatusOK, raw: "OK", contentType: "text/plain; charset=utf-8"}
	if c.switches.SmartMFAOK == "json" {
		ok.raw, ok.contentType = `"OK"`, "application/json"
	}
	return ok
}

// smartVerification returns the pending one behind a state token, or nil.
func (s *Simulator) smartVerification(c *call, stateToken string) *verification {
	for _, v := range s.verifications {
		if v.origin == bySmart && v.stateToken == stateToken && v.apply(looked, c.now, 0) == pending {
			return v
		}
	}
	return nil
}

// SetRisk sets Smart MFA's score, 0 to 100, for a user_identifier or for the
// address of a browser. It does not change that the first code of an
// identifier is always sent.
func (s *Simulator) SetRisk(identifierOrAddress string, score int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.risks[identifierOrAddress] = max(0, min(100, score))
}
