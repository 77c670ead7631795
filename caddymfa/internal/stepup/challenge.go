package stepup

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// challenge is our record of one demand put to one user. It is plain data:
// only Apply makes a new state from an old one (apply.go).
//
//	           activated               accepted
//	Choosing ─────────────▶ Pending ─────────────▶ Verified
//	  │ ▲ │                  │ │ ▲                    ▲ (taken once)
//	  │ │ │    activated     │ └─┘ again, or another  │
//	  │ │ │                  │     device     denied  │
//	  │ │ │                  ├───────────────────▶ Denied
//	  │ │ │ deadline, cancel │ deadline, cancel, gone │
//	  │ │ ├──────────────────┼───────────────────▶ Expired
//	  │ │ │ no tries left    │ no tries left          │
//	  │ │ ├──────────────────┴───────────────────▶ Locked
//	  │ │ └───────────────────────────────────────────┘ low risk
//	  ▼ │ enrolled, refused, its time over
//	Enrolling ──▶ Pending, Expired, Locked as from Choosing
//
// A password that was taken leaves the challenge in Choosing. A blind
// challenge shows neither a denial nor that a verification is gone: it stays
// Pending, as a phantom (see wayPhantom), until its deadline.
//
// Times are kept as JSON and compared by the wall clock, since another process
// may read them.
type challenge struct {
	User   string `json:"user"` // as the demand names them
	UserID string `json:"user_id,omitempty"`
	Site   string `json:"site"`
	Client string `json:"client,omitempty"` // the address that first started it, for the log
	Blind  bool   `json:"blind,omitempty"`

	State   State     `json:"state"`
	Notice  Notice    `json:"notice,omitempty"`  // why, in a final state or after an enrolment
	RetryAt time.Time `json:"retry_at,omitzero"` // with Locked

	// Browser is the SHA-256 of the cookie value, in hex. It is empty until
	// the first activation or login: until then there is nothing to keep from
	// anybody.
	Browser string `json:"browser,omitempty"`

	Login *login `json:"login,omitempty"` // once a password was taken
	activated

	StartBy  time.Time `json:"start_by"`           // nothing is activated after it
	Deadline time.Time `json:"deadline"`           // of the current state
	AuthTime time.Time `json:"auth_time,omitzero"` // with Verified

	// Username and SessionToken are part of the proof, with Verified. The
	// token goes when the proof is taken.
	Username     string `json:"username,omitempty"`
	SessionToken string `json:"session_token,omitempty"`

	TriesLeft int  `json:"tries_left"`
	Taken     bool `json:"taken,omitempty"` // the proof was handed out

	// Reservation lets one activation at a time ask OneLogin. It lapses, in
	// case the process that made it died.
	Reservation   string    `json:"reservation,omitempty"`
	ReservedUntil time.Time `json:"reserved_until,omitzero"`

	Revision uint64 `json:"revision"` // 0: not stored yet
}

// activated is the part of a challenge that the last activation made. What is
// true of an earlier one is not true of the next.
type activated struct {
	// Activation is our own name for it, never used twice. Handle is what
	// OneLogin calls it: the id of a verification or registration, or a state
	// token. Not every way has one.
	Activation string `json:"activation,omitempty"`
	Handle     string `json:"handle,omitempty"`
	Way        string `json:"way,omitempty"` // one of the way constants

	// Offer is what the offer was made from. It is the device's id, unless the
	// device was chosen before it was known.
	Offer         string        `json:"offer,omitempty"`
	DeviceID      string        `json:"device_id,omitempty"`
	DeviceName    string        `json:"device_name,omitempty"`
	DeviceDefault bool          `json:"device_default,omitempty"`
	Factor        policy.Factor `json:"factor,omitempty"`
	Reusable      bool          `json:"reusable,omitempty"` // its code may be used more than once
	Polled        bool          `json:"polled,omitempty"`   // OneLogin can be asked whether it was answered
	Settled       bool          `json:"settled,omitempty"`  // of a blind challenge: who it is for is known

	// What the person needs, and nobody else.
	VoiceCode string `json:"voice_code,omitempty"`
	TOTPURL   string `json:"totp_url,omitempty"`
	Secret    string `json:"secret,omitempty"`

	SentAt time.Time `json:"sent_at,omitzero"`
}

// login is what a password was good for.
type login struct {
	Typed      string            `json:"typed"`       // the name as it was typed, canonical: the key of its limits
	StateToken string            `json:"state_token"` // what the login's devices are proven with
	Devices    []onelogin.Device `json:"devices"`
	Session    bool              `json:"session,omitempty"` // its session token is wanted
}

// device is something that may be activated.
type device struct {
	onelogin.Device
	factor   policy.Factor
	way      string
	reusable bool
	address  string // where a code is sent, if OneLogin must be told

	lockedUntil time.Time // of a push that must not be sent now
}

// newChallenge is the challenge of a demand before anything was done. It is
// stored only when something is: a factor started, a password taken.
func newChallenge(d Demand, tries int) challenge {
	return challenge{User: d.User, Site: d.Site, Client: d.Address, Blind: d.Blind, State: Choosing,
		StartBy: d.Expires, Deadline: d.Expires, TriesLeft: tries}
}

// awaits reports whether the proof of an activation is awaited.
func (c challenge) awaits() bool { return c.State == Pending || c.State == Enrolling }

// ownedBy reports whether the browser with this hash may go on with c.
func (c challenge) ownedBy(browser string) bool {
	return c.Browser == "" || subtle.ConstantTimeCompare([]byte(c.Browser), []byte(browser)) == 1
}

// owned reports whether the browser that holds cookieValue may see c and go on
// with it, for this demand.
func (c challenge) owned(d Demand, cookieValue string) bool {
	return c.answers(d) && c.ownedBy(browserHash(cookieValue))
}

// answers reports whether c was made for this demand's user and site.
func (c challenge) answers(d Demand) bool {
	return c.User == d.User && c.Site == d.Site && c.Blind == d.Blind
}

// repeats reports whether activating x now would send again what was sent a
// moment ago.
func (c challenge) repeats(x device, now time.Time, resendAfter time.Duration) bool {
	return c.awaits() && c.Offer == x.ID && now.Before(c.SentAt.Add(resendAfter))
}

// takesCode reports whether a code can be typed for the activation.
func (c challenge) takesCode() bool { return c.Factor != policy.Voice }

// subject is by what the limits of c count: OneLogin's user id, or the name
// that was typed where nobody is known yet.
func (c challenge) subject() string {
	if c.Blind {
		return typedSubject(c.User)
	}
	return c.UserID
}

// browserHash is what a challenge keeps of a cookie value.
func browserHash(cookieValue string) string {
	sum := sha256.Sum256([]byte(cookieValue))
	return hex.EncodeToString(sum[:])
}
