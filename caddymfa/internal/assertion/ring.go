package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// KeyLifetime is the age at which a key is followed by a new one.
	KeyLifetime = 30 * 24 * time.Hour

	// Overlap is how long a new key is published before it signs, and how long
	// an old one is published after it has signed last. Whoever keeps the
	// published keys for less than that never misses one.
	Overlap = time.Hour

	// maxKeys bounds what is read. A rotation leaves three at most.
	maxKeys = 8
)

// Ring is the keys that sign and those that are still, or already, published.
// It does not change; the zero value holds no key.
type Ring struct {
	keys []key // the newest first
}

// key is one P-256 key.
type key struct {
	id      string // its thumbprint, RFC 7638
	made    time.Time
	private *ecdsa.PrivateKey
}

// storedRing is a ring as it is kept, with its private keys.
type storedRing struct {
	Version int         `json:"version"`
	Keys    []storedKey `json:"keys"`
}

type storedKey struct {
	Made  int64  `json:"made"`  // seconds since 1970
	PKCS8 []byte `json:"pkcs8"` // RFC 5208
}

// ringVersion is the version of storedRing.
const ringVersion = 1

// errNoRing tells nothing of what was read: it may be a key.
var errNoRing = errors.New("this is no ring of signing keys, or one of another version")

// ParseRing reads what [Ring.Encode] wrote. It accepts 1 to 8 keys, all on
// P-256. Errors show nothing of what was read.
func ParseRing(stored []byte) (Ring, error) {
	var read storedRing
	if err := json.Unmarshal(stored, &read); err != nil || read.Version != ringVersion {
		return Ring{}, errNoRing
	}
	if count := len(read.Keys); count == 0 || count > maxKeys {
		return Ring{}, fmt.Errorf("%d signing keys, want 1 to %d", count, maxKeys)
	}
	var r Ring
	for _, one := range read.Keys {
		parsed, err := x509.ParsePKCS8PrivateKey(one.PKCS8)
		private, isEC := parsed.(*ecdsa.PrivateKey)
		if err != nil || !isEC || private.Curve != elliptic.P256() {
			return Ring{}, errors.New("a signing key is not on P-256")
		}
		k, err := newKey(private, time.Unix(one.Made, 0))
		if err != nil {
			return Ring{}, err
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// Encode returns the ring for [ParseRing], private keys included.
func (r Ring) Encode() ([]byte, error) {
	stored := storedRing{Version: ringVersion}
	for _, k := range r.keys {
		encoded, err := x509.MarshalPKCS8PrivateKey(k.private)
		if err != nil {
			return nil, fmt.Errorf("encode signing key: %w", err)
		}
		stored.Keys = append(stored.Keys, storedKey{Made: k.made.Unix(), PKCS8: encoded})
	}
	return json.Marshal(stored)
}

func newKey(private *ecdsa.PrivateKey, made time.Time) (key, error) {
	public := jose.JSONWebKey{Key: &private.PublicKey}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return key{}, fmt.Errorf("thumbprint of signing key: %w", err)
	}
	return key{id: base64.RawURLEncoding.EncodeToString(sum), made: made, private: private}, nil
}

// Due tells whether the ring should be rotated: it holds no key, or its newest
// is older than [KeyLifetime].
func (r Ring) Due(now time.Time) bool {
	return len(r.keys) == 0 || now.Sub(r.keys[0].made) >= KeyLifetime
}

// Waiting tells whether the ring was rotated so lately that its new key does
// not sign yet. The one key of a ring never waits.
func (r Ring) Waiting(now time.Time) bool {
	return len(r.keys) > 1 && now.Before(r.keys[0].signsFrom())
}

// Rotate returns a ring with a new key in front, without the keys that are not
// published any more. Only where there was none does it sign at once.
func (r Ring) Rotate(now time.Time) (Ring, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Ring{}, fmt.Errorf("make signing key: %w", err)
	}
	k, err := newKey(private, now)
	if err != nil {
		return Ring{}, err
	}
	return Ring{keys: slices.Concat([]key{k}, r.published(now))}, nil
}

// PublicKeys returns the ring's published keys as a JWK Set (RFC 7517, section
// 5), without anything private.
func (r Ring) PublicKeys(now time.Time) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range r.published(now) {
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: &k.private.PublicKey, KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig",
		})
	}
	return json.Marshal(set)
}

// signsFrom is when the key takes over from the one before it.
func (k key) signsFrom() time.Time { return k.made.Add(Overlap) }

// signer is the newest key that everybody had time to fetch, or else the
// oldest. The ring holds at least one.
func (r Ring) signer(now time.Time) key {
	for _, k := range r.keys {
		if !now.Before(k.signsFrom()) {
			return k
		}
	}
	return r.keys[len(r.keys)-1]
}

// published is the keys up to the first whose successor has signed for so long
// that nothing it signed can be under way.
func (r Ring) published(now time.Time) []key {
	for i := 1; i < len(r.keys); i++ {
		if !now.Before(r.keys[i-1].signsFrom().Add(Overlap)) {
			return r.keys[:i]
		}
	}
	return r.keys
}
