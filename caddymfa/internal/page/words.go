package page

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
)

var (
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
	optional    = regexp.MustCompile(`\[[^\]]*\]`)
)

// part is a piece of a sentence. Names are set apart from our own words so that
// their writing direction cannot turn the sentence around, times so that they
// can be read exactly.
type part struct {
	Text  string
	Name  bool
	Stamp string // the time that Text tells, for machines; "" = none
}

// stamped is how machines read a time in UTC (HTML, section "datetime").
const stamped = "2006-01-02T15:04:05Z"

// phrase is a sentence of the catalogue with its values filled in.
type phrase []part

// String is the sentence without markup, for titles and attributes.
func (p phrase) String() string {
	var b strings.Builder
	for _, piece := range p {
		b.WriteString(piece.Text)
	}
	return b.String()
}

// Say is the text under key, about the factor in use. A key that is missing is
// an error, never a blank.
func (v *view) Say(key string) (phrase, error) { return v.say(key, v.Current) }

// say fills in the placeholders. A part of the text in [brackets] is left out
// if one of its placeholders has no value. While nobody is known, a text that
// is worded for that takes the place of the usual one.
func (v *view) say(key string, about Factor) (phrase, error) {
	text, ok := v.texts[key+".blind"]
	if !ok || !v.Blind {
		text, ok = v.texts[key]
	}
	if !ok {
		return nil, fmt.Errorf("no text %q in language %v", key, v.Lang)
	}
	text = optional.ReplaceAllStringFunc(text, func(group string) string {
		for _, name := range placeholder.FindAllString(group, -1) {
			if v.value(name, about).Text == "" {
				return ""
			}
		}
		return group[1 : len(group)-1]
	})
	var filled phrase
	for at := placeholder.FindStringIndex(text); at != nil; at = placeholder.FindStringIndex(text) {
		filled = append(filled, part{Text: text[:at[0]]}, v.value(text[at[0]:at[1]], about))
		text = text[at[1]:]
	}
	return append(filled, part{Text: text}), nil
}

// value is what a placeholder of the catalogue stands for.
func (v *view) value(name string, about Factor) part {
	switch name {
	case "{site}":
		return part{Text: v.Site, Name: true}
	case "{user}":
		return part{Text: v.User, Name: true}
	case "{name}":
		return v.nameOf(about)
	case "{lasts}":
		return part{Text: v.words(v.LastsFor)}
	case "{expires}":
		return part{Text: v.words(v.ExpiresIn)}
	case "{resend}":
		return part{Text: v.words(v.ResendIn)}
	case "{retry}":
		return part{Text: v.words(v.RetryAfter)}
	case "{tries}":
		return part{Text: v.count("tries", int64(v.TriesLeft))}
	case "{until}":
		return minute(about.LockedUntil)
	}
	return v.rowValue(name)
}

// nameOf falls back to a word for the kind of device. A temporary code has no
// other, nor has a number or address that is being set up: OneLogin only has a
// name for the kind then.
func (v *view) nameOf(f Factor) part {
	named := f.Kind != "temporary" && !(v.Kind.enrolls() && f.sent())
	if name := Clean(f.Name); name != "" && named {
		return part{Text: name, Name: true}
	}
	return part{Text: v.texts["device."+f.sort()]}
}

// minute is the first full minute that is not before t: nobody should press
// too early. The script tells it in the reader's own time zone.
func minute(t time.Time) part {
	if t.IsZero() {
		return part{}
	}
	t = t.UTC().Add(time.Minute - 1).Truncate(time.Minute)
	return part{Text: t.Format("2006-01-02 15:04 UTC"), Stamp: t.Format(stamped)}
}

// words says a duration as people do: "8 hours", "about 2 minutes". It is ""
// for none.
func (v *view) words(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	unit, name := unitOf(d)
	n := int64(d.Round(unit) / unit)
	if unit == time.Second {
		// Rounded up to five seconds: nobody should press too early.
		n = int64((d+5*time.Second-1)/(5*time.Second)) * 5
	}
	text := v.count("duration."+name, n)
	if time.Duration(n)*unit == d {
		return text
	}
	return strings.ReplaceAll(v.texts["duration.about"], "{duration}", text)
}

// unitOf is the unit in which people tell d, and its name in the catalogues.
func unitOf(d time.Duration) (time.Duration, string) {
	switch {
	case d < time.Minute:
		return time.Second, "seconds"
	case d >= 48*time.Hour:
		return 24 * time.Hour, "days"
	case d%time.Hour == 0, d >= 2*time.Hour:
		return time.Hour, "hours"
	}
	return time.Minute, "minutes"
}

// count says n things in the right grammatical number (CLDR plural rules).
func (v *view) count(key string, n int64) string {
	if n <= 0 {
		return ""
	}
	form := key + ".other"
	if plural.Cardinal.MatchPlural(v.Lang, int(n), 0, 0, 0, 0) == plural.One {
		form = key + ".one"
	}
	return strings.ReplaceAll(v.texts[form], "{count}", strconv.FormatInt(n, 10))
}
