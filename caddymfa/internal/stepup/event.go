package stepup

import (
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

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

	// State is the challenge's state after the event. It is empty with events
	// that have no challenge.
	State State

	// Notice is why: with refusals, some of which the person is not told or
	// told less of.
	Notice Notice

	// Address is that of the client that started the challenge, and with
	// [EventAddressLimited] of the one that was refused. Empty: not known.
	Address string

	// By and Reason belong to [EventTemporaryIssued]: who made the code, and
	// why.
	By, Reason string

	// Until is until when a temporary code is good, or no push goes to the
	// user: with [EventPushDenied] and [EventPushReported].
	Until time.Time

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
	EventPushDenied   = "push_denied"         // declined on the phone, or reported
	EventDenied       = "challenge_denied"    // OneLogin refused for good, or the user is not active any more
	EventVerified     = "challenge_verified"  // the user proved themselves
	EventLocked       = "challenge_locked"    // too many wrong codes
	EventExpired      = "challenge_expired"   // the time is over; Cause is set if OneLogin could not be read
	EventCancelled    = "challenge_cancelled" // the user gave up

	EventPushReported   = "push_reported"   // a user says that a push was none of theirs
	EventAddressLimited = "address_limited" // a client that nobody knows was refused by the limit of its address

	EventNotActivated     = "factor_not_activated"   // a blind demand for nobody, or for no such device; the browser is not told
	EventEnrolStarted     = "enrolment_started"      // a device is being enrolled
	EventEnrolled         = "device_enrolled"        // it was enrolled
	EventEnrolFailed      = "enrolment_failed"       // OneLogin refused it
	EventPasswordWrong    = "password_wrong"         // OneLogin refused a name with a password
	EventPasswordLimited  = "passwords_limited"      // a password was refused by a limit
	EventPasswordAccepted = "password_accepted"      // a name and a password were right; nothing is verified yet
	EventPasswordRefused  = "password_refused"       // they were right, but the user is not active or OneLogin asked for no factor
	EventTemporaryIssued  = "temporary_code_issued"  // a help desk made a temporary code
	EventTemporaryRefused = "temporary_code_refused" // a help desk asked for one for somebody who is no active user
)

// Events returns the names of all events.
func Events() []string {
	return []string{
		EventStarted, EventActivated, EventSendsLimited, EventCodeWrong, EventCodeReplayed, EventPushDenied,
		EventDenied, EventVerified, EventLocked, EventExpired, EventCancelled, EventPushReported,
		EventAddressLimited, EventNotActivated, EventEnrolStarted, EventEnrolled, EventEnrolFailed,
		EventPasswordWrong, EventPasswordLimited, EventPasswordAccepted, EventPasswordRefused,
		EventTemporaryIssued, EventTemporaryRefused,
	}
}
