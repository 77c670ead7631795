package onelogin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// maxEvents is how many events one body may hold. OneLogin sends ten at a time.
const maxEvents = 1000

// webhookTime is how webhooks write times. The name of the zone is part of the
// form: "MST" in its place would take every other zone's name for UTC too.
const webhookTime = "2006-01-02 15:04:05 UTC"

var (
	errNoEvents      = errors.New("neither a JSON array nor lines of JSON")
	errBrokenArray   = errors.New("not one whole JSON array")
	errTooManyEvents = fmt.Errorf("more than %d events", maxEvents)
)

// Event is something that happened in a OneLogin account, as OneLogin's event
// webhook tells it (docs/onelogin.md, Event webhooks).
type Event struct {
	// UUID names the event, the same in each copy of it. Empty if OneLogin gave
	// none.
	UUID string

	// Type is OneLogin's number for what happened, never zero. See
	// [RevokingEvents].
	Type int

	// UserID is the user to whom it happened, in digits, and not the one who
	// did it. Empty for what concerns no user.
	UserID string

	// UserName is that user's name for people: first and last name, or else an
	// address. It identifies nobody.
	UserName string

	// At is when it happened by OneLogin's clock, in UTC. Zero if that could
	// not be read.
	At time.Time

	// DeviceID is the device concerned, as in [Device]. Mostly empty.
	DeviceID string
}

// RevokingEvents returns the types of event after which what a user has proven
// should count no more: the account was locked, suspended, deactivated or
// deleted, the password was changed, or a device was removed. The slice is the
// caller's, in ascending order.
//
// It is a default and not a promise of OneLogin's: the numbers come from third
// parties, and docs/onelogin.md, Event webhooks says which number stands on
// what evidence. An account's own are listed by GET /api/1/events/types.
func RevokingEvents() []int {
	return []int{
		11,  // password changed
		15,  // user deactivated
		17,  // user deleted
		19,  // user locked
		21,  // user suspended
		24,  // device deregistered
		36,  // device lost
		172, // factor deleted
		211, // password changed by an administrator
		510, // password set by the API, salted
		511, // password set by the API, in clear text
		530, // user deleted by the API
		531, // user locked by the API, older
		551, // user suspended by the API
		553, // user locked by the API
	}
}

// EndsSessions reports whether the event is one of [RevokingEvents]. Whether it
// names a user is another question.
func (e Event) EndsSessions() bool { return slices.Contains(RevokingEvents(), e.Type) }

// ParseEvents reads what OneLogin's event webhook posts, in both of its formats:
// a JSON array of events, or pairs of lines, of which the first announces the
// event's UUID and the second is the event. One event by itself is read too;
// blank lines and members that we do not know are passed over. No content is no
// events.
//
// An item that is no event does not stop the others. It is counted in broken:
// one that is not a JSON object, has no type, or has a user id that is not a
// number. Events stay in the order in which they came, copies included.
//
// An error means that events may have been missed: the reader failed, nothing
// was JSON, an array broke off, or there were more than 1,000. The events in
// front of the fault are returned with it, to be acted upon.
//
// It reads to the end: bounding the bytes, checking who sent them, recognizing
// copies and judging the times is the caller's.
func ParseEvents(body io.Reader) (events []Event, broken int, err error) {
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, 0, fmt.Errorf("read events: %w", err)
	}
	var b batch
	content = bytes.TrimSpace(content)
	switch {
	case len(content) == 0:
	case content[0] == '[':
		err = b.addArray(content)
	case json.Valid(content):
		err = b.add(content) // may run over several lines
	default:
		err = b.addLines(content)
	}
	if err != nil {
		err = fmt.Errorf("read events: %w", err)
	}
	return b.events, b.broken, err
}

// batch is what was read of one body.
type batch struct {
	events    []Event
	broken    int
	announced string // UUID for the next event
}

// addArray takes the items one by one, so that those in front of a fault are
// not lost.
func (b *batch) addArray(content []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	_, _ = decoder.Token() // the opening bracket
	for decoder.More() {
		var item json.RawMessage
		if decoder.Decode(&item) != nil {
			return errBrokenArray
		}
		if err := b.add(item); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil || decoder.InputOffset() != int64(len(content)) { // the closing bracket
		return errBrokenArray
	}
	return nil
}

// addLines takes one item from each line.
func (b *batch) addLines(content []byte) error {
	readable := false
	for line := range bytes.Lines(content) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		readable = readable || json.Valid(line)
		if err := b.add(line); err != nil {
			return err
		}
	}
	if !readable {
		return errNoEvents
	}
	return nil
}

// add takes one item: an event, the announcement of one, or something broken.
func (b *batch) add(item []byte) error {
	if len(b.events)+b.broken == maxEvents {
		return errTooManyEvents
	}
	record := readItem(item)
	created, _ := record["create"].(object)
	if created != nil && record["event_type_id"] == nil {
		b.announced = identifier(created["_id"])
		return nil
	}
	if event, ok := readEvent(record); ok {
		event.UUID = cmp.Or(identifier(record["uuid"]), identifier(created["_id"]), b.announced)
		b.events = append(b.events, event)
	} else {
		b.broken++
	}
	b.announced = ""
	return nil
}

// readItem reads an object with exact names, or returns nil. It is more lenient
// than parse: that one guards who gets in, and here an item that is refused may
// be somebody who stays in.
func readItem(item []byte) object {
	decoder := json.NewDecoder(bytes.NewReader(item))
	decoder.UseNumber()
	var record object
	if !json.Valid(item) || decoder.Decode(&record) != nil {
		return nil
	}
	return record
}

// readEvent reads all but the UUID. It returns false without a type, and for a
// user id that would not compare with those of [User].
func readEvent(record object) (Event, bool) {
	kind, err := strconv.ParseUint(identifier(record["event_type_id"]), 10, 31)
	if err != nil || kind == 0 {
		return Event{}, false
	}
	userID := identifier(record["user_id"])
	none := record["user_id"] == nil || record["user_id"] == ""
	return Event{
		Type:     int(kind),
		UserID:   userID,
		UserName: text(record["user_name"]),
		At:       eventTime(text(record["event_timestamp"])),
		DeviceID: identifier(record["otp_device_id"]),
	}, none || userIDPattern.MatchString(userID)
}

// eventTime reads the webhook's form or RFC 3339, or returns the zero time.
func eventTime(value string) time.Time {
	at, err := time.Parse(webhookTime, value)
	if err != nil {
		at, err = time.Parse(time.RFC3339, value)
	}
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
