package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
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
	if refusal, refused := s.refuse(c, scopeManageAll); refused {
		return refusal
	}
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	rows := []deviceRow{}
	for _, d := range p.Devices {
		factorName, typeName := c.switches.names(d.Factor)
		rows = append(rows, deviceRow{c.switches.wireID(d.ID), d.Name, typeName, factorName, d.Default})
	}
	if c.switches.NoDevices {
		rows = rows[:0]
	}
	return reply{status: http.StatusOK, body: rows}
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
