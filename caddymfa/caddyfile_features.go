package caddymfa

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// readSignIn reads:
//
//	sign_in passwordless|password {
//		onelogin_session <origin>
//	}
func (h *Handler) readSignIn(d *caddyfile.Dispenser) error {
	s := new(SignIn)
	if err := text(&s.Mode).read(d); err != nil {
		return err
	}
	if err := readBlock(d, "sign_in", map[string]option{"onelogin_session": text(&s.OneLoginSession)}); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	h.SignIn = s
	return nil
}

// readEnroll reads:
//
//	enroll {
//		factors <factor...>
//		from    <prefix...>
//	}
func (h *Handler) readEnroll(d *caddyfile.Dispenser) error {
	if err := noMore(d, "enroll"); err != nil {
		return err
	}
	e := new(Enroll)
	err := readBlock(d, "enroll", map[string]option{
		"factors": factors(&e.Factors),
		"from":    list(&e.From),
	})
	if err != nil {
		return err
	}
	if err := e.compile(); err != nil {
		return d.WrapErr(err)
	}
	h.Enroll = e
	return nil
}

// readSmartMFA reads:
//
//	smart_mfa {
//		threshold <1-100>
//		allow_low_risk
//	}
func (h *Handler) readSmartMFA(d *caddyfile.Dispenser) error {
	if err := noMore(d, "smart_mfa"); err != nil {
		return err
	}
	s := new(SmartMFA)
	err := readBlock(d, "smart_mfa", map[string]option{
		"threshold":      number(&s.Threshold),
		"allow_low_risk": flag(&s.AllowLowRisk),
	})
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	h.SmartMFA = s
	return nil
}

// readAssertion reads:
//
//	assertion {
//		audience <text>
//		header   <name>
//	}
func (h *Handler) readAssertion(d *caddyfile.Dispenser) error {
	if err := noMore(d, "assertion"); err != nil {
		return err
	}
	h.Assertion = new(Assertion)
	checked := func(into *string) option { // at once, since here the line is known
		return option{read: func(d *caddyfile.Dispenser) error {
			if err := text(into).read(d); err != nil {
				return err
			}
			if err := h.Assertion.check(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		}}
	}
	return readBlock(d, "assertion", map[string]option{
		"audience": checked(&h.Assertion.Audience),
		"header":   checked(&h.Assertion.Header),
	})
}

// list reads an option with one or more arguments.
func list(into *[]string) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if *into = d.RemainingArgs(); len(*into) == 0 {
			return d.Errf("%s needs a value", name)
		}
		return nil
	}}
}

// number reads an option that is a whole number above zero.
func number(into *int) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		var written string
		name := d.Val()
		if err := text(&written).read(d); err != nil {
			return err
		}
		value, err := strconv.Atoi(written)
		if err != nil || value < 1 {
			return d.Errf("%s: %q is not a whole number above zero", name, written)
		}
		*into = value
		return nil
	}}
}
