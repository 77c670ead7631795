package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OneLogin's numbers of what can happen, as far as something here does. No
// source gives one for temporary codes, so that one is invented.
const (
	eventLoggedIn        = 5
	eventLoginFailed     = 6
	eventLoggedOut       = 7
	eventPasswordChanged = 11
	eventUnlocked        = 12
	eventUserCreated     = 13
	eventDeactivated     = 15
	eventActivated       = 16
	eventDeleted         = 17
	eventLocked          = 19
	eventSuspended       = 21
	eventFactorEnrolled  = 22
	eventFactorRemoved   = 24
	eventReactivated     = 32
	eventSessionToken    = 515
	eventLoggedOutByAPI  = 516
	eventSessionRefused  = 522
	eventFactorFailed    = 527
	eventFactorVerified  = 528
	eventLockedByAPI     = 531
	eventSuspendedByAPI  = 551
	eventTemporaryCode   = 900001
)

// eventTypes names them, in order.
func eventTypes() []eventType {
	return []eventType{
		{eventLoggedIn, "USER_LOGGED_INTO_ONELOGIN", "logged in to OneLogin"},
		{eventLoginFailed, "USER_FAILED_ONELOGIN_LOGIN", "failed to log in to OneLogin"},
		{eventLoggedOut, "USER_LOGGED_OUT_OF_ONELOGIN", "logged out of OneLogin"},
		{eventPasswordChanged, "USER_CHANGED_PASSWORD", "password changed"},
		{eventUnlocked, "USER_UNLOCKED", "user unlocked"},
		{eventUserCreated, "USER_CREATED", "user created"},
		{eventDeactivated, "USER_DEACTIVATED", "user deactivated"},
		{eventActivated, "USER_ACTIVATED", "user activated"},
		{eventDeleted, "USER_DELETED", "user deleted"},
		{eventLocked, "USER_LOCKED", "user locked"},
		{eventSuspended, "USER_SUSPENDED", "user suspended"},
		{eventFactorEnrolled, "USER_REGISTERED_OTP_DEVICE", "OTP device registered"},
		{eventFactorRemoved, "USER_DEREGISTERED_OTP_DEVICE", "OTP device deregistered"},
		{eventReactivated, "USER_REACTIVATED", "user reactivated"},
		{eventSessionToken, "API_SESSION_LOGIN_TOKEN", "session login token issued by the API"},
		{eventLoggedOutByAPI, "API_USER_LOGGED_OUT", "user logged out by the API"},
		{eventSessionRefused, "API_SESSION_LOGIN_TOKEN_FAILED", "session login token refused by the API"},
		{eventFactorFailed, "API_FACTOR_VERIFICATION_FAILED", "factor verification by the API failed"},
		{eventFactorVerified, "API_FACTOR_VERIFIED", "factor verified by the API"},
		{eventLockedByAPI, "API_USER_LOCKED", "user locked by the API"},
		{eventSuspendedByAPI, "API_USER_SUSPENDED", "user suspended by the API"},
		{eventTemporaryCode, "SIMULATOR_MFA_TOKEN", "temporary code made; the number is the simulator's own"},
	}
}

type eventType struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Event is something that happened to a user, as OneLogin's events call lists
// it. What does not apply is null.
type Event struct {
	ID          int64   `json:"id"`
	CreatedAt   string  `json:"created_at"`
	AccountID   int     `json:"account_id"`
	UserID      int64   `json:"user_id"`
	UserName    string  `json:"user_name"`
	EventTypeID int     `json:"event_type_id"`
	ActorUserID *int64  `json:"actor_user_id"`
	DeviceID    *string `json:"otp_device_id"`
	DeviceName  *string `json:"otp_device_name"`
	IPAddr      *string `json:"ipaddr"`
	RiskScore   *int    `json:"risk_score"`
	AppID       *int64  `json:"app_id"`
	PolicyID    *int64  `json:"policy_id"`
	Resolution  *string `json:"resolution"`
	ClientID    string  `json:"client_id"` // of the credential; empty: a person acted

	at             time.Time
	uuid, fullName string // which only webhooks tell
}

func (e *Event) setDevice(d Device) { e.DeviceID, e.DeviceName = new(string(d.ref())), &d.Name }

// noted adds to an event what is known about v.
func (v *verification) noted(e *Event) {
	e.setDevice(v.device)
	e.ClientID = v.clientID
	if v.ip != "" {
		e.IPAddr = &v.ip
	}
}

// note records that something happened to p. details may be nil.
func (s *Simulator) note(kind int, p *person, details func(*Event)) {
	s.lastEventID++
	now := s.now()
	e := Event{
		ID: s.lastEventID, CreatedAt: now.UTC().Format(wireMilliseconds), AccountID: accountID,
		UserID: p.ID, UserName: p.Username, EventTypeID: kind,
		at: now, uuid: newUUID(), fullName: p.displayName() + " " + lastName,
	}
	if details != nil {
		details(&e)
	}
	s.events = appendBounded(s.events, e)
	s.broadcast(e)
}

// Events returns the last thousand events, oldest first.
func (s *Simulator) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event{}, s.events...)
}

// pagination is how version 1 pages: by opaque cursors.
type pagination struct {
	BeforeCursor *string `json:"before_cursor"`
	AfterCursor  *string `json:"after_cursor"`
	PreviousLink *string `json:"previous_link"`
	NextLink     *string `json:"next_link"`
}

type pageA struct {
	Status     statusObject `json:"status"`
	Pagination pagination   `json:"pagination"`
	Data       any          `json:"data"`
}

// listEvents answers GET /api/1/events, newest first unless sort is "id".
func (s *Simulator) listEvents(c *call) reply {
	query := c.request.URL.Query()
	var found []Event
	for _, e := range s.events {
		if e.matches(query.Get) {
			found = append(found, e)
		}
	}
	if query.Get("sort") != "id" {
		slices.Reverse(found)
	}
	if after, err := strconv.ParseInt(query.Get("after_cursor"), 36, 64); err == nil {
		at := slices.IndexFunc(found, func(e Event) bool { return e.ID == after })
		found = found[at+1:]
	}
	answer := pageA{Status: statusObject{Code: http.StatusOK, Type: "success", Message: "Success"}}
	limit := clampedInt(query.Get("limit"), 50, 1, 50)
	if len(found) > limit {
		found = found[:limit]
		answer.Pagination.AfterCursor = new(strconv.FormatInt(found[limit-1].ID, 36))
		query.Set("after_cursor", *answer.Pagination.AfterCursor)
		answer.Pagination.NextLink = new(c.origin() + "/api/1/events?" + query.Encode())
	}
	answer.Data = onlyFields(append([]Event{}, found...), query.Get("fields"))
	return reply{status: http.StatusOK, body: answer}
}

// matches reports whether e meets the filters of a query.
func (e Event) matches(filter func(string) string) bool {
	for name, value := range map[string]string{
		"id": strconv.FormatInt(e.ID, 10), "event_type_id": strconv.Itoa(e.EventTypeID),
		"user_id": strconv.FormatInt(e.UserID, 10), "client_id": e.ClientID,
	} {
		if wanted := filter(name); wanted != "" && !slices.Contains(strings.Split(wanted, ","), value) {
			return false
		}
	}
	since, err := time.Parse(time.RFC3339, filter("since"))
	if err == nil && e.at.Before(since) {
		return false
	}
	until, err := time.Parse(time.RFC3339, filter("until"))
	return err != nil || !e.at.After(until)
}

// getEvent answers GET /api/1/events/<id>.
func (s *Simulator) getEvent(c *call) reply {
	for _, e := range s.events {
		if strconv.FormatInt(e.ID, 10) == c.values["event"] {
			return okA([]Event{e})
		}
	}
	return errorA(http.StatusNotFound, "Event for id "+c.values["event"]+" was not found")
}

// listEventTypes answers GET /api/1/events/types.
func (s *Simulator) listEventTypes(*call) reply { return okA(eventTypes()) }

// onlyFields keeps the named fields of each row, a comma separated list. With no
// names it keeps all.
func onlyFields[T any](rows []T, names string) any {
	if names == "" {
		return rows
	}
	kept := make([]map[string]json.RawMessage, 0, len(rows))
	for _, row := range rows {
		text, _ := json.Marshal(row)
		var all map[string]json.RawMessage
		json.Unmarshal(text, &all)
		chosen := map[string]json.RawMessage{}
		for name := range strings.SplitSeq(names, ",") {
			if value, exists := all[strings.TrimSpace(name)]; exists {
				chosen[strings.TrimSpace(name)] = value
			}
		}
		kept = append(kept, chosen)
	}
	return kept
}
