package simulator

import (
	"bytes"
	"cmp"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// factorRow is a factor that the user may still enrol.
type factorRow struct {
	FactorID   int    `json:"factor_id"`
	Name       string `json:"name"`
	FactorName string `json:"auth_factor_name"`
}

// registrationRequest is the body of POST /registrations.
type registrationRequest struct {
	FactorID      *jsonID `json:"factor_id"`
	DisplayName   string  `json:"display_name"`
	ExpiresIn     *jsonID `json:"expires_in"`
	Verified      bool    `json:"verified"`
	RedirectTo    string  `json:"redirect_to"`
	CustomMessage string  `json:"custom_message"`
}

// registrationBody is the answer to an enrolment. Protect has no expires_at.
type registrationBody struct {
	ID         any         `json:"id"`
	Status     status      `json:"status"`
	FactorName string      `json:"auth_factor_name"`
	TypeName   string      `json:"type_display_name"`
	Name       string      `json:"user_display_name"`
	ExpiresAt  string      `json:"expires_at,omitempty"`
	FactorData *factorData `json:"factor_data,omitempty"`
	DeviceID   any         `json:"device_id,omitempty"`
}

// enrollable returns the factors that p may still enrol: those of the policy
// without those that are enrolled.
func (p *person) enrollable() []Factor {
	allowed := p.MayEnrol
	if allowed == nil {
		allowed = []Factor{Protect, SMS, Voice, Email, TOTP, YubiKey, Duo}
	}
	return slices.DeleteFunc(slices.Clone(allowed), func(f Factor) bool {
		return slices.ContainsFunc(p.Devices, func(d Device) bool { return d.Factor.id() == f.id() })
	})
}

// listFactors answers GET /factors.
func (s *Simulator) listFactors(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	rows := []factorRow{}
	for _, f := range p.enrollable() {
		factorName, typeName := c.switches.names(f)
		if f == SMS {
			typeName = factorName // here, and only here
		}
		rows = append(rows, factorRow{f.id(), typeName, factorName})
	}
	if c.switches.LoneFactor && len(rows) > 0 {
		return reply{status: http.StatusOK, body: rows[0]}
	}
	return reply{status: http.StatusOK, body: rows}
}

// enrol answers POST /registrations: it begins an enrolment and sends what the
// factor sends. With verified it is done at once.
func (s *Simulator) enrol(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	var request registrationRequest
	if failure := c.readBody(&request); failure != nil {
		return *failure
	}
	factor, ok := p.wanted(request.FactorID)
	if !ok || factor == YubiKey || factor == Duo { // those are enrolled by hand
		return invalidField("factor_id")
	}
	lifetime, ok := seconds(request.ExpiresIn, 120, 120, 900)
	if !ok {
		return invalidField("expires_in")
	}
	if request.Verified && !factor.mayBeVerified() {
		return invalidField("verified")
	}
	v := s.openEnrolment(c, p, Device{Factor: factor, Name: request.DisplayName}, byEnrolment, lifetime)
	v.redirectTo = request.RedirectTo
	if request.Verified {
		s.happen(v, approved, 1)
	} else {
		s.send(v, request.CustomMessage)
	}
	return c.enrolled(v)
}

// wanted returns the factor that a request names, if p may enrol it.
func (p *person) wanted(factorID *jsonID) (Factor, bool) {
	for _, f := range p.enrollable() {
		if factorID != nil && f.id() == int(*factorID) {
			return f, true
		}
	}
	return "", false
}

// mayBeVerified reports whether an enrolment can skip its proof.
func (f Factor) mayBeVerified() bool { return f == SMS || f == Voice || f == Email || f == MagicLink }

// openEnrolment opens an enrolment of a device that gets its secret now.
func (s *Simulator) openEnrolment(c *call, p *person, d Device, o origin, lifetime time.Duration) *verification {
	if d.Name == "" {
		_, d.Name = d.Factor.wireNames()
	}
	v := s.open(c, p, d, o, lifetime)
	v.secret = randomBytes(20)
	return v
}

// enrolled is the answer to an enrolment.
func (c *call) enrolled(v *verification) reply {
	factorName, typeName := c.switches.names(v.device.Factor)
	body := registrationBody{
		ID: c.switches.wireVerificationID(v.id), Status: v.status, Name: v.device.Name,
		FactorName: factorName, TypeName: typeName, FactorData: v.factorData(),
	}
	if v.device.Factor != Protect {
		body.ExpiresAt = v.expiresAt.UTC().Format(wireSeconds)
	}
	if v.status == accepted {
		body.DeviceID, body.FactorData = c.wireDeviceID(v.device), nil
	}
	return reply{status: cmp.Or(c.switches.EnrolStatus, http.StatusCreated), body: c.switches.wrap(body)}
}

// factorData is what the site shows to the person: a number to key in, or a
// secret for the app. The app of OneLogin takes another form than the others.
func (v *verification) factorData() *factorData {
	label := "acme:" + v.username
	switch v.device.Factor {
	case Voice:
		return &factorData{VerificationToken: v.code}
	case Protect:
		seed := v.secret[:4]
		number := fmt.Sprintf("01-%07d", (int(seed[0])<<16|int(seed[1])<<8|int(seed[2]))%10_000_000)
		return &factorData{number, "otpauth://totp/" + url.QueryEscape(label) + "?secret=" + number}
	case TOTP:
		secret := base32.StdEncoding.EncodeToString(v.secret)
		return &factorData{secret, "otpauth://totp/" + url.QueryEscape(label) + "?secret=" + secret + "&issuer=OneLogin"}
	}
	return nil
}

// verifyEnrolment answers PUT /registrations/<id>.
func (s *Simulator) verifyEnrolment(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	var request struct {
		OTP codeText `json:"otp"`
	}
	if failure := c.readBody(&request); failure != nil {
		return *failure
	}
	v := s.verification(p, byEnrolment, c.values["id"])
	switch {
	case v == nil:
		return notFound()
	case request.OTP == "":
		return invalidField("otp")
	}
	switch v.apply(looked, c.now, 0) {
	case expired:
		return c.expiredReply(v, "rejected")
	case accepted, rejected:
		return notFound() // used up
	}
	if v.judge(string(request.OTP), c.now) == wrongCode {
		return s.wrongReply(c, v, "pending")
	}
	s.happen(v, rightCode, c.switches.allowedTries())
	return c.statusReply(v, accepted)
}

// pollEnrolment answers GET /registrations/<id>.
func (s *Simulator) pollEnrolment(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	v := s.verification(p, byEnrolment, c.values["id"])
	if v == nil {
		return notFound()
	}
	if v.apply(looked, c.now, 0) == expired {
		return c.expiredReply(v, "rejected")
	}
	return c.statusReply(v, v.status)
}

// codeText is a code in a request. The documentation's table says number, which
// loses leading zeros, and its sample says text.
type codeText string

// UnmarshalJSON accepts 123 and "123".
func (t *codeText) UnmarshalJSON(text []byte) error {
	var number json.Number
	if !bytes.HasPrefix(text, []byte(`"`)) && json.Unmarshal(text, &number) == nil {
		*t = codeText(number)
		return nil
	}
	return json.Unmarshal(text, (*string)(t))
}
