package simulator

import (
	"net/http"
	"strings"
	"time"
)

// deviceRowV1 is an enrolled factor, or one that is being enrolled, in version 1.
type deviceRowV1 struct {
	Active       bool   `json:"active"`
	Default      bool   `json:"default"`
	StateToken   string `json:"state_token,omitempty"` // only in the answer to an enrolment
	FactorName   string `json:"auth_factor_name"`
	NeedsTrigger bool   `json:"needs_trigger"`
	PhoneNumber  string `json:"phone_number,omitempty"`
	TypeName     string `json:"type_display_name"`
	Name         string `json:"user_display_name"`
	ID           int64  `json:"id"`
}

// listA is form A with the key order that was recorded for lists.
type listA struct {
	Data   any          `json:"data"`
	Status statusObject `json:"status"`
}

func okListA(name string, rows any) reply {
	return reply{status: http.StatusOK, body: listA{
		Data:   map[string]any{name: rows},
		Status: statusObject{Code: http.StatusOK, Type: "success", Message: "Success"},
	}}
}

// rowV1 describes d, or reports false where version 1 does not know its factor.
func (w Switches) rowV1(p *person, d Device) (deviceRowV1, bool) {
	name := d.Factor.v1Name()
	if name == "" {
		return deviceRowV1{}, false
	}
	if w.UnknownFactorName {
		name, _ = w.names(d.Factor)
	}
	row := deviceRowV1{
		Active: true, Default: d.Default, FactorName: name, TypeName: name, Name: d.Name, ID: d.ID,
		NeedsTrigger: w.needsTrigger(d.Factor),
	}
	if d.Factor == SMS {
		row.PhoneNumber = masked(p.Phone)
	}
	return row, true
}

// needsTrigger is version 1's word for: activate it before a code can be right.
func (w Switches) needsTrigger(f Factor) bool {
	if f == Protect {
		return !w.V1ProtectNoTrigger
	}
	return !f.generatesCodes()
}

// masked hides a phone number but for its first two characters.
func masked(phone string) string {
	if len(phone) < 2 {
		return ""
	}
	return phone[:2] + strings.Repeat("x", len(phone)-2)
}

// listDevicesV1 answers GET /api/1/users/<id>/otp_devices. A device that is
// being enrolled is in the list too, as not active.
func (s *Simulator) listDevicesV1(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	rows := []deviceRowV1{}
	for _, d := range p.Devices {
		if row, known := c.switches.rowV1(p, d); known {
			rows = append(rows, row)
		}
	}
	for _, v := range s.verifications {
		if v.userID == p.ID && v.origin == byV1Enrolment && v.apply(looked, c.now, 0) == pending {
			row, _ := c.switches.rowV1(p, v.device)
			row.Active = false
			rows = append(rows, row)
		}
	}
	if c.switches.NoDevices {
		rows = rows[:0]
	}
	return okListA("otp_devices", rows)
}

type factorRowV1 struct {
	Name     string `json:"name"`
	FactorID int    `json:"factor_id"`
}

// listFactorsV1 answers GET /api/1/users/<id>/auth_factors.
func (s *Simulator) listFactorsV1(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	rows := []factorRowV1{}
	for _, f := range p.enrollable() {
		if name := f.v1Name(); name != "" {
			rows = append(rows, factorRowV1{name, f.id()})
		}
	}
	return okListA("auth_factors", rows)
}

// enrolRequestV1 is the body of POST /otp_devices.
type enrolRequestV1 struct {
	FactorID    *jsonID `json:"factor_id"`
	DisplayName string  `json:"display_name"`
	Number      string  `json:"number"`
	Verified    bool    `json:"verified"`
}

// enrolV1 answers POST /api/1/users/<id>/otp_devices. The device becomes active
// with the first right code and the state token of this answer.
func (s *Simulator) enrolV1(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	var request enrolRequestV1
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	factor, ok := p.wanted(request.FactorID)
	if !ok || factor.v1Name() == "" || factor == YubiKey || factor == Duo || request.Verified && !factor.mayBeVerified() {
		return errorA(http.StatusBadRequest, messageNoFactor)
	}
	if request.Number != "" {
		p.Phone = request.Number
	}
	d := Device{ID: s.orNextID(0), Factor: factor, Name: request.DisplayName}
	v := s.openEnrolment(c, p, d, byV1Enrolment, stateTokenLife)
	if request.Verified {
		s.happen(v, approved, 1)
	} else {
		s.send(v, "")
	}
	row, _ := c.switches.rowV1(p, v.device)
	row.Active, row.StateToken = v.status == accepted, v.stateToken
	return okA([]deviceRowV1{row})
}

// stateTokenLife is the default of version 1, and what its enrolments and the
// session login have.
const stateTokenLife = 120 * time.Second

// removeDeviceV1 answers DELETE /api/1/users/<id>/otp_devices/<id>.
func (s *Simulator) removeDeviceV1(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	if !s.remove(p, deviceRef(c.values["device"]), s.byCaller(c)) {
		return errorA(http.StatusBadRequest, messageNoFactor)
	}
	return reply{status: http.StatusOK, body: struct{}{}}
}

// createMFATokenV1 answers POST /api/1/users/<id>/mfa_token.
func (s *Simulator) createMFATokenV1(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	var request temporaryRequest
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	code := s.newTemporaryCode(c, p, request)
	if code == nil {
		return errorA(http.StatusBadRequest, attributeMessage{"expires_in", "expires_in is out of range"})
	}
	return okA([]temporaryBody{code.body()})
}
