package onelogin_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

func TestNamesThatMatchPatternsAreNeverSent(t *testing.T) {
	for _, name := range []string{
		"", "*", "adm*", "j*e", "%", "adm%", "j%e", "jdoe%", "!jdoe", "jdoe!", "a\x00b", "a\nb", "a\x7f", "a\u0085b", "\xff", strings.Repeat("a", 257),
	} {
		f := newFake(t)
		client := f.client()
		for _, find := range []func(context.Context, string) (onelogin.User, bool, error){client.UserByUsername, client.UserByEmail} {
			if user, found, err := find(t.Context(), name); found || err != nil || user != (onelogin.User{}) {
				t.Errorf("find %q = %+v, %v, %v, want no user", name, user, found, err)
			}
		}
		f.wantCalls("find", 0)
		f.wantCalls("token", 0)
	}
}

func TestFindTakesOneExactMatchOnly(t *testing.T) {
	row := func(id, username string) string {
		return `{"id":` + id + `,"username":` + username + `,"email":"x@example.com","status":1,"state":1,"locked_until":null}`
	}
	list := func(rows ...string) string { return "[" + strings.Join(rows, ",") + "]" }
	full := strings.Split(strings.Repeat(row("8", `"x"`)+"\n", 49), "\n")[:49]
	for _, tt := range []struct {
		name, wanted, body string
		want               string // id, "" for no user
		fails              bool
	}{
		{"one", "jdoe", list(row("7", `"jdoe"`)), "7", false},
		{"documented", "jdoe", fixture(t, "users.json"), userID, false},
		{"id as text", "jdoe", list(row(`"7"`, `"jdoe"`)), "7", false},
		{"one bare object", "jdoe", row("7", `"jdoe"`), "7", false},
		{"other case", "JDoe", list(row("7", `"jdOE"`)), "7", false},
		{"other case, not ASCII", "JÖRG", list(row("7", `"jörg"`)), "7", false},
		{"one among others", "jdoe", list(row("6", `"jdoe2"`), row("7", `"jdoe"`), row("8", `null`)), "7", false},
		{"nobody", "jdoe", "[]", "", false},
		{"near match", "jdoe", list(row("7", `"jdoe2"`)), "", false},
		{"space behind", "jdoe", list(row("7", `"jdoe "`)), "", false},
		{"kelvin sign", "kate", list(row("7", "\"\u212aate\"")), "", false},
		{"null name", "jdoe", list(row("7", "null")), "", false},
		{"number as name", "5", list(row("7", "5")), "", false},
		{"name in another member", "jdoe", list(`{"id":7,"Username":"jdoe"}`), "", false},
		{"two", "jdoe", list(row("7", `"jdoe"`), row("8", `"JDOE"`)), "", false},
		{"the same twice", "jdoe", list(row("7", `"jdoe"`), row("7", `"jdoe"`)), "", false},
		{"one on a full page", "jdoe", list(append(full, row("7", `"jdoe"`))...), "", false},
		{"one on a page not full", "jdoe", list(append(full[1:], row("7", `"jdoe"`))...), "7", false},
		{"no id", "jdoe", list(`{"username":"jdoe"}`), "", true},
		{"id zero", "jdoe", list(row("0", `"jdoe"`)), "", true},
		{"negative id", "jdoe", list(row("-7", `"jdoe"`)), "", true},
		{"id with fraction", "jdoe", list(row("7.5", `"jdoe"`)), "", true},
		{"id that is a path", "jdoe", list(row(`"7/../8"`, `"jdoe"`)), "", true},
		{"unreadable lock", "jdoe", list(`{"id":7,"username":"jdoe","locked_until":"later"}`), "", true},
		{"not objects", "jdoe", `["jdoe"]`, "", true},
		{"array of array", "jdoe", `[[]]`, "", true},
		{"null", "jdoe", `null`, "", true},
		{"name twice", "jdoe", list(`{"id":7,"username":"x","username":"jdoe"}`), "", true},
		{"html", "jdoe", `<html>`, "", true},
		{"empty", "jdoe", ``, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("find", reply{status: 200, body: tt.body})
			user, found, err := f.client().UserByUsername(t.Context(), tt.wanted)
			if user.ID != tt.want || found != (tt.want != "") || (err != nil) != tt.fails {
				t.Errorf("UserByUsername(%q) = %+v, %v, %v, want id %q", tt.wanted, user, found, err, tt.want)
			}
			query := url.Values{"username": {tt.wanted}, "limit": {"50"}}
			if got := f.requests("find")[0].target; got != "/api/2/users?"+query.Encode() {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestEmailIsComparedWithEmail(t *testing.T) {
	f := newFake(t)
	f.on("find", reply{status: 200, body: `[{"id":7,"username":"b@example.com","email":"a+b@example.com","status":1,"state":1}]`})
	client := f.client()
	if _, found, err := client.UserByEmail(t.Context(), "b@example.com"); found || err != nil {
		t.Errorf("a username was taken for an e-mail address: %v, %v", found, err)
	}
	if user, found, err := client.UserByEmail(t.Context(), "A+b@example.com"); !found || err != nil || user.ID != "7" {
		t.Errorf("UserByEmail = %+v, %v, %v", user, found, err)
	}
	if got := f.requests("find")[1].target; got != "/api/2/users?email=A%2Bb%40example.com&limit=50" {
		t.Errorf("asked %s", got)
	}
}

func TestUserByID(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reply  reply
		found  bool
		status int // of the error, -1 for none
	}{
		{"documented", reply{status: 200, body: fixture(t, "user.json")}, true, -1},
		{"in array", reply{status: 200, body: fixture(t, "users.json")}, true, -1},
		{"none", reply{status: 404, body: fixture(t, "error_404.json")}, false, -1},
		{"wrong base URL", reply{status: 404, body: envelopeA("No Route Exists")}, false, 404},
		{"another user", reply{status: 200, body: `{"id":64515902,"status":1,"state":1}`}, false, 200},
		{"no user", reply{status: 200, body: `[]`}, false, 200},
		{"no id", reply{status: 200, body: `{}`}, false, 200},
		{"scope", reply{status: 403, body: fixture(t, "error_403.json")}, false, 403},
		{"unauthorized", reply{status: 401, body: fixture(t, "error_401.json")}, false, 401},
		{"no content", reply{status: 204}, false, 204},
		{"redirect", reply{status: 302}, false, 302},
		{"lost", reply{err: errReset}, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("user", tt.reply)
			user, found, err := f.client().UserByID(t.Context(), userID)
			status := -1
			if refusal, ok := errors.AsType[*onelogin.Error](err); ok {
				status = refusal.StatusCode
			}
			if found != tt.found || status != tt.status || found != (user.ID == userID) {
				t.Errorf("UserByID = %+v, %v, %v, want found %v, status %d", user, found, err, tt.found, tt.status)
			}
		})
	}
}

func TestIDsThatAreNoUserAreNeverSent(t *testing.T) {
	f := newFake(t)
	client := f.client()
	for _, id := range []string{"", "0", "07", "-1", "+1", "1.0", "../users/1", "1/devices/2", "%31", "1 ", "١", "12345678901234567890"} {
		if _, found, err := client.UserByID(t.Context(), id); found || err != nil {
			t.Errorf("UserByID(%q) = %v, %v, want no user", id, found, err)
		}
		if _, err := client.Devices(t.Context(), id); err == nil {
			t.Errorf("Devices(%q) did not refuse", id)
		}
		if _, err := client.Activate(t.Context(), id, deviceID, onelogin.Activation{}); err == nil {
			t.Errorf("Activate(%q) did not refuse", id)
		}
	}
	f.wantCalls("token", 0)
}

func TestOnlyActiveApprovedUnlockedUsersAreActive(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, members string
		want          bool
	}{
		{"active", `"status":1,"state":1,"locked_until":null`, true},
		{"no lock named", `"status":1,"state":1`, true},
		{"lock over", `"status":1,"state":1,"locked_until":"2026-03-02T08:00:00.000Z"`, true},
		{"lock over in another zone", `"status":1,"state":1,"locked_until":"2026-03-02T09:59:00+02:00"`, true},
		{"locked", `"status":1,"state":1,"locked_until":"2026-03-02T08:00:00.001Z"`, false},
		{"unactivated", `"status":0,"state":1`, false},
		{"suspended", `"status":2,"state":1`, false},
		{"status locked", `"status":3,"state":1`, false},
		{"password expired", `"status":4,"state":1`, false},
		{"password pending", `"status":7,"state":1`, false},
		{"unknown status", `"status":11,"state":1`, false},
		{"unapproved", `"status":1,"state":0`, false},
		{"rejected", `"status":1,"state":2`, false},
		{"unlicensed", `"status":1,"state":3`, false},
		{"no status", `"state":1`, false},
		{"no state", `"status":1`, false},
		{"status as text", `"status":"1","state":1`, false},
		{"status with fraction", `"status":1.0,"state":1`, false},
		{"status beyond int", `"status":18446744073709551617,"state":1`, false},
		{"status true", `"status":true,"state":1`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("user", reply{status: 200, body: `{"id":64515901,` + tt.members + `}`})
			user, found, err := f.client().UserByID(t.Context(), userID)
			if !found || err != nil {
				t.Fatalf("UserByID: %v, %v", found, err)
			}
			if got := user.Active(now); got != tt.want {
				t.Errorf("%+v.Active = %v, want %v", user, got, tt.want)
			}
		})
	}
}
