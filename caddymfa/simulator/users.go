package simulator

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// userRow is a user as the list shows it, in the key order of docs/onelogin.md.
type userRow struct {
	ID                   int64   `json:"id"`
	Username             string  `json:"username"`
	Email                string  `json:"email"`
	FirstName            string  `json:"firstname"`
	LastName             string  `json:"lastname"`
	Status               int     `json:"status"`
	State                int     `json:"state"`
	LockedUntil          *string `json:"locked_until"`
	InvalidLoginAttempts int     `json:"invalid_login_attempts"`
	Phone                *string `json:"phone"`
	GroupID              *int64  `json:"group_id"`
	DirectoryID          *int64  `json:"directory_id"`
	ExternalID           *string `json:"external_id"`
	SAMAccountName       *string `json:"samaccountname"`
	DistinguishedName    *string `json:"distinguished_name"`
	MemberOf             *string `json:"member_of"`
	ActivatedAt          string  `json:"activated_at"`
	CreatedAt            string  `json:"created_at"`
	UpdatedAt            string  `json:"updated_at"`
	LastLogin            string  `json:"last_login"`
	PasswordChangedAt    string  `json:"password_changed_at"`
	InvitationSentAt     *string `json:"invitation_sent_at"`
}

// userDetail is a user as the single call shows it.
type userDetail struct {
	userRow
	RoleIDs             []int64           `json:"role_ids"`
	CustomAttributes    map[string]string `json:"custom_attributes"`
	Title               *string           `json:"title"`
	Company             *string           `json:"company"`
	Department          *string           `json:"department"`
	Comment             *string           `json:"comment"`
	ManagerUserID       *int64            `json:"manager_user_id"`
	ManagerADID         *int64            `json:"manager_ad_id"`
	PreferredLocaleCode *string           `json:"preferred_locale_code"`
	TrustedIDPID        *int64            `json:"trusted_idp_id"`
	UserPrincipalName   *string           `json:"userprincipalname"`
	OpenIDName          *string           `json:"openid_name"`
}

const wireMilliseconds = "2006-01-02T15:04:05.000Z"

func (p *person) row(c *call) userRow {
	p.unlock(c.now)
	created := p.created.UTC().Format(wireMilliseconds)
	row := userRow{
		ID: p.ID, Username: p.Username, Email: p.Email,
		FirstName: p.displayName(), LastName: lastName,
		Status: p.Status, State: p.State, InvalidLoginAttempts: p.wrongPasswords,
		ActivatedAt: created, CreatedAt: created, UpdatedAt: created, LastLogin: created, PasswordChangedAt: created,
	}
	if c.switches.UserStatus != nil {
		row.Status = *c.switches.UserStatus
	}
	if c.switches.UserState != nil {
		row.State = *c.switches.UserState
	}
	if p.Phone != "" {
		row.Phone = &p.Phone
	}
	if !p.LockedUntil.IsZero() {
		row.LockedUntil = new(p.LockedUntil.UTC().Format(time.RFC3339))
	}
	return row
}

// lastName is everybody's.
const lastName = "Example"

// displayName is the username with a capital letter.
func (p *person) displayName() string {
	if p.Username == "" {
		return ""
	}
	return strings.ToUpper(p.Username[:1]) + p.Username[1:]
}

// getUser answers GET /api/2/users/<id>.
func (s *Simulator) getUser(c *call) reply {
	p, failure := s.callee(c)
	if p == nil {
		return failure
	}
	return c.userReply(p)
}

func (c *call) userReply(p *person) reply {
	return reply{status: http.StatusOK, body: userDetail{
		userRow: p.row(c), RoleIDs: []int64{}, CustomAttributes: map[string]string{},
	}}
}

// callee is the user a call is about, who is not the caller: that is a
// credential. callee returns the person that the path names, or nil and the answer to give.
func (s *Simulator) callee(c *call) (*person, reply) {
	userID, err := strconv.ParseInt(c.values["user"], 10, 64)
	if err != nil {
		return nil, badRequest("id must be an integer")
	}
	if p := s.personByID(userID); p != nil {
		return p, reply{}
	}
	return nil, notFound()
}

// listUsers answers GET /api/2/users. Unknown people give an empty list.
func (s *Simulator) listUsers(c *call) reply {
	query := c.request.URL.Query()
	for name := range query {
		if !slices.Contains(userFilters(), name) && !slices.Contains([]string{"fields", "limit", "page"}, name) {
			return badRequest("unknown attribute: " + name)
		}
	}
	rows := []userRow{}
	for _, p := range s.people {
		if row := p.row(c); row.matches(query, c.switches.Wildcards != "off") {
			rows = append(rows, row)
		}
	}
	if c.switches.DuplicateUsers {
		rows = withTwins(rows)
	}
	return userPage(rows, query)
}

// userFilters are the attributes that a search may name here.
func userFilters() []string {
	return []string{"username", "email", "firstname", "lastname", "user_ids",
		"samaccountname", "external_id", "directory_id"}
}

// matches reports whether the row meets all filters of the query. Attributes
// that nobody has here, such as external_id, are empty for everybody.
func (row userRow) matches(query url.Values, wildcards bool) bool {
	values := map[string]string{
		"username": row.Username, "email": row.Email, "firstname": row.FirstName, "lastname": row.LastName,
	}
	for _, name := range userFilters() {
		if !query.Has(name) {
			continue
		}
		wanted := query.Get(name)
		if name == "user_ids" {
			if !slices.Contains(strings.Split(wanted, ","), strconv.FormatInt(row.ID, 10)) {
				return false
			}
		} else if !matchPattern(wanted, values[name], wildcards) {
			return false
		}
	}
	return true
}

// matchPattern compares without case. That patterns are on by default is what
// makes a careless client find somebody else: "*" is everybody. With wildcards, * stands for any run of
// characters and a leading ! negates.
func matchPattern(pattern, value string, wildcards bool) bool {
	if !wildcards {
		return strings.EqualFold(pattern, value)
	}
	pattern, negated := strings.CutPrefix(pattern, "!")
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
	matched, err := regexp.MatchString(`(?is)^`+quoted+`$`, value)
	return err == nil && matched != negated
}

// withTwins adds to each row a second user with the same names, as when a
// directory was imported twice. A client must then choose nobody.
func withTwins(rows []userRow) []userRow {
	var doubled []userRow
	for _, row := range rows {
		twin := row
		twin.ID += 500000
		doubled = append(doubled, row, twin)
	}
	return doubled
}

// userPage cuts one page out of rows, with the headers of a list.
func userPage(rows []userRow, query url.Values) reply {
	limit := clampedInt(query.Get("limit"), 50, 1, 50)
	page := clampedInt(query.Get("page"), 1, 1, 1<<20)
	total := len(rows)
	rows = rows[min((page-1)*limit, total):min(page*limit, total)]
	header := http.Header{
		"Current-Page": {strconv.Itoa(page)},
		"Page-Items":   {strconv.Itoa(limit)},
		"Total-Count":  {strconv.Itoa(total)},
		"Total-Pages":  {strconv.Itoa((total + limit - 1) / limit)},
	}
	return reply{status: http.StatusOK, body: onlyFields(rows, query.Get("fields")), header: header}
}

func clampedInt(text string, fallback, low, high int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return fallback
	}
	return max(low, min(high, n))
}
