// Package assertion makes what tells an app, in a way that it can check, who
// proved themselves and how: a JSON Web Token (RFC 7519) signed with ES256
// (RFC 7518, section 3.4), and the set of public keys that it verifies with
// (RFC 7517).
//
// Times are passed in, and nothing is read or kept outside of memory: where a
// [Ring] of keys lies is its caller's business.
package assertion

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// Lifetime is how long a signed statement is good, from the moment at
	// which it was signed.
	Lifetime = time.Minute

	// ClassMFA is the acr of a statement that says: somebody logged in, and
	// proved a factor besides.
	ClassMFA = "mfa"
)

// Statement is what is said about one request. Nothing in it is checked but
// the factor.
type Statement struct {
	Issuer   string    // the site on which the user proved themselves
	Audience string    // the app that it is for
	User     string    // as the site's first login names them, UTF-8
	Factor   string    // the factor that was proved, as the configuration names it
	AuthTime time.Time // when that was

	// Alone says that no login came before the factor. The statement then
	// claims no [ClassMFA].
	Alone bool
}

// claims is a statement as it is sent. auth_time, acr and amr are those of
// OpenID Connect Core 1.0, section 2.
type claims struct {
	jwt.Claims
	AuthTime *jwt.NumericDate `json:"auth_time"`
	Class    string           `json:"acr,omitempty"`
	Methods  []string         `json:"amr"`
}

// Sign signs a statement with the key of the ring that signs at now. It is good
// from now for [Lifetime].
//
// Errors: a ring without keys, or a factor that [Method] does not know.
func (r Ring) Sign(s Statement, now time.Time) (string, error) {
	if len(r.keys) == 0 {
		return "", errors.New("sign assertion: no key")
	}
	method, known := Method(s.Factor)
	if !known {
		return "", fmt.Errorf("sign assertion: no method for factor %q", s.Factor)
	}
	said := claims{
		Claims: jwt.Claims{
			Issuer:   s.Issuer,
			Subject:  s.User,
			Audience: jwt.Audience{s.Audience},
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(Lifetime)),
		},
		AuthTime: jwt.NewNumericDate(s.AuthTime),
		Methods:  []string{method},
	}
	if !s.Alone && s.Factor != lowRisk {
		said.Class = ClassMFA
	}
	compact, err := r.signer(now).sign(said)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return compact, nil
}

// sign signs with one key, in the compact form of RFC 7515, section 3.1. The
// header names the key, so that a receiver who does not know it can fetch it.
func (k key) sign(said claims) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(said)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// lowRisk is the factor that proves nothing: Smart MFA saw no risk.
const lowRisk = "low_risk"

// Method returns the amr value of a factor: one of RFC 8176, section 2, where
// that has one, and the factor's own name where it has none. False: there is no
// such factor.
func Method(factor string) (string, bool) {
	switch factor {
	case "protect": // by push or by code: either proves what is on the phone
		return "swk", true
	case "totp", "yubikey", "duo":
		return "otp", true
	case "sms":
		return "sms", true
	case "voice":
		return "tel", true
	case lowRisk:
		return "rba", true
	case "email", "temporary":
		return factor, true
	}
	return "", false
}
