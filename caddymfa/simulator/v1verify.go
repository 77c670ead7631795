package simulator

import (
	"cmp"
	"net/http"
	"time"
)

// triggerRequest is the body of POST .../trigger.
type triggerRequest struct {
	ExpiresIn  *jsonID `json:"state_token_expires_in"`
	NumericOTP bool    `json:"numeric_sms_otp"`
	SMSMessage string  `json:"sms_message"`
	IPAddr     string  `json:"ipaddr"`
}

// triggerBody is the answer to a trigger. ID is the user's.
type triggerBody struct {
	ID         int64  `json:"id"`
	DeviceID   int64  `json:"device_id"`
	Active     bool   `json:"active"`
	FactorName string `json:"auth_factor_name"`
	TypeName   string `json:"type_display_name"`
	Name       string `json:"user_display_name"`
	StateToken string `json:"state_token"`
	ExpiresAt  string `json:"state_token_expires_at"`
}

// triggerV1 answers POST /api/1/users/<id>/otp_devices/<id>/trigger: it sends
// what the factor sends, and gives the state token that a code goes with.
func (s *Simulator) triggerV1(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	var request triggerRequest
	if len(c.body) > 0 {
		if failure := c.readBodyV1(&request); failure != nil {
			return *failure
		}
	}
	d, ok := p.device(deviceRef(c.values["device"]))
	row, known := c.switches.rowV1(p, d)
	if !ok || !known {
		return errorA(http.StatusBadRequest, messageNoFactor)
	}
	lifetime, ok := seconds(request.ExpiresIn, 120, 1, 900)
	if !ok {
		return errorA(http.StatusBadRequest, attributeMessage{"state_token_expires_in", "state_token_expires_in is out of range"})
	}
	v := s.open(c, p, d, byV1, lifetime)
	v.ip = cmp.Or(request.IPAddr, v.ip)
	if d.Factor == SMS {
		v.code = newCode(!request.NumericOTP)
	}
	s.send(v, request.SMSMessage)
	return saidA("success", sentWords(d.Factor), []triggerBody{{
		p.ID, d.ID, true, row.FactorName, row.TypeName, d.Name, v.stateToken, v.expiresAt.UTC().Format(wireMilliseconds),
	}})
}

// sentWords is what version 1 says once it has sent something.
func sentWords(f Factor) string {
	switch {
	case f == Protect:
		return messagePushPending
	case f.generatesCodes():
		return "Success"
	}
	return messageSent
}

// verifyRequestV1 is the body of POST .../verify.
type verifyRequestV1 struct {
	OTP        string `json:"otp_token"`
	StateToken string `json:"state_token"`
}

// verifyV1 answers POST /api/1/users/<id>/otp_devices/<id>/verify. Without a
// code it asks how a push stands, and "not answered yet" is a 401. Device 0 is
// any temporary code.
func (s *Simulator) verifyV1(c *call) reply {
	p, _ := s.calleeV1(c)
	if p == nil {
		return errorA(http.StatusBadRequest, "User does not exist")
	}
	var request verifyRequestV1
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	if c.values["device"] == "0" {
		return s.redeemV1(c, p, request.OTP)
	}
	v := s.triggered(c, p, deviceRef(c.values["device"]), request.StateToken)
	switch {
	case v == nil:
		return c.staleState()
	case request.OTP != "":
		return s.codeV1(c, v, request.OTP)
	case v.device.Factor != Protect:
		return errorA(http.StatusBadRequest, messageNoCode)
	}
	return s.pushV1(v)
}

// triggered returns what a code or a poll is about: what the state token names,
// or, for a device that needs no trigger, something made up on the spot. Nobody
// is asked anything then: a push without a trigger stays pending for ever.
func (s *Simulator) triggered(c *call, p *person, ref deviceRef, stateToken string) *verification {
	if stateToken == "" {
		d, ok := p.device(ref)
		if !ok || c.switches.needsTrigger(d.Factor) {
			return nil
		}
		return &verification{
			userID: p.ID, username: p.Username, device: d, secret: p.secrets[d.ID], clientID: s.callerID(c),
			status: pending, expiresAt: c.now.Add(time.Second),
		}
	}
	for _, v := range s.verifications {
		own := v.userID == p.ID && v.device.ref() == ref && (v.origin == byV1 || v.origin == byV1Enrolment)
		if own && v.stateToken == stateToken && v.apply(looked, c.now, 0) != expired {
			return v
		}
	}
	return nil
}

// codeV1 judges a code. A state token is good for one right code.
func (s *Simulator) codeV1(c *call, v *verification, code string) reply {
	if v.status != pending {
		return c.staleState()
	}
	if v.judge(code, c.now) == wrongCode {
		s.happen(v, wrongCode, c.switches.allowedTries())
		return errorA(http.StatusUnauthorized, messageWrongCode)
	}
	s.happen(v, rightCode, c.switches.allowedTries())
	return okA(nil)
}

// pushV1 says how a push stands.
func (s *Simulator) pushV1(v *verification) reply {
	switch v.status {
	case accepted:
		return okA(nil)
	case pending:
		waiting := errorA(http.StatusUnauthorized, messagePushPending)
		form := waiting.body.(formA)
		form.Status.Type = "pending"
		return reply{status: waiting.status, body: form}
	}
	return errorA(http.StatusUnauthorized, messageWrongCode)
}

// redeemV1 takes a temporary code.
func (s *Simulator) redeemV1(c *call, p *person, code string) reply {
	for _, t := range p.temporary {
		if t.valid(c.now) && t.code == code && c.switches.redeems("v1") {
			v := &verification{userID: p.ID, username: p.Username, device: t.device(), temporary: t,
				clientID: s.callerID(c), status: pending, expiresAt: c.now.Add(time.Second)}
			s.happen(v, rightCode, 1)
			return okA(nil)
		}
	}
	return errorA(http.StatusUnauthorized, messageWrongCode)
}

// staleState answers for a state token that is unknown, used or too old.
func (c *call) staleState() reply {
	return errorA(cmp.Or(c.switches.StateTokenStatus, http.StatusBadRequest), messageStateToken)
}
