package simulator

import (
	"fmt"
	"strings"
	"time"
)

// Message is something that went out to a person: a push, a text message, a
// mail or a voice call. Codes are not part of it; see [Simulator.Code].
type Message struct {
	Username       string    `json:"username"`
	Factor         Factor    `json:"factor"`
	DeviceName     string    `json:"device_name"`
	VerificationID string    `json:"verification_id"`
	At             time.Time `json:"at"`
}

// sentMessage is a message with its content.
type sentMessage struct {
	Message
	code, text string
}

// Sent returns the last thousand messages, oldest first.
func (s *Simulator) Sent() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Message, 0, len(s.sent))
	for _, m := range s.sent {
		list = append(list, m.Message)
	}
	return list
}

// send delivers what the factor of v delivers: a push, a text, a mail, a call. A device that only shows codes
// gets nothing.
func (s *Simulator) send(v *verification, customMessage string) {
	if v.device.Factor.generatesCodes() && v.device.Factor != Protect {
		return
	}
	m := sentMessage{Message: Message{
		Username: v.username, Factor: v.device.Factor, DeviceName: v.device.Name,
		VerificationID: v.id, At: v.createdAt,
	}}
	if !v.device.Factor.answeredOnPhone() {
		m.code, m.text = v.code, messageText(v, customMessage)
	}
	s.sent = appendBounded(s.sent, m)
}

// messageText fills the caller's text, which only SMS may have, or our own.
func messageText(v *verification, customMessage string) string {
	if v.device.Factor != SMS || customMessage == "" {
		customMessage = "Your code is {{otp_code}}. It is valid for {{otp_expiry}} minutes."
	}
	minutes := fmt.Sprint(int(v.expiresAt.Sub(v.createdAt).Minutes()))
	return strings.NewReplacer("{{otp_code}}", v.code, "{{otp_expiry}}", minutes).Replace(customMessage)
}

// Code returns what the person would type for a factor: the last code sent by
// SMS or mail, or what the authenticator, Protect, the YubiKey or Duo shows
// now. Empty if there is none. A code stays readable after it was used.
func (s *Simulator) Code(username string, f Factor) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(username)
	if p == nil {
		return ""
	}
	if f.generatesCodes() {
		for _, d := range p.Devices {
			if d.Factor == f {
				return deviceCode(f, p.secrets[d.ID], s.now())
			}
		}
		return ""
	}
	// Backwards: a resent code is the one that the person looks at.
	for i := len(s.sent) - 1; i >= 0; i-- {
		if m := s.sent[i]; m.Username == p.Username && m.Factor == f {
			return m.code
		}
	}
	return ""
}

// Push is a pending verification that the person answers on the phone: a
// Protect push, a voice call or a magic link.
type Push struct {
	VerificationID string    `json:"verification_id"`
	Factor         Factor    `json:"factor"`
	DeviceName     string    `json:"device_name"`
	ClientID       string    `json:"client_id"` // the credential that asked
	At             time.Time `json:"at"`
	ExpiresAt      time.Time `json:"expires_at"`
}

// Pushes returns what is pending on the person's phone, newest last.
func (s *Simulator) Pushes(username string) []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	pushes := []Push{}
	for _, v := range s.pendingOn(username) {
		pushes = append(pushes, Push{v.id, v.device.Factor, v.device.Name, v.clientID, v.createdAt, v.expiresAt})
	}
	return pushes
}

// pendingOn returns the verifications that wait for the person's phone.
func (s *Simulator) pendingOn(username string) []*verification {
	var waiting []*verification
	for _, v := range s.verifications {
		if strings.EqualFold(v.username, username) && v.device.Factor.answeredOnPhone() &&
			v.apply(looked, s.now(), 0) == pending {
			waiting = append(waiting, v)
		}
	}
	return waiting
}

// Approve approves the newest pending push, opens the link or keys in the right
// number. It reports false if nothing is pending.
func (s *Simulator) Approve(username string) bool { return s.Answer(username, "", true) }

// Deny denies the newest pending push, or keys in a wrong number. It reports
// false if nothing is pending.
func (s *Simulator) Deny(username string) bool { return s.Answer(username, "", false) }

// Answer is Approve or Deny for one verification instead of the newest. An
// empty id means the newest.
func (s *Simulator) Answer(username, verificationID string, approve bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := denied
	if approve {
		what = approved
	}
	waiting := s.pendingOn(username)
	for i := len(waiting) - 1; i >= 0; i-- {
		if verificationID == "" || waiting[i].id == verificationID {
			waiting[i].apply(what, s.now(), defaultTries)
			return true
		}
	}
	return false
}
