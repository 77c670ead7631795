package simulator

import (
	"regexp"
	"testing"
	"time"
)

// The SHA-1 rows of RFC 6238, appendix B.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for _, test := range []struct {
		seconds int64
		want    string
	}{
		{59, "94287082"},
		{1111111109, "07081804"},
		{1111111111, "14050471"},
		{1234567890, "89005924"},
		{2000000000, "69279037"},
		{20000000000, "65353130"},
	} {
		if got := totp(secret, time.Unix(test.seconds, 0), 8); got != test.want {
			t.Errorf("totp(%d) = %s, want %s", test.seconds, got, test.want)
		}
	}
}

func TestCodeIsGoodForOneStepAround(t *testing.T) {
	secret := []byte("12345678901234567890")
	now := time.Unix(1111111109, 0)
	for _, test := range []struct {
		drift time.Duration
		want  bool
	}{
		{-2 * codeStep, false}, {-codeStep, true}, {0, true}, {codeStep, true}, {2 * codeStep, false},
	} {
		code := totp(secret, now.Add(test.drift), 6)
		if got := showsCode(TOTP, secret, now, code); got != test.want {
			t.Errorf("code of %v accepted = %v, want %v", test.drift, got, test.want)
		}
	}
	if showsCode(TOTP, secret, now, "") {
		t.Error("an empty code is accepted")
	}
}

func TestYubiKeyTypesModhex(t *testing.T) {
	code := deviceCode(YubiKey, []byte("12345678901234567890"), time.Unix(59, 0))
	if !regexp.MustCompile(`^[cbdefghijklnrtuv]{44}$`).MatchString(code) {
		t.Errorf("code = %q, want 44 letters of modhex", code)
	}
}
