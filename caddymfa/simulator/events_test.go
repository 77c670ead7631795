package simulator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const eventsPath = "/api/1/events"

// kinds returns the type ids of events, oldest first.
func kinds(events []simulator.Event) []int {
	var list []int
	for _, e := range events {
		list = append(list, e.EventTypeID)
	}
	return list
}

// What happens is told under OneLogin's numbers.
func TestEventsTellWhatHappened(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*peer)
		want []int
	}{
		{"nothing", func(p *peer) { activateSMS(p); pollPush(p) }, nil},
		{"right code", func(p *peer) { rightCode(p) }, []int{528}},
		{"wrong code", func(p *peer) { wrongCode(p) }, []int{527}},
		{"approved push", func(p *peer) { p.activate("1001"); p.sim.Approve("alice") }, []int{528}},
		{"denied push", func(p *peer) { p.activate("1001"); p.sim.Deny("alice") }, []int{527}},
		{"enrolment and removal", func(p *peer) {
			p.enrol(`{"factor_id":58958,"verified":true}`)
			p.call("DELETE", carolDevices+"/9001", "")
		}, []int{22, 24}},
		{"temporary code", func(p *peer) { code, id := p.temporary(`{}`); redeemOneShot(p, code, id) }, []int{900001, 528}},
		{"login and session", func(p *peer) { p.postSession(sessionTokenOf(p.call("POST", loginPath, loginBody("carol", "demo")))) }, []int{515, 5}},
		{"wrong password", func(p *peer) { p.call("POST", loginPath, loginBody("carol", "x")) }, []int{6}},
		{"lock, unlock, suspend", func(p *peer) {
			p.call("PUT", aliceAccount+"/lock_user", `{"locked_until":0}`)
			p.call("PUT", users+"/101", `{"status":1}`)
			p.call("PUT", users+"/101", `{"status":2}`)
		}, []int{531, 12, 551}},
		{"logout", func(p *peer) { p.call("PUT", aliceAccount+"/logout", "") }, []int{516}},
		{"new user by Smart MFA", func(p *peer) {
			p.call("POST", smartPath, `{"user_identifier":"n","email":"n@example.com","context":{"user_agent":"x","ip":"a"}}`)
		}, []int{13}},
		{"version 1", func(p *peer) { p.verifyV1("1004", "", "wrong") }, []int{527}},
	} {
		p := newPeer(t, simulator.Options{})
		test.do(p)
		if got := kinds(p.sim.Events()); !slices.Equal(got, test.want) {
			t.Errorf("%s: events = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestEventRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		rightCode(p)
		const row = `{"id":1,"created_at":"2000-01-01T00:00:00.000Z","account_id":555555,"user_id":101,"user_name":"alice","event_type_id":528,` +
			`"actor_user_id":null,"otp_device_id":"1002","otp_device_name":"Alice's number","ipaddr":null,"risk_score":null,"app_id":null,` +
			`"policy_id":null,"resolution":null,"client_id":"demo-client"}`
		const ok = `{"status":{"error":false,"code":200,"type":"success","message":"Success"},`
		check(t, "one", p.call("GET", eventsPath+"/1", ""), 200, ok+`"data":[`+row+`]}`)
		check(t, "list", p.call("GET", eventsPath, ""), 200,
			ok+`"pagination":{"before_cursor":null,"after_cursor":null,"previous_link":null,"next_link":null},"data":[`+row+`]}`)
		check(t, "none", p.call("GET", eventsPath+"/9", ""), 404, inA(404, "not found", `"Event for id 9 was not found"`))
		if got := p.call("GET", eventsPath+"/types", ""); !strings.Contains(got.body, `{"id":5,"name":"USER_LOGGED_INTO_ONELOGIN"`) {
			t.Errorf("types = %s", got.body)
		}
	})
}

func TestEventFilters(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	start := p.sim.Now()
	wrongCode(p) // 1
	p.sim.Advance(time.Minute)
	rightCode(p)                                       // 2
	p.call("PUT", "/api/1/users/102/logout", "")       // 3
	p.call("POST", loginPath, loginBody("carol", "x")) // 4
	at := start.Add(30 * time.Second).UTC().Format(time.RFC3339)
	for query, want := range map[string]string{
		"":                      "4 3 2 1",
		"sort=id":               "1 2 3 4",
		"event_type_id=527":     "1",
		"event_type_id=527,516": "3 1",
		"user_id=102":           "3",
		"client_id=nobody":      "",
		"since=" + at:           "4 3 2",
		"until=" + at:           "1",
		"limit=2":               "4 3",
		"id=2":                  "2",
	} {
		body := p.call("GET", eventsPath+"?fields=id&"+query, "").body
		_, rows, _ := strings.Cut(body, `"data":`)
		got := strings.NewReplacer(`{"id":`, "", "}", "", ",", " ", "[", "", "]", "").Replace(rows)
		if got != want {
			t.Errorf("%s = %q (%s), want %q", query, got, body, want)
		}
	}
}

func TestEventPages(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for range 5 {
		p.call("PUT", aliceAccount+"/logout", "")
	}
	type page struct {
		Pagination struct {
			AfterCursor, NextLink *string
			After                 *string `json:"after_cursor"`
			Next                  *string `json:"next_link"`
		}
		Data []struct{ ID int }
	}
	var seen []int
	path := eventsPath + "?limit=2"
	for range 3 {
		got := decode[page](t, p.call("GET", path, "").body)
		for _, e := range got.Data {
			seen = append(seen, e.ID)
		}
		if got.Pagination.Next == nil {
			break
		}
		path = strings.TrimPrefix(*got.Pagination.Next, "https://acme.onelogin.com")
		if !strings.Contains(path, *got.Pagination.After) {
			t.Errorf("next link %s does not carry the cursor %s", path, *got.Pagination.After)
		}
	}
	if fmt.Sprint(seen) != "[5 4 3 2 1]" {
		t.Errorf("pages = %v, want each event once, newest first", seen)
	}
}
