package onelogin

import (
	"context"
	"net/http"
	"net/netip"
	"unicode/utf8"
)

// sessionFormPath is where a browser turns a session token into a session.
const sessionFormPath = "/session_via_api_token"

// LoginOutcome is what OneLogin says to a name and a password.
type LoginOutcome int

// The outcomes of a login. None of them is a proof of a second factor.
const (
	LoginRefused    LoginOutcome = iota // wrong name or password
	LoginWithoutMFA                     // right, and OneLogin asks for no factor: that is no proof of one
	LoginNeedsMFA                       // right, and a device is still to be proven
)

// String returns the outcome in words for logs, such as "needs MFA".
func (o LoginOutcome) String() string {
	switch o {
	case LoginWithoutMFA:
		return "without MFA"
	case LoginNeedsMFA:
		return "needs MFA"
	default:
		return "refused"
	}
}

// LoginRequest is a name and a password. It prints as [redacted].
type LoginRequest struct {
	redacted

	// UsernameOrEmail and Password are as the user typed them.
	UsernameOrEmail, Password string

	// Subdomain is the tenant's, such as "acme".
	Subdomain string

	// IP is the browser's address, for the tenant's own rules. It may be empty.
	IP string

	// ReturnTo is where OneLogin sends the browser that has posted the session
	// token to [SessionFormURL]: a whole URL. Empty: to OneLogin's portal.
	ReturnTo string
}

// Login is OneLogin's answer to a name and a password. It belongs on the
// server. It prints as [redacted].
type Login struct {
	redacted

	// Outcome is LoginRefused in the zero value. All else is empty then.
	Outcome LoginOutcome

	// UserID is OneLogin's number of the user who logged in, Username and
	// Email are as OneLogin spells them and may be empty.
	UserID, Username, Email string

	// StateToken is what a device is proven with if MFA is needed: a secret.
	StateToken string

	// Devices are those that can be proven with [Client.VerifyLogin]. Their
	// ids are the login's own and they have no names.
	Devices []Device

	// SessionToken opens a session at OneLogin in the browser that posts it to
	// [SessionFormURL], within two minutes. It is a secret, and only there if
	// no MFA is needed.
	SessionToken string
}

// wireLogin is the body of a login.
type wireLogin struct {
	UsernameOrEmail string `json:"username_or_email"`
	Password        string `json:"password"`
	Subdomain       string `json:"subdomain"`
	IPAddress       string `json:"ip_address,omitempty"`
	ReturnTo        string `json:"return_to_url,omitempty"`
}

// wireLoginProof is the body that proves a device. The device id is text here,
// though the list has a number.
type wireLoginProof struct {
	DeviceID    string `json:"device_id"`
	StateToken  string `json:"state_token"`
	OTPToken    string `json:"otp_token,omitempty"`
	DoNotNotify bool   `json:"do_not_notify"`
}

// Login tries a name and a password. It is sent at most once, except where the
// access token proved to be dead: OneLogin locks users after some wrong
// passwords. A name or a password that is empty, too long (256 and 1024 bytes)
// or not UTF-8 is refused without asking OneLogin.
//
// It does not check that the user is active, or how often they have tried. A
// refusal in words that we do not know is an [*Error], as all errors are.
func (c *Client) Login(ctx context.Context, l LoginRequest) (Login, error) {
	if !printable(l.UsernameOrEmail, maxNameLength) || !validPassword(l.Password) {
		return Login{}, nil
	}
	r := request{
		op:     "log in",
		method: http.MethodPost,
		path:   "/api/1/login/auth",
		body:   wireLogin{l.UsernameOrEmail, l.Password, l.Subdomain, l.IP, l.ReturnTo},
		about:  anyName,
	}
	if _, err := netip.ParseAddr(l.IP); !tenantPattern.MatchString(l.Subdomain) || (l.IP != "" && err != nil) {
		r.flaw = classInvalid
	}
	a, err := c.submit(ctx, r)
	if err != nil {
		return Login{}, err
	}
	if a.status == http.StatusUnauthorized && a.says() == saysWrongPassword {
		return Login{}, nil
	}
	return expect(r.op, a, readLogin, http.StatusOK)
}

func validPassword(password string) bool {
	return password != "" && len(password) <= 1024 && utf8.ValidString(password)
}

// readLogin tells the two successes apart by the message, and wants what
// belongs to each.
func readLogin(body []byte) (Login, string) {
	status, data, ok := readEnvelope(body)
	user, _ := data["user"].(object)
	l := Login{UserID: identifier(user["id"]), Username: text(user["username"]), Email: text(user["email"])}
	if !ok || !successful(status) || !userIDPattern.MatchString(l.UserID) || !spelledExactly(data, "user", "session_token", "state_token", "devices") {
		return Login{}, classUnreadable
	}
	if l.SessionToken = readSessionToken(status, data); l.SessionToken != "" {
		l.Outcome = LoginWithoutMFA
		return l, ""
	}
	l.StateToken = opaque(data["state_token"])
	devices, ok := readLoginDevices(data["devices"])
	if !ok || l.StateToken == "" || (answer{body: body}).says() != saysMFARequired {
		return Login{}, classUnreadable
	}
	l.Outcome, l.Devices = LoginNeedsMFA, devices
	return l, ""
}

// readSessionToken returns "" unless the login is complete.
func readSessionToken(status, data object) string {
	if !saysSuccess(status) {
		return ""
	}
	return opaque(data["session_token"])
}

// readLoginDevices leaves out devices that want a page of Duo's own.
func readLoginDevices(value any) ([]Device, bool) {
	items, ok := value.([]any)
	if !ok {
		return nil, false
	}
	devices := make([]Device, 0, len(items))
	for _, item := range items {
		row, _ := item.(object)
		name := text(row["device_type"])
		device := Device{ID: identifier(row["device_id"]), TypeName: name, FactorName: name}
		if device.ID == "" {
			return nil, false
		}
		if row["duo_sig_request"] == nil {
			devices = append(devices, device)
		}
	}
	return devices, true
}

// VerifyLogin proves a device of a login that needs MFA. It needs UserID and
// StateToken of the login. With [Accepted] comes a session token.
//
// Without a code it starts or polls: OneLogin sends a message or push unless
// doNotNotify is set, so the first call leaves it and the others set it; the
// verdict is [Pending] until the user answers. With a code it tries that, as
// [Client.Verify] does. It is sent at most once.
func (c *Client) VerifyLogin(ctx context.Context, l Login, deviceID, code string, doNotNotify bool) (verdict Verdict, sessionToken string, err error) {
	if len(code) > maxCodeLength {
		return WrongCode, "", nil
	}
	r := request{
		op:     "verify login",
		method: http.MethodPost,
		path:   "/api/1/login/verify_factor",
		body:   wireLoginProof{deviceID, l.StateToken, code, doNotNotify},
	}.naming(l.UserID, deviceID)
	if opaque(l.StateToken) == "" {
		r.flaw = classInvalidID
	}
	q := typed
	if code == "" {
		q = polled
	}
	verdict, a, err := c.ask(ctx, r, func(a answer) Verdict { return judgeLogin(q, a) })
	if verdict != Accepted {
		return verdict, "", err
	}
	status, data, _ := readEnvelope(a.body)
	sessionToken = readSessionToken(status, data)
	user, isUser := data["user"].(object)
	if sessionToken == "" || !spelledExactly(data, "user", "session_token") || (isUser && identifier(user["id"]) != l.UserID) {
		return Denied, "", nil
	}
	return Accepted, sessionToken, nil
}

// SessionFormURL returns where the browser posts a form with the one field
// session_token to open a session at OneLogin. It takes what [BaseURL] takes,
// and returns "" for anything else. A regional API host is no place for a
// browser: that must be the tenant's own address.
func SessionFormURL(baseURL string) string {
	address, err := BaseURL(baseURL)
	if err != nil {
		return ""
	}
	return address + sessionFormPath
}
