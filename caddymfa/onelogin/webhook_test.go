package onelogin_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

const (
	eventUUID   = "5a0ba80a-39a1-4627-9a8b-1273278b34ee"
	lockedEvent = `{"uuid":"` + eventUUID + `","event_type_id":19,"event_timestamp":"2017-12-05 19:13:06 UTC","account_id":555555,` +
		`"user_id":88888888,"user_name":"Jane Doe","actor_user_id":1,"ipaddr":"203.0.113.7","otp_device_id":null,"risk_score":null}`
	announcement = `{"create":{"_id":"` + eventUUID + `"}}`
	bareEvent    = `{"event_type_id":19,"user_id":88888888}`
)

func locked() onelogin.Event {
	return onelogin.Event{
		UUID: eventUUID, Type: 19, UserID: "88888888", UserName: "Jane Doe",
		At: time.Date(2017, 12, 5, 19, 13, 6, 0, time.UTC),
	}
}

func TestEventsAreReadInEachFormat(t *testing.T) {
	bare := onelogin.Event{Type: 19, UserID: "88888888"}
	named := onelogin.Event{UUID: eventUUID, Type: 19, UserID: "88888888"}
	for _, test := range []struct {
		name, body string
		want       []onelogin.Event
		broken     int
		err        string
	}{
		{"not JSON", "<html>hello</html>", nil, 1, "neither"},
		{"form", "a=1\nb=2", nil, 2, "neither"},
		{"cut array", "[" + lockedEvent + `,{"event_type_id"`, []onelogin.Event{locked()}, 0, "not one whole"},
		{"array that does not close", "[" + lockedEvent, []onelogin.Event{locked()}, 0, "not one whole"},
		{"something after the array", "[" + lockedEvent + "]x", []onelogin.Event{locked()}, 0, "not one whole"},
		{"empty", "", nil, 0, ""},
		{"blank", " \r\n\n", nil, 0, ""},
		{"empty array", "[]", nil, 0, ""},
		{"array", "[" + lockedEvent + "," + bareEvent + "]", []onelogin.Event{locked(), bare}, 0, ""},
		{"array whose events announce themselves", `[{"create":{"_id":"` + eventUUID + `"},"event_type_id":19,"user_id":88888888}]`, []onelogin.Event{named}, 0, ""},
		{"pairs of lines", announcement + "\n" + bareEvent + "\n" + announcement + "\r\n\r\n" + lockedEvent, []onelogin.Event{named, locked()}, 0, ""},
		{"an announcement is for the next event only", announcement + "\n" + bareEvent + "\n" + bareEvent, []onelogin.Event{named, bare}, 0, ""},
		{"an announcement is not for the event after a broken one", announcement + "\n{}\n" + bareEvent, []onelogin.Event{bare}, 1, ""},
		{"the event's own UUID counts", `{"create":{"_id":"other"}}` + "\n" + lockedEvent, []onelogin.Event{locked()}, 0, ""},
		{"announcement alone", announcement, nil, 0, ""},
		{"lines without announcements", lockedEvent + "\n" + bareEvent + "\n", []onelogin.Event{locked(), bare}, 0, ""},
		{"one event", lockedEvent, []onelogin.Event{locked()}, 0, ""},
		{"one event over several lines", strings.ReplaceAll(lockedEvent, ",", ",\n\t"), []onelogin.Event{locked()}, 0, ""},
		{"copies", "[" + lockedEvent + "," + lockedEvent + "]", []onelogin.Event{locked(), locked()}, 0, ""},
		{"broken items of an array", `[1,null,"x",[],{},` + lockedEvent + `,{"event_type_id":0}]`, []onelogin.Event{locked()}, 6, ""},
		{"broken lines", "hello\n" + lockedEvent + "\n{\"event_type_id\":\n" + bareEvent + "\n" + bareEvent + "x", []onelogin.Event{locked(), bare}, 3, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, broken, err := onelogin.ParseEvents(strings.NewReader(test.body))
			if !slices.Equal(got, test.want) || broken != test.broken {
				t.Errorf("ParseEvents(%s) = %+v, %d, want %+v, %d", test.body, got, broken, test.want, test.broken)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("ParseEvents(%s): error %v, want one with %q", test.body, err, test.err)
			}
		})
	}
}

func TestMembersOfAnEvent(t *testing.T) {
	at := time.Date(2017, 12, 5, 19, 13, 6, 0, time.UTC)
	for _, test := range []struct {
		members string
		want    onelogin.Event // the zero event: broken
	}{
		{`"event_type_id":"nineteen"`, onelogin.Event{}},
		{`"event_type_id":-19`, onelogin.Event{}},
		{`"event_type_id":"-19"`, onelogin.Event{}},
		{`"event_type_id":19.5`, onelogin.Event{}},
		{`"event_type_id":99999999999`, onelogin.Event{}},
		{`"Event_Type_ID":19`, onelogin.Event{}},
		{`"event_type_id":19,"user_id":"jane"`, onelogin.Event{}},
		{`"event_type_id":19,"user_id":-7`, onelogin.Event{}},
		{`"event_type_id":19,"user_id":7e1`, onelogin.Event{}},
		{`"event_type_id":19,"user_id":"07"`, onelogin.Event{}},
		{`"event_type_id":19,"user_id":{"id":7}`, onelogin.Event{}},
		{`"event_type_id":"19","user_id":"7"`, onelogin.Event{Type: 19, UserID: "7"}},
		{`"event_type_id":19,"user_id":null`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"user_id":""`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"actor_user_id":7`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"user_name":7,"otp_device_id":{},"uuid":["x"]`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"user_id":7,"user_name":"` + "\xff" + `"`, onelogin.Event{Type: 19, UserID: "7", UserName: "\uFFFD"}},
		{`"event_type_id":24,"otp_device_id":1002`, onelogin.Event{Type: 24, DeviceID: "1002"}},
		{`"event_type_id":24,"otp_device_id":"user_temp_otp_3"`, onelogin.Event{Type: 24, DeviceID: "user_temp_otp_3"}},
		{`"event_type_id":19,"event_timestamp":"yesterday"`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"event_timestamp":"2017-12-05 19:13:06 PST"`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"event_timestamp":1512501186`, onelogin.Event{Type: 19}},
		{`"event_type_id":19,"event_timestamp":"2017-12-05 19:13:06.000 UTC"`, onelogin.Event{Type: 19, At: at}},
		{`"event_type_id":19,"event_timestamp":"2017-12-05T20:13:06.000+01:00"`, onelogin.Event{Type: 19, At: at}},
	} {
		got, broken, err := onelogin.ParseEvents(strings.NewReader("{" + test.members + "}"))
		if test.want == (onelogin.Event{}) {
			if len(got) != 0 || broken != 1 || err != nil {
				t.Errorf("ParseEvents(%s) = %+v, %d, %v, want one broken", test.members, got, broken, err)
			}
		} else if len(got) != 1 || got[0] != test.want || broken != 0 || err != nil {
			t.Errorf("ParseEvents(%s) = %+v, %d, %v, want %+v", test.members, got, broken, err, test.want)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	for _, test := range []struct {
		name, body string
		events     int
		broken     int
		err        bool
	}{
		{"most pairs", strings.Repeat(announcement+"\n"+bareEvent+"\n", 1000), 1000, 0, false},
		{"too many lines", strings.Repeat(bareEvent+"\n", 1001), 1000, 0, true},
		{"too many items", "[{}" + strings.Repeat(","+bareEvent, 1000) + "]", 999, 1, true},
		{"too many broken ones", strings.Repeat("x\n", 1001), 0, 1000, true},
		{"deep", "[" + strings.Repeat(`{"a":`, 20000) + strings.Repeat("}", 20000) + "]", 0, 0, true},
	} {
		got, broken, err := onelogin.ParseEvents(strings.NewReader(test.body))
		if len(got) != test.events || broken != test.broken || (err != nil) != test.err {
			t.Errorf("%s: %d events, %d broken, %v, want %d, %d, error %v", test.name, len(got), broken, err, test.events, test.broken, test.err)
		}
	}
}

func TestReaderThatFailsIsAnError(t *testing.T) {
	cause := errors.New("too large")
	events, broken, err := onelogin.ParseEvents(iotest.ErrReader(cause))
	if !errors.Is(err, cause) || events != nil || broken != 0 {
		t.Errorf("ParseEvents = %v, %d, %v, want the reader's error", events, broken, err)
	}
}

// The document gives the evidence for each type, and names no other.
func TestRevokingEventsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/onelogin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Event webhooks\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []int
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(section, -1) {
		number, _ := strconv.Atoi(row[1])
		documented = append(documented, number)
	}
	if got := onelogin.RevokingEvents(); !slices.Equal(got, documented) || !slices.IsSorted(got) {
		t.Errorf("RevokingEvents = %v, the document has %v", got, documented)
	}
	for _, harmless := range []int{5, 6, 7, 8, 12, 16, 22, 516, 527, 528, 532} {
		if (onelogin.Event{Type: harmless}).EndsSessions() {
			t.Errorf("EndsSessions for %d = true", harmless)
		}
	}
	if !(onelogin.Event{Type: 19}).EndsSessions() {
		t.Error("EndsSessions for a lock = false")
	}
}

func FuzzParseEvents(f *testing.F) {
	for _, body := range []string{
		"", "[]", "[" + lockedEvent + "]", announcement + "\n" + lockedEvent + "\n", "[" + lockedEvent, "x\n" + bareEvent,
		`[{"create":{"_id":1},"event_type_id":"19","user_id":"7"},null,[[]]]`, `{"create":null}`, "[1 2]", "{}{}", "[" + bareEvent + "]\x00",
	} {
		f.Add(body)
	}
	digits := regexp.MustCompile(`^([1-9][0-9]{0,18})?$`)
	f.Fuzz(func(t *testing.T, body string) {
		events, broken, err := onelogin.ParseEvents(strings.NewReader(body))
		if len(events)+broken > 1000 {
			t.Errorf("ParseEvents(%q) = %d events and %d broken", body, len(events), broken)
		}
		var again []string
		for _, e := range events {
			if e.Type <= 0 || !digits.MatchString(e.UserID) || e.At.Location() != time.UTC {
				t.Errorf("ParseEvents(%q) has %+v", body, e)
			}
			again = append(again, fmt.Sprintf(`{"event_type_id":%d,"user_id":%q,"uuid":%q}`, e.Type, e.UserID, e.UUID))
		}
		if err != nil {
			return
		}
		// What was read is read again in both formats, as often.
		for _, text := range []string{"[" + strings.Join(again, ",") + "]", strings.Join(again, "\n")} {
			same, broken, err := onelogin.ParseEvents(strings.NewReader(text))
			equal := slices.EqualFunc(events, same, func(a, b onelogin.Event) bool {
				return a.Type == b.Type && a.UserID == b.UserID && a.UUID == b.UUID
			})
			if !equal || broken != 0 || err != nil {
				t.Errorf("ParseEvents(%s) = %+v, %d, %v, want those of %q", text, same, broken, err, body)
			}
		}
	})
}
