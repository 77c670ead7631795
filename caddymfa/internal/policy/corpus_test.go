package policy_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

const (
	siteAge  = 8 * time.Hour
	adminAge = 5 * time.Minute
)

func compile(t testing.TB, exempt []string, require ...policy.Rule) *policy.Rules {
	t.Helper()
	base := policy.Requirement{MaxAge: siteAge, Factors: policy.AnyFactor}
	rules, err := policy.Compile(base, exempt, require)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// adminRule is the rule that the corpora try to get around.
func adminRule(methods ...string) policy.Rule {
	return policy.Rule{
		Methods:     methods,
		Paths:       []string{"/admin/*"},
		Requirement: policy.Requirement{MaxAge: adminAge},
	}
}

// payload is one line of a file in testdata, with the family that it is in.
type payload struct{ family, line string }

// load returns the payloads of a file in testdata, whose first lines say how
// it is written. A payload that is there twice is a slip.
func load(t testing.TB, name string) []payload {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []payload
	family, seen := "", map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "# "); ok {
			family = title
			continue
		}
		if line == "" {
			continue
		}
		if plain, err := strconv.Unquote(line); err == nil && line[0] == '"' {
			line = plain
		}
		if seen[line] || family == "" {
			t.Fatalf("%s: %q is there twice, or in no family", name, line)
		}
		seen[line] = true
		all = append(all, payload{family, line})
	}
	if len(all) == 0 {
		t.Fatalf("%s: no payload", name)
	}
	return all
}

// corpus calls each with every payload of a file, and logs how many there are
// in each family.
func corpus(t testing.TB, name string, each func(family, line string)) {
	t.Helper()
	all, count := load(t, name), map[string]int{}
	for _, p := range all {
		each(p.family, p.line)
		count[p.family]++
	}
	var families strings.Builder
	for _, family := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&families, "; %s: %d", family, count[family])
	}
	t.Logf("%s: %d payloads%s", name, len(all), families.String())
}

func TestWithoutAnExemptPatternNothingIsExempt(t *testing.T) {
	bare, require := compile(t, nil), compile(t, nil, adminRule("POST"))
	for _, file := range []string{"exempt.txt", "exempt-lookalikes.txt", "protected-spellings.txt", "endpoint-spellings.txt", "endpoint-strangers.txt"} {
		corpus(t, file, func(family, line string) {
			for _, rules := range []*policy.Rules{bare, require} {
				if j := rules.Judge(policy.Request{Method: "GET", Path: line}); j.Exempt || j.Requirement.MaxAge == 0 {
					t.Errorf("%s: Judge(%q) = %+v, want not exempt", family, line, j)
				}
			}
		})
	}
}

func TestPathsThatLookExemptAreNot(t *testing.T) {
	alone := compile(t, []string{"/static/*", "/healthz"})
	beside := compile(t, []string{"/static/*", "/healthz"}, adminRule())
	corpus(t, "exempt-lookalikes.txt", func(family, line string) {
		for _, rules := range []*policy.Rules{alone, beside} {
			if j := rules.Judge(policy.Request{Method: "GET", Path: line}); j.Exempt || j.Requirement.MaxAge == 0 {
				t.Errorf("%s: Judge(%q) = %+v, want not exempt", family, line, j)
			}
		}
	})
}

func TestOddCurrentPathIsNotExempt(t *testing.T) {
	rules := compile(t, []string{"/static/*", "/healthz"})
	corpus(t, "exempt-lookalikes.txt", func(family, line string) {
		_, ordinary := policy.Canonical(line) // only its place is wrong
		if ordinary || line == "" {
			return
		}
		j := rules.Judge(policy.Request{Method: "GET", Path: "/healthz", Current: line})
		if j.Exempt || !j.Ambiguous {
			t.Errorf("%s: Judge(/healthz, now %q) = %+v, want ambiguous", family, line, j)
		}
	})
}

func TestExemptPathsAreExempt(t *testing.T) {
	rules := compile(t, []string{"/static/*", "/healthz"}, adminRule())
	corpus(t, "exempt.txt", func(family, line string) {
		if j := rules.Judge(policy.Request{Method: "GET", Path: line}); !j.Exempt || j.Ambiguous {
			t.Errorf("%s: Judge(%q) = %+v, want exempt", family, line, j)
		}
	})
}

func TestEverySpellingOfAProtectedPathIsProtected(t *testing.T) {
	opened := compile(t, []string{"/*"}, adminRule())
	closed := compile(t, nil, adminRule("POST"))
	corpus(t, "protected-spellings.txt", func(family, line string) {
		for _, q := range []policy.Request{
			{Method: "POST", Path: line},
			{Method: "POST", Path: "/", Current: line},
			{Method: "POST", Path: line, Current: "/"},
			{Method: "FOO", Path: line},
		} {
			for _, rules := range []*policy.Rules{opened, closed} {
				if j := rules.Judge(q); j.Exempt || j.Requirement.MaxAge != adminAge {
					t.Errorf("%s: Judge(%q) = %+v, want max age %v", family, q, j, adminAge)
				}
			}
		}
	})
}

func TestSpellingsOfOwnEndpointsAreRecognised(t *testing.T) {
	corpus(t, "endpoint-spellings.txt", func(family, line string) {
		if !policy.UnderPrefix(line, "/.mfa") {
			t.Errorf("%s: UnderPrefix(%q) = false, want true", family, line)
		}
		if path, ok := policy.Canonical(line); ok && strings.HasPrefix(path+"/", "/.mfa/") {
			t.Errorf("%s: Canonical(%q) = %q, want ambiguous", family, line, path)
		}
	})
}

func TestStrangersAreNotOwnEndpoints(t *testing.T) {
	corpus(t, "endpoint-strangers.txt", func(family, line string) {
		if policy.UnderPrefix(line, "/.mfa") {
			t.Errorf("%s: UnderPrefix(%q) = true, want false", family, line)
		}
	})
}

func TestOpenRedirectsAreRefused(t *testing.T) {
	corpus(t, "redirects.txt", func(family, line string) {
		if got, ok := policy.ReturnURL(line); ok || got != "/" {
			t.Errorf("%s: ReturnURL(%q) = %q, %v, want /, false", family, line, got, ok)
		}
	})
}

func TestReturnURLIsBounded(t *testing.T) {
	for _, path := range []string{"/", "/x?y=", "/caf%C3%A9/"} {
		longest := path + strings.Repeat("z", 2048-len(path))
		if _, ok := policy.ReturnURL(longest); !ok {
			t.Errorf("ReturnURL(%d bytes) refused", len(longest))
		}
		if _, ok := policy.ReturnURL(longest + "z"); ok {
			t.Errorf("ReturnURL(%d bytes) accepted", len(longest)+1)
		}
	}
}

func TestGoodTargetsReturnUnchanged(t *testing.T) {
	corpus(t, "targets.txt", func(family, line string) {
		if got, ok := policy.ReturnURL(line); !ok || got != line {
			t.Errorf("%s: ReturnURL(%q) = %q, %v, want it unchanged", family, line, got, ok)
		}
	})
}
