package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Factor is a kind of proof, by the name that the configuration uses.
type Factor string

// The factors: one for each kind of device that OneLogin can verify, and two
// that are no device.
const (
	Protect Factor = "protect" // push to, or code from, OneLogin Protect
	SMS     Factor = "sms"     // code in a text message
	Email   Factor = "email"   // code in a mail
	Voice   Factor = "voice"   // code in a phone call
	TOTP    Factor = "totp"    // code from an authenticator app, RFC 6238
	YubiKey Factor = "yubikey" // code from a YubiKey
	Duo     Factor = "duo"     // Duo Security

	// Temporary is a code that a help desk made for a person who lost their
	// devices.
	Temporary Factor = "temporary"

	// LowRisk means that OneLogin's Smart MFA saw no risk and so asked for no
	// code. Nothing was proven: it is in no set that names its factors.
	LowRisk Factor = "low_risk"
)

// FactorSet is a set of factors. The zero value holds none, and so refuses
// every proof.
type FactorSet uint16

// AnyFactor holds every factor, [Temporary] and [LowRisk] too. It is what a
// site accepts unless it says otherwise.
const AnyFactor FactorSet = 1<<factorCount - 1

const factorCount = 9

// factors lists every factor; its order gives each one its bit and is the
// order of [FactorSet.List] and of error texts.
func factors() [factorCount]Factor {
	return [...]Factor{Protect, SMS, Email, Voice, TOTP, YubiKey, Duo, Temporary, LowRisk}
}

// named returns the factors that a configuration can name: all but LowRisk,
// which stands last.
func named() []Factor {
	all := factors()
	return all[:factorCount-1]
}

// ParseFactors returns the set that names spell, or [AnyFactor] if there are
// none. Names are lower case and exact. An unknown or a repeated name is an
// error, whose text lists the names that exist and suggests the nearest;
// [LowRisk] cannot be named.
func ParseFactors(names []string) (FactorSet, error) {
	if len(names) == 0 {
		return AnyFactor, nil
	}
	var set FactorSet
	for _, name := range names {
		one := Factor(name).set()
		switch {
		case one == 0, Factor(name) == LowRisk:
			return 0, unknownFactor(name)
		case set&one != 0:
			return 0, fmt.Errorf("factor %q is named twice", name)
		}
		set |= one
	}
	return set, nil
}

func unknownFactor(name string) error {
	known := make([]string, 0, factorCount)
	for _, f := range named() {
		known = append(known, string(f))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "unknown factor %q", name)
	if near, ok := Suggest(name, known); ok {
		fmt.Fprintf(&text, ", did you mean %q?", near)
	}
	fmt.Fprintf(&text, " (factors are %s)", strings.Join(known, ", "))
	return errors.New(text.String())
}

// set returns the set that holds f alone, or none if f is not a factor.
func (f Factor) set() FactorSet {
	for i, known := range factors() {
		if f == known {
			return 1 << i
		}
	}
	return 0
}

// Has reports whether f is in the set. A factor that does not exist is in no
// set.
func (s FactorSet) Has(f Factor) bool { return s&f.set() != 0 }

// Named reports whether the set was spelled out, here or in one of the sets
// that it is the common part of: then [LowRisk] is not in it.
func (s FactorSet) Named() bool { return !s.Has(LowRisk) }

// And returns the factors that are in both sets.
func (s FactorSet) And(o FactorSet) FactorSet { return s & o }

// List returns the factors of the set, always in the same order.
func (s FactorSet) List() []Factor {
	var list []Factor
	for i, f := range factors() {
		if s&(1<<i) != 0 {
			list = append(list, f)
		}
	}
	return list
}
