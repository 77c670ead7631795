package simulator_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestUserList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		check(t, "no token", p.send("GET", users, "", ""), 401, invalidB)
		check(t, "unknown person", p.call("GET", users+"?username=nobody", ""), 200, `[]`)
		check(t, "unknown attribute", p.call("GET", users+"?shoe_size=44", ""), 400,
			`{"statusCode":400,"name":"BadRequestError","message":"unknown attribute: shoe_size"}`)
		const then = `"2000-01-01T00:00:00.000Z"`
		check(t, "alice", p.call("GET", users+"?username=alice", ""), 200,
			`[{"id":101,"username":"alice","email":"alice@example.com","firstname":"Alice","lastname":"Example","status":1,"state":1,`+
				`"locked_until":null,"invalid_login_attempts":0,"phone":"+12025550101","group_id":null,"directory_id":null,"external_id":null,`+
				`"samaccountname":null,"distinguished_name":null,"member_of":null,"activated_at":`+then+`,"created_at":`+then+
				`,"updated_at":`+then+`,"last_login":`+then+`,"password_changed_at":`+then+`,"invitation_sent_at":null}]`)
	})
}

func TestUserFilters(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	for _, test := range []struct{ query, want string }{
		{"username=alice&email=bob@example.com", ""},
		{"external_id=7", ""},
		{"user_ids=999", ""},
		{"username=al", ""},
		{"username=ALICE", "alice"},
		{"email=bob@example.com", "bob"},
		{"username=alice&email=alice@example.com", "alice"},
		{"user_ids=101,103", "alice carol"},
		{"username=*", "alice bob carol"},
		{"username=%2Ali%2A", "alice"},
		{"username=!alice", "bob carol"},
		{"email=!*@example.com", ""},
		{"username=a.ice", ""},
		{"limit=2", "alice bob"},
		{"limit=2&page=2", "carol"},
		{"limit=2&page=9", ""},
		{"limit=x&page=-1", "alice bob carol"},
	} {
		body := p.call("GET", users+"?fields=username&"+test.query, "").body
		got := strings.NewReplacer(`{"username":"`, "", `"}`, "", ",", " ", "[", "", "]", "").Replace(body)
		if got != test.want {
			t.Errorf("%s = %q (%s), want %q", test.query, got, body, test.want)
		}
	}
}

func TestUserListSaysHowLongItIs(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	got := p.call("GET", users+"?limit=2&page=2", "").header
	for name, want := range map[string]string{
		"Current-Page": "2", "Page-Items": "2", "Total-Count": "3", "Total-Pages": "2",
	} {
		if got.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestUserByID(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	check(t, "no token", p.send("GET", users+"/101", "", "Bearer x"), 401, invalidB)
	check(t, "nobody", p.call("GET", users+"/999", ""), 404, notFoundB)
	check(t, "no number", p.call("GET", users+"/alice", ""), 400,
		`{"statusCode":400,"name":"BadRequestError","message":"id must be an integer"}`)
	got := p.call("GET", users+"/101", "")
	for _, part := range []string{`{"id":101,"username":"alice",`, `"role_ids":[],"custom_attributes":{},`} {
		if got.status != 200 || !strings.Contains(got.body, part) {
			t.Errorf("user = %d %s, want it to contain %s", got.status, got.body, part)
		}
	}
}

func TestStatusAndLock(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	p := newPeer(t, simulator.Options{Users: []simulator.User{
		{Username: "dora", Email: "d@example.com", LockedUntil: until},
	}})
	row := func() string {
		return p.call("GET", users+"?fields=status,state,locked_until&username="+url.QueryEscape("dora"), "").body
	}
	locked := `"locked_until":"2030-01-02T03:04:05Z","state":%d,"status":%d}]`
	if got, want := row(), `[{`+fmt.Sprintf(locked, 1, 1); got != want {
		t.Errorf("before = %s, want %s", got, want)
	}
	p.sim.SetStatus("nobody", 2, 2)
	p.sim.SetStatus("dora", 0, 0)
	if got, want := row(), `[{`+fmt.Sprintf(locked, 0, 0); got != want {
		t.Errorf("after = %s, want %s", got, want)
	}
}

func TestAddUserReplacesTheOneOfThatName(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.sim.AddUser(simulator.User{Username: "alice", Email: "new@example.com"})
	everybody := p.sim.Users()
	if len(everybody) != 3 || everybody[0].Email != "new@example.com" || everybody[0].ID == 0 || everybody[0].ID == 101 {
		t.Errorf("Users = %+v, want three with a new alice first", everybody)
	}
}
