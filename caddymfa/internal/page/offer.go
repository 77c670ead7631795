package page

import (
	"cmp"
	"slices"
)

// sort is the factor's kind as far as we know it.
func (f Factor) sort() string {
	switch f.Kind {
	case "protect", "sms", "email", "voice", "totp", "yubikey", "duo", "temporary":
		return f.Kind
	}
	return "other"
}

// sent says whether a message goes out, as opposed to a code that the device
// makes by itself.
func (f Factor) sent() bool { return f.Kind == "sms" || f.Kind == "email" || f.Kind == "voice" }

// approved says whether the factor is answered on the device, not by typing a
// code here.
func (f Factor) approved() bool { return f.Kind == "protect" || f.Kind == "voice" }

// locked says whether the factor cannot be used now.
func (f Factor) locked() bool { return !f.LockedUntil.IsZero() }

// ordered puts a temporary code last: it is for those who have nothing else.
// While approvals are slow, codes come before them and none of them is the
// default. What cannot be used comes behind everything.
func ordered(factors []Factor, scarce bool) []Factor {
	factors = slices.Clone(factors)
	for i, f := range factors {
		factors[i].Default = f.Default && !f.locked() && f.Kind != "temporary" && !(scarce && f.approved())
	}
	rank := func(f Factor) int {
		switch {
		case f.locked():
			return 3
		case f.Kind == "temporary":
			return 2
		case scarce && f.approved():
			return 1
		}
		return 0
	}
	slices.SortStableFunc(factors, func(a, b Factor) int { return cmp.Compare(rank(a), rank(b)) })
	return factors
}

// offer is one factor with the page around it, for the template of its form.
type offer struct {
	*view
	Factor Factor
	Big    bool // the one main button of the page
}

// Action is the endpoint that the form is sent to.
func (o offer) Action() string {
	if o.Kind.enrolls() && o.Factor.Kind != "temporary" {
		return "enroll"
	}
	return "start"
}

// Locked says whether there is no button, but when there will be one.
func (o offer) Locked() bool { return o.Factor.locked() }

// Until is when there will be a button again.
func (o offer) Until() (phrase, error) { return o.say("start.until", o.Factor) }

// Label is the text of the button that starts with this factor.
func (o offer) Label() (phrase, error) {
	if o.Kind == Smart && o.Big {
		return o.Say("verify")
	}
	return o.say(o.Action()+"."+o.Factor.sort(), o.Factor)
}

// Icon names the picture on the button.
func (o offer) Icon() string {
	if o.Kind == Smart && o.Big {
		return "shield"
	}
	return o.Factor.sort()
}

// Resend starts once more with the factor in use.
func (v *view) Resend() offer { return offer{v, v.Current, false} }

// Main is the factor of the big button: the default, or else the first. It is
// nil where there is nothing that can be used.
func (v *view) Main() *offer {
	i := v.mainIndex()
	if i < 0 {
		return nil
	}
	return &offer{v, v.Factors[i], true}
}

// mainIndex is -1 where there is no main factor. What is locked comes last, so
// that the first one tells of all.
func (v *view) mainIndex() int {
	if len(v.Factors) == 0 || v.Factors[0].locked() {
		return -1
	}
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
