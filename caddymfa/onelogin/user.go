package onelogin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	statusActive  = 1
	stateApproved = 1

	// usersPerPage is the page size that OneLogin documents as the largest.
	usersPerPage = 50

	maxNameLength = 256

	// anyName stands for whoever a name belongs to that a stranger may have
	// typed: all of them together are one user to the circuit.
	anyName = "any name"
)

// User is a person as OneLogin knows them.
type User struct {
	// ID is OneLogin's number for the user, in digits.
	ID string

	// Username and Email are as OneLogin spells them. Either may be empty.
	Username, Email string

	// Status is OneLogin's status of the account and State its approval; in
	// both, 1 is the only good value (docs/onelogin.md, Users). -1 stands for
	// one that was missing or not a whole number.
	Status, State int

	// LockedUntil is the end of a lock, zero if there is none. It may have
	// passed.
	LockedUntil time.Time
}

// Active reports whether the account is active, approved and not locked at
// now. OneLogin does not promise to check this itself when it verifies a
// factor.
func (u User) Active(now time.Time) bool {
	return u.Status == statusActive && u.State == stateApproved && !u.LockedUntil.After(now)
}

// UserByID returns the user with this id. It returns false if there is none,
// or if userID is not a positive number. It does not check that the user is
// active. Errors are [*Error].
func (c *Client) UserByID(ctx context.Context, userID string) (User, bool, error) {
	if !userIDPattern.MatchString(userID) {
		return User{}, false, nil
	}
	r := request{op: "get user", method: http.MethodGet, path: "/api/2/users/" + userID, about: userID}
	a, err := c.lookup(ctx, r)
	switch {
	case err != nil:
		return User{}, false, err
	case a.status == http.StatusNotFound && a.says() != saysNoRoute:
		return User{}, false, nil
	case a.status != http.StatusOK:
		return User{}, false, a.refusal(r.op)
	}
	record, err := parseRecord(a.body)
	if err != nil {
		return User{}, false, a.problem(r.op, classUnreadable)
	}
	user, ok := readUser(record)
	switch {
	case !ok:
		return User{}, false, a.problem(r.op, classUnreadable)
	case user.ID != userID:
		return User{}, false, a.problem(r.op, classOtherRecord)
	}
	return user, true, nil
}

// UserByUsername returns the one user whose username is this, upper and lower
// case taken as equal. It returns false if there is no such user or more than
// one, and without asking OneLogin if the name is empty, longer than 256
// bytes, or holds a control character, one of OneLogin's wildcards * and !, or
// %, which is one elsewhere. It does not check that the user is active. Errors
// are [*Error].
func (c *Client) UserByUsername(ctx context.Context, username string) (User, bool, error) {
	return c.findUser(ctx, "username", username, func(u User) string { return u.Username })
}

// UserByEmail is [Client.UserByUsername] by e-mail address.
func (c *Client) UserByEmail(ctx context.Context, email string) (User, bool, error) {
	return c.findUser(ctx, "email", email, func(u User) string { return u.Email })
}

// findUser trusts OneLogin's filter only to narrow the list: it matches
// patterns, so each row is compared again.
func (c *Client) findUser(ctx context.Context, field, wanted string, of func(User) string) (User, bool, error) {
	if !searchable(wanted) {
		return User{}, false, nil
	}
	r := request{
		op:     "find user",
		method: http.MethodGet,
		path:   "/api/2/users",
		query:  url.Values{field: {wanted}, "limit": {strconv.Itoa(usersPerPage)}},
		about:  anyName,
	}
	a, err := c.lookup(ctx, r)
	if err != nil {
		return User{}, false, err
	}
	if a.status != http.StatusOK {
		return User{}, false, a.refusal(r.op)
	}
	users, ok := readUsers(a.body)
	if !ok {
		return User{}, false, a.problem(r.op, classUnreadable)
	}
	user, found := onlyMatch(users, func(u User) bool { return sameName(of(u), wanted) })
	return user, found, nil
}

// onlyMatch returns the user that matches if there is exactly one. A full page
// may hide a second one on the next.
func onlyMatch(users []User, matches func(User) bool) (User, bool) {
	var match User
	count := 0
	for _, user := range users {
		if matches(user) {
			match = user
			count++
		}
	}
	if count != 1 || len(users) >= usersPerPage {
		return User{}, false
	}
	return match, true
}

func searchable(name string) bool {
	return name != "" && len(name) <= maxNameLength && utf8.ValidString(name) &&
		!strings.ContainsAny(name, "*!%") && !strings.ContainsFunc(name, unicode.IsControl)
}

// sameName compares without regard to case. Equal length keeps apart letters
// that only Unicode's folding calls equal, such as k and the sign for kelvin.
func sameName(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

func readUsers(body []byte) ([]User, bool) {
	records, err := parseList(body)
	if err != nil {
		return nil, false
	}
	users := make([]User, len(records))
	for i, record := range records {
		user, ok := readUser(record)
		if !ok {
			return nil, false
		}
		users[i] = user
	}
	return users, true
}

// readUser returns false if the record has no usable id, or a lock whose end
// cannot be read: that one must not look like no lock.
func readUser(record object) (User, bool) {
	userID := identifier(record["id"])
	lockedUntil, readable := instant(record["locked_until"])
	user := User{
		ID:          userID,
		Username:    text(record["username"]),
		Email:       text(record["email"]),
		Status:      number(record["status"]),
		State:       number(record["state"]),
		LockedUntil: lockedUntil,
	}
	return user, readable && userIDPattern.MatchString(userID)
}
