package simulator

import "time"

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

	// LoneFactor sends the first factor as an object instead of the list.
	LoneFactor bool `json:"lone_factor,omitempty"`
	// EnrolStatus is the HTTP status of an enrolment: 200 or 201 (default).
	EnrolStatus int `json:"enrol_status,omitempty"`
	// MFATokenStatus is the HTTP status of a new temporary code: 200 or 201 (default).
	MFATokenStatus int `json:"mfa_token_status,omitempty"`
	// TemporaryCode names the ways in which a temporary code can be redeemed,
	// as a comma separated list: "listed" (its device is in the list and can be
	// activated and verified), "one_shot" (POST with its device id), "v1"
	// (version 1, device 0), or "none". Default: all three.
	TemporaryCode string `json:"temporary_code,omitempty"`
	// MFSAlias also takes mfa_token under the misspelt /api/2/mfs/.
	MFSAlias bool `json:"mfs_alias,omitempty"`

	// Quota is how many calls to version 1 an hour has. Default 5000.
	Quota int `json:"quota,omitempty"`
	// V1ProtectNoTrigger says needs_trigger false for Protect in version 1.
	V1ProtectNoTrigger bool `json:"v1_protect_no_trigger,omitempty"`
	// StateTokenStatus is the HTTP status for an expired state token in version
	// 1 and in the login: 400 (default) or 401.
	StateTokenStatus int `json:"state_token_status,omitempty"`

	// LoginPendingType is the type of a pending push in the login: "pending"
	// (default) or "success". The message is the same.
	LoginPendingType string `json:"login_pending_type,omitempty"`
	// LoginWithoutMFA lets the password alone log in.
	LoginWithoutMFA bool `json:"login_without_mfa,omitempty"`
	// LockAfter locks a user after so many wrong passwords. 0: never.
	LockAfter int `json:"lock_after,omitempty"`

	// RiskScore is Smart MFA's score for everybody, 0 to 100. Nil: as set by
	// SetRisk. The first time of an identifier gets a code all the same.
	RiskScore *int `json:"risk_score,omitempty"`
	// SmartMFAOK is the answer to a right code in Smart MFA: "text" (default,
	// the two letters OK) or "json" (with quotes).
	SmartMFAOK string `json:"smart_mfa_ok,omitempty"`
	// SmartMFATextBooleans sends otp_sent as "true" or "false".
	SmartMFATextBooleans bool `json:"smart_mfa_text_booleans,omitempty"`
	// NodeSmartMFAAlias takes Smart MFA's verify under /api/2/verify too, where
	// OneLogin's Node SDK sends it.
	NodeSmartMFAAlias bool `json:"node_smart_mfa_alias,omitempty"`

	// WebhookDuplicates posts everything twice.
	WebhookDuplicates bool `json:"webhook_duplicates,omitempty"`
	// WebhookReversed posts the newest of what waits first.
	WebhookReversed bool `json:"webhook_reversed,omitempty"`
	// WebhookIDsAsText posts event_type_id, user_id and otp_device_id as text.
	WebhookIDsAsText bool `json:"webhook_ids_as_text,omitempty"`
}
