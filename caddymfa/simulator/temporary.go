package simulator

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// temporaryCode is what the help desk gives to a person who has lost a phone.
// OneLogin calls it an MFA token and gives it a device of its own.
type temporaryCode struct {
	deviceID  int64
	code      string
	reusable  bool
	used      bool // or revoked
	expiresAt time.Time
}

// longestTemporaryCode is the default too, in seconds.
const longestTemporaryCode = 72 * 60 * 60

// temporaryBody is the answer to a new temporary code. Version 1 has no device id.
type temporaryBody struct {
	MFAToken  string    `json:"mfa_token"`
	ExpiresAt string    `json:"expires_at"`
	Reusable  bool      `json:"reusable"`
	DeviceID  deviceRef `json:"device_id,omitempty"`
}

// temporaryRequest is the body of POST .../mfa_token.
type temporaryRequest struct {
	ExpiresIn *jsonID `json:"expires_in"`
	Reusable  bool    `json:"reusable"`
}

// createMFAToken answers POST /api/2/mfa/users/<id>/mfa_token. Earlier codes
// stay good.
func (s *Simulator) createMFAToken(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	var request temporaryRequest
	if failure := c.readBody(&request); failure != nil {
		return *failure
	}
	code := s.newTemporaryCode(c, p, request)
	if code == nil {
		return invalidField("expires_in")
	}
	body := code.body()
	body.DeviceID = code.device().ref()
	return reply{status: cmp.Or(c.switches.MFATokenStatus, http.StatusCreated), body: body}
}

// newTemporaryCode makes a code, or returns nil if it would last too short or
// too long.
func (s *Simulator) newTemporaryCode(c *call, p *person, request temporaryRequest) *temporaryCode {
	lifetime, ok := seconds(request.ExpiresIn, longestTemporaryCode, 120, longestTemporaryCode)
	if !ok {
		return nil
	}
	t := &temporaryCode{
		deviceID: s.orNextID(0), code: fmt.Sprintf("%08d", randomBelow(100_000_000)),
		reusable: request.Reusable, expiresAt: c.now.Add(lifetime),
	}
	p.temporary = appendBounded(p.temporary, t)
	s.note(eventTemporaryCode, p, func(e *Event) { e.setDevice(t.device()); e.ClientID = s.callerID(c) })
	return t
}

func (t *temporaryCode) body() temporaryBody {
	return temporaryBody{MFAToken: t.code, ExpiresAt: t.expiresAt.UTC().Format(wireSeconds), Reusable: t.reusable}
}

func (t *temporaryCode) device() Device {
	return Device{ID: t.deviceID, Factor: Temporary, Name: "Temporary OTP"}
}

// valid reports whether the code opens anything at now.
func (t *temporaryCode) valid(now time.Time) bool { return !t.used && now.Before(t.expiresAt) }

// use uses the code up, unless it is reusable. A nil t is none.
func (t *temporaryCode) use() {
	if t != nil && !t.reusable {
		t.used = true
	}
}

// temporaryCode returns the valid code behind a device id, or nil.
func (p *person) temporaryCode(ref deviceRef, now time.Time) *temporaryCode {
	for _, t := range p.temporary {
		if t.device().ref() == ref && t.valid(now) {
			return t
		}
	}
	return nil
}

// temporaryDevices returns the devices of p's valid codes.
func (p *person) temporaryDevices(now time.Time) []Device {
	var devices []Device
	for _, t := range p.temporary {
		if t.valid(now) {
			devices = append(devices, t.device())
		}
	}
	return devices
}

// redeems reports whether temporary codes can be redeemed in this way.
func (w Switches) redeems(way string) bool {
	return w.TemporaryCode == "" || slices.Contains(split(w.TemporaryCode), way)
}

// TemporaryCode is a code that the help desk made for a person and that is
// still good. The person's phone does not show it.
type TemporaryCode struct {
	Code      string    `json:"code"`
	DeviceID  string    `json:"device_id"`
	Reusable  bool      `json:"reusable"`
	ExpiresAt time.Time `json:"expires_at"`
}

// TemporaryCodes returns the person's temporary codes that are still good,
// oldest first.
func (s *Simulator) TemporaryCodes(username string) []TemporaryCode {
	s.mu.Lock()
	defer s.mu.Unlock()
	codes := []TemporaryCode{}
	p := s.person(username)
	if p == nil {
		return codes
	}
	for _, t := range p.temporary {
		if t.valid(s.now()) {
			codes = append(codes, TemporaryCode{t.code, string(t.device().ref()), t.reusable, t.expiresAt})
		}
	}
	return codes
}
