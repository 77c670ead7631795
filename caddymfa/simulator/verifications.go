package simulator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// verificationRequest is the body of activate, verify and the one-shot verify.
type verificationRequest struct {
	DeviceID      *jsonID `json:"device_id"`
	ExpiresIn     *jsonID `json:"expires_in"`
	OTP           *string `json:"otp"`
	CustomMessage string  `json:"custom_message"`
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

// factorData holds the number to key in during a voice call.
type factorData struct {
	VerificationToken string `json:"verification_token"`
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

// verificationCall checks what all calls about verifications need: the right to
// call, a user, and a body unless it is a GET. A non-nil answer ends the call.
func (s *Simulator) verificationCall(c *call) (*person, verificationRequest, *reply) {
	var request verificationRequest
	if refusal, refused := s.refuse(c, scopeManageAll); refused {
		return nil, request, &refusal
	}
	p, failure := s.callee(c)
	if p == nil {
		return nil, request, &failure
	}
	if c.method == http.MethodGet {
		return p, request, nil
	}
	mediaType, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if mediaType != "application/json" {
		failure = badRequest("Content-Type header must be set to application/json")
		return nil, request, &failure
	}
	if err := json.Unmarshal(c.body, &request); err != nil {
		failure = badBody(c.body)
		return nil, request, &failure
	}
	return p, request, nil
}

// badBody tells a body that is no JSON from one with a value of a wrong type.
func badBody(body []byte) reply {
	if json.Valid(body) {
		return invalidField("body")
	}
	return badRequest("Input JSON is not valid")
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
	d, ok := p.device(int64(*request.DeviceID))
	if !ok {
		return notFound()
	}
	lifetime := 120 // seconds, as all times in this API
	if request.ExpiresIn != nil {
		lifetime = int(*request.ExpiresIn)
	}
	if lifetime < 120 || lifetime > 900 {
		return invalidField("expires_in")
	}
	v := s.open(p, d, time.Duration(lifetime)*time.Second, c)
	s.send(v, request.CustomMessage)
	return c.activated(v)
}

// open adds a verification; of very many it drops the oldest.
func (s *Simulator) open(p *person, d Device, lifetime time.Duration, c *call) *verification {
	asker, _ := s.caller(c)
	v := &verification{
		id: newVerificationID(c.switches), userID: p.ID, username: p.Username, device: d,
		clientID: asker.clientID, status: pending, createdAt: c.now, expiresAt: c.now.Add(lifetime),
	}
	if !d.Factor.generatesCodes() {
		v.code = newCode(c.switches.AlphanumericCodes && d.Factor != Voice)
	}
	s.verifications = appendBounded(s.verifications, v)
	return v
}

// verification returns the one that the path names, if it belongs to p.
func (s *Simulator) verification(p *person, verificationID string) *verification {
	for _, v := range s.verifications {
		if v.id == verificationID && v.userID == p.ID {
			return v
		}
	}
	return nil
}

// activated is the answer to an activation.
func (c *call) activated(v *verification) reply {
	factorName, typeName := c.switches.names(v.device.Factor)
	body := verificationBody{
		ID: c.switches.wireVerificationID(v.id), UserID: c.switches.wireID(v.userID),
		DeviceID: c.wireDeviceID(v), Name: v.device.Name, TypeName: typeName, FactorName: factorName,
		ExpiresAt: v.expiresAt.UTC().Format("2006-01-02T15:04:05Z"),
	}
	if v.device.Factor == Voice {
		body.FactorData = &factorData{VerificationToken: v.code}
	}
	httpStatus := http.StatusCreated
	if c.switches.ActivateStatus != 0 {
		httpStatus = c.switches.ActivateStatus
	}
	return reply{status: httpStatus, body: c.switches.wrap(body)}
}

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

func (c *call) wireDeviceID(v *verification) any {
	if c.switches.DeviceIDMismatch {
		return c.switches.wireID(v.device.ID + 1)
	}
	return c.switches.wireID(v.device.ID)
}

// newVerificationID returns a random UUID (RFC 9562, version 4), or a number
// that fits an int32 where a switch asks for that.
func newVerificationID(w Switches) string {
	if w.NumericVerificationIDs {
		return strconv.FormatInt(1_000_000+randomBelow(1_000_000_000), 10)
	}
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newCode returns six digits, or a letter and five digits. Half of the former
// begin with a zero, so that a client that reads codes as numbers is found out.
func newCode(alphanumeric bool) string {
	if alphanumeric {
		const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
		return fmt.Sprintf("%c%05d", letters[randomBelow(int64(len(letters)))], randomBelow(100_000))
	}
	if randomBelow(2) == 0 {
		return fmt.Sprintf("0%05d", randomBelow(100_000))
	}
	return fmt.Sprintf("%06d", randomBelow(1_000_000))
}

func randomBelow(n int64) int64 {
	number, err := rand.Int(rand.Reader, big.NewInt(n))
	if err != nil {
		panic("simulator: " + err.Error()) // crypto/rand does not fail
	}
	return number.Int64()
}
