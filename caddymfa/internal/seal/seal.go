// Package seal closes what a browser carries for us, such as the return URL
// within the address of a challenge page, so that nobody but us can read,
// change or make it.
//
// It says nothing about age or reuse: what must expire or work only once
// carries its own deadline and number inside.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// MaxSealed is the longest text that [Sealer.Open] looks at, in bytes, and
// MaxPlaintext the longest plaintext whose sealed form is not longer. In
// between lie 12 bytes of nonce, 16 of authentication tag, and base64.
const (
	MaxSealed    = 8 << 10
	MaxPlaintext = MaxSealed/4*3 - 12 - 16
)

const keyBytes = 32 // AES-256

// Sealer seals and opens. Make it with [New]. It may be used concurrently.
//
// Every purpose has a key of its own, derived by HKDF-SHA-256 (RFC 5869), so
// that what was sealed for one is worthless for all others.
type Sealer struct {
	keys [][keyBytes]byte
}

// New returns the sealer for keys of 256 random bits, the same on every node
// that has to open what another has sealed. The first one seals; what an older
// one has sealed still opens. There must be at least one.
func New(keys ...[32]byte) *Sealer { return &Sealer{keys: keys} }

// Seal returns plaintext encrypted and authenticated for purpose by AES-256-GCM
// with a random nonce, in base64url without padding. Sealing the same plaintext
// twice gives two different texts.
//
// A plaintext longer than [MaxPlaintext] gives "", which Open refuses.
func (s *Sealer) Seal(purpose string, plaintext []byte) string {
	if len(plaintext) > MaxPlaintext {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(aead(s.keys[0], purpose).Seal(nil, nil, plaintext, []byte(purpose))) //nolint:gosec // this AEAD draws its nonce itself
}

// Open returns what was sealed. ok is false for everything that these keys did
// not seal for this purpose: changed in any bit, cut, longer than [MaxSealed],
// or spelled differently though it stands for the same bytes.
func (s *Sealer) Open(purpose, sealed string) (plaintext []byte, ok bool) {
	// encoding/base64 skips line breaks even when it is strict.
	if len(sealed) > MaxSealed || strings.ContainsAny(sealed, "\r\n") {
		return nil, false
	}
	ciphertext, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, false
	}
	for _, key := range s.keys {
		if plaintext, err := aead(key, purpose).Open(nil, nil, ciphertext, []byte(purpose)); err == nil {
			return plaintext, true
		}
	}
	return nil, false
}

// Format keeps the key out of whatever a Sealer is printed into.
func (Sealer) Format(f fmt.State, _ rune) { io.WriteString(f, "seal.Sealer") }

// aead returns the cipher of a key for purpose. With keys of a fixed size none
// of its steps can fail.
func aead(key [keyBytes]byte, purpose string) cipher.AEAD {
	derived, err := hkdf.Key(sha256.New, key[:], nil, "caddymfa seal 1 "+purpose, keyBytes)
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
