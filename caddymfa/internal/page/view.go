package page

import (
	"html/template"
	"slices"
	"time"

	"golang.org/x/text/language"
)

// look is what sets one kind of page apart.
type look struct {
	Slug   string // prefix of its texts in the catalogues
	Body   string // template that fills the card
	Icon   string
	Tone   string // plain, good, bad or wait: colours the icon
	Action string // text of the link to ReturnTo; "" = no such link
}

// lookOf is the one place that lists every kind.
func lookOf(k Kind) (look, bool) {
	switch k {
	case Choose:
		return look{"choose", "choose", "shield", "plain", ""}, true
	case Code:
		return look{"code", "code", "shield", "plain", ""}, true
	case Push:
		return look{"push", "push", "protect", "plain", ""}, true
	case Denied:
		return look{"denied", "outcome", "cross", "bad", "again"}, true
	case Expired:
		return look{"expired", "outcome", "clock", "wait", "again"}, true
	case Locked:
		return look{"locked", "outcome", "lock", "bad", "retry"}, true
	case Cancelled:
		return look{"cancelled", "outcome", "cross", "plain", "again"}, true
	case Verified:
		return look{"verified", "verified", "check", "good", "continue"}, true
	case SignedOut:
		return look{"signed_out", "outcome", "exit", "plain", "again"}, true
	case NoAccess:
		return look{"no_access", "outcome", "lock", "bad", ""}, true
	case NoDevice:
		return look{"no_device", "outcome", "protect", "wait", "retry"}, true
	case NoUser:
		return look{"no_user", "outcome", "person", "wait", "retry"}, true
	case Unavailable:
		return look{"unavailable", "outcome", "alert", "wait", "retry"}, true
	case Refused:
		return look{"refused", "outcome", "alert", "wait", "again"}, true
	case BadRequest:
		return look{"bad_request", "outcome", "alert", "wait", "again"}, true
	case NotFound:
		return look{"not_found", "outcome", "alert", "wait", "site"}, true
	case MethodNotAllowed:
		return look{"method_not_allowed", "outcome", "alert", "wait", "again"}, true
	case Insecure:
		return look{"insecure", "outcome", "alert", "bad", ""}, true
	}
	return look{}, false
}

// key is where the catalogues tell of this problem.
func (p Problem) key() string {
	switch p {
	case EmptyCode:
		return "error.empty_code"
	case ShortCode:
		return "error.short_code"
	case LongCode:
		return "error.long_code"
	case LetterCode:
		return "error.letter_code"
	case MalformedCode:
		return "error.malformed_code"
	case WrongCode:
		return "error.wrong_code"
	case UsedCode:
		return "error.used_code"
	case TooManyTries:
		return "error.too_many_tries"
	case TooManySends:
		return "error.too_many_sends"
	case SendFailed:
		return "error.send_failed"
	case FactorGone:
		return "error.factor_gone"
	case NotPending:
		return "error.not_pending"
	case OtherBrowser:
		return "error.other_browser"
	case StaleForm:
		return "error.stale_form"
	}
	return "error.unknown"
}

// inField says whether the problem is about what was typed.
func (p Problem) inField() bool { return p >= EmptyCode && p <= UsedCode }

// view is what the templates see: a page made safe, and its texts.
type view struct {
	Page
	Look   look
	Logo   template.URL
	Style  template.CSS
	Script template.JS
	texts  catalogue
}

func newView(p Page, l look, texts catalogue) *view {
	if !slices.Contains(Languages(), p.Lang) {
		p.Lang = language.English
	}
	p.Site, p.User, p.Reference = tidy(p.Site), tidy(p.User), tidy(p.Reference)
	p.Brand.Name = tidy(p.Brand.Name)
	p.Base, p.Self, p.ReturnTo = local(p.Base), local(p.Self), local(p.ReturnTo)
	if p.Kind > Push {
		p.Error = None // the page itself says what happened
	}
	if p.Events != "" {
		p.Events = local(p.Events)
	}
	if p.StillURL != "" {
		p.StillURL = local(p.StillURL)
	}
	return &view{
		Page: p, Look: l, texts: texts,
		Logo: logo(p.Brand.Logo), Style: template.CSS(style), Script: template.JS(script),
	}
}

// InField says whether the error belongs to a code field on this page.
func (v *view) InField() bool {
	field := v.Kind == Code || v.Kind == Push && v.AcceptsCode
	return field && v.Error.inField()
}

// Again says whether the factors are offered where a challenge has ended. Only
// running out of time is a reason to go on at once.
func (v *view) Again() bool { return v.Kind == Expired && len(v.Factors) > 0 }

// ErrorKey is where the catalogues tell of the error.
func (v *view) ErrorKey() string { return v.Error.key() }

// Reloads says whether a browser without script should reload the page: not
// under the hands of somebody who is typing or reading an error.
func (v *view) Reloads() bool {
	return v.Kind == Push && !v.Still && v.Error == None
}

// FewTries says whether it is time to tell how many tries are left.
func (v *view) FewTries() bool { return v.TriesLeft >= 1 && v.TriesLeft <= 3 }

// Listens says whether the script should wait for events.
func (v *view) Listens() bool { return v.Kind == Push && v.Events != "" }

// Ends says whether the script should act when the time is up.
func (v *view) Ends() bool {
	return v.ExpiresIn > 0 && (v.Kind == Code || v.Kind == Push)
}

// TakesFocus says whether the code field is where to begin.
func (v *view) TakesFocus() bool { return v.Kind == Code && v.Error == None }

// HelpOpen says whether help is what the page is about.
func (v *view) HelpOpen() bool {
	return v.Look.Body == "outcome" && v.Kind != Cancelled && v.Kind != SignedOut && v.Kind != Expired
}

// Tips are the sentences of help that fit the factor in use.
func (v *view) Tips() ([]phrase, error) {
	if v.Kind != Code && v.Kind != Push {
		return nil, nil
	}
	tip, err := v.Say("help." + v.Sort())
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

// offer is one factor with the page around it, for the template of its form.
type offer struct {
	*view
	Factor Factor
	Big    bool // the one main button of the page
}

// Label is the text of the button that starts with this factor.
func (o offer) Label() (phrase, error) {
	return o.say("start."+o.sort(o.Factor), o.Factor)
}

// Icon names the picture on the button.
func (o offer) Icon() string { return o.sort(o.Factor) }

// Resend starts once more with the factor in use.
func (v *view) Resend() offer { return offer{v, v.Current, false} }

// Main is the factor of the big button: the default, or else the first. It is
// nil where there is nothing to choose from.
func (v *view) Main() *offer {
	if len(v.Factors) == 0 {
		return nil
	}
	return &offer{v, v.Factors[v.mainIndex()], true}
}

func (v *view) mainIndex() int {
	return max(0, slices.IndexFunc(v.Factors, func(f Factor) bool { return f.Default }))
}

// Others are the factors besides the one in use, or besides the main button
// where none is in use.
func (v *view) Others() []offer {
	var others []offer
	for i, f := range v.Factors {
		taken := f.ID == v.Current.ID
		if v.Current.ID == "" {
			taken = i == v.mainIndex()
		}
		if !taken {
			others = append(others, offer{v, f, false})
		}
	}
	return others
}

// sort is the factor's kind as far as we know it.
func (v *view) sort(f Factor) string {
	switch f.Kind {
	case "protect", "sms", "email", "voice", "totp", "yubikey", "duo":
		return f.Kind
	}
	return "other"
}

// Sort is the kind of the factor in use.
func (v *view) Sort() string { return v.sort(v.Current) }

// Digits says whether the code is known to be six digits. Messages may carry
// letters, and a YubiKey types 44 of them.
func (v *view) Digits() bool {
	return v.Current.Kind == "totp" || v.Current.Kind == "protect"
}

// Sent says whether a message went out, as opposed to a code that the device
// makes by itself.
func (v *view) Sent() bool {
	return slices.Contains([]string{"sms", "email", "voice"}, v.Current.Kind)
}
