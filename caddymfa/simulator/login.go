package simulator

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// login is a session login that waits for its second factor.
type login struct {
	stateToken     string
	person         *person
	returnTo, ip   string
	origins        []string // of pages that may use the session token by script
	wrongCodes     int
	expiresAt      time.Time
	verified, dead bool
}

// loginRequest is the body of POST /api/1/login/auth.
type loginRequest struct {
	Name      string `json:"username_or_email"`
	Password  string `json:"password"`
	Subdomain string `json:"subdomain"`
	ReturnTo  string `json:"return_to_url"`
	IP        string `json:"ip_address"`
}

type loginUser struct {
	ID        int64  `json:"id"`
	Username  string `json:"username"`
	Email     string `json:"email"`
	FirstName string `json:"firstname"`
	LastName  string `json:"lastname"`
}

// authenticatedBody is the data of a login that is done.
type authenticatedBody struct {
	Status       string    `json:"status"`
	User         loginUser `json:"user"`
	ReturnTo     *string   `json:"return_to_url"`
	ExpiresAt    string    `json:"expires_at"`
	SessionToken string    `json:"session_token"`
}

// factorBody is the data of a login that needs a second factor.
type factorBody struct {
	User        loginUser     `json:"user"`
	StateToken  string        `json:"state_token"`
	CallbackURL string        `json:"callback_url"`
	Devices     []loginDevice `json:"devices"`
}

type loginDevice struct {
	Type           string `json:"device_type"`
	ID             int64  `json:"device_id"`
	DuoSigRequest  string `json:"duo_sig_request,omitempty"`
	DuoAPIHostname string `json:"duo_api_hostname,omitempty"`
}

// subdomainForm is one DNS label.
var subdomainForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// logIn answers POST /api/1/login/auth. Success says that no factor was asked
// for, not that one was verified.
func (s *Simulator) logIn(c *call) reply {
	var request loginRequest
	if failure := c.readBodyV1(&request); failure != nil {
		return *failure
	}
	if problem := request.problem(); problem != "" {
		return errorA(http.StatusBadRequest, problem)
	}
	p := s.passwordHolder(c, request.Name, request.Password)
	if p == nil {
		return errorA(http.StatusUnauthorized, "Authentication Failed: Invalid user credentials")
	}
	l := &login{
		stateToken: newStateToken(), person: p, returnTo: request.ReturnTo, ip: request.IP,
		origins: c.announcedOrigins(), expiresAt: c.now.Add(stateTokenLife),
	}
	devices := p.loginDevices()
	if len(devices) == 0 || c.switches.LoginWithoutMFA {
		return s.authenticated(c, l)
	}
	s.logins = appendBounded(s.logins, l)
	return saidA("success", "MFA is required for this user", []factorBody{{
		p.loginUser(), l.stateToken, c.origin() + "/api/1/login/verify_factor", devices,
	}})
}

// problem names what is wrong with the request, or returns "".
func (r loginRequest) problem() string {
	switch {
	case r.Name == "":
		return "username is empty"
	case r.Password == "":
		return "password is empty"
	case !subdomainForm.MatchString(r.Subdomain):
		return "Invalid subdomain"
	}
	return ""
}

// passwordHolder returns the person if the password is theirs and they may log
// in. Unknown people, wrong passwords, and people who are suspended or locked
// look the same.
func (s *Simulator) passwordHolder(c *call, name, password string) *person {
	p := s.personBy(name)
	if p == nil {
		return nil
	}
	p.unlock(c.now)
	if password != p.Password {
		p.wrongPasswords++
		s.note(eventLoginFailed, p, s.byCaller(c))
		if limit := c.switches.LockAfter; limit > 0 && p.wrongPasswords >= limit && p.Status == statusActive {
			p.Status = statusLocked
			s.note(eventLocked, p, nil)
		}
		return nil
	}
	if p.Status != statusActive || p.State != 1 {
		s.note(eventLoginFailed, p, s.byCaller(c))
		return nil
	}
	p.wrongPasswords = 0
	return p
}

// loginDevices are the factors that a login offers.
func (p *person) loginDevices() []loginDevice {
	list := []loginDevice{}
	for _, d := range p.Devices {
		row := loginDevice{Type: d.Factor.loginName(), ID: d.ID}
		if d.Factor == Duo {
			row.DuoSigRequest, row.DuoAPIHostname = "TX|simulated|:APP|simulated", "api-simulated.duosecurity.example"
		}
		if row.Type != "" {
			list = append(list, row)
		}
	}
	return list
}

func (p *person) loginUser() loginUser {
	return loginUser{p.ID, p.Username, p.Email, p.displayName(), "Example"}
}

// announcedOrigins returns the origins of the numbered headers, each a comma
// separated list.
func (c *call) announcedOrigins() []string {
	var origins []string
	for n := 1; ; n++ {
		values := c.request.Header.Values(fmt.Sprintf("Custom-Allowed-Origin-Header-%d", n))
		if len(values) == 0 {
			return origins
		}
		for _, value := range values {
			origins = append(origins, split(value)...)
		}
	}
}

// origin is the scheme and host under which the caller reached this server.
func (c *call) origin() string {
	scheme := "https://"
	if c.request.TLS == nil && !strings.EqualFold(c.request.URL.Scheme, "https") {
		scheme = "http://"
	}
	return scheme + c.request.Host
}

// authenticated ends a login with a session token.
func (s *Simulator) authenticated(c *call, l *login) reply {
	l.verified = true
	value, t := newStateToken(), sessionToken{
		person: l.person, expiresAt: c.now.Add(sessionTokenLife), returnTo: l.returnTo, origins: l.origins,
	}
	s.sessionTokens[value] = t
	s.note(eventSessionToken, l.person, s.byCaller(c))
	body := authenticatedBody{
		Status: "Authenticated", User: l.person.loginUser(), SessionToken: value,
		ExpiresAt: t.expiresAt.UTC().Format("2006/01/02 15:04:05 -0700"),
	}
	if l.returnTo != "" {
		body.ReturnTo = &l.returnTo
	}
	return okA([]authenticatedBody{body})
}
