package caddymfa

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// Ways in which a site can bring its own first login.
const (
	signInPasswordless = "passwordless"
	signInPassword     = "password"
)

// SignIn makes the site bring its own first login, on our pages, instead of
// one in front of mfa. The session then says who the user is.
type SignIn struct {
	// Mode is "passwordless" (a name, then a factor) or "password" (name and
	// OneLogin password, then a factor). Required.
	Mode string `json:"mode,omitempty"`

	// OneLoginSession also opens a OneLogin session in the browser, by a form
	// that the browser posts to OneLogin. It is the site's own public origin,
	// such as https://app.example.com: OneLogin sends the browser back there.
	// Only with mode "password". Default: no such session.
	OneLoginSession string `json:"onelogin_session,omitempty"`
}

func (s *SignIn) check() error {
	switch {
	case s == nil:
		return nil
	case s.Mode != signInPasswordless && s.Mode != signInPassword:
		return fmt.Errorf("sign_in %q is neither passwordless nor password", s.Mode)
	case s.OneLoginSession == "":
		return nil
	case s.Mode != signInPassword:
		return errors.New("onelogin_session needs sign_in password: only a password login gives a OneLogin session")
	}
	u, err := url.Parse(s.OneLoginSession)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || origin(s.OneLoginSession) != s.OneLoginSession {
		return fmt.Errorf("onelogin_session %q is not an origin such as https://app.example.com", s.OneLoginSession)
	}
	return nil
}

// Enroll lets a user without any usable device enrol one on our pages.
//
// It trusts whoever holds the first login: a thief of the password of somebody
// who never enrolled can enrol their own phone. Limit it to addresses inside.
type Enroll struct {
	// Factors that may be enrolled: protect, sms, email, voice, totp.
	// Default: all of these that OneLogin offers the user.
	Factors []string `json:"factors,omitempty"`

	// From lists the client addresses, as prefixes like 10.0.0.0/8, that may
	// enrol. The address is the one that Caddy resolved; behind a proxy set
	// trusted_proxies. Default: every address.
	From []string `json:"from,omitempty"`

	factors policy.FactorSet
	from    []netip.Prefix
}

// enrollable are the factors that OneLogin's API can enrol.
const enrollable = "protect sms email voice totp"

func (e *Enroll) compile() error {
	if e == nil {
		return nil
	}
	names := e.Factors
	if len(names) == 0 {
		names = []string{"protect", "sms", "email", "voice", "totp"}
	}
	set, err := policy.ParseFactors(names)
	if err != nil {
		return fmt.Errorf("enroll: %w", err)
	}
	for _, factor := range []policy.Factor{policy.YubiKey, policy.Duo, policy.Temporary} {
		if set.Has(factor) {
			return fmt.Errorf("enroll: %s cannot be enrolled through OneLogin's API; these can: %s", factor, enrollable)
		}
	}
	e.factors, e.from = set, nil
	for _, text := range e.From {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("enroll: from %q is not an address prefix such as 10.0.0.0/8", text)
		}
		e.from = append(e.from, prefix.Masked())
	}
	return nil
}

// allowed returns what may be enrolled from a client address.
func (e *Enroll) allowed(address string) policy.FactorSet {
	if e == nil {
		return 0
	}
	if len(e.from) == 0 {
		return e.factors
	}
	client, err := netip.ParseAddr(address)
	if err != nil {
		return 0
	}
	for _, prefix := range e.from {
		if prefix.Contains(client.Unmap().WithZone("")) {
			return e.factors
		}
	}
	return 0
}

// SmartMFA makes OneLogin's Smart MFA the way in which the site proves people:
// a code by mail or SMS where the risk is high.
//
// It is in early preview at OneLogin, and creates a OneLogin user for an
// identifier that it does not know. The address or number is always the one of
// the OneLogin user found for the person, never one that a browser sent.
type SmartMFA struct {
	// Threshold is the risk score, 1 to 100, from which a code is sent.
	// Default: 50.
	Threshold int `json:"threshold,omitempty"`

	// AllowLowRisk lets a score below the threshold pass without a code, on
	// routes that name no factors. Default: false; a code is then always
	// sent.
	AllowLowRisk bool `json:"allow_low_risk,omitempty"`
}

const defaultThreshold = 50

func (s *SmartMFA) check() error {
	if s != nil && (s.Threshold < 0 || s.Threshold > 100) {
		return fmt.Errorf("smart_mfa: threshold %d is not within 1 to 100", s.Threshold)
	}
	return nil
}

func (s *SmartMFA) step() *stepup.Smart {
	if s == nil {
		return nil
	}
	smart := &stepup.Smart{Threshold: s.Threshold, AllowLowRisk: s.AllowLowRisk}
	if smart.Threshold == 0 {
		smart.Threshold = defaultThreshold
	}
	return smart
}

// features is what this site allows for this request.
func (h *Handler) features(r *http.Request, t ticket) stepup.Features {
	return stepup.Features{
		Enroll:   h.Enroll.allowed(clientAddress(r)),
		HelpDesk: h.app.HelpDesk,
		Smart:    h.SmartMFA.step(),
		Password: h.password(t),
	}
}

// password is how the site's password login asks OneLogin, or nil.
func (h *Handler) password(t ticket) *stepup.Password {
	if h.SignIn == nil || h.SignIn.Mode != signInPassword {
		return nil
	}
	asks := &stepup.Password{Subdomain: h.app.OneLogin.subdomain()}
	if h.SignIn.OneLoginSession != "" {
		asks.Session, asks.ReturnTo = true, h.SignIn.OneLoginSession+t.ReturnTo
	}
	return asks
}

// clientAddress is the client's address as Caddy resolved it: a forwarding
// header counts only from a proxy that Caddy trusts.
func clientAddress(r *http.Request) string {
	address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return address
}

// checkTogether refuses features that contradict each other.
func (h *Handler) checkTogether() error {
	switch {
	case h.SignIn != nil && h.User != "":
		return errors.New("user and sign_in contradict each other: with sign_in our own pages say who somebody is")
	case h.SmartMFA != nil && h.SignIn != nil && h.SignIn.Mode == signInPassword:
		return errors.New("smart_mfa and sign_in password contradict each other: OneLogin's login proves by its own factors")
	case h.SmartMFA != nil && h.Enroll != nil:
		return errors.New("smart_mfa and enroll contradict each other: Smart MFA uses no enrolled device")
	case h.SignIn != nil && h.Enroll != nil:
		return errors.New("sign_in and enroll contradict each other: enrolling needs a first login that names the user")
	case h.SignIn != nil && h.SmartMFA != nil:
		return errors.New("smart_mfa needs a first login in front of mfa: it cannot keep unknown names apart from known ones")
	}
	return nil
}
