package policy_test

import (
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// A set that names its factors, however long, takes no absence of risk for one
// of them, and leaves temporary codes out unless it names them.
func TestOnlyTheUnnamedSetHoldsLowRisk(t *testing.T) {
	all := []string{"protect", "sms", "email", "voice", "totp", "yubikey", "duo", "temporary"}
	for _, tt := range []struct {
		names                     []string
		named, lowRisk, temporary bool
	}{
		{all, true, false, true},
		{all[:7], true, false, false},
		{[]string{"temporary"}, true, false, true},
		{nil, false, true, true},
	} {
		set, err := policy.ParseFactors(tt.names)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []policy.FactorSet{set, set.And(policy.AnyFactor), policy.AnyFactor.And(set)} {
			if s.Named() != tt.named || s.Has(policy.LowRisk) != tt.lowRisk || s.Has(policy.Temporary) != tt.temporary {
				t.Errorf("%v: named %v, low risk %v, temporary %v, want %v, %v, %v", tt.names,
					s.Named(), s.Has(policy.LowRisk), s.Has(policy.Temporary), tt.named, tt.lowRisk, tt.temporary)
			}
		}
	}
	if !policy.FactorSet(0).Named() {
		t.Error("the empty set holds low risk")
	}
}
