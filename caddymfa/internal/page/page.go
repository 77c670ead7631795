// Package page renders the pages that people meet when a site asks them to
// verify that it is them: saying who they are, choosing a factor, typing a
// code, waiting for an approval, setting a factor up, and every way in which
// that can end.
//
// The package is pure. It reads nothing but what is embedded in it, keeps no
// state and knows no clock: durations and times are passed in. One [Page]
// value is one complete HTML document with its style sheet and script inlined,
// so that showing it causes no further request. [Policy] is the
// Content-Security-Policy that allows exactly those bytes.
//
// # Forms
//
// Every form is sent with POST to a path below [Page.Base]. Each carries the
// hidden field csrf ([Page.CSRF]), and besides it
//
//	start, enroll    factor: the [Factor.ID] that was chosen
//	verify, confirm  code: exactly what was typed or pasted, spaces and dashes too
//	name             user: as it was typed
//	login            user and password: as they were typed
//	cancel, logout   nothing more
//	report           nothing more, and [Page.Report] in place of Page.CSRF
//	sessions/end     session: the [SessionItem.Handle] that was chosen, or
//	                 all: 1
//
// The one exception is the form of [Continue]: it goes to OneLogin, and so
// carries session_token alone and none of our own fields.
//
// # Events
//
// Where [Page.Events] is set, the script opens it as an EventSource and reads
// unnamed messages such as
//
//	data: {"state":"pending"}
//
// On any state but "pending" it replaces the page with [Page.Self]. A stream
// should send one message at once and repeat "pending" at least every 15
// seconds: a stream that is silent for longer counts as broken, is opened again
// with growing pauses, and after the third time the page reloads instead. The
// script closes the stream while the page is hidden. Without script the page
// reloads itself every 5 seconds.
package page

import (
	"time"

	"golang.org/x/text/language"
)

// Kind says which page is shown.
type Kind int

// The pages. The HTTP status is the caller's business; the one in brackets is
// what fits.
const (
	// Choose offers the factors. Nothing has been sent yet. [200]
	Choose Kind = iota
	// Code asks for the code of the current factor. [200, or 4xx with an Error]
	Code
	// Push waits for an approval on the current factor, and takes a typed
	// code instead if [Page.AcceptsCode] is set. [200]
	Push
	// Voice shows the code that has to be keyed into the phone that rings,
	// and waits as a [Push] does. [200]
	Voice
	// Mail waits for a link in a mail to be opened, as a [Push] does, and
	// takes a code from the mail instead if [Page.AcceptsCode] is set. [200]
	Mail
	// Temporary asks for a code that the help desk gave out. [200, or 4xx
	// with an Error]
	Temporary
	// Smart has one button, which starts the first factor: OneLogin decides
	// then whether a code is needed. [200]
	Smart
	// Name asks who somebody is. It is the same page for everybody. [200]
	Name
	// Password asks for the user name and the OneLogin password. [200, or
	// 4xx with an Error]
	Password
	// Enroll offers what can be set up as a factor. [200]
	Enroll
	// EnrollCode asks for the first code of the factor that is being set up,
	// and shows what has to be scanned or typed into it first. [200, or 4xx
	// with an Error]
	EnrollCode
	// EnrollWait waits, as a [Push] does, until the factor that is being set
	// up is confirmed on the device itself. [200]
	EnrollWait
	// Sessions lists where the person is verified, and lets them sign out of
	// one or of all. [200]
	Sessions
	// Continue hands the browser over to OneLogin, which signs it in there
	// too. It needs [PolicyWithForm] in place of [Policy]. [200]
	Continue
	// Denied: the request was declined on the device. [403]
	Denied
	// Expired: the time is up. Offers the factors again if there are any. [200]
	Expired
	// Locked: too many tries or sends; RetryAfter says for how long. [429]
	Locked
	// Cancelled: the user gave up. [200]
	Cancelled
	// Verified shows with what, when and until when, and lets the user sign
	// out of the verified session. [200]
	Verified
	// SignedOut: the verified session is over. [200]
	SignedOut
	// NoAccess: the user cannot verify here, without saying why. [403]
	NoAccess
	// NoDevice: no enrolled device may be used for this route. [403]
	NoDevice
	// NoUser: no first login told us who this is. [401 or 403]
	NoUser
	// Unavailable: we could not tell, so the site stays closed. [503]
	Unavailable
	// Refused: the form came from another site. [403]
	Refused
	// Stale: the form is too old, or was made for somebody else. [403]
	Stale
	// BadRequest: the request makes no sense. [400]
	BadRequest
	// NotFound: no such page below Base. [404]
	NotFound
	// MethodNotAllowed: the address is there, but not for this method. [405]
	MethodNotAllowed
	// Insecure: the site was opened over plain http. [403]
	Insecure
)

// Problem is what was wrong with the last step. It is shown in a summary at the
// top and, where it is about what was typed, also at the field.
type Problem int

// The problems.
const (
	// None: nothing was wrong.
	None Problem = iota
	// EmptyCode: nothing was typed.
	EmptyCode
	// ShortCode: fewer characters than a code has.
	ShortCode
	// LongCode: more characters than a code has.
	LongCode
	// MalformedCode: not a code, for a reason that is not told apart.
	MalformedCode
	// WrongCode: OneLogin refused the code.
	WrongCode
	// UsedCode: the code was right, but was used before.
	UsedCode
	// TooManyTries: no further code is checked for now; see RetryAfter.
	TooManyTries
	// TooManySends: nothing further is sent for now; see RetryAfter.
	TooManySends
	// PushPending: nothing was sent, because the user has a push already that
	// waits for an answer.
	PushPending
	// PushLocked: nothing was sent, because the user declined or reported a
	// push; until when is said if one of Factors says so.
	PushLocked
	// AddressLimited: too much came from the same network; see RetryAfter.
	AddressLimited
	// FactorGone: the chosen factor is not, or no longer, offered.
	FactorGone
	// NotPending: a code came in although none was asked for.
	NotPending
	// EmptyName: no user name was typed.
	EmptyName
	// EmptyPassword: no password was typed.
	EmptyPassword
	// WrongPassword: the user name or the password is wrong; the words are
	// the same for both.
	WrongPassword
	// EnrolFailed: the factor could not be set up.
	EnrolFailed
	// RegistrationExpired: setting the factor up took too long.
	RegistrationExpired
)

// Brand is how the operator presents the pages. The zero value is fine.
type Brand struct {
	// Name of the organisation, shown above every page. Default: none.
	Name string
	// Logo is a data: URI of a PNG, JPEG or SVG image in base64, at most
	// 24 KiB long. Anything else is left out. Default: none.
	Logo string
	// Help is plain text for people who are stuck: whom to call, where to
	// go. Line breaks are kept. Default: a general sentence.
	Help string
}

// Factor is one device that can be used to verify.
type Factor struct {
	// ID is sent back in the field factor when this one is chosen.
	ID string
	// Kind is one of protect, sms, email, voice, totp, yubikey, duo,
	// temporary. Any other is shown by its name alone.
	Kind string
	// Name as the user or the vendor gave it. It passes through [Clean]
	// before it is shown.
	Name string
	// Default puts this one first. Without any default the first is first.
	Default bool
	// LockedUntil says that this one cannot be used until then. It is shown
	// behind all others, with the time in full minutes and without a button.
	// Zero = it can be used.
	LockedUntil time.Time
}

// Alternative is one entry of the language switch.
type Alternative struct {
	Lang language.Tag
	URL  string // same origin: path and query
}

// Page is everything that one page shows. Text is escaped, names are cleaned,
// and addresses that are not paths on this site are replaced by "/". What a
// page does not need may be left zero; what it would say about a zero value is
// then left out.
//
// Page does not check that its fields fit together: a [Push] without a current
// factor renders, but helps nobody.
type Page struct {
	Kind  Kind
	Lang  language.Tag // from [Match]; unknown ones are English
	Brand Brand

	Site string // host that is being protected, as people know it
	User string // as the first login names them, or as typed; shown unmasked

	// Typed fills in the user name on [Name] and [Password], after an error.
	// A password is never given back.
	Typed string

	// Blind leaves out every name of a device, the default among them and
	// what does not count here, and words the texts so that they are true
	// whether or not there is such a user. The ids of factors are the
	// caller's business.
	Blind bool

	// LastsFor is how long the verification will count for this route.
	LastsFor time.Duration

	Base   string // path prefix of the endpoints, with both slashes: "/.mfa/"
	CSRF   string // hidden field csrf of every form
	Self   string // this very page, for reloading: path and query
	Events string // the EventSource of a page that waits; "" = none

	// Still stops the reloading of a page that waits in browsers without
	// script, so that a code can be typed in peace. StillURL is the page's
	// own address that sets it; "" = no such link.
	Still    bool
	StillURL string

	// Factors are all that are offered. On [Choose], [Smart] and [Enroll]
	// they are the page; on the pages about one factor they are the other
	// ways; on [Expired] they take the place of the link to ReturnTo. On
	// [Enroll], [EnrollCode] and [EnrollWait] they are what can be set up,
	// except a temporary one, which is used as everywhere.
	Factors     []Factor
	NotOffered  []string  // names of enrolled devices that do not count here
	Current     Factor    // the one in use, or used
	AcceptsCode bool      // a page that waits may also be answered by a code
	SentAt      time.Time // when the request went out; zero = not said

	// Scarce says that approvals are slow to be seen for now. Codes are then
	// offered before them, whichever is the default, and the page says why.
	Scarce bool

	// VoiceCode is what has to be keyed into the phone; "" = not said.
	VoiceCode string
	// TOTPURL is the otpauth: address that an app scans, shown as a QR code.
	// Anything else, and what is too long for a code that a phone can read,
	// is left out. Source: Google Authenticator's Key URI Format.
	TOTPURL string
	// Secret is the key in TOTPURL, for typing it into an app that cannot
	// scan. It is shown in groups of four. "" = not said.
	Secret string

	ExpiresIn  time.Duration // until the challenge ends
	ResendIn   time.Duration // until sending again is allowed; 0 = now
	TriesLeft  int           // shown while it is 1 to 3; 0 = not known
	RetryAfter time.Duration // until a lock ends; 0 = not known

	// Error is shown on the pages before [Sessions]. The others are
	// themselves about what happened.
	Error Problem

	// SessionForm is where [Continue] sends SessionToken: an address on
	// https, or on http on this computer itself. With anything else, or
	// without a token, the page only leads to ReturnTo.
	SessionForm  string
	SessionToken string

	// ReturnTo is where "Start again" and "Continue" lead.
	ReturnTo string
	// Unsaved says that the request which led here carried data that was not
	// kept, so that it will have to be sent again.
	Unsaved bool
	// Reference finds this event in the operator's log.
	Reference string

	VerifiedAt    time.Time // [Verified]: when
	VerifiedUntil time.Time // [Verified]: until when; zero = not said

	// Sessions are those of the person, shown in this order. The first 50 are
	// shown, the others counted. Of more than 20 the factors are left out.
	Sessions []SessionItem
	// Ended is the session that was signed out of just now; zero = none.
	Ended SessionItem
	// Now is what the times of sessions are told from; zero = they are not
	// told.
	Now time.Time

	// Report is the csrf value of the form on [Verified] and [Sessions] with
	// which people say that they got a request they did not start; "" = no
	// such form.
	Report string
	// Reported says on [Sessions] that they just did, in place of the form.
	Reported bool

	// Alternatives is the visible language switch, in the order shown.
	Alternatives []Alternative
}
