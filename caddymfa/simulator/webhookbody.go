package simulator

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// webhookTime is how webhooks write times.
const webhookTime = "2006-01-02 15:04:05 UTC"

// webhookEvent is an event as webhooks send it: more names than the events call
// has, another form of time, and the person's full name for user_name. Those
// members that nothing here fills are a choice of the many that OneLogin sends
// as null.
type webhookEvent struct {
	Create           *webhookUUID `json:"create,omitempty"`
	UUID             string       `json:"uuid"`
	EventTypeID      any          `json:"event_type_id"`
	EventTimestamp   string       `json:"event_timestamp"`
	AccountID        int          `json:"account_id"`
	UserID           any          `json:"user_id"`
	UserName         string       `json:"user_name"`
	ActorSystem      string       `json:"actor_system"`
	ActorUserID      *int64       `json:"actor_user_id"`
	ActorUserName    *string      `json:"actor_user_name"`
	DeviceID         any          `json:"otp_device_id"`
	DeviceName       *string      `json:"otp_device_name"`
	IPAddr           *string      `json:"ipaddr"`
	RiskScore        *int         `json:"risk_score"`
	AppID            *int64       `json:"app_id"`
	PolicyID         *int64       `json:"policy_id"`
	Resolution       *string      `json:"resolution"`
	CustomMessage    *string      `json:"custom_message"`
	ErrorDescription *string      `json:"error_description"`
}

// webhookUUID announces an event, in the manner of a search engine's bulk load.
type webhookUUID struct {
	ID string `json:"_id"`
}

// encode returns the body in the webhook's format.
func (next shipment) encode() (body []byte, contentType string) {
	if next.webhook.Lines {
		var lines bytes.Buffer
		encoder := json.NewEncoder(&lines)
		for _, e := range next.events {
			encoder.Encode(map[string]webhookUUID{"create": {e.uuid}})
			encoder.Encode(e.forWebhook(next.switches))
		}
		return lines.Bytes(), "application/x-ndjson"
	}
	list := []webhookEvent{}
	for _, e := range next.events {
		item := e.forWebhook(next.switches)
		item.Create = &webhookUUID{e.uuid}
		list = append(list, item)
	}
	body, _ = json.Marshal(list)
	return body, "application/json"
}

func (e Event) forWebhook(w Switches) webhookEvent {
	item := webhookEvent{
		UUID: e.uuid, EventTimestamp: e.at.UTC().Format(webhookTime), AccountID: e.AccountID,
		EventTypeID: w.webhookID(strconv.Itoa(e.EventTypeID)),
		UserID:      w.webhookID(strconv.FormatInt(e.UserID, 10)),
		UserName:    e.fullName, ActorUserID: e.ActorUserID, DeviceName: e.DeviceName,
		IPAddr: e.IPAddr, RiskScore: e.RiskScore, AppID: e.AppID, PolicyID: e.PolicyID, Resolution: e.Resolution,
	}
	if e.DeviceID != nil {
		item.DeviceID = w.webhookID(*e.DeviceID)
	}
	if e.ActorUserID != nil {
		item.ActorUserName = new(administratorName)
	}
	return item
}

// webhookID returns digits as a number, and as text where a switch asks for
// that or where they are none.
func (w Switches) webhookID(id string) any {
	number, err := strconv.ParseInt(id, 10, 64)
	if w.WebhookIDsAsText || err != nil {
		return id
	}
	return number
}
