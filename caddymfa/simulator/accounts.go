package simulator

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// OneLogin's numbers of a user's status that something here sets.
const (
	statusUnactivated = 0
	statusActive      = 1
	statusSuspended   = 2
	statusLocked      = 3
)

// calleeV1 is callee in the words of version 1.
func (s *Simulator) calleeV1(c *call) (*person, reply) {
	userID, err := strconv.ParseInt(c.values["user"], 10, 64)
	if err != nil {
		return nil, errorA(http.StatusBadRequest, attributeMessage{"id", "ID is incorrect"})
	}
	if p := s.personByID(userID); p != nil {
		return p, reply{}
	}
	return nil, errorA(http.StatusNotFound, "User for id "+c.values["user"]+" was not found")
}

// readBodyV1 decodes the JSON body of a call to version 1. A non-nil answer ends
// the call.
func (c *call) readBodyV1(into any) *reply {
	if !c.sendsJSON() || json.Unmarshal(c.body, into) != nil {
		return new(errorA(http.StatusBadRequest, messageBadJSON))
	}
	return nil
}

// updateUser answers PUT /api/2/users/<id>. Fields that are not named here are
// accepted and ignored.
func (s *Simulator) updateUser(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	var request struct {
		Status, State *int
		Email, Phone  *string
	}
	if failure := c.readBody(&request); failure != nil {
		return *failure
	}
	if request.Email != nil {
		p.Email = *request.Email
	}
	if request.Phone != nil {
		p.Phone = *request.Phone
	}
	if request.State != nil {
		p.State = *request.State
	}
	if request.Status != nil {
		s.setStatus(c, p, *request.Status)
	}
	return c.userReply(p)
}

// setStatus changes the status of p, with the event for it.
func (s *Simulator) setStatus(c *call, p *person, status int) {
	kind, known := map[int]int{
		statusUnactivated: eventDeactivated, statusActive: eventUnlocked,
		statusSuspended: eventSuspendedByAPI, statusLocked: eventLockedByAPI,
	}[status]
	if known && status != p.Status {
		s.note(kind, p, s.byCaller(c))
	}
	p.Status, p.LockedUntil = status, time.Time{}
}

// setState answers PUT /api/1/users/<id>/set_state.
func (s *Simulator) setState(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	var request struct{ State *int }
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	if request.State == nil || *request.State < 0 || *request.State > 3 {
		return errorA(http.StatusBadRequest, attributeMessage{"state", "state must be an integer from 0 to 3"})
	}
	p.State = *request.State
	return okA(nil)
}

// lockUser answers PUT /api/1/users/<id>/lock_user. Zero minutes lock until
// somebody unlocks, as where the policy has no period.
func (s *Simulator) lockUser(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	var request struct {
		Minutes *int `json:"locked_until"`
	}
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	if request.Minutes == nil || *request.Minutes < 0 || *request.Minutes > longestLock {
		return errorA(http.StatusBadRequest, attributeMessage{"locked_until", "locked_until must be an integer"})
	}
	s.setStatus(c, p, statusLocked)
	if *request.Minutes > 0 {
		p.LockedUntil = c.now.Add(time.Duration(*request.Minutes) * time.Minute)
	}
	return okA(nil)
}

// longestLock is about a hundred and ninety years, in minutes.
const longestLock = 100_000_000

// unlock ends a lock whose time is over.
func (p *person) unlock(now time.Time) {
	if p.Status == statusLocked && !p.LockedUntil.IsZero() && !now.Before(p.LockedUntil) {
		p.Status, p.LockedUntil = statusActive, time.Time{}
	}
}

// logOut answers PUT /api/1/users/<id>/logout, whatever its body. It ends the
// person's portal sessions; sessions elsewhere go on.
func (s *Simulator) logOut(c *call) reply {
	p, failure := s.calleeV1(c)
	if p == nil {
		return failure
	}
	maps.DeleteFunc(s.portal, func(_ string, signedIn *person) bool { return signedIn.ID == p.ID })
	maps.DeleteFunc(s.sessionTokens, func(_ string, t sessionToken) bool { return t.person.ID == p.ID })
	s.note(eventLoggedOutByAPI, p, s.byCaller(c))
	return okA(nil)
}

// callerID names the credential behind c.
func (s *Simulator) callerID(c *call) string {
	known, _ := s.caller(c)
	return known.ClientID
}

// byCaller says in an event which credential acted.
func (s *Simulator) byCaller(c *call) func(*Event) {
	return func(e *Event) { e.ClientID = s.callerID(c) }
}
