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
	Choosing  State = "choosing"  // no factor is activated yet
	Enrolling State = "enrolling" // a device is being enrolled; then there is something to choose
	Pending   State = "pending"   // a factor is activated, its proof is awaited
	Verified  State = "verified"  // the user proved themselves
	Denied    State = "denied"    // declined on the phone, or refused for good
	Expired   State = "expired"   // the time is over, or the user cancelled
	Locked    State = "locked"    // too many wrong codes
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
	NoticeNone     Notice = iota
	WrongCode             // OneLogin refused the code; a try was charged
	UsedCode              // the code was accepted once already and is not taken again
	MalformedCode         // this cannot be a code; nothing was charged
	TooManyTries          // locked; RetryAt tells until when, if the user's own limit is reached
	TooManySends          // nothing was sent; RetryAt tells when the next may be
	UnknownFactor         // no such offer for this user at this site
	NotPending            // there is nothing to verify: no factor is activated, or it takes no code
	OtherBrowser          // the challenge belongs to another browser; nothing is told about it
	NoAccess              // OneLogin has no active user by that name
	NoDevice              // the user has no device that may be used here
	EnrolFailed           // OneLogin refused the device that was being enrolled
	EnrolExpired          // the enrolment took too long
	WrongPassword         // OneLogin does not know this name with this password; a try was charged
	PushPending           // nothing was sent: a push of this user is pending elsewhere, until RetryAt at the latest
	PushLocked            // nothing was sent: this user declined or reported a push; RetryAt tells when pushes are back
	AddressLimited        // nothing was asked: too much came from this address; RetryAt tells when that is over
)

var noticeNames = [...]string{
	"none", "wrong code", "used code", "malformed code", "too many tries", "too many sends",
	"unknown factor", "not pending", "other browser", "no access", "no device", "enrolment failed", "enrolment expired", "wrong password",
	"push pending", "pushes locked", "address limited",
}

// String returns the notice in words, for logs and test failures.
func (n Notice) String() string {
	if n < 0 || int(n) >= len(noticeNames) {
		return "unknown notice"
	}
	return noticeNames[n]
}

// Offer is a device that the user may verify with.
type Offer struct {
	// ID names the device within this challenge and nowhere else. It shows
	// nothing of OneLogin's device id.
	ID string

	// Factor is the kind of proof that the device gives.
	Factor policy.Factor

	// Name is what the user called the device, or the kind's name at
	// OneLogin if the device has none. It is text from outside. With Smart
	// MFA it is the masked address that a code goes to; temporary codes, and
	// the offers of a blind demand, have none.
	Name string

	// Default is true for the device that OneLogin prefers.
	Default bool

	// LockedUntil is set while this cannot be started, because the user
	// declined or reported a push. A blind demand does not tell.
	LockedUntil time.Time
}

// Result is how a challenge looks after a step, for the page to show.
type Result struct {
	// State is always set.
	State State

	// Notice is what the step met. In a final state it stays.
	Notice Notice

	// Offers are the devices to choose from, the default one first and those
	// that cannot be started now last. They are missing in final states, and where OneLogin would have to be asked for
	// them although nothing else needs it.
	Offers []Offer

	// Scarce reports that few calls to OneLogin are left for this hour: the
	// offers then begin with those that cost the fewest.
	Scarce bool

	// NotOffered names the user's devices that cannot be used here. It is
	// filled in with [NoDevice] only.
	NotOffered []string

	// Enrollable is what the user, who has no device at all, may enrol here
	// with [Engine.Enroll]. It comes with [NoDevice], [EnrolFailed] and
	// [EnrolExpired] only.
	Enrollable []Offer

	// Enrolment is set while [Enrolling].
	Enrolment *Enrolment

	// NeedsLogin is true while nobody has given a name and a password yet and
	// the site wants them: see [Engine.Login].
	NeedsLogin bool

	// Factor is the activated device, or what is being enrolled: its ID begins
	// the same again. Zero while choosing.
	Factor Offer

	// NeedsCode is true if only a typed code can verify the activated device,
	// AcceptsCode if one may: a push can be approved or its code be typed.
	// Polled is true if the proof can be given elsewhere: by approving a push,
	// by opening a link, or by keying VoiceCode in during a call.
	NeedsCode, AcceptsCode, Polled bool

	// VoiceCode is what the user keys in on the phone that OneLogin calls. It
	// is for this browser's page alone.
	VoiceCode string

	// ExpiresAt is when the current state ends by itself.
	ExpiresAt time.Time

	// SentAt is when the device was activated.
	SentAt time.Time

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

	// CookieValue is the new value of the challenge cookie. It is set by every
	// step that activated a factor, began an enrolment or took a password; the
	// earlier value is dead then.
	CookieValue string
}

// Enrolment is a registration as the person sees it. All of it is for this
// browser's page alone: whoever has the secret can make the codes.
type Enrolment struct {
	// Factor is the kind of device that is being enrolled.
	Factor policy.Factor

	// TOTPURL is for apps: the otpauth URL to show as a QR code. Secret is
	// what is typed instead. Both are empty for other factors.
	TOTPURL, Secret string

	// VoiceCode is what the user keys in on the phone that OneLogin calls.
	VoiceCode string

	// NeedsCode is true if only a typed code can end it, AcceptsCode if one
	// may. Polled is true if it can end elsewhere.
	NeedsCode, AcceptsCode, Polled bool

	// ExpiresAt is when it ends by itself, and the challenge with it.
	ExpiresAt time.Time
}

// Proof is what a verified challenge is worth.
type Proof struct {
	// UserID is OneLogin's id of the user, User their username there. The
	// username may be empty.
	UserID, User string

	// Factor is the kind of proof that was given. [policy.LowRisk] is none:
	// OneLogin saw no need to ask.
	Factor policy.Factor

	// AuthTime is when the proof was given, to the best of our knowledge and
	// never later than it was.
	AuthTime time.Time

	// SessionToken opens a session at OneLogin in the browser that posts it
	// there, within two minutes. Only [Password.Session] asks for it. It is a
	// secret: it belongs in that form and nowhere else.
	SessionToken string
}
