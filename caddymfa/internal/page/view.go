package page

import (
	"html/template"
	"slices"
	"time"

	"golang.org/x/text/language"
)

// view is what the templates see: a page made safe, and its texts.
type view struct {
	Page
	Look   look
	Logo   template.URL
	Style  template.CSS
	Script template.JS
	Row    SessionItem // the session that the texts are about
	texts  catalogue
}

func newView(p Page, l look, texts catalogue) *view {
	if !slices.Contains(Languages(), p.Lang) {
		p.Lang = language.English
	}
	p.Site, p.User, p.Reference = tidy(p.Site), tidy(p.User), tidy(p.Reference)
	p.Brand.Name, p.Typed = tidy(p.Brand.Name), visible(p.Typed)
	p.VoiceCode, p.Secret = groups(p.VoiceCode, 3), groups(p.Secret, 4)
	p.Base, p.Self, p.ReturnTo = local(p.Base), local(p.Self), local(p.ReturnTo)
	if p.Kind >= Sessions {
		p.Error = None // the page itself says what happened
	}
	if p.Events != "" {
		p.Events = local(p.Events)
	}
	if p.StillURL != "" {
		p.StillURL = local(p.StillURL)
	}
	if p.Blind {
		p = blinded(p)
	}
	p.Factors = ordered(p.Factors, p.Scarce)
	return &view{
		Page: p, Look: l, texts: texts,
		Logo: logo(p.Brand.Logo), Style: template.CSS(style), Script: template.JS(script), //nolint:gosec // our own files, embedded
	}
}

// blinded is p without what only a real user could have.
func blinded(p Page) Page {
	p.Factors, p.NotOffered = slices.Clone(p.Factors), nil
	p.Sessions, p.Ended, p.Report, p.Reported = nil, SessionItem{}, "", false
	for i := range p.Factors {
		p.Factors[i].Name, p.Factors[i].Default = "", false
	}
	p.Current.Name, p.Current.Default = "", false
	return p
}

// Field is the id of the field that the error is about, or "".
func (v *view) Field() string {
	switch {
	case v.Error.inCode() && (v.Kind.types() || v.TakesCode()):
		return "code"
	case v.Error == EmptyName && (v.Kind == Name || v.Kind == Password):
		return "user"
	case (v.Error == EmptyPassword || v.Error == WrongPassword) && v.Kind == Password:
		return "password"
	}
	return ""
}

// WrongName says whether the user name may be what is wrong. A wrong password
// is marked at both fields: which of them it is must not be told.
func (v *view) WrongName() bool {
	return v.Field() == "user" || v.Field() == "password" && v.Error == WrongPassword
}

// Autocomplete is what a browser may fill in as the user name. Only a page
// without a password can also be answered by a passkey.
func (v *view) Autocomplete() string {
	if v.Kind == Name {
		return "username webauthn"
	}
	return "username"
}

// TakesCode says whether a page that waits also has a field for a code. A call
// never gives one.
func (v *view) TakesCode() bool {
	return v.AcceptsCode && v.Kind.waits() && v.Kind != Voice
}

// Verb is where a typed code goes, and what the button says.
func (v *view) Verb() string {
	if v.Kind.enrolls() {
		return "confirm"
	}
	return "verify"
}

// Again says whether the factors are offered where a challenge has ended. Only
// running out of time is a reason to go on at once.
func (v *view) Again() bool { return v.Kind == Expired && v.Main() != nil }

// ErrorKey is where the catalogues tell of the error.
func (v *view) ErrorKey() string { return v.Error.key() }

// About is the text under key, about the factor that will be unlocked first or,
// if none is locked, about the one in use.
func (v *view) About(key string) (phrase, error) {
	about := v.Current
	for _, f := range v.Factors {
		if f.locked() && (!about.locked() || f.LockedUntil.Before(about.LockedUntil)) {
			about = f
		}
	}
	return v.say(key, about)
}

// Stuck says whether there is something to choose from, but nothing that can be
// used now.
func (v *view) Stuck() bool {
	return v.Look.Body == "choose" && len(v.Factors) > 0 && v.Main() == nil
}

// Reloads says whether a browser without script should reload the page: not
// under the hands of somebody who is typing or reading an error.
func (v *view) Reloads() bool {
	return v.Kind.waits() && !v.Still && v.Error == None
}

// FewTries says whether it is time to tell how many tries are left.
func (v *view) FewTries() bool { return v.TriesLeft >= 1 && v.TriesLeft <= 3 }

// Listens says whether the script should wait for events.
func (v *view) Listens() bool { return v.Kind.waits() && v.Events != "" }

// Ends says whether the script should act when the time is up.
func (v *view) Ends() bool {
	return v.ExpiresIn > 0 && (v.Kind.types() || v.Kind.waits())
}

// Focus is the id of the field where to begin, or "" where there is something
// to read or to scan before.
func (v *view) Focus() string {
	switch {
	case v.Error != None:
		return ""
	case v.Kind.types() && v.QR() == nil && v.Key() == "":
		return "code"
	case v.Kind == Password && v.Typed != "":
		return "password"
	case v.Kind == Name, v.Kind == Password:
		return "user"
	}
	return ""
}

// HelpOpen says whether help is what the page is about.
func (v *view) HelpOpen() bool {
	return v.Stuck() || v.Look.Body == "outcome" && v.Kind != Cancelled && v.Kind != SignedOut && v.Kind != Expired
}

// Tips are the sentences of help that fit the page or the factor in use.
func (v *view) Tips() ([]phrase, error) {
	about := v.Sort()
	switch {
	case v.Kind == Name:
		about = "name"
	case v.Kind == Password:
		about = "password"
	case v.Kind == Sessions:
		about = "sessions"
	case !v.Kind.types() && !v.Kind.waits():
		return nil, nil
	}
	tip, err := v.Say("help." + about)
	return []phrase{tip}, err
}

// More is a second sentence, where the kind of page has one.
func (v *view) More() (phrase, error) {
	key := v.Look.Slug + ".more"
	if _, ok := v.texts[key]; !ok {
		return nil, nil
	}
	return v.Say(key)
}

// Known are the names of the devices that do not count here.
func (v *view) Known() []string {
	names := make([]string, len(v.NotOffered))
	for i, name := range v.NotOffered {
		names[i] = Clean(name)
	}
	return names
}

// With is the name of the factor in use.
func (v *view) With() phrase { return phrase{v.nameOf(v.Current)} }

// LanguageName is what a language calls itself.
func (v *view) LanguageName(tag language.Tag) string {
	return catalogueOf(tag)["language"]
}

// Millis is d for the script.
func (v *view) Millis(d time.Duration) int64 { return d.Milliseconds() }

// Elsewhere are the languages of the switch with their addresses made safe.
func (v *view) Elsewhere() []Alternative {
	links := slices.Clone(v.Alternatives)
	for i := range links {
		links[i].URL = local(links[i].URL)
	}
	return links
}

// Sort is the kind of the factor in use.
func (v *view) Sort() string {
	if v.Kind == Temporary {
		return "temporary"
	}
	return v.Current.sort()
}

// Digits says whether the code is known to be six digits. Messages may carry
// letters, and a YubiKey types 44 of them.
func (v *view) Digits() bool { return v.Sort() == "totp" || v.Sort() == "protect" }

// Sent says whether a code can be sent once more.
func (v *view) Sent() bool { return v.Current.sent() && v.Kind != Temporary }

// Patience names the text that says when something can be sent again.
func (v *view) Patience() string {
	if v.Kind.types() {
		return "code"
	}
	return "push"
}

// Heading is the text above the other ways.
func (v *view) Heading() string {
	switch {
	case v.Stuck():
		return "others.stuck"
	case v.Kind.enrolls():
		return "others.enroll"
	}
	return "others"
}

// Slow says whether to tell why codes come first: because there are both.
func (v *view) Slow() bool {
	approval := func(f Factor) bool { return f.approved() && !f.locked() }
	code := func(f Factor) bool { return !f.approved() && f.Kind != "temporary" }
	return v.Scarce && v.Kind == Choose && slices.ContainsFunc(v.Factors, approval) && slices.ContainsFunc(v.Factors, code)
}

// Onward says whether the browser is to be handed over to OneLogin.
func (v *view) Onward() bool { return v.SessionToken != "" && isForm(v.SessionForm) }

// Key is the secret to type where nothing can be scanned.
func (v *view) Key() string {
	if !v.Kind.enrolls() {
		return ""
	}
	return v.Secret
}

// QR is the picture of the address to scan, or nil.
func (v *view) QR() *symbol {
	if !v.Kind.enrolls() {
		return nil
	}
	return scan(v.TOTPURL)
}
