package page

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// Sample is one page of the gallery.
type Sample struct {
	Name string // unique, fit for a file name
	Page Page
}

// Gallery returns a sample of every kind of page and of every problem, in
// English, for tests and for looking at.
func Gallery() []Sample {
	return slices.Concat(steps(), waits(), signIn(), enrolment(), sessions(), outcomes(), problems())
}

// base is what all samples share.
func base(kind Kind) Page {
	self := "/.mfa/?challenge=c2FtcGxl"
	p := Page{
		Kind: kind, Lang: language.English, Brand: Brand{Name: "Acme"},
		Site: "app.example.com", User: "alice", LastsFor: 8 * time.Hour,
		Base: "/.mfa/", CSRF: "c3Jm",
		Self: self, ReturnTo: "/reports?year=2026",
	}
	for _, tag := range Languages() {
		p.Alternatives = append(p.Alternatives, Alternative{tag, self + "&lang=" + tag.String()})
	}
	return p
}

// shownAt is when the samples are shown.
func shownAt() time.Time { return time.Date(2026, 7, 29, 14, 5, 0, 0, time.UTC) }

func factors() []Factor {
	return []Factor{
		{ID: "f1", Kind: "protect", Name: "Alice’s phone", Default: true},
		{ID: "f2", Kind: "sms", Name: "Work phone +1 555 123 4567"},
		{ID: "f3", Kind: "email", Name: "alice@example.com"},
		{ID: "f4", Kind: "totp", Name: "Authenticator"},
	}
}

// locked are factors whose pushes are paused.
func locked() []Factor {
	all := factors()
	all[0].LockedUntil = shownAt().Add(4*time.Minute + 20*time.Second)
	return all
}

// code is the page that asks for a code of one kind of factor.
func code(f Factor) Page {
	p := base(Code)
	p.Factors, p.Current = factors(), f
	p.ExpiresIn, p.ResendIn = 10*time.Minute, 30*time.Second
	return p
}

func push() Page {
	p := base(Push)
	p.Factors = factors()
	p.Current = p.Factors[0]
	p.AcceptsCode = true
	p.Events, p.StillURL = "/.mfa/status?challenge=c2FtcGxl", p.Self+"&still=1"
	p.ExpiresIn, p.ResendIn = 2*time.Minute, 30*time.Second
	p.SentAt = shownAt()
	return p
}

// steps are the pages on the way to being verified.
func steps() []Sample {
	choose := base(Choose)
	choose.Factors = factors()
	single, paused, stuck := choose, choose, choose
	single.Factors = factors()[1:2]
	paused.Factors = locked()
	stuck.Factors = locked()[:1]
	unsaved := choose
	unsaved.Unsaved = true
	helped := choose
	helped.Factors = append([]Factor{{ID: "f9", Kind: "temporary"}}, factors()...)
	scarce := helped
	scarce.Scarce = true
	smart := helped
	smart.Kind = Smart
	smart.Factors = []Factor{{ID: "f2", Kind: "sms", Name: "+1 555 123 4567"}, {ID: "f9", Kind: "temporary"}}
	samples := []Sample{
		{"choose", choose}, {"choose-single", single}, {"choose-unsaved", unsaved},
		{"choose-temporary", helped}, {"choose-scarce", scarce}, {"smart", smart},
		{"choose-locked", paused}, {"choose-stuck", stuck},
	}
	all := append(factors(),
		Factor{ID: "f5", Kind: "voice", Name: ""},
		Factor{ID: "f6", Kind: "yubikey", Name: "YubiKey"},
		Factor{ID: "f7", Kind: "duo", Name: "Duo"},
		Factor{ID: "f8", Kind: "new", Name: "Something new"},
	)
	for _, f := range all {
		samples = append(samples, Sample{"code-" + f.Kind, code(f)})
	}
	temporary := code(Factor{ID: "f9", Kind: "temporary"})
	temporary.Kind = Temporary
	return append(samples, Sample{"temporary", temporary})
}

// waits are the pages that go on when something has happened elsewhere.
func waits() []Sample {
	still, voice, mail, link := push(), push(), push(), push()
	still.Still = true
	voice.Kind, voice.VoiceCode = Voice, "144613"
	voice.Current = Factor{ID: "f5", Kind: "voice", Name: "Desk phone +1 555 123 4567"}
	mail.Kind, mail.Current = Mail, mail.Factors[2]
	link.Kind, link.Current, link.AcceptsCode = Mail, link.Factors[2], false
	return []Sample{{"push", push()}, {"push-still", still}, {"voice", voice}, {"mail", mail}, {"mail-link", link}}
}

// unknown is a page for somebody who has only typed a name so far.
func unknown(p Page) Page {
	p.Blind, p.Typed = true, p.User
	return p
}

// signIn are the pages of sites that leave the first login to us.
func signIn() []Sample {
	name, password := base(Name), base(Password)
	name.User, password.User = "", ""
	choose, mail := base(Choose), push()
	choose.Factors = factors()
	mail.Kind, mail.Current = Mail, mail.Factors[2]
	onward := base(Continue)
	onward.SessionForm = "https://acme.onelogin.com/session_via_api_token"
	onward.SessionToken = "9x8869x31134x7906x6x54474x21x18xxx90857x"
	return []Sample{
		{"name", name}, {"password", password}, {"choose-blind", unknown(choose)},
		{"code-blind", unknown(code(factors()[1]))}, {"push-blind", unknown(push())}, {"mail-blind", unknown(mail)},
		{"continue", onward}, {"continue-here", base(Continue)},
	}
}

// enrolment are the pages on which somebody gets a first factor.
func enrolment() []Sample {
	const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" //nolint:gosec // an example to look at
	enroll := base(Enroll)
	enroll.Factors = []Factor{
		{ID: "e1", Kind: "protect", Name: "OneLogin Protect"}, {ID: "e2", Kind: "totp", Name: "Google Authenticator"},
		{ID: "e3", Kind: "sms", Name: "SMS"}, {ID: "e4", Kind: "email", Name: "OneLogin Email"},
		{ID: "e5", Kind: "voice", Name: "OneLogin Voice"}, {ID: "f9", Kind: "temporary"},
	}
	current := func(kind Kind, i int) Page {
		p := enroll
		p.Kind, p.Current, p.ExpiresIn = kind, enroll.Factors[i], 10*time.Minute
		p.Events, p.StillURL = "/.mfa/status?challenge=c2FtcGxl", p.Self+"&still=1"
		return p
	}
	scan, typed, message := current(EnrollCode, 1), current(EnrollCode, 1), current(EnrollCode, 2)
	protect, voice := current(EnrollWait, 0), current(EnrollWait, 4)
	scan.Secret, typed.Secret = secret, secret
	scan.TOTPURL = "otpauth://totp/Acme:alice@example.com?secret=" + secret + "&issuer=Acme&algorithm=SHA1&digits=6&period=30"
	message.ResendIn = 30 * time.Second
	protect.TOTPURL, protect.Secret, protect.AcceptsCode = "otpauth://totp/acme%3Aalice?secret=01-1912451", "01-1912451", true
	voice.VoiceCode = "144613"
	return []Sample{
		{"enroll", enroll}, {"enroll-scan", scan}, {"enroll-typed", typed}, {"enroll-message", message},
		{"enroll-protect", protect}, {"enroll-voice", voice},
	}
}

// session is one that was proved that long ago.
func session(site, browser, factor string, ago time.Duration) SessionItem {
	now := shownAt()
	return SessionItem{
		Handle: fmt.Sprintf("%x", sha256.Sum256([]byte(site+browser+ago.String()))),
		Site:   site, Browser: browser, Factor: Factor{Kind: factor},
		Proved: now.Add(-ago), Seen: now.Add(-ago / 4), Ends: now.Add(8*time.Hour - ago),
	}
}

// sessions are the pages that list where somebody is verified.
func sessions() []Sample {
	list := base(Sessions)
	list.Self, list.Now, list.Report = "/.mfa/sessions", shownAt(), "cmVwb3J0"
	only, none, many, ended, reported := list, list, list, list, list
	list.Sessions = []SessionItem{
		session("app.example.com", "Firefox on Linux", "protect", 5*time.Minute),
		session("wiki.example.com", "Firefox on Linux", "sms", 3*time.Hour),
		session("app.example.com", "", "totp", 7*time.Hour+50*time.Minute),
		session("a-very-long-name-that-somebody-gave-to-a-site.departments.example.com",
			"SomeBrowserWithAVeryLongNameWithoutSpaces on SomeLongSystem", "yubikey", 0),
	}
	list.Sessions[0].Current = true
	only.Sessions = list.Sessions[:1]
	ended.Sessions, ended.Ended = list.Sessions[:2], list.Sessions[2]
	for i := range 62 {
		many.Sessions = append(many.Sessions, session("reports.example.com", "Chrome on Windows", "totp", time.Duration(7*i)*time.Minute))
	}
	many.Sessions[2].Current = true
	many.CSRF, many.Report = strings.Repeat(many.CSRF, 80), strings.Repeat(many.Report, 40) // as long as sealed ones
	reported.Sessions, reported.Reported = list.Sessions, true
	reported.Brand.Help = "Call extension 200."
	return []Sample{
		{"sessions", list}, {"sessions-only", only}, {"sessions-ended", ended}, {"sessions-many", many},
		{"sessions-none", none}, {"sessions-reported", reported},
	}
}

// outcomes are the pages on which nothing can be verified, or all is done.
func outcomes() []Sample {
	var samples []Sample
	for kind := Denied; kind <= Insecure; kind++ {
		look, _ := lookOf(kind)
		p := base(kind)
		switch kind {
		case Expired:
			p.Factors = factors()
		case Locked:
			p.RetryAfter = 14*time.Minute + 40*time.Second
		case Verified:
			p.Current, p.Report = factors()[0], "cmVwb3J0"
			p.VerifiedAt = shownAt()
			p.VerifiedUntil = p.VerifiedAt.Add(p.LastsFor)
		case NoDevice:
			p.NotOffered = []string{"YubiKey", "Security questions"}
		case Unavailable, Refused, Stale, BadRequest, NotFound, MethodNotAllowed, NoUser:
			p.Reference = "7f3a9c2e"
		}
		samples = append(samples, Sample{look.Slug, p})
	}
	return samples
}

// problems are the pages that say what was wrong with the last step.
func problems() []Sample {
	var samples []Sample
	for problem := EmptyCode; problem <= RegistrationExpired; problem++ {
		p := after(problem)
		p.Error, p.RetryAfter = problem, 15*time.Minute
		if problem == WrongCode {
			p.TriesLeft = 2
		}
		samples = append(samples, Sample{problem.key(), p})
	}
	typed, nameless, scan := push(), after(WrongPassword), base(EnrollCode)
	typed.Error, nameless.Error, scan.Error = WrongCode, EmptyName, WrongCode
	nameless.Typed = ""
	scan.Current, scan.TOTPURL, scan.Secret = factors()[3], "otpauth://totp/acme?secret=JBSWY3DP", "JBSWY3DP"
	return append(samples, Sample{"error.push", typed}, Sample{"error.nameless", nameless}, Sample{"error.scan", scan})
}

// after is the page on which problem is most likely met.
func after(problem Problem) Page {
	p := code(factors()[3])
	switch {
	case problem.inCode(), problem == TooManyTries:
	case problem == EmptyName:
		p = base(Name)
		p.User = ""
	case problem == EmptyPassword, problem == WrongPassword:
		p = base(Password)
		p.User, p.Typed = "", "alice@example.com"
	case problem == TooManySends, problem == PushPending, problem == PushLocked:
		p = base(Choose)
		p.Factors = locked()
	default:
		p = base(Choose)
		p.Factors = factors()
	}
	if problem == EnrolFailed || problem == RegistrationExpired {
		p.Kind = Enroll
	}
	return p
}
