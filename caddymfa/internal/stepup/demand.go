package stepup

import (
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// Demand is what one request asked of one user. The gate seals it into the
// address of the challenge page, so the engine trusts every field.
type Demand struct {
	// Nonce names the challenge. It is random and never used twice.
	Nonce [16]byte

	// User is the user as the site's first login names them. It is what the
	// person typed if Blind is set, and empty where [Features.Password] is.
	User string

	// Site is the protected site that asks.
	Site string

	// Factors are the factors that will do. The zero value allows none.
	Factors policy.FactorSet

	// Expires is the end of the choice: nothing is activated after it.
	Expires time.Time

	// Blind says that nobody has logged in yet and that anybody may have typed
	// User. The challenge then looks the same whether or not there is such a
	// user, and sees to it in what it shows and in how long it takes.
	Blind bool

	// Address and UserAgent are the browser's, as far as they can be trusted.
	// Smart MFA judges by them, a session login passes the address on, and what
	// strangers do is limited by it.
	Address, UserAgent string

	// Features are what the site has turned on.
	Features Features
}

// Features are ways of proving people that a site turns on. The zero value has
// none: nothing that only they need is then ever asked of OneLogin.
type Features struct {
	// Enroll are the factors that a user may enrol who has no device at all.
	// Whoever holds the first login can do it.
	Enroll policy.FactorSet

	// HelpDesk offers and takes the temporary codes of [Engine.IssueTemporary].
	HelpDesk bool

	// Smart proves people by Smart MFA and by nothing else.
	Smart *Smart

	// Password has OneLogin ask for a password first. The devices are then
	// those of the login.
	Password *Password
}

// Smart is how Smart MFA judges. The API is an early preview, and creates a
// user of its own for everybody whom it does not know by their mail address.
type Smart struct {
	// Threshold is the score, 1 to 100, from which on a code is sent. It is 0,
	// for always, unless AllowLowRisk is set and the demand names no factors.
	Threshold int

	// AllowLowRisk takes a score below the threshold for a proof, by
	// [policy.LowRisk]. It never is for a demand that names its factors.
	AllowLowRisk bool
}

// Password is how people log in with a password.
type Password struct {
	// Subdomain is the tenant's, which OneLogin wants to be told.
	Subdomain string

	// Session keeps the session token for [Proof.SessionToken].
	Session bool

	// ReturnTo is where OneLogin sends the browser that has posted the session
	// token: a whole URL. Empty: to OneLogin's portal.
	ReturnTo string
}
