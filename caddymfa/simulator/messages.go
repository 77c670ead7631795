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
	if !v.sends() {
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

// sends reports whether anything goes out for v. A device that shows codes gets
// nothing, except a push to Protect once it is enrolled.
func (v *verification) sends() bool {
	if v.device.Factor == Protect {
		return !v.origin.enrols()
	}
	return !v.device.Factor.generatesCodes() && v.temporary == nil
}

// messageText fills the caller's text, which only SMS may have, or our own.
func messageText(v *verification, customMessage string) string {
	if v.device.Factor != SMS || customMessage == "" {
		customMessage = "Your code is {{otp_code}}. It is valid for {{otp_expiry}} minutes."
	}
	minutes := fmt.Sprint(int(v.expiresAt.Sub(v.createdAt).Minutes()))
	return strings.NewReplacer("{{otp_code}}", v.code, "{{otp_expiry}}", minutes, "{{expiration}}", minutes).Replace(customMessage)
}

// Code returns what the person would type for a factor: the last code sent by
// SMS or mail, or what the authenticator, Protect, the YubiKey or Duo shows
// now. A device that is being enrolled shows codes too. Empty if there is none.
// A code stays readable after it was used.
func (s *Simulator) Code(username string, f Factor) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(username)
	if p == nil {
		return ""
	}
	if f.generatesCodes() {
		for _, shown := range s.codes(p) {
			if shown.Factor == f {
				return shown.Code
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
