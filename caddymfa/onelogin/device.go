package onelogin

import (
	"context"
	"strings"
)

// temporaryDevice begins the id of the device behind a temporary code that a
// help desk has made for a user.
const temporaryDevice = "user_temp_otp_"

// Kind is the kind of proof that a device gives.
type Kind string

// The kinds of proof that OneLogin's MFA API can verify.
const (
	KindProtect Kind = "protect" // OneLogin Protect: approve a push, or type its code
	KindSMS     Kind = "sms"     // code by text message
	KindEmail   Kind = "email"   // code or magic link by mail, as the tenant is set
	KindVoice   Kind = "voice"   // call: the user types a shown code on the phone
	KindTOTP    Kind = "totp"    // authenticator app, RFC 6238
	KindYubiKey Kind = "yubikey" // YubiKey one-time password
	KindDuo     Kind = "duo"     // Duo passcode

	// KindTemporary is a code that a help desk has made for a user who lost
	// everything else. It proves that the help desk trusts the user.
	KindTemporary Kind = "temporary"

	// KindUnknown is none that we know: not to be offered.
	KindUnknown Kind = ""
)

// Device is one factor that a user has enrolled.
type Device struct {
	// ID is OneLogin's id for the device. It is opaque.
	ID string

	// Name is what the user called it. It is the user's text: escape it.
	Name string

	// TypeName is OneLogin's name of the type for people, such as "OneLogin SMS".
	TypeName string

	// FactorName is OneLogin's name of the factor for programs, such as "SMS".
	FactorName string

	// Default reports whether the user prefers this device.
	Default bool
}

// Kind tells what kind of proof the device gives, by its factor name
// (docs/onelogin.md, Factor names), or by its id for a temporary code. Names
// that we do not know are [KindUnknown].
func (d Device) Kind() Kind {
	if strings.HasPrefix(d.ID, temporaryDevice) {
		return KindTemporary
	}
	return kindOf(d.FactorName)
}

// kindOf knows the names of both MFA APIs and of the session login.
func kindOf(factorName string) Kind {
	switch strings.ToLower(factorName) {
	case "onelogin", "onelogin protect":
		return KindProtect
	case "sms", "onelogin sms", "onelogin otp sms":
		return KindSMS
	case "onelogin email", "email":
		return KindEmail
	case "onelogin voice", "voice":
		return KindVoice
	case "google authenticator", "authenticator":
		return KindTOTP
	case "yubikey", "yubico yubikey":
		return KindYubiKey
	case "duo security", "duo":
		return KindDuo
	default:
		return KindUnknown
	}
}

// Devices returns what the user has enrolled and can be verified through the
// API, in OneLogin's order. No device is an empty list: the user cannot prove
// anything, and must not pass for it. Errors are [*Error]: status 404 for a
// user that does not exist, status 0 and no request for an id that is not one.
func (c *Client) Devices(ctx context.Context, userID string) ([]Device, error) {
	return c.mfa.devices(ctx, userID)
}

// readDevices leaves out rows that say they are not active, which only the
// old API does.
func readDevices(body []byte) ([]Device, string) {
	records, err := parseList(body)
	if err != nil {
		return nil, classUnreadable
	}
	devices := make([]Device, 0, len(records))
	for _, record := range records {
		device, ok := readDevice(record, "device_id")
		if !ok {
			return nil, classUnreadable
		}
		if record["active"] != false {
			devices = append(devices, device)
		}
	}
	return devices, ""
}

func readDevice(record object, idName string) (Device, bool) {
	device := Device{
		ID:         identifier(record[idName]),
		Name:       text(record["user_display_name"]),
		TypeName:   text(record["type_display_name"]),
		FactorName: text(record["auth_factor_name"]),
		Default:    record["default"] == true,
	}
	return device, device.ID != ""
}
