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

// Switches are deviations from the default behaviour. Each is documented or
// plausible for the real OneLogin; the zero value has none. The JSON names are
// those of docs/simulator.md. Durations are written as strings like "1.5s".
type Switches struct {
	// Only limits all other switches to calls of these kinds, as a comma
	// separated list of the Op constants. Empty: every call.
	Only string `json:"only,omitempty"`
	// Times is how many calls the switches meet before they stop working,
	// counted since they were last changed. 0: no end.
	Times int `json:"times,omitempty"`

	// Arrays wraps verifications in an array of one, as the documentation prints them.
	Arrays bool `json:"arrays,omitempty"`
	// DoubleArray wraps them twice.
	DoubleArray bool `json:"double_array,omitempty"`
	// IDsAsNumbers sends user_id, device_id and numeric verification ids as numbers.
	IDsAsNumbers bool `json:"ids_as_numbers,omitempty"`
	// NumericVerificationIDs makes ids of digits instead of UUIDs.
	NumericVerificationIDs bool `json:"numeric_verification_ids,omitempty"`
	// VerificationIDMismatch sends another id back from verify and poll.
	VerificationIDMismatch bool `json:"verification_id_mismatch,omitempty"`
	// DeviceIDMismatch sends another device_id back from activate, verify and poll.
	DeviceIDMismatch bool `json:"device_id_mismatch,omitempty"`

	// ActivateStatus is the HTTP status of an activation: 200 or 201 (default).
	ActivateStatus int `json:"activate_status,omitempty"`
	// VerifyBody is the shape of the answer to a right code: "string" (default
	// for PUT), "object" (default for the one-shot POST) or "flat".
	VerifyBody string `json:"verify_body,omitempty"`
	// WrongCode is the answer to a wrong code: "pending" (default for PUT),
	// "rejected", which ends the verification, or "401_factor" (default for
	// the one-shot POST).
	WrongCode string `json:"wrong_code,omitempty"`
	// Tries is how many wrong codes end a verification. Default 5.
	Tries int `json:"tries,omitempty"`
	// Expired is the answer after the deadline: "404" (default), "rejected"
	// or "pending_forever".
	Expired string `json:"expired,omitempty"`
	// ExtraUnknownStatus replaces the word "accepted", for example by "approved".
	ExtraUnknownStatus string `json:"extra_unknown_status,omitempty"`
	// AlphanumericCodes sends codes like B41832 instead of six digits.
	AlphanumericCodes bool `json:"alphanumeric_codes,omitempty"`
	// ErrorEnvelopeOnPoll is the form of errors from polls: "A" or "B".
	// Default: 401 in form A, everything else in form B.
	ErrorEnvelopeOnPoll string `json:"error_envelope_on_poll,omitempty"`

	// TokenWrapped answers the version 2 token path in version 1's wrapping.
	TokenWrapped bool `json:"token_wrapped,omitempty"`
	// TokenNoRefreshField leaves refresh_token out.
	TokenNoRefreshField bool `json:"token_no_refresh_field,omitempty"`
	// TokenCreatedAtSkew is added to created_at.
	TokenCreatedAtSkew time.Duration `json:"token_created_at_skew,omitempty"`
	// TokenKilledByOtherClient revokes the access token under the next call,
	// which gets 401; the switch then turns itself off.
	TokenKilledByOtherClient bool `json:"token_killed_by_other_client,omitempty"`
	// SameTokenAfter401 answers 401 though the access token is alive, so that
	// asking for another one yields the same.
	SameTokenAfter401 bool `json:"same_token_after_401,omitempty"`

	// Edge429 answers the n-th call and all after it with the edge's HTML page
	// and does nothing else. 1 is every call, 0 none.
	Edge429 int `json:"edge_429,omitempty"`
	// Quota429 answers 429 in form A with no calls remaining.
	Quota429 bool `json:"quota_429,omitempty"`
	// HTML502 answers with a gateway's HTML page; the call has no effect.
	HTML502 bool `json:"html_502,omitempty"`
	// Slow delays each call, until its context ends.
	Slow time.Duration `json:"slow,omitempty"`
	// TruncateBody carries the call out, then breaks off in the middle of the answer.
	TruncateBody bool `json:"truncate_body,omitempty"`
	// Empty200 carries the call out, then answers 200 with no body.
	Empty200 bool `json:"empty_200,omitempty"`

	// NoDevices hides everybody's devices from the list.
	NoDevices bool `json:"no_devices,omitempty"`
	// UnknownFactorName gives every device a factor name nobody has heard of.
	UnknownFactorName bool `json:"unknown_factor_name,omitempty"`
	// UserStatus and UserState replace those of every user. Nil: as they are.
	UserStatus *int `json:"user_status,omitempty"`
	UserState  *int `json:"user_state,omitempty"`
	// DuplicateUsers lists a second user with the same names.
	DuplicateUsers bool `json:"duplicate_users,omitempty"`
	// Wildcards is "on" (default) or "off": whether * and ! are patterns in
	// user searches.
	Wildcards string `json:"wildcards,omitempty"`
}

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
	} {
		if choice.value != "" && !slices.Contains(choice.known, choice.value) {
			return fmt.Errorf("switch %s: %q is none of %s", choice.name, choice.value, strings.Join(choice.known, ", "))
		}
	}
	if !slices.Contains([]int{0, 200, 201}, w.ActivateStatus) {
		return fmt.Errorf("switch activate_status: %d is neither 200 nor 201", w.ActivateStatus)
	}
	if min(w.Times, w.Tries, w.Edge429, int(w.Slow)) < 0 {
		return fmt.Errorf("switches times, tries, edge_429 and slow must not be negative")
	}
	for _, op := range w.ops() {
		if !slices.Contains(allOps(), op) {
			return fmt.Errorf("switch only: %q is none of %s", op, strings.Join(allOps(), ", "))
		}
	}
	return nil
}

func mustBeValid(w Switches) {
	if err := w.Validate(); err != nil {
		panic("simulator: " + err.Error())
	}
}

// ops returns the kinds of call that Only names.
func (w Switches) ops() []string {
	return strings.FieldsFunc(w.Only, func(r rune) bool { return r == ',' || r == ' ' })
}

// forCall returns the switches that hold for a call of kind op when earlier
// calls have met them already, and whether they meet this one.
func (w Switches) forCall(op string, earlier int) (Switches, bool) {
	aimed := w.Only == "" || slices.Contains(w.ops(), op)
	if !aimed || (w.Times > 0 && earlier >= w.Times) {
		return Switches{}, false
	}
	return w, true
}
