package simulator

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
)

// newVerificationID returns a UUID, or a number that fits an int32 where a
// switch asks for that.
func newVerificationID(w Switches) string {
	if w.NumericVerificationIDs {
		return strconv.FormatInt(1_000_000+randomBelow(1_000_000_000), 10)
	}
	return newUUID()
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newCode returns six digits, or a letter and five digits. Half of the former
// begin with a zero, so that a client that reads codes as numbers is found out.
func newCode(alphanumeric bool) string {
	if alphanumeric {
		const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
		return fmt.Sprintf("%c%05d", letters[randomBelow(int64(len(letters)))], randomBelow(100_000))
	}
	if randomBelow(2) == 0 {
		return fmt.Sprintf("0%05d", randomBelow(100_000))
	}
	return fmt.Sprintf("%06d", randomBelow(1_000_000))
}

func randomBelow(n int64) int64 {
	number, err := rand.Int(rand.Reader, big.NewInt(n))
	if err != nil {
		panic("simulator: " + err.Error()) // crypto/rand does not fail
	}
	return number.Int64()
}

// newStateToken returns 40 hexadecimal digits, as state and session tokens have.
func newStateToken() string { return hex.EncodeToString(randomBytes(20)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never returns an error, see crypto/rand
	return b
}
