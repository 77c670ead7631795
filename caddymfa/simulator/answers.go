package simulator

import (
	"strings"
	"time"
)

// Push is a pending verification that the person answers on the phone: a
// Protect push, a voice call or a magic link.
type Push struct {
	VerificationID string    `json:"verification_id"`
	Factor         Factor    `json:"factor"`
	DeviceName     string    `json:"device_name"`
	ClientID       string    `json:"client_id"`    // the credential that asked
	IP             string    `json:"ip,omitempty"` // of the browser, if the caller told it
	RedirectTo     string    `json:"redirect_to,omitempty"`
	At             time.Time `json:"at"`
	ExpiresAt      time.Time `json:"expires_at"`
}

// Pushes returns what is pending on the person's phone, newest last. Enrolments
// are not among them, see [Simulator.Registrations].
func (s *Simulator) Pushes(username string) []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	pushes := []Push{}
	for _, v := range s.pendingOn(username) {
		if v.origin.enrols() {
			continue
		}
		pushes = append(pushes, Push{
			v.id, v.device.Factor, v.device.Name, v.clientID, v.ip, v.redirectTo, v.createdAt, v.expiresAt,
		})
	}
	return pushes
}

// pendingOn returns the verifications and enrolments that wait for the person's
// phone.
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

// newest returns the newest of what waits on the phone and is wanted, or nil.
func (s *Simulator) newest(username string, wanted func(*verification) bool) *verification {
	waiting := s.pendingOn(username)
	for i := len(waiting) - 1; i >= 0; i-- {
		if wanted(waiting[i]) {
			return waiting[i]
		}
	}
	return nil
}

// Approve approves the newest pending push, opens the link or keys in the right
// number. It reports false if nothing is pending.
func (s *Simulator) Approve(username string) bool { return s.Answer(username, "", true) }

// Deny denies the newest pending push, or keys in a wrong number. It reports
// false if nothing is pending.
func (s *Simulator) Deny(username string) bool { return s.Answer(username, "", false) }

// Answer is Approve or Deny for one verification instead of the newest, and for
// one enrolment. An empty id means the newest verification.
func (s *Simulator) Answer(username, verificationID string, approve bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settle(s.newest(username, func(v *verification) bool {
		return v.id == verificationID || verificationID == "" && !v.origin.enrols()
	}), approve)
}

// settle lets the person answer v, and reports false if there is none.
func (s *Simulator) settle(v *verification, approve bool) bool {
	if v == nil {
		return false
	}
	what := denied
	if approve {
		what = approved
	}
	s.happen(v, what, defaultTries)
	return true
}

// VoiceCode returns the number that the newest pending call wants to hear, or
// "". The site shows it to the person; the phone does not.
func (s *Simulator) VoiceCode(username string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.newest(username, isCall); v != nil {
		return v.code
	}
	return ""
}

// KeyIn keys digits into the newest pending call, of a verification or of an
// enrolment. Wrong digits end it as rejected. It reports false if nobody calls.
func (s *Simulator) KeyIn(username, digits string) bool { return s.keyIn(username, "", digits) }

// keyIn is KeyIn for one call. An empty id means the newest.
func (s *Simulator) keyIn(username, verificationID, digits string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.newest(username, func(v *verification) bool {
		return isCall(v) && (verificationID == "" || v.id == verificationID)
	})
	return s.settle(v, v != nil && v.code == strings.TrimSpace(digits))
}

func isCall(v *verification) bool { return v.device.Factor == Voice }

// OpenLink opens the newest pending magic link, and returns where it leads in
// the end, which may be "". ok is false if there is no link.
func (s *Simulator) OpenLink(username string) (redirectTo string, ok bool) {
	return s.openLink(username, "")
}

// openLink is OpenLink for one link. An empty id means the newest.
func (s *Simulator) openLink(username, verificationID string) (redirectTo string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.newest(username, func(v *verification) bool {
		return v.device.Factor == MagicLink && (verificationID == "" || v.id == verificationID)
	})
	if !s.settle(v, true) {
		return "", false
	}
	return v.redirectTo, true
}

// Registration is an enrolment that has begun.
type Registration struct {
	ID        string    `json:"id"`
	Factor    Factor    `json:"factor"`
	Name      string    `json:"name"`
	Status    string    `json:"status"` // pending, accepted, rejected or expired
	ClientID  string    `json:"client_id"`
	At        time.Time `json:"at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Registrations returns the person's enrolments, newest last, however they stand.
func (s *Simulator) Registrations(username string) []Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Registration{}
	for _, v := range s.verifications {
		if v.origin.enrols() && strings.EqualFold(v.username, username) {
			list = append(list, Registration{
				v.id, v.device.Factor, v.device.Name, string(v.apply(looked, s.now(), 0)),
				v.clientID, v.createdAt, v.expiresAt,
			})
		}
	}
	return list
}

// ApproveRegistration confirms the newest pending enrolment of Protect, keys in
// the right number or opens the link. It reports false if none waits for the
// phone.
func (s *Simulator) ApproveRegistration(username string) bool {
	return s.answerEnrolment(username, true)
}

// DenyRegistration refuses it instead.
func (s *Simulator) DenyRegistration(username string) bool { return s.answerEnrolment(username, false) }

func (s *Simulator) answerEnrolment(username string, approve bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settle(s.newest(username, func(v *verification) bool { return v.origin.enrols() }), approve)
}
