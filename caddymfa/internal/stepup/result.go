package stepup

import (
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// State is where a challenge stands. The machine is drawn in challenge.go and
// described in docs/challenge.md.
type State string

// The states. Verified, Denied, Expired and Locked are final: a challenge that
// has reached one of them never changes its state again.
const (
	Choosing State = "choosing" // no factor is activated yet
	Pending  State = "pending"  // a factor is activated, its proof is awaited
	Verified State = "verified" // the user proved themselves
	Denied   State = "denied"   // declined on the phone, or refused for good
	Expired  State = "expired"  // the time is over, or the user cancelled
	Locked   State = "locked"   // too many wrong codes
)

// Final reports whether s is one of the states that never change.
func (s State) Final() bool {
	return s == Verified || s == Denied || s == Expired || s == Locked
}

// Notice is what the last step met, besides the state. It is for the person in
// front of the page; none of them is an error.
type Notice int

// The notices. Their numbers are stored with finished challenges: do not
// renumber them.
const (
	NoticeNone    Notice = iota
	WrongCode            // OneLogin refused the code; a try was charged
	UsedCode             // the code was accepted once already and is not taken again
	MalformedCode        // this cannot be a code; nothing was charged
	TooManyTries         // locked; RetryAt tells until when, if the user's own limit is reached
	TooManySends         // nothing was sent; RetryAt tells when the next may be
	UnknownFactor        // no such offer for this user at this site
	NotPending           // there is nothing to verify: no factor is activated
	OtherBrowser         // the challenge belongs to another browser; nothing is told about it
	NoAccess             // OneLogin has no active user by that name
	NoDevice             // the user has no device that may be used here
)

var noticeNames = [...]string{
	"none", "wrong code", "used code", "malformed code", "too many tries", "too many sends",
	"unknown factor", "not pending", "other browser", "no access", "no device",
}

// String returns the notice in words, for logs and test failures.
func (n Notice) String() string {
	if n < 0 || int(n) >= len(noticeNames) {
		return "unknown notice"
	}
	return noticeNames[n]
}

// Demand is what one request asked of one user. The gate seals it into the
// address of the challenge page, so the engine trusts every field.
type Demand struct {
	// Nonce names the challenge. It is random and never used twice.
	Nonce [16]byte

	// User is the user as the site's first login names them.
	User string

	// Site is the protected site that asks.
	Site string

	// Factors are the factors that will do. The zero value allows none.
	Factors policy.FactorSet

	// Expires is the end of the choice: nothing is activated after it.
	Expires time.Time
}

// Offer is a device that the user may verify with.
type Offer struct {
	// ID names the device within this challenge and nowhere else. It shows
	// nothing of OneLogin's device id.
	ID string

	// Factor is the kind of proof that the device gives.
	Factor policy.Factor

	// Name is what the user called the device, or the kind's name at
	// OneLogin if the device has none. It is text from outside.
	Name string

	// Default is true for the device that OneLogin prefers.
	Default bool
}

// Result is how a challenge looks after a step, for the page to show.
type Result struct {
	// State is always set.
	State State

	// Notice is what the step met. In a final state it stays.
	Notice Notice

	// Offers are the devices to choose from, the default one first. They are
	// missing in final states, and where OneLogin would have to be asked for
	// them although nothing else needs it.
	Offers []Offer

	// NotOffered names the user's devices that cannot be used here. It is
	// filled in with [NoDevice] only.
	NotOffered []string

	// Factor is the activated device. Zero while choosing.
	Factor Offer

	// NeedsCode is true if only a typed code can verify the activated device,
	// AcceptsCode if one may: a push can be approved or its code be typed.
	NeedsCode, AcceptsCode bool

	// ExpiresAt is when the current state ends by itself.
	ExpiresAt time.Time

	// ResendAt is when the activated device may be activated once more.
	ResendAt time.Time

	// TriesLeft is how many codes may still be wrong, counting the user's own
	// limit as far as it is known.
	TriesLeft int

	// RetryAt is when the limit that was met is lifted. It is zero if a new
	// challenge may be started at once.
	RetryAt time.Time

	// Revision changes with every change of the challenge. Zero: no record
	// exists yet. It is for [Engine.Wait].
	Revision uint64

	// CookieValue is the new value of the challenge cookie. Only a Start that
	// activated a factor sets it; the earlier value is dead then.
	CookieValue string
}

// Proof is what a verified challenge is worth.
type Proof struct {
	// UserID is OneLogin's id of the user.
	UserID string

	// Factor is the kind of proof that was given.
	Factor policy.Factor

	// AuthTime is when the proof was given, to the best of our knowledge and
	// never later than it was.
	AuthTime time.Time
}

// Event is something that the caller's log should have. No event carries a
// code, a cookie value, a device's name or a key of the store.
type Event struct {
	// Name says what happened: one of the Event constants.
	Name string

	// User is the user as the site names them, UserID as OneLogin does.
	User, UserID string

	// Site is the protected site.
	Site string

	// Factor is the activated kind of proof, if there is one.
	Factor policy.Factor

	// ChallengeRef is the same for all events of a challenge. It leads to no
	// record.
	ChallengeRef string

	// State is the challenge's state after the event.
	State State

	// Cause is why OneLogin could not tell, where that is what happened.
	Cause error
}

// The names of events.
const (
	EventStarted      = "challenge_started"   // the first start of a challenge
	EventActivated    = "factor_activated"    // a push, message or silent activation went out
	EventSendsLimited = "sends_limited"       // an activation was refused by a limit
	EventCodeWrong    = "code_wrong"          // OneLogin refused a code
	EventCodeReplayed = "code_replayed"       // a code that was accepted before was tried again
	EventPushDenied   = "push_denied"         // declined on the phone
	EventDenied       = "challenge_denied"    // OneLogin refused for good, or the user is not active any more
	EventVerified     = "challenge_verified"  // the user proved themselves
	EventLocked       = "challenge_locked"    // too many wrong codes
	EventExpired      = "challenge_expired"   // the time is over; Cause is set if OneLogin could not be read
	EventCancelled    = "challenge_cancelled" // the user gave up
)
