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
// only Apply makes a new state from an old one.
//
//	           activated               accepted
//	Choosing ─────────────▶ Pending ─────────────▶ Verified
//	    │                    │ │ ▲                    (taken once)
//	    │      activated     │ └─┘ activated again, or another device
//	    │                    │         denied
//	    │                    ├───────────────────▶ Denied
//	    │  deadline, cancel  │ deadline, cancel, gone
//	    ├────────────────────┼───────────────────▶ Expired
//	    │  no tries left     │ no tries left
//	    └────────────────────┴───────────────────▶ Locked
//
// Times are kept as JSON and compared by the wall clock, since another process
// may read them.
type challenge struct {
	User   string `json:"user"`
	UserID string `json:"user_id,omitempty"`
	Site   string `json:"site"`

	State   State     `json:"state"`
	Notice  Notice    `json:"notice,omitempty"`  // why, in a final state
	RetryAt time.Time `json:"retry_at,omitzero"` // with Locked

	// Browser is the SHA-256 of the cookie value, in hex. It is empty until
	// the first activation: until then there is nothing to keep from anybody.
	Browser string `json:"browser,omitempty"`

	DeviceID       string        `json:"device_id,omitempty"`
	DeviceName     string        `json:"device_name,omitempty"`
	DeviceDefault  bool          `json:"device_default,omitempty"`
	Factor         policy.Factor `json:"factor,omitempty"`
	VerificationID string        `json:"verification_id,omitempty"`

	StartBy  time.Time `json:"start_by"`           // nothing is activated after it
	SentAt   time.Time `json:"sent_at,omitzero"`   // the last activation
	Deadline time.Time `json:"deadline"`           // of the current state
	AuthTime time.Time `json:"auth_time,omitzero"` // with Verified

	TriesLeft int  `json:"tries_left"`
	Taken     bool `json:"taken,omitempty"` // the proof was handed out

	// Reservation lets one activation at a time ask OneLogin. It lapses, in
	// case the process that made it died.
	Reservation   string    `json:"reservation,omitempty"`
	ReservedUntil time.Time `json:"reserved_until,omitzero"`

	Revision uint64 `json:"revision"` // 0: not stored yet
}

// lastRead is how long after the deadline an acceptance still counts: the last
// question goes out at the deadline and its answer takes a moment.
const lastRead = 5 * time.Second

// eventKind is something that can happen to a challenge.
type eventKind int

const (
	evLook     eventKind = iota // somebody looks; only time can have changed it
	evReserve                   // a browser wants a device activated
	evRelease                   // the reserved activation came to nothing
	evActivate                  // OneLogin activated the device
	evTry                       // a browser submits a code
	evWrong                     // OneLogin refused a code
	evAccept                    // OneLogin accepted a code or a push, and the user is active
	evDeny                      // OneLogin refused for good, or the user is not active
	evGone                      // OneLogin no longer knows the verification, or never answered
	evLock                      // the user has no tries left
	evCancel                    // a browser gives up
	evTake                      // a browser collects the proof
)

// event is what happened, with what Apply needs to know about it.
type event struct {
	kind           eventKind
	browser        string    // of reserve, try, cancel, take: the hash of the cookie value
	verificationID string    // of try and of every answer: what it is about
	reservation    string    // of reserve, release, activate
	until          time.Time // of reserve: when it lapses; of activate: when the proof must be there
	device         device    // of activate
	newBrowser     string    // of activate: the hash of the new cookie value
	asked          time.Time // of accept: when OneLogin was asked
	triesLeft      int       // of wrong: what the user's own limit leaves
	retryAt        time.Time // of wrong and lock
	notice         Notice    // of deny
	cause          error     // of gone: why OneLogin could not be read; for the log
}

// device is a device that may be activated.
type device struct {
	onelogin.Device
	factor policy.Factor
}

// newChallenge is the challenge of a demand before anything was done. It is
// stored only when a factor is started.
func newChallenge(d Demand, tries int) challenge {
	return challenge{User: d.User, Site: d.Site, State: Choosing, StartBy: d.Expires, Deadline: d.Expires, TriesLeft: tries}
}

// Apply returns the challenge that results from ev at time now, and whether ev
// or the time had an effect. It never modifies c and does no I/O.
//
// A final state never changes; the proof of a verified challenge is taken once.
// Past the deadline the result is Expired whatever ev is, with one exception:
// for lastRead longer an acceptance counts, and looking shows no end.
// An event about another verification or from another browser changes nothing.
func (c challenge) Apply(ev event, now time.Time) (challenge, bool) {
	switch {
	case c.State == Verified && ev.kind == evTake && !c.Taken && c.ownedBy(ev.browser):
		c.Taken = true
		return c, true
	case c.State.Final():
		return c, false
	case now.After(c.limit(ev.kind)):
		return c.end(Expired, NoticeNone), true
	case !c.concerns(ev, now):
		return c, false
	}
	switch ev.kind {
	case evReserve:
		if now.After(c.StartBy) {
			return c.end(Expired, NoticeNone), true
		}
		c.Reservation, c.ReservedUntil = ev.reservation, ev.until
	case evRelease:
		c.Reservation, c.ReservedUntil = "", time.Time{}
	case evActivate:
		return c.activated(ev, now), true
	case evTry:
		c.TriesLeft--
	case evWrong:
		if c.TriesLeft = min(c.TriesLeft, ev.triesLeft); c.TriesLeft <= 0 {
			c.RetryAt = ev.retryAt
			return c.end(Locked, TooManyTries), true
		}
	case evAccept:
		c.AuthTime = ev.asked
		return c.end(Verified, NoticeNone), true
	case evDeny:
		return c.end(Denied, ev.notice), true
	case evGone, evCancel:
		return c.end(Expired, NoticeNone), true
	case evLock:
		c.RetryAt = ev.retryAt
		return c.end(Locked, TooManyTries), true
	default: // evLook, evTake before its time, and whatever we do not know
		return c, false
	}
	return c, true
}

// limit is the moment after which c has expired for an event of this kind.
func (c challenge) limit(kind eventKind) time.Time {
	if c.State == Pending && (kind == evAccept || kind == evLook) {
		return c.Deadline.Add(lastRead)
	}
	return c.Deadline
}

// concerns reports whether ev is about c as it stands.
func (c challenge) concerns(ev event, now time.Time) bool {
	current := c.State == Pending && ev.verificationID == c.VerificationID
	switch ev.kind {
	case evReserve:
		return c.ownedBy(ev.browser) && (c.Reservation == "" || now.After(c.ReservedUntil))
	case evRelease, evActivate:
		return c.Reservation != "" && ev.reservation == c.Reservation
	case evTry:
		return current && c.ownedBy(ev.browser) && c.TriesLeft > 0
	case evWrong, evAccept, evDeny, evGone:
		return current
	case evCancel:
		return c.ownedBy(ev.browser)
	}
	return true
}

// activated makes ev's device the one whose proof is awaited. What an earlier
// activation may still answer concerns nobody from here on, and the browser's
// earlier cookie value is worth nothing. Tries are not given back.
func (c challenge) activated(ev event, now time.Time) challenge {
	c.State = Pending
	c.Reservation, c.ReservedUntil = "", time.Time{}
	c.Browser, c.VerificationID = ev.newBrowser, ev.verificationID
	c.DeviceID, c.DeviceName = ev.device.ID, displayName(ev.device.Device)
	c.DeviceDefault, c.Factor = ev.device.Default, ev.device.factor
	c.SentAt, c.Deadline = now, ev.until
	return c
}

func (c challenge) end(s State, n Notice) challenge {
	c.State, c.Notice = s, n
	c.Reservation, c.ReservedUntil = "", time.Time{}
	return c
}

// ownedBy reports whether the browser with this hash may go on with c.
func (c challenge) ownedBy(browser string) bool {
	return c.Browser == "" || subtle.ConstantTimeCompare([]byte(c.Browser), []byte(browser)) == 1
}

// answers reports whether c was made for this demand's user and site.
func (c challenge) answers(d Demand) bool { return c.User == d.User && c.Site == d.Site }

// repeats reports whether activating the device now would send again what was
// sent a moment ago.
func (c challenge) repeats(deviceID string, now time.Time, resendAfter time.Duration) bool {
	return c.State == Pending && c.DeviceID == deviceID && now.Before(c.SentAt.Add(resendAfter))
}

// verification is the activated verification as OneLogin's client wants it.
func (c challenge) verification() onelogin.Verification {
	return onelogin.Verification{ID: c.VerificationID, UserID: c.UserID, DeviceID: c.DeviceID, ExpiresAt: c.Deadline}
}

// browserHash is what a challenge keeps of a cookie value.
func browserHash(cookieValue string) string {
	sum := sha256.Sum256([]byte(cookieValue))
	return hex.EncodeToString(sum[:])
}
