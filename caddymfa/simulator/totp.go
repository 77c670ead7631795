package simulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"time"
)

// codeStep is how long an authenticator shows one code (RFC 6238, section 4).
const codeStep = 30 * time.Second

// totp returns the code of RFC 6238 with SHA-1 at time t.
func totp(secret []byte, t time.Time, digits int) string {
	sum := counterSum(secret, t)
	// Dynamic truncation, RFC 4226, section 5.3.
	offset := sum[len(sum)-1] & 0x0f
	number := uint64(binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff)
	modulus := uint64(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, number%modulus)
}

// modhex returns what an invented YubiKey would type at time t: 44 letters of
// its alphabet, the first twelve of which name the key. A real one counts
// presses instead of steps.
func modhex(secret []byte, t time.Time) string {
	const letters = "cbdefghijklnrtuv"
	sum := counterSum(secret, t)
	code := make([]byte, 0, 44)
	for _, b := range append(append([]byte(nil), secret[:6]...), sum[:16]...) {
		code = append(code, letters[b>>4], letters[b&0x0f])
	}
	return string(code)
}

func counterSum(secret []byte, t time.Time) []byte {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(t.Unix()/int64(codeStep/time.Second))))
	return mac.Sum(nil)
}

// deviceCode returns the code that a device with this factor shows at t.
func deviceCode(f Factor, secret []byte, t time.Time) string {
	if f == YubiKey {
		return modhex(secret, t)
	}
	return totp(secret, t, 6)
}

// showsCode reports whether the device shows code at now, one step earlier or
// one step later.
func showsCode(f Factor, secret []byte, now time.Time, code string) bool {
	for _, drift := range []time.Duration{0, -codeStep, codeStep} {
		if deviceCode(f, secret, now.Add(drift)) == code {
			return true
		}
	}
	return false
}
