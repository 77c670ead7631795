package simulator

import (
	"maps"
	"slices"
)

// An administrator does in OneLogin's portal what the hooks of this file do.
// Events about it name another actor than the user.
const (
	administratorID   = 1
	administratorName = "Ada Example"
)

func byAdministrator(e *Event) { e.ActorUserID = new(int64(administratorID)) }

// statusEvent is what the portal's change of a status is told as, or 0 where
// nobody knows.
func statusEvent(from, to int) int {
	switch {
	case from == to:
		return 0
	case to == statusUnactivated:
		return eventDeactivated
	case to == statusSuspended:
		return eventSuspended
	case to == statusLocked:
		return eventLocked
	case to == statusActive && from == statusUnactivated:
		return eventActivated
	case to == statusActive && from == statusSuspended:
		return eventReactivated
	case to == statusActive && from == statusLocked:
		return eventUnlocked
	}
	return 0
}

// SetStatus sets OneLogin's status and state of a user, exactly as given, and
// notes an event for a status that is new and known (0 to 3). An unknown
// username changes nothing.
func (s *Simulator) SetStatus(username string, status, state int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(username)
	if p == nil {
		return
	}
	if kind := statusEvent(p.Status, status); kind != 0 {
		s.note(kind, p, byAdministrator)
	}
	p.Status, p.State = status, state
}

// SetPassword changes what a session login takes, and notes an event. An
// unknown username changes nothing.
func (s *Simulator) SetPassword(username, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.person(username); p != nil {
		p.Password, p.wrongPasswords = password, 0
		s.note(eventPasswordChanged, p, byAdministrator)
	}
}

// RemoveDevice takes a device away from a user, ends what is pending with it,
// and notes an event. It reports false if there is no such user or device.
func (s *Simulator) RemoveDevice(username string, deviceID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(username)
	return p != nil && s.remove(p, Device{ID: deviceID}.ref(), byAdministrator)
}

// RemoveUser deletes a user with everything that is pending or signed in, and
// notes an event. It reports false if there is no such user.
func (s *Simulator) RemoveUser(username string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(username)
	if p == nil {
		return false
	}
	s.note(eventDeleted, p, byAdministrator)
	s.people = slices.DeleteFunc(s.people, func(other *person) bool { return other == p })
	s.verifications = slices.DeleteFunc(s.verifications, func(v *verification) bool { return v.userID == p.ID })
	s.logins = slices.DeleteFunc(s.logins, func(l *login) bool { return l.person == p })
	maps.DeleteFunc(s.sessionTokens, func(_ string, t sessionToken) bool { return t.person == p })
	maps.DeleteFunc(s.portal, func(_ string, signedIn *person) bool { return signedIn == p })
	maps.DeleteFunc(s.smart, func(_ string, known *smartIdentity) bool { return known.person == p })
	return true
}
