package stepup

import (
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// lastRead is how long after the deadline an acceptance still counts: the last
// question goes out at the deadline and its answer takes a moment.
const lastRead = 5 * time.Second

// eventKind is something that can happen to a challenge.
type eventKind int

const (
	evLook     eventKind = iota // somebody looks; only time can have changed it
	evReserve                   // a browser wants a device activated
	evRelease                   // the reserved activation came to nothing
	evActivate                  // the device is activated, or a registration begun
	evSettle                    // of a blind challenge: who it is for was found out
	evLowRisk                   // OneLogin saw no need to ask, which counts here
	evLogin                     // a browser gave the right password
	evTry                       // a browser submits a code
	evWrong                     // OneLogin refused a code
	evAccept                    // OneLogin accepted a code or an approval, and the user is active
	evDeny                      // OneLogin refused for good, or the user is not active
	evGone                      // OneLogin no longer knows the verification, or never answered
	evLock                      // the user has no tries left
	evCancel                    // a browser gives up
	evTake                      // a browser collects the proof
)

// event is what happened, with what Apply needs to know about it.
type event struct {
	kind        eventKind
	browser     string // of reserve, login, try, cancel, take: the hash of the cookie value
	activation  string // of settle, try and of every answer: what it is about
	reservation string // of reserve, release, activate, low risk, and of deny and gone while activating

	until      time.Time // of reserve: when it lapses; of activate: when the proof must be there
	device     device    // of activate, settle, low risk
	opened     opened    // of activate, settle: how OneLogin is asked from here on
	newBrowser string    // of activate, low risk, login: the hash of the new cookie value
	userID     string    // of settle, login: who it is for
	login      *login    // of login

	asked        time.Time // of accept, low risk: when OneLogin was asked
	username     string    // of accept, low risk, login: the user's name at OneLogin
	sessionToken string    // of accept

	triesLeft int       // of wrong: what the user's own limit leaves
	retryAt   time.Time // of wrong and lock
	notice    Notice    // of deny; of settle: why it is for nobody
	locked    time.Time // of deny: until when no push goes to the user; for the log
	cause     error     // of gone, settle: why OneLogin could not be read; for the log
}

// Apply returns the challenge that results from ev at time now, and whether ev
// or the time had an effect. It never modifies c and does no I/O.
//
// A final state never changes; the proof of a verified challenge is taken once.
// Past the deadline the result is Expired whatever ev is, or Choosing for an
// enrolment, with one exception: for lastRead longer an acceptance counts, and
// looking shows no end. An event about another activation or from another
// browser changes nothing.
func (c challenge) Apply(ev event, now time.Time) (challenge, bool) {
	switch {
	case c.State == Verified && ev.kind == evTake && !c.Taken && c.ownedBy(ev.browser):
		c.Taken, c.SessionToken = true, ""
		return c, true
	case c.State.Final():
		return c, false
	case now.After(c.limit(ev.kind)):
		return c.expire(ev, now), true
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
		return c.activate(ev, now), true
	case evSettle:
		return c.settle(ev), true
	case evLowRisk:
		c = c.activate(ev, now)
		c.Factor, c.AuthTime, c.Username = policy.LowRisk, ev.asked, ev.username
		return c.end(Verified, NoticeNone), true
	case evLogin:
		c.Browser, c.Login, c.UserID, c.Username = ev.newBrowser, ev.login, ev.userID, ev.username
		c.Reservation, c.ReservedUntil = "", time.Time{} // of an earlier login's device
	case evTry:
		c.TriesLeft--
	case evWrong:
		if c.TriesLeft = min(c.TriesLeft, ev.triesLeft); c.TriesLeft <= 0 {
			c.RetryAt = ev.retryAt
			return c.end(Locked, TooManyTries), true
		}
	case evAccept:
		if c.State == Enrolling {
			return c.choose(NoticeNone), true
		}
		c.AuthTime, c.Username, c.SessionToken = ev.asked, ev.username, ev.sessionToken
		return c.end(Verified, NoticeNone), true
	case evDeny:
		return c.refuse(Denied, ev.notice, EnrolFailed), true
	case evGone:
		return c.refuse(Expired, NoticeNone, EnrolExpired), true
	case evCancel:
		return c.end(Expired, NoticeNone), true
	case evLock:
		c.RetryAt = ev.retryAt
		return c.end(Locked, TooManyTries), true
	default: // evLook, evTake before its time, and whatever we do not know
		return c, false
	}
	return c, true
}

// limit is the moment after which c has expired for an event of this kind. What
// a blind challenge does not show must not show by ending it early.
func (c challenge) limit(kind eventKind) time.Time {
	late := kind == evAccept || kind == evLook || c.Blind && (kind == evDeny || kind == evGone || kind == evSettle)
	if c.awaits() && late {
		return c.Deadline.Add(lastRead)
	}
	return c.Deadline
}

// expire is what becomes of c past its deadline. Whoever was enrolling a
// device may begin again while the demand lasts: then ev meets that choice.
func (c challenge) expire(ev event, now time.Time) challenge {
	if c.State == Enrolling && !now.After(c.StartBy) {
		c, _ = c.choose(EnrolExpired).Apply(ev, now)
		return c
	}
	return c.end(Expired, NoticeNone)
}

// concerns reports whether ev is about c as it stands.
func (c challenge) concerns(ev event, now time.Time) bool {
	current := c.awaits() && ev.activation == c.Activation && c.Activation != ""
	reserved := c.Reservation != "" && ev.reservation == c.Reservation
	switch ev.kind {
	case evReserve:
		return c.ownedBy(ev.browser) && (c.Reservation == "" || now.After(c.ReservedUntil))
	case evRelease, evActivate:
		return reserved
	case evLowRisk:
		return reserved && !c.Blind
	case evSettle:
		return current && c.Blind && !c.Settled
	case evLogin:
		return c.State == Choosing && c.ownedBy(ev.browser)
	case evTry:
		return current && c.ownedBy(ev.browser) && c.TriesLeft > 0
	case evWrong:
		return current
	case evAccept:
		return current && c.Way != wayPhantom
	case evDeny, evGone:
		return current || reserved
	case evCancel:
		return c.ownedBy(ev.browser)
	}
	return true
}

// activate makes ev's device the one whose proof is awaited. What an earlier
// activation may still answer concerns nobody from here on, and the browser's
// earlier cookie value is worth nothing. Tries are not given back.
func (c challenge) activate(ev event, now time.Time) challenge {
	c.State, c.Notice = Pending, NoticeNone
	if ev.opened.way == wayRegister {
		c.State = Enrolling
	}
	c.activated = activated{Activation: c.Reservation, Offer: ev.device.ID, SentAt: now}.with(ev.device, ev.opened)
	c.Reservation, c.ReservedUntil = "", time.Time{}
	c.Browser, c.Deadline = ev.newBrowser, ev.until
	return c
}

// settle lets a blind challenge ask about the device that was found. Nothing
// that it shows changes.
func (c challenge) settle(ev event) challenge {
	shown := c.activated
	if ev.opened.way != wayPhantom {
		c.UserID = ev.userID
		c.activated = c.with(ev.device, ev.opened)
		c.DeviceName, c.DeviceDefault, c.Polled = shown.DeviceName, shown.DeviceDefault, shown.Polled
	}
	c.Settled = true
	return c
}

func (a activated) with(x device, o opened) activated {
	a.DeviceID, a.DeviceName, a.DeviceDefault = x.ID, displayName(x.Device), x.Default
	a.Factor, a.Reusable = x.factor, x.reusable
	a.Way, a.Handle, a.Polled = o.way, o.handle, o.polled
	a.VoiceCode, a.TOTPURL, a.Secret = o.voiceCode, o.totpURL, o.secret
	return a
}

// refuse is what becomes of c when OneLogin will not go on with it: s and n,
// unless that ends an enrolment or must not be shown.
func (c challenge) refuse(s State, n, enrolling Notice) challenge {
	switch {
	case c.Blind:
		c.Way, c.Handle, c.Settled = wayPhantom, "", true
		return c
	case c.State == Enrolling:
		return c.choose(enrolling)
	}
	return c.end(s, n)
}

// choose leads an enrolment back to where there may be something to choose.
// The secret of the registration is forgotten.
func (c challenge) choose(n Notice) challenge {
	c.State, c.Notice, c.Deadline = Choosing, n, c.StartBy
	c.activated = activated{}
	return c
}

// end forgets what only a living challenge needs.
func (c challenge) end(s State, n Notice) challenge {
	c.State, c.Notice = s, n
	c.Reservation, c.ReservedUntil = "", time.Time{}
	c.Handle, c.VoiceCode, c.TOTPURL, c.Secret = "", "", "", ""
	if c.Login != nil {
		c.Login = &login{Typed: c.Login.Typed}
	}
	return c
}
