package simulator

import "time"

// status is OneLogin's word for where a verification stands. expired is never
// sent; a switch decides what is said instead.
type status string

const (
	pending  status = "pending"
	accepted status = "accepted"
	rejected status = "rejected"
	expired  status = "expired"
)

// event is something that happens to a verification.
type event int

const (
	looked    event = iota // somebody asks how it stands
	rightCode              // the right code arrives
	wrongCode              // any other code arrives
	approved               // the person approves, opens the link, keys in the right number
	denied                 // the person denies, or keys in the wrong number
)

// origin is the part of the API that opened a verification. Each can see only
// its own.
type origin int

const (
	byVerification origin = iota // version 2, named by id
	byEnrolment                  // version 2's registrations, named by id
	byV1                         // version 1, named by state token
	byV1Enrolment                // version 1's registrations, named by state token
	byLogin                      // session login, named by the login's state token
	bySmart                      // Smart MFA, named by state token
)

// enrols reports whether success enrols the device.
func (o origin) enrols() bool { return o == byEnrolment || o == byV1Enrolment }

// verification is one attempt to prove something with one device. An enrolment
// is one too: its device is enrolled once it is accepted.
type verification struct {
	id, stateToken       string
	origin               origin
	userID               int64
	username             string // whose phone it concerns
	device               Device
	secret               []byte         // of a device that shows codes
	temporary            *temporaryCode // nil unless the device is one
	identity             *smartIdentity // nil unless Smart MFA asks
	clientID             string         // who asked
	ip                   string         // of the browser, as the caller tells it; often empty
	redirectTo           string         // where a magic link leads in the end
	code                 string         // what was sent, or must be keyed in; empty where the device shows codes
	status               status
	wrongCodes           int
	createdAt, expiresAt time.Time
	decidedAt            time.Time // when the status last changed
}

// after returns the status and the count of wrong codes that follow from e at
// time now. A verification that is past its deadline is expired whatever e is,
// and one that is decided never changes. allowed wrong codes reject it.
//
//	          right code, approved
//	pending ───────────────────────▶ accepted
//	   │     denied, too many wrong codes
//	   ├───────────────────────────▶ rejected
//	   │     deadline
//	   └───────────────────────────▶ expired
func (v *verification) after(e event, now time.Time, allowed int) (status, int) {
	if v.status == pending && !now.Before(v.expiresAt) {
		return expired, v.wrongCodes
	}
	switch v.status {
	case pending:
		switch e {
		case rightCode, approved:
			return accepted, v.wrongCodes
		case denied:
			return rejected, v.wrongCodes
		case wrongCode:
			if v.wrongCodes+1 >= allowed {
				return rejected, v.wrongCodes + 1
			}
			return pending, v.wrongCodes + 1
		case looked:
			return pending, v.wrongCodes
		}
	case accepted, rejected, expired:
		return v.status, v.wrongCodes
	}
	panic("simulator: unknown status or event")
}

// apply lets e happen and returns the status that follows.
func (v *verification) apply(e event, now time.Time, allowed int) status {
	before := v.status
	v.status, v.wrongCodes = v.after(e, now, allowed)
	if v.status != before {
		v.decidedAt = now
	}
	return v.status
}

// defaultTries is how many wrong codes reject a verification.
const defaultTries = 5

func (w Switches) allowedTries() int {
	if w.Tries > 0 {
		return w.Tries
	}
	return defaultTries
}
