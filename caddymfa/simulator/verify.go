package simulator

import "net/http"

// statusBody is the answer of verify and poll. With HTTP status 200 it says
// "pending" for a wrong code: the word decides, not the status.
type statusBody struct {
	ID       any    `json:"id,omitempty"`
	Status   status `json:"status"`
	DeviceID any    `json:"device_id,omitempty"`
}

// successObject is what the documentation prints for a right code, in its key
// order, which is not that of form A.
type successObject struct {
	Type    string `json:"type"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Error   bool   `json:"error"`
}

// poll answers GET /verifications/<id>. Looking never changes a verification
// except that it finds it expired.
func (s *Simulator) poll(c *call) reply {
	p, _, failure := s.verificationCall(c)
	if failure != nil {
		return c.pollError(*failure)
	}
	v := s.verification(p, c.verificationID)
	if v == nil {
		return c.pollError(notFound())
	}
	if v.apply(looked, c.now, 0) == expired {
		return c.pollError(c.expiredReply(v))
	}
	return c.statusReply(v, v.status)
}

// pollError changes the form of an error as the switch says.
func (c *call) pollError(failure reply) reply {
	b, isB := failure.body.(formB)
	form := c.switches.ErrorEnvelopeOnPoll
	if !isB || form == "B" || (form == "" && failure.status != http.StatusUnauthorized) {
		return failure
	}
	return errorA(failure.status, b.Message)
}

// verify answers PUT /verifications/<id>. A malformed request is not a try: it
// counts nothing.
func (s *Simulator) verify(c *call) reply {
	p, request, failure := s.verificationCall(c)
	if failure != nil {
		return *failure
	}
	v := s.verification(p, c.verificationID)
	if v == nil {
		return notFound()
	}
	if field := v.missing(request); field != "" {
		return invalidField(field)
	}
	switch v.apply(looked, c.now, 0) {
	case expired:
		return c.expiredReply(v)
	case accepted, rejected:
		return notFound() // used up
	}
	if s.codeEvent(p, v, *request.OTP, c) == rightCode {
		v.apply(rightCode, c.now, c.switches.allowedTries())
		return c.rightReply(v, "string")
	}
	return c.wrongReply(v, "pending")
}

// missing names the field without which v cannot be verified, or "".
func (v *verification) missing(request verificationRequest) string {
	switch {
	case request.OTP == nil || *request.OTP == "":
		return "otp"
	case v.device.Factor == TOTP && request.DeviceID == nil:
		return "device_id"
	case request.DeviceID != nil && int64(*request.DeviceID) != v.device.ID:
		return "device_id"
	}
	return ""
}

// codeEvent judges a code. Voice and magic links take none: whatever is typed
// is wrong. Protect takes the code that the phone shows although a push is
// pending too.
func (s *Simulator) codeEvent(p *person, v *verification, code string, c *call) event {
	right := false
	switch {
	case v.device.Factor.generatesCodes():
		right = showsCode(v.device.Factor, p.secrets[v.device.ID], c.now, code)
	case !v.device.Factor.answeredOnPhone():
		right = code == v.code
	}
	if right {
		return rightCode
	}
	return wrongCode
}

// rightReply answers a right code in the shape that the switch names.
func (c *call) rightReply(v *verification, shape string) reply {
	if c.switches.VerifyBody != "" {
		shape = c.switches.VerifyBody
	}
	success := successObject{Type: "success", Code: http.StatusOK, Message: "Success"}
	switch shape {
	case "object":
		return reply{status: http.StatusOK, body: map[string]successObject{"status": success}}
	case "flat":
		return reply{status: http.StatusOK, body: success}
	}
	return c.statusReply(v, accepted)
}

// wrongReply counts a wrong code and answers it. Once the verification is
// rejected the answer says so, whatever the switch.
func (c *call) wrongReply(v *verification, way string) reply {
	if c.switches.WrongCode != "" {
		way = c.switches.WrongCode
	}
	what := wrongCode
	if way == "rejected" {
		what = denied
	}
	if now := v.apply(what, c.now, c.switches.allowedTries()); now == rejected || way != "401_factor" {
		return c.statusReply(v, now)
	}
	return factorFailure()
}

// factorFailure is the other APIs' answer to a wrong code.
func factorFailure() reply {
	return errorB(http.StatusUnauthorized, "Unauthorized", messageWrongCode)
}

// expiredReply answers for a verification past its deadline.
func (c *call) expiredReply(v *verification) reply {
	switch c.switches.Expired {
	case "rejected":
		return c.statusReply(v, rejected)
	case "pending_forever":
		return c.statusReply(v, pending)
	}
	return notFound()
}

// statusReply answers with a status word.
func (c *call) statusReply(v *verification, word status) reply {
	body := statusBody{ID: c.switches.wireVerificationID(v.id), Status: word, DeviceID: c.wireDeviceID(v)}
	if c.switches.VerificationIDMismatch {
		body.ID = newVerificationID(c.switches)
	}
	if word == accepted && c.switches.ExtraUnknownStatus != "" {
		body.Status = status(c.switches.ExtraUnknownStatus)
	}
	return reply{status: http.StatusOK, body: c.switches.wrap(body)}
}

// verifyOneShot answers POST /verifications with a code: any code that is
// outstanding for the person, or one that the named device shows.
func (s *Simulator) verifyOneShot(c *call) reply {
	p, request, failure := s.verificationCall(c)
	if failure != nil {
		return *failure
	}
	v := s.oneShotTarget(p, request, c)
	if v == nil {
		return factorFailure() // nothing that a code could belong to
	}
	if s.codeEvent(p, v, *request.OTP, c) == wrongCode {
		return c.wrongReply(v, "401_factor")
	}
	v.apply(rightCode, c.now, c.switches.allowedTries())
	return c.rightReply(v, "object")
}

// oneShotTarget returns the verification that the code belongs to, else the
// newest that it could have belonged to. A device that shows codes needs none
// and gets one that nobody else can see.
func (s *Simulator) oneShotTarget(p *person, request verificationRequest, c *call) (newest *verification) {
	if request.DeviceID != nil {
		d, ok := p.device(int64(*request.DeviceID))
		if ok && d.Factor.generatesCodes() {
			return &verification{userID: p.ID, device: d, status: pending, expiresAt: c.now.Add(codeStep)}
		}
	}
	for _, v := range s.verifications {
		aimed := request.DeviceID == nil || int64(*request.DeviceID) == v.device.ID
		open := v.userID == p.ID && v.apply(looked, c.now, 0) == pending
		if !aimed || !open || v.device.Factor.generatesCodes() || v.device.Factor.answeredOnPhone() {
			continue
		}
		if newest = v; v.code == *request.OTP {
			return v
		}
	}
	return newest
}
