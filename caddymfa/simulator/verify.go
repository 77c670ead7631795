package simulator

import (
	"cmp"
	"net/http"
	"time"
)

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
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	v := s.verification(p, byVerification, c.values["id"])
	if v == nil {
		return notFound()
	}
	if v.apply(looked, c.now, 0) == expired {
		return c.expiredReply(v, "404")
	}
	return c.statusReply(v, v.status)
}

// inPollForm changes the form of an error of a poll as the switch says.
func (c *call) inPollForm(answer reply) reply {
	b, isB := answer.body.(formB)
	if !isB || c.op != OpPoll && c.op != OpEnrolPoll {
		return answer
	}
	form := c.switches.ErrorEnvelopeOnPoll
	if form == "" && c.op == OpPoll && answer.status == http.StatusUnauthorized {
		form = "A"
	}
	if form != "A" {
		return answer
	}
	return errorA(answer.status, b.Message)
}

// verify answers PUT /verifications/<id>. A malformed request is not a try: it
// counts nothing.
func (s *Simulator) verify(c *call) reply {
	p, request, failure := s.verificationCall(c)
	if failure != nil {
		return *failure
	}
	v := s.verification(p, byVerification, c.values["id"])
	if v == nil {
		return notFound()
	}
	if field := v.missing(request); field != "" {
		return invalidField(field)
	}
	switch v.apply(looked, c.now, 0) {
	case expired:
		return c.expiredReply(v, "404")
	case accepted, rejected:
		return notFound() // used up
	}
	if v.judge(*request.OTP, c.now) == rightCode {
		s.happen(v, rightCode, c.switches.allowedTries())
		return c.rightReply(v, "string")
	}
	return s.wrongReply(c, v, "pending")
}

// missing names the field without which v cannot be verified, or "".
func (v *verification) missing(request verificationRequest) string {
	switch {
	case request.OTP == nil || *request.OTP == "":
		return "otp"
	case v.device.Factor == TOTP && request.DeviceID == nil:
		return "device_id"
	case request.DeviceID != nil && *request.DeviceID != v.device.ref():
		return "device_id"
	}
	return ""
}

// judge tells a right code from a wrong one. Voice and magic links take none:
// whatever is typed is wrong. Protect takes the code that the phone shows
// although a push is pending too.
func (v *verification) judge(code string, now time.Time) event {
	right := false
	switch {
	case v.temporary != nil:
		right = v.temporary.code == code && v.temporary.valid(now)
	case v.device.Factor.generatesCodes():
		right = showsCode(v.device.Factor, v.secret, now, code)
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
func (s *Simulator) wrongReply(c *call, v *verification, way string) reply {
	if c.switches.WrongCode != "" {
		way = c.switches.WrongCode
	}
	what := wrongCode
	if way == "rejected" {
		what = denied
	}
	if now := s.happen(v, what, c.switches.allowedTries()); now == rejected || way != "401_factor" {
		return c.statusReply(v, now)
	}
	return factorFailure()
}

// factorFailure is the other APIs' answer to a wrong code.
func factorFailure() reply {
	return errorB(http.StatusUnauthorized, "Unauthorized", messageWrongCode)
}

// expiredReply answers for a verification past its deadline.
func (c *call) expiredReply(v *verification, fallback string) reply {
	switch cmp.Or(c.switches.Expired, fallback) {
	case "rejected":
		return c.statusReply(v, rejected)
	case "pending_forever":
		return c.statusReply(v, pending)
	}
	return notFound()
}

// statusReply answers with a status word.
func (c *call) statusReply(v *verification, word status) reply {
	body := statusBody{ID: c.switches.wireVerificationID(v.id), Status: word, DeviceID: c.wireDeviceID(v.device)}
	if v.origin.enrols() && word != accepted {
		body.DeviceID = nil // there is no device yet
	}
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
	if v.judge(*request.OTP, c.now) == wrongCode {
		return s.wrongReply(c, v, "401_factor")
	}
	s.happen(v, rightCode, c.switches.allowedTries())
	return c.rightReply(v, "object")
}

// oneShotTarget returns the verification that the code belongs to, else the
// newest that it could have belonged to. A device that shows codes needs none
// and gets one that nobody else can see.
func (s *Simulator) oneShotTarget(p *person, request verificationRequest, c *call) (newest *verification) {
	if request.DeviceID != nil {
		if v := s.unseen(p, *request.DeviceID, c); v != nil {
			return v
		}
	}
	for _, v := range s.verifications {
		aimed := request.DeviceID == nil || *request.DeviceID == v.device.ref()
		open := v.userID == p.ID && v.origin == byVerification && v.apply(looked, c.now, 0) == pending
		if !aimed || !open || v.code == "" || v.device.Factor.answeredOnPhone() {
			continue
		}
		if newest = v; v.code == *request.OTP {
			return v
		}
	}
	return newest
}

// unseen returns a verification that is not kept, for a device that shows codes
// or a temporary code; nil for others.
func (s *Simulator) unseen(p *person, ref deviceRef, c *call) *verification {
	v := &verification{
		userID: p.ID, username: p.Username, status: pending, expiresAt: c.now.Add(codeStep),
	}
	if d, ok := p.device(ref); ok && d.Factor.generatesCodes() {
		v.device, v.secret = d, p.secrets[d.ID]
		return v
	}
	if temporary := p.temporaryCode(ref, c.now); temporary != nil && c.switches.redeems("one_shot") {
		v.device, v.temporary = temporary.device(), temporary
		return v
	}
	return nil
}
