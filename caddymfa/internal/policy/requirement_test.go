package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

func set(t testing.TB, names ...string) policy.FactorSet {
	t.Helper()
	factors, err := policy.ParseFactors(names)
	if err != nil {
		t.Fatal(err)
	}
	return factors
}

func TestProofCountsUntilMaxAge(t *testing.T) {
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	sms := set(t, "sms")
	for _, tt := range []struct {
		name     string
		maxAge   time.Duration
		factors  policy.FactorSet
		authTime time.Time
		factor   policy.Factor
		want     bool
	}{
		{"never proved", time.Hour, sms, time.Time{}, policy.SMS, false},
		{"exactly max age", time.Hour, sms, now.Add(-time.Hour), policy.SMS, false},
		{"a nanosecond younger", time.Hour, sms, now.Add(-time.Hour + 1), policy.SMS, true},
		{"just now", time.Hour, sms, now, policy.SMS, true},
		{"clock of another node ahead", time.Hour, sms, now.Add(60 * time.Second), policy.SMS, true},
		{"in the future", time.Hour, sms, now.Add(60*time.Second + 1), policy.SMS, false},
		{"far in the future", time.Hour, sms, now.Add(1e6 * time.Hour), policy.SMS, false},
		{"no max age", 0, sms, now, policy.SMS, false},
		{"no max age, ahead", 0, sms, now.Add(time.Second), policy.SMS, false},
		{"negative max age", -time.Hour, sms, now, policy.SMS, false},
		{"other factor", time.Hour, sms, now, policy.TOTP, false},
		{"no factor accepted", time.Hour, 0, now, policy.SMS, false},
		{"unknown factor", time.Hour, policy.AnyFactor, now, "SMS", false},
		{"factor missing", time.Hour, policy.AnyFactor, now, "", false},
		{"epoch in a huge max age", 1<<63 - 1, sms, time.Unix(0, 0), policy.SMS, true},
	} {
		r := policy.Requirement{MaxAge: tt.maxAge, Factors: tt.factors}
		if got := r.Met(tt.authTime, tt.factor, now); got != tt.want {
			t.Errorf("%s: Met(%v, %s, %v) = %v, want %v", tt.name, tt.authTime, tt.factor, now, got, tt.want)
		}
	}
}

func TestMissingAuthTimeNeverCounts(t *testing.T) {
	// A clock that was never set is near Go's zero time.
	if site().Met(time.Time{}, policy.TOTP, time.Time{}.Add(time.Minute)) {
		t.Error("Met(zero auth time) = true, want false")
	}
}

func TestOneSessionMeetsRoutesByTheirOwnMaxAge(t *testing.T) {
	proved := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	now := proved.Add(10 * time.Minute)
	admin := policy.Requirement{MaxAge: adminAge, Factors: policy.AnyFactor}
	if !site().Met(proved, policy.TOTP, now) || admin.Met(proved, policy.TOTP, now) {
		t.Errorf("after 10 min: site %v, admin %v, want true, false",
			site().Met(proved, policy.TOTP, now), admin.Met(proved, policy.TOTP, now))
	}
}

func TestTightenKeepsTheStrictest(t *testing.T) {
	sms, totp, both := set(t, "sms"), set(t, "totp"), set(t, "sms", "totp")
	for _, tt := range []struct{ a, b, want policy.Requirement }{
		{policy.Requirement{MaxAge: 2, Factors: both}, policy.Requirement{MaxAge: 1, Factors: both}, policy.Requirement{MaxAge: 1, Factors: both}},
		{policy.Requirement{MaxAge: 2, Factors: both}, policy.Requirement{MaxAge: 0, Factors: sms}, policy.Requirement{MaxAge: 2, Factors: sms}},
		{policy.Requirement{MaxAge: 0, Factors: sms}, policy.Requirement{MaxAge: 0, Factors: totp}, policy.Requirement{}},
		{policy.Requirement{MaxAge: 1, Factors: 0}, policy.Requirement{MaxAge: 1, Factors: policy.AnyFactor}, policy.Requirement{MaxAge: 1}},
	} {
		if got := tt.a.Tighten(tt.b); got != tt.want {
			t.Errorf("%+v.Tighten(%+v) = %+v, want %+v", tt.a, tt.b, got, tt.want)
		}
		if got := tt.b.Tighten(tt.a); got != tt.want {
			t.Errorf("%+v.Tighten(%+v) = %+v, want %+v", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestFactorNames(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"push", `unknown factor "push" (factors are protect, sms, email, voice, totp, yubikey, duo, temporary)`},
		{"low_risk", `unknown factor "low_risk" (factors are`},
		{"sms low_risk", `unknown factor "low_risk"`},
		{"protetc", `did you mean "protect"?`},
		{"sms TOTP", `did you mean "totp"?`},
		{"mail", `did you mean "email"?`},
		{"yubi-key", `did you mean "yubikey"?`},
		{"sms totp sms", `factor "sms" is named twice`},
	} {
		if got, err := policy.ParseFactors(strings.Fields(tt.names)); err == nil || !strings.Contains(err.Error(), tt.want) || got != 0 {
			t.Errorf("ParseFactors(%s) = %v, %v, want %q", tt.names, got, err, tt.want)
		}
	}
	if got := set(t); got != policy.AnyFactor || len(got.List()) != 9 {
		t.Errorf("ParseFactors() = %v, want all", got.List())
	}
	if got := set(t, "totp", "protect").List(); !slices.Equal(got, []policy.Factor{policy.Protect, policy.TOTP}) {
		t.Errorf("List = %v, want protect and totp", got)
	}
}

func TestSuggestOnlyNearWords(t *testing.T) {
	known := []string{"max_age", "idle", "exempt", "require", "factors"}
	for _, tt := range []struct{ word, want string }{
		{"maxage", "max_age"},
		{"max-age", "max_age"},
		{"exmept", "exempt"},
		{"Require", "require"},
		{"requires", "require"},
		{"factor", "factors"},
		{"idel", "idle"},
		{"fail_open", ""},
		{"x", ""},
		{"", ""},
		{strings.Repeat("exempt", 1000), ""},
	} {
		if got, ok := policy.Suggest(tt.word, known); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Suggest(%.20q) = %q, %v, want %q", tt.word, got, ok, tt.want)
		}
	}
}
