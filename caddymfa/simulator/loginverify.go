package simulator

import (
	"cmp"
	"net/http"
)

// loginVerifyRequest is the body of POST /api/1/login/verify_factor.
type loginVerifyRequest struct {
	DeviceID    deviceRef `json:"device_id"`
	StateToken  string    `json:"state_token"`
	OTP         string    `json:"otp_token"`
	DoNotNotify bool      `json:"do_not_notify"`
}

// verifyLogin answers POST /api/1/login/verify_factor: it takes a code, sends
// one, sends a push, or says how the push stands.
func (s *Simulator) verifyLogin(c *call) reply {
	var request loginVerifyRequest
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	l := s.pendingLogin(c, request.StateToken)
	if l == nil {
		return c.staleState()
	}
	d, ok := l.person.device(request.DeviceID)
	if !ok || d.Factor.loginName() == "" {
		return errorA(http.StatusBadRequest, messageNoFactor)
	}
	l.origins = append(l.origins, c.announcedOrigins()...)
	switch {
	case request.OTP != "":
		return s.loginCode(c, l, d, request.OTP)
	case d.Factor.generatesCodes() && d.Factor != Protect:
		return errorA(http.StatusBadRequest, messageNoCode)
	}
	return s.loginPush(c, l, d, !request.DoNotNotify)
}

// pendingLogin returns the login behind a state token, or nil.
func (s *Simulator) pendingLogin(c *call, stateToken string) *login {
	for _, l := range s.logins {
		if l.stateToken == stateToken && !l.verified && !l.dead && c.now.Before(l.expiresAt) {
			return l
		}
	}
	return nil
}

// loginCode judges a code: one that the device shows, or any that this login
// has sent to it.
func (s *Simulator) loginCode(c *call, l *login, d Device, code string) reply {
	v := &verification{
		userID: l.person.ID, username: l.person.Username, device: d, secret: l.person.secrets[d.ID], origin: byLogin,
		clientID: s.callerID(c), ip: l.ip, status: pending, expiresAt: l.expiresAt,
	}
	for _, sent := range s.sentBy(l, d) {
		if sent.code != "" && sent.code == code {
			v = sent
		}
	}
	if s.happen(v, v.judge(code, c.now), c.switches.allowedTries()) == accepted {
		return s.authenticated(c, l)
	}
	l.wrongCodes++
	l.dead = l.wrongCodes >= c.switches.allowedTries()
	return errorA(http.StatusUnauthorized, messageWrongCode)
}

// sentBy returns what a login has sent to a device, oldest first.
func (s *Simulator) sentBy(l *login, d Device) []*verification {
	var sent []*verification
	for _, v := range s.verifications {
		if v.origin == byLogin && v.stateToken == l.stateToken && v.device.ID == d.ID {
			sent = append(sent, v)
		}
	}
	return sent
}

// loginPush says how the push stands. With notify, one that is still pending or
// was denied goes out again, every time: that is how a careless client floods a
// phone.
func (s *Simulator) loginPush(c *call, l *login, d Device, notify bool) reply {
	last := pending
	for _, v := range s.sentBy(l, d) {
		if last = v.apply(looked, c.now, 0); last == accepted {
			return s.authenticated(c, l)
		}
	}
	if notify {
		v := s.open(c, l.person, d, byLogin, l.expiresAt.Sub(c.now))
		v.stateToken, v.ip = l.stateToken, cmp.Or(l.ip, v.ip)
		s.send(v, "")
	} else if last == rejected {
		return errorA(http.StatusUnauthorized, messageWrongCode)
	}
	return saidA(cmp.Or(c.switches.LoginPendingType, "pending"), sentWords(d.Factor), nil)
}
