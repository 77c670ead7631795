package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// deviceRow is an enrolled factor as the list shows it. It has exactly these
// five keys; version 1 of the API has others.
type deviceRow struct {
	DeviceID   any    `json:"device_id"`
	Name       string `json:"user_display_name"`
	TypeName   string `json:"type_display_name"`
	FactorName string `json:"auth_factor_name"`
	Default    bool   `json:"default"`
}

// listDevices answers GET /api/2/mfa/users/<id>/devices.
func (s *Simulator) listDevices(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	rows := []deviceRow{}
	devices := p.Devices
	if c.switches.redeems("listed") {
		devices = slices.Concat(devices, p.temporaryDevices(c.now))
	}
	for _, d := range devices {
		factorName, typeName := c.switches.names(d.Factor)
		rows = append(rows, deviceRow{c.switches.wireDevice(d), d.Name, typeName, factorName, d.Default})
	}
	if c.switches.NoDevices {
		rows = rows[:0]
	}
	return reply{status: http.StatusOK, body: rows}
}

// removeDevice answers DELETE /api/2/mfa/users/<id>/devices/<id>. Removing the
// device of a temporary code revokes the code.
func (s *Simulator) removeDevice(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	if !s.remove(p, deviceRef(c.values["device"]), s.byCaller(c)) {
		return notFound()
	}
	return reply{status: http.StatusNoContent}
}

// remove takes a device away from p, and ends what is pending with it. by says
// in the event who did it.
func (s *Simulator) remove(p *person, ref deviceRef, by func(*Event)) bool {
	now := s.now()
	d, ok := p.device(ref)
	if temporary := p.temporaryCode(ref, now); temporary != nil {
		d, ok = temporary.device(), true
		temporary.used = true
	}
	if !ok {
		return false
	}
	p.Devices = slices.DeleteFunc(p.Devices, func(other Device) bool { return other.ref() == ref })
	for _, v := range s.verifications {
		if v.userID == p.ID && v.device.ref() == ref && v.status == pending {
			v.expiresAt = now
		}
	}
	s.note(eventFactorRemoved, p, func(e *Event) { e.setDevice(d); by(e) })
	return true
}

// names returns what the API calls a factor under these switches.
func (w Switches) names(f Factor) (factorName, typeName string) {
	if w.UnknownFactorName {
		return "Carrier Pigeon", "OneLogin Carrier Pigeon"
	}
	return f.wireNames()
}

// wireID returns an id as the API sends it: text, or a number where a switch
// asks for that.
func (w Switches) wireID(id int64) any {
	if w.IDsAsNumbers {
		return id
	}
	return strconv.FormatInt(id, 10)
}

// wireDevice returns a device's id as the API sends it.
func (w Switches) wireDevice(d Device) any {
	if d.Factor == Temporary {
		return string(d.ref())
	}
	return w.wireID(d.ID)
}

// temporaryPrefix begins the device ids of temporary codes.
const temporaryPrefix = "user_temp_otp_"

// deviceRef is how a request names a device: digits, or the id of a temporary
// code's device.
type deviceRef string

// ref returns what names d.
func (d Device) ref() deviceRef {
	digits := deviceRef(strconv.FormatInt(d.ID, 10))
	if d.Factor == Temporary {
		return temporaryPrefix + digits
	}
	return digits
}

// UnmarshalJSON accepts 3, "3" and "user_temp_otp_3".
func (r *deviceRef) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil && strings.HasPrefix(name, temporaryPrefix) {
		*r = deviceRef(name)
		return nil
	}
	var number jsonID
	err := number.UnmarshalJSON(text)
	*r = deviceRef(strconv.FormatInt(int64(number), 10))
	return err
}

// jsonID is an id or a number of seconds in a request. The documentation says
// number, clients in use send text of digits, and OneLogin takes both.
type jsonID int64

// UnmarshalJSON accepts 3 and "3".
func (id *jsonID) UnmarshalJSON(text []byte) error {
	var number json.Number // takes both forms, and refuses text that is no number
	if err := json.Unmarshal(text, &number); err != nil {
		return err
	}
	n, err := number.Int64()
	*id = jsonID(n)
	return err
}
