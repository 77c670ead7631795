package policy

import "time"

// skew is how far ahead of our clock the auth time of a session may lie:
// another node may have written it.
const skew = 60 * time.Second

// Requirement is what a request has to prove: that its user passed a challenge
// lately enough, with a factor that counts.
type Requirement struct {
	// MaxAge is how long a proof stays good, counted from the session's auth
	// time. Zero in a rule or in an argument of Tighten means "no own wish";
	// a requirement with MaxAge zero is never met.
	MaxAge time.Duration

	// Factors are the factors that count. None means that no proof does.
	Factors FactorSet
}

// Tighten returns the strictest of both: the smaller MaxAge, and only the
// factors that both accept. If they share none, the result is never met. The
// order of the two does not matter.
func (r Requirement) Tighten(o Requirement) Requirement {
	if r.MaxAge == 0 || o.MaxAge != 0 && o.MaxAge < r.MaxAge {
		r.MaxAge = o.MaxAge
	}
	r.Factors = r.Factors.And(o.Factors)
	return r
}

// Met reports whether a proof by factor f at authTime still counts at now.
//
// A proof that is exactly MaxAge old no longer counts. A zero auth time never
// does, nor does one more than 60 s in the future. The age is taken from the
// wall clock, because a monotonic reading stands still while a machine sleeps.
func (r Requirement) Met(authTime time.Time, f Factor, now time.Time) bool {
	if authTime.IsZero() || r.MaxAge <= 0 || !r.Factors.Has(f) {
		return false
	}
	age := now.Round(0).Sub(authTime.Round(0))
	return age >= -skew && age < r.MaxAge
}
