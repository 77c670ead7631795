package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// plainSwitches has the fields of Switches without its methods.
type plainSwitches Switches

// wireSwitches is how Switches look in JSON: the two durations as text.
type wireSwitches struct {
	*plainSwitches
	TokenCreatedAtSkew string `json:"token_created_at_skew,omitempty"`
	Slow               string `json:"slow,omitempty"`
}

// MarshalJSON writes only the switches that are on.
func (w Switches) MarshalJSON() ([]byte, error) {
	wire := wireSwitches{plainSwitches: (*plainSwitches)(&w)}
	if w.TokenCreatedAtSkew != 0 {
		wire.TokenCreatedAtSkew = w.TokenCreatedAtSkew.String()
	}
	if w.Slow != 0 {
		wire.Slow = w.Slow.String()
	}
	return json.Marshal(wire)
}

// UnmarshalJSON sets the switches that are named and leaves the others. An
// unknown name or value is an error.
func (w *Switches) UnmarshalJSON(text []byte) error {
	next := *w
	wire := wireSwitches{plainSwitches: (*plainSwitches)(&next)}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return err
	}
	if err := parseDuration("token_created_at_skew", wire.TokenCreatedAtSkew, &next.TokenCreatedAtSkew); err != nil {
		return err
	}
	if err := parseDuration("slow", wire.Slow, &next.Slow); err != nil {
		return err
	}
	if err := next.Validate(); err != nil {
		return err
	}
	*w = next
	return nil
}

func parseDuration(name, text string, d *time.Duration) (err error) {
	if text == "" {
		return nil
	}
	if *d, err = time.ParseDuration(text); err != nil {
		return fmt.Errorf("switch %s: %q is not a duration like 1500ms or -2h", name, text)
	}
	return nil
}

// Set sets one switch by its JSON name from text, as a command line gives it:
// Set("slow", "2s"), Set("html_502", "true").
func (w *Switches) Set(name, value string) error {
	key, _ := json.Marshal(name)
	quoted, _ := json.Marshal(value)
	var wrongType *json.UnmarshalTypeError
	var err error
	if json.Valid([]byte(value)) { // a number or a truth value, unless the switch takes text
		err = w.UnmarshalJSON(fmt.Appendf(nil, "{%s:%s}", key, value))
	}
	if errors.As(err, &wrongType) || !json.Valid([]byte(value)) {
		err = w.UnmarshalJSON(fmt.Appendf(nil, "{%s:%s}", key, quoted))
	}
	if err != nil {
		return fmt.Errorf("switch %s=%s: %w", name, value, err)
	}
	return nil
}

// Validate returns an error that names the first switch with an unknown value.
func (w Switches) Validate() error {
	for _, choice := range []struct {
		name, value string
		known       []string
	}{
		{"verify_body", w.VerifyBody, []string{"string", "object", "flat"}},
		{"wrong_code", w.WrongCode, []string{"pending", "rejected", "401_factor"}},
		{"expired", w.Expired, []string{"404", "rejected", "pending_forever"}},
		{"error_envelope_on_poll", w.ErrorEnvelopeOnPoll, []string{"A", "B"}},
		{"wildcards", w.Wildcards, []string{"on", "off"}},
		{"login_pending_type", w.LoginPendingType, []string{"pending", "success"}},
		{"smart_mfa_ok", w.SmartMFAOK, []string{"text", "json"}},
	} {
		if choice.value != "" && !slices.Contains(choice.known, choice.value) {
			return fmt.Errorf("switch %s: %q is none of %s", choice.name, choice.value, strings.Join(choice.known, ", "))
		}
	}
	if err := w.validateLists(); err != nil {
		return err
	}
	return w.validateNumbers()
}

func (w Switches) validateNumbers() error {
	for _, number := range []struct {
		name              string
		value, one, other int
	}{
		{"activate_status", w.ActivateStatus, 200, 201},
		{"enrol_status", w.EnrolStatus, 200, 201},
		{"mfa_token_status", w.MFATokenStatus, 200, 201},
		{"state_token_status", w.StateTokenStatus, 400, 401},
	} {
		if !slices.Contains([]int{0, number.one, number.other}, number.value) {
			return fmt.Errorf("switch %s: %d is neither %d nor %d", number.name, number.value, number.one, number.other)
		}
	}
	if min(w.Times, w.Tries, w.Edge429, w.Quota, w.LockAfter, int(w.Slow)) < 0 {
		return errors.New("switches times, tries, edge_429, quota, lock_after and slow must not be negative")
	}
	if w.RiskScore != nil && (*w.RiskScore < 0 || *w.RiskScore > 100) {
		return fmt.Errorf("switch risk_score: %d is not within 0 and 100", *w.RiskScore)
	}
	return nil
}

func (w Switches) validateLists() error {
	for _, list := range []struct {
		name          string
		values, known []string
	}{
		{"only", split(w.Only), allOps()},
		{"temporary_code", split(w.TemporaryCode), []string{"listed", "one_shot", "v1", "none"}},
	} {
		for _, value := range list.values {
			if !slices.Contains(list.known, value) {
				return fmt.Errorf("switch %s: %q is none of %s", list.name, value, strings.Join(list.known, ", "))
			}
		}
	}
	return nil
}

func mustBeValid(w Switches) {
	if err := w.Validate(); err != nil {
		panic("simulator: " + err.Error())
	}
}

// split returns the words of a comma separated list.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// forCall returns the switches that hold for a call of kind op when earlier
// calls have met them already, and whether they meet this one.
func (w Switches) forCall(op string, earlier int) (Switches, bool) {
	aimed := w.Only == "" || slices.Contains(split(w.Only), op)
	if !aimed || (w.Times > 0 && earlier >= w.Times) {
		return Switches{}, false
	}
	return w, true
}
