package policy_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"pgregory.net/rapid"
)

func TestExemptNeverBeatsRequire(t *testing.T) {
	paths := rapid.SampledFrom([]string{"/a", "/a/*", "/a/b", "/a/b/*", "/c.php", "/c/*", "/*", "/"})
	tail := rapid.SampledFrom([]string{"", "/", "/b", "/b/x", "/c.php", ".php", "/..;/a", "%2fb", "/B"})
	rapid.Check(t, func(t *rapid.T) {
		exempt, required := paths.Draw(t, "exempt"), paths.Draw(t, "require")
		rule := policy.Rule{Paths: []string{required}, Requirement: policy.Requirement{MaxAge: adminAge}}
		q := policy.Request{Method: "GET", Path: rapid.SampledFrom([]string{"/a", "/c", "/x"}).Draw(t, "path") + tail.Draw(t, "tail")}
		alone, err := policy.Compile(site(), nil, []policy.Rule{rule})
		if err != nil {
			t.Fatal(err)
		}
		both, err := policy.Compile(site(), []string{exempt}, []policy.Rule{rule})
		if err != nil {
			return // the pattern could never match
		}
		want, got := alone.Judge(q), both.Judge(q)
		if got.Requirement != want.Requirement || got.Exempt && want.Requirement.MaxAge == adminAge {
			t.Fatalf("require %s, exempt %s: Judge(%s) = %+v, without exempt %+v", required, exempt, q.Path, got, want)
		}
	})
}

func TestAnyEncodingOfAProtectedPathIsProtected(t *testing.T) {
	rules := compile(t, []string{"/*"}, adminRule())
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SampledFrom([]string{"/admin", "/admin/", "/admin/users/7", "/ADMIN/x", "/x/../admin/y"}).Draw(t, "path")
		encoded := plain
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			encoded = encodeSome(t, encoded)
		}
		if j := rules.Judge(policy.Request{Method: "GET", Path: encoded}); j.Exempt || j.Requirement.MaxAge != adminAge {
			t.Fatalf("Judge(%s), which is %s, = %+v", encoded, plain, j)
		}
		own := strings.Replace(strings.ToLower(encoded), "admin", ".mfa", 1)
		if own != strings.ToLower(encoded) && !policy.UnderPrefix(own, "/.mfa") {
			t.Fatalf("UnderPrefix(%s) = false", own)
		}
	})
}

// encodeSome percent-encodes bytes of s that rapid picks.
func encodeSome(t *rapid.T, s string) string {
	var out strings.Builder
	for i := range len(s) {
		if rapid.Bool().Draw(t, "encode") {
			fmt.Fprintf(&out, "%%%02x", s[i])
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func TestExemptPathsAreCanonical(t *testing.T) {
	rules := compile(t, []string{"/static/*", "/x"})
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]string{"/static", "/static/", "/x", ""}).Draw(t, "start") + oddPath().Draw(t, "path")
		decoded, ok := policy.Canonical(p)
		j := rules.Judge(policy.Request{Method: "GET", Path: p})
		if j.Ambiguous == ok || j.Exempt && !ok {
			t.Fatalf("Canonical(%q) = %q, %v, but Judge = %+v", p, decoded, ok, j)
		}
		if j.Exempt && decoded != "/x" && !strings.HasPrefix(decoded, "/static/") {
			t.Fatalf("Judge(%q) = %+v, decoded %q", p, j, decoded)
		}
	})
}

func TestCanonicalSurvivesEncodingByGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decoded, ok := policy.Canonical("/" + rapid.StringMatching(`[a-zA-Z0-9_.!$&'()*+,=:@ ~/%é日-]{0,12}`).Draw(t, "path"))
		if !ok {
			return
		}
		again, ok := policy.Canonical((&url.URL{Path: decoded}).EscapedPath())
		if !ok || again != decoded {
			t.Fatalf("Canonical(escape(%q)) = %q, %v", decoded, again, ok)
		}
	})
}

func TestTightenIsASemilattice(t *testing.T) {
	requirement := rapid.Custom(func(t *rapid.T) policy.Requirement {
		return policy.Requirement{
			MaxAge:  time.Duration(rapid.IntRange(0, 5).Draw(t, "age")) * time.Hour,
			Factors: policy.FactorSet(rapid.Uint16().Draw(t, "factors")) & policy.AnyFactor,
		}
	})
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := requirement.Draw(t, "a"), requirement.Draw(t, "b"), requirement.Draw(t, "c")
		if a.Tighten(b) != b.Tighten(a) || a.Tighten(a) != a || a.Tighten(b).Tighten(c) != a.Tighten(b.Tighten(c)) {
			t.Fatalf("Tighten of %+v, %+v, %+v depends on the order", a, b, c)
		}
		proved := now.Add(-time.Duration(rapid.IntRange(0, 6*60).Draw(t, "minutes")) * time.Minute)
		if a.MaxAge > 0 && b.MaxAge > 0 {
			both := a.Met(proved, policy.Duo, now) && b.Met(proved, policy.Duo, now)
			if got := a.Tighten(b).Met(proved, policy.Duo, now); got != both {
				t.Fatalf("%+v and %+v: together met %v, each for itself %v", a, b, got, both)
			}
		}
	})
}
