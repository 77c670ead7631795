package simulator

import (
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// verificationRequest is the body of activate, verify and the one-shot verify.
type verificationRequest struct {
	DeviceID      *deviceRef `json:"device_id"`
	ExpiresIn     *jsonID    `json:"expires_in"`
	OTP           *string    `json:"otp"`
	CustomMessage string     `json:"custom_message"`
	RedirectTo    string     `json:"redirect_to"`
}

// verificationBody is the answer to an activation.
type verificationBody struct {
	ID         any         `json:"id"`
	UserID     any         `json:"user_id"`
	DeviceID   any         `json:"device_id"`
	Name       string      `json:"user_display_name"`
	TypeName   string      `json:"type_display_name"`
	FactorName string      `json:"auth_factor_name"`
	ExpiresAt  string      `json:"expires_at"`
	FactorData *factorData `json:"factor_data,omitempty"`
}

// factorData holds the number to key in during a voice call, or the secret of a
// factor that is being enrolled.
type factorData struct {
	VerificationToken string `json:"verification_token"`
	TOTPURL           string `json:"totp_url,omitempty"`
}

// carriesCode reports whether the body of POST /verifications holds a code,
// which makes it a verify instead of an activation. Null and empty do not count.
func carriesCode(body []byte) bool {
	var request struct {
		OTP any `json:"otp"`
	}
	if json.Unmarshal(body, &request) != nil {
		return false
	}
	return request.OTP != nil && request.OTP != ""
}

// readBody decodes the JSON body of a call to version 2. A non-nil answer ends
// the call.
func (c *call) readBody(into any) *reply {
	if !c.sendsJSON() {
		return new(badRequest("Content-Type header must be set to application/json"))
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return new(badBody(c.body))
	}
	return nil
}

func (c *call) sendsJSON() bool {
	mediaType, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	return mediaType == "application/json"
}

// verificationCall returns the user and the body of a call about verifications.
// A non-nil answer ends the call.
func (s *Simulator) verificationCall(c *call) (*person, verificationRequest, *reply) {
	var request verificationRequest
	p, failure := s.callee(c)
	if p == nil {
		return nil, request, &failure
	}
	return p, request, c.readBody(&request)
}

// badBody tells a body that is no JSON from one with a value of a wrong type.
func badBody(body []byte) reply {
	if json.Valid(body) {
		return invalidField("body")
	}
	return badRequest(messageBadJSON)
}

// seconds returns how long something shall last: what the request says, if it
// lies within low and high, or else fallback.
func seconds(wanted *jsonID, fallback, low, high int) (time.Duration, bool) {
	n := fallback
	if wanted != nil {
		n = int(*wanted)
	}
	return time.Duration(n) * time.Second, low <= n && n <= high
}

// activate answers POST /verifications: it opens a verification and sends what
// the factor sends. Earlier verifications of the same device stay good, and
// suspended users are served: whether OneLogin does so is not known, and a
// client must not rely on either.
func (s *Simulator) activate(c *call) reply {
	p, request, failure := s.verificationCall(c)
	if failure != nil {
		return *failure
	}
	if request.DeviceID == nil {
		return invalidField("device_id")
	}
	d, ok := p.device(*request.DeviceID)
	temporary := p.temporaryCode(*request.DeviceID, c.now)
	if temporary != nil && c.switches.redeems("listed") {
		d, ok = temporary.device(), true
	}
	if !ok {
		return notFound()
	}
	lifetime, ok := seconds(request.ExpiresIn, 120, 120, 900)
	if !ok {
		return invalidField("expires_in")
	}
	v := s.open(c, p, d, byVerification, lifetime)
	v.temporary, v.redirectTo = temporary, request.RedirectTo
	s.send(v, request.CustomMessage)
	return c.activated(v)
}

// open adds a verification; of very many it drops the oldest.
func (s *Simulator) open(c *call, p *person, d Device, o origin, lifetime time.Duration) *verification {
	asker, _ := s.caller(c)
	v := &verification{
		id: newVerificationID(c.switches), origin: o, userID: p.ID, username: p.Username, device: d,
		secret: p.secrets[d.ID], clientID: asker.ClientID, ip: c.request.Header.Get("X-Forwarded-For"),
		status: pending, createdAt: c.now, expiresAt: c.now.Add(lifetime),
	}
	if o != byVerification && o != byEnrolment {
		v.stateToken = newStateToken()
	}
	if !d.Factor.generatesCodes() {
		v.code = newCode(c.switches.AlphanumericCodes && d.Factor != Voice)
	}
	s.verifications = appendBounded(s.verifications, v)
	return v
}

// verification returns the one that the path names, if it belongs to p and to
// this part of the API.
func (s *Simulator) verification(p *person, o origin, verificationID string) *verification {
	for _, v := range s.verifications {
		if v.id == verificationID && v.userID == p.ID && v.origin == o {
			return v
		}
	}
	return nil
}

// happen lets e happen to v, with everything that follows from it: a device is
// enrolled, a temporary code is used up, an event is recorded.
func (s *Simulator) happen(v *verification, e event, allowed int) status {
	before := v.status
	after := v.apply(e, s.now(), allowed)
	p := s.personByID(v.userID)
	if p == nil {
		return after // the user was replaced meanwhile
	}
	switch {
	case e == wrongCode || e == denied && after == rejected && before == pending:
		s.note(eventFactorFailed, p, v.noted)
	case after != accepted || before == accepted:
	case v.origin.enrols():
		v.device.ID = s.orNextID(v.device.ID)
		p.addDevice(v.device, v.secret)
		s.note(eventFactorEnrolled, p, v.noted)
	default:
		v.temporary.use()
		s.note(eventFactorVerified, p, v.noted)
	}
	return after
}

// activated is the answer to an activation.
func (c *call) activated(v *verification) reply {
	factorName, typeName := c.switches.names(v.device.Factor)
	body := verificationBody{
		ID: c.switches.wireVerificationID(v.id), UserID: c.switches.wireID(v.userID),
		DeviceID: c.wireDeviceID(v.device), Name: v.device.Name, TypeName: typeName, FactorName: factorName,
		ExpiresAt: v.expiresAt.UTC().Format(wireSeconds),
	}
	if v.device.Factor == Voice {
		body.FactorData = &factorData{VerificationToken: v.code}
	}
	return reply{status: cmp.Or(c.switches.ActivateStatus, http.StatusCreated), body: c.switches.wrap(body)}
}

// wireSeconds is how version 2 writes times.
const wireSeconds = "2006-01-02T15:04:05Z"

// wrap puts an object into arrays where a switch asks for it.
func (w Switches) wrap(object any) any {
	switch {
	case w.DoubleArray:
		return [][]any{{object}}
	case w.Arrays:
		return []any{object}
	}
	return object
}

func (w Switches) wireVerificationID(id string) any {
	if id == "" {
		return nil // the one-shot verify of a device that shows codes has none
	}
	if number, err := strconv.ParseInt(id, 10, 64); err == nil && w.IDsAsNumbers {
		return number
	}
	return id
}

func (c *call) wireDeviceID(d Device) any {
	if c.switches.DeviceIDMismatch {
		d.ID++
	}
	return c.switches.wireDevice(d)
}
