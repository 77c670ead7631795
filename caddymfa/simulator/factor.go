package simulator

// Factor is a kind of proof, in this package's own words. The names that the
// API uses are given by the tables of docs/onelogin.md.
type Factor string

// The factors that a device can have. A magic link is the other mode of
// OneLogin's e-mail factor and looks the same in the API.
const (
	Protect   Factor = "protect"
	SMS       Factor = "sms"
	Email     Factor = "email"
	MagicLink Factor = "magiclink"
	Voice     Factor = "voice"
	TOTP      Factor = "totp"
	YubiKey   Factor = "yubikey"
	Duo       Factor = "duo"
	Temporary Factor = "temporary" // a code that the help desk made, not a device
)

// wireNames returns auth_factor_name and type_display_name as version 2 of the
// API spells them.
func (f Factor) wireNames() (factorName, typeName string) {
	switch f {
	case Protect:
		return "OneLogin", "OneLogin Protect"
	case SMS:
		return "SMS", "OneLogin SMS"
	case Email, MagicLink:
		return "OneLogin Email", "OneLogin Email"
	case Voice:
		return "OneLogin Voice", "OneLogin Voice"
	case TOTP:
		return "Google Authenticator", "Authenticator"
	case YubiKey:
		return "YubiKey", "YubiKey"
	case Duo:
		return "Duo Security", "Duo Security"
	case Temporary:
		return "Temporary OTP", "Temporary OTP"
	}
	return string(f), string(f)
}

// answeredOnPhone reports whether the person ends such a verification on the
// phone instead of typing a code into the site.
func (f Factor) answeredOnPhone() bool {
	return f == Protect || f == Voice || f == MagicLink
}

// generatesCodes reports whether the device itself shows codes.
func (f Factor) generatesCodes() bool {
	return f == Protect || f == TOTP || f == YubiKey || f == Duo
}

// allFactors returns every factor that a device can have.
func allFactors() []Factor {
	return []Factor{Protect, SMS, Email, MagicLink, Voice, TOTP, YubiKey, Duo}
}

// id is the number under which the factor is enrolled. OneLogin's numbers
// differ from tenant to tenant. Codes by mail and links are one factor there.
func (f Factor) id() int {
	switch f {
	case Protect:
		return 58957
	case SMS:
		return 58958
	case Voice:
		return 58959
	case Email, MagicLink:
		return 58960
	case TOTP:
		return 58961
	case YubiKey:
		return 58962
	case Duo:
		return 58963
	}
	return 0
}

// v1Name returns the name in version 1 of the API, or "" for a factor that
// version 1 does not have.
func (f Factor) v1Name() string {
	switch f {
	case Protect:
		return "OneLogin Protect"
	case SMS:
		return "OneLogin SMS"
	case Email:
		return "OneLogin Email"
	case TOTP:
		return "Google Authenticator"
	case YubiKey:
		return "YubiKey"
	case Duo:
		return "Duo"
	}
	return "" // links and calls: no source shows how they would be verified there
}

// loginName returns the device_type of a session login, or "" for a factor
// that it does not offer.
func (f Factor) loginName() string {
	switch f {
	case YubiKey:
		return "Yubico YubiKey"
	case Duo:
		return "Duo Security"
	}
	return f.v1Name()
}
