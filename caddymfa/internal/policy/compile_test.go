package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

func TestPatternsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ pattern, why, instead string }{
		{"", "empty", ""},
		{"/static*", "star", "/static/*"},
		{"/static/**", "star", "/static/*"},
		{"/static/*.css", "star", "/static/*"},
		{"/a/*/b", "star", "/a/*"},
		{"*.css", "star", ""},
		{"/*.css", "star", ""},
		{"/admin/.*", "star", ""},
		{"static/*", "slash", "/static/*"},
		{"healthz", "slash", "/healthz"},
		{"^/admin", "slash", ""},
		{"https://app.example.com/x", "slash", ""},
		{"/x?y=1", "query", "/x"},
		{"/x#y", "fragment", "/x"},
		{"/a%20b", "percent", "/a b"},
		{"/a%2fb", "percent", "/a/b"},
		{"/x;v=1", "semicolon", "/x"},
		{`/x\y`, "backslash", "/x/y"},
		{"/x//y", "empty segment", "/x/y"},
		{"//*", "empty segment", ""},
		{"/x/../y", "dot segment", "/y"},
		{"/x/./*", "dot segment", "/x/*"},
		{"/..", "dot segment", "/"},
		{"/x\n", "control", ""},
		{"/x\x7f", "control", ""},
		{"/über", "ASCII", ""},
		{"/x\xff", "ASCII", ""},
		{"/{path}", "placeholders", ""},
		{"/(a|b)", "placeholders", ""},
		{"/x.", "more than one way", "/x"},
		{"/x ", "more than one way", "/x"},
		{"/x::$DATA", "more than one way", "/x"},
		{"/X~1", "more than one way", ""},
		{"/.mfa", "gateway", ""},
		{"/.mfa/*", "gateway", ""},
		{"/.MFA/x", "gateway", ""},
	} {
		_, exempt := policy.Compile(site(), []string{tt.pattern}, nil)
		_, require := policy.Compile(site(), nil, []policy.Rule{{Paths: []string{tt.pattern}}})
		for _, err := range []error{exempt, require} {
			if err == nil {
				t.Errorf("Compile(%q): no error", tt.pattern)
				continue
			}
			_, guess, _ := strings.Cut(err.Error(), "did you mean ")
			if !strings.Contains(err.Error(), tt.why) || strings.Trim(guess, `"?`) != tt.instead {
				t.Errorf("Compile(%q): %v, want %q and suggestion %q", tt.pattern, err, tt.why, tt.instead)
			}
		}
	}
}

func site() policy.Requirement {
	return policy.Requirement{MaxAge: siteAge, Factors: policy.AnyFactor}
}

func TestRulesThatCannotMeanWhatTheySay(t *testing.T) {
	admin := adminRule()
	rule := func(age time.Duration, factors policy.FactorSet, paths ...string) policy.Rule {
		return policy.Rule{Paths: paths, Requirement: policy.Requirement{MaxAge: age, Factors: factors}}
	}
	sms, totp, both := set(t, "sms"), set(t, "totp"), set(t, "sms", "totp")
	for _, tt := range []struct {
		name    string
		exempt  []string
		require []policy.Rule
		want    string
	}{
		{"nothing protected", []string{"/*"}, nil, `"/*" exempts every path`},
		{"exempt twice", []string{"/x", "/x"}, nil, `"/x" is named twice`},
		{"exempt all twice", []string{"*", "/*"}, []policy.Rule{admin}, `"/*" is named twice`},
		{"exempt inside require", []string{"/admin/css/*"}, []policy.Rule{admin}, `"/admin/css/*" can never match: require "/admin/*"`},
		{"exempt same as require", []string{"/ADMIN"}, []policy.Rule{admin}, `can never match`},
		{"exempt inside everything", []string{"/x"}, []policy.Rule{rule(time.Hour, 0, "*")}, `can never match: require "*"`},
		{"exempt all, require all", []string{"/*"}, []policy.Rule{rule(time.Hour, 0, "/*")}, `can never match`},
		{"no path", nil, []policy.Rule{{}}, "names no path"},
		{"path twice in a rule", nil, []policy.Rule{rule(0, 0, "/a", "/A")}, `"/A" is named twice`},
		{"path in two rules", nil, []policy.Rule{admin, rule(time.Hour, 0, "/admin/*")}, `"/admin/*" is in two rules`},
		{"method in two rules", nil, []policy.Rule{adminRule("POST", "PUT"), adminRule("PUT")}, "two rules for the same method"},
		{"slash at the end", nil, []policy.Rule{rule(0, 0, "/admin/")}, `did you mean "/admin/*"`},
		{"max age too small", nil, []policy.Rule{rule(time.Second, 0, "/a")}, "below 5s"},
		{"max age negative", nil, []policy.Rule{rule(-time.Hour, 0, "/a")}, "below 5s"},
		{"max age without effect", nil, []policy.Rule{rule(9*time.Hour, 0, "/a")}, "has no effect"},
		{"no factor left", nil, []policy.Rule{rule(0, sms, "/a/*"), rule(0, totp, "/a/b")}, "no factor satisfies"},
		{"no factor left, outer last", nil, []policy.Rule{rule(0, totp, "/a/b"), rule(0, sms, "/*")}, "no factor satisfies"},
		{"no factor left of three", nil, []policy.Rule{
			rule(0, both, "/*"), rule(0, set(t, "sms", "duo"), "/a/*"), rule(0, set(t, "totp", "duo"), "/a/b/*"),
		}, "no factor satisfies"},
		{"lower case method", nil, []policy.Rule{adminRule("post")}, `did you mean "POST"`},
		{"misspelt method", nil, []policy.Rule{adminRule("PSOT")}, `did you mean "POST"`},
		{"no method", nil, []policy.Rule{adminRule("")}, "not a method"},
		{"path as method", nil, []policy.Rule{adminRule("/A")}, "not a method"},
		{"method twice", nil, []policy.Rule{adminRule("GET", "GET")}, `"GET" is named twice`},
	} {
		if _, err := policy.Compile(site(), tt.exempt, tt.require); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Compile = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestRulesThatStandBesideEachOther(t *testing.T) {
	require := func(methods string, factors policy.FactorSet, paths ...string) policy.Rule {
		return policy.Rule{Methods: strings.Fields(methods), Paths: paths, Requirement: policy.Requirement{Factors: factors}}
	}
	sms, totp := set(t, "sms"), set(t, "totp")
	for name, tt := range map[string]struct {
		exempt  []string
		require []policy.Rule
	}{
		"nothing":                   {},
		"exempt beside require":     {[]string{"/", "/static/*", "/blog/", "/blog", "/A", "/a"}, []policy.Rule{adminRule()}},
		"exempt under a method":     {[]string{"/admin/x"}, []policy.Rule{adminRule("POST")}},
		"exempt above require":      {[]string{"/*"}, []policy.Rule{adminRule()}},
		"exempt below an exact one": {[]string{"/a/*"}, []policy.Rule{require("", 0, "/a")}},
		"methods apart":             {nil, []policy.Rule{require("GET", sms, "/a"), require("POST", totp, "/a")}},
		"paths apart":               {nil, []policy.Rule{require("", sms, "/a/*"), require("", totp, "/ab/*", "/b")}},
		"one method tighter":        {nil, []policy.Rule{adminRule(), adminRule("POST")}},
		"own method":                {nil, []policy.Rule{adminRule("PURGE", "PROPFIND", "M-SEARCH")}},
	} {
		if _, err := policy.Compile(site(), tt.exempt, tt.require); err != nil {
			t.Errorf("%s: Compile: %v", name, err)
		}
	}
}

func TestSiteNeedsARequirement(t *testing.T) {
	for _, base := range []policy.Requirement{
		{},
		{MaxAge: time.Hour},
		{Factors: policy.AnyFactor},
		{MaxAge: time.Second, Factors: policy.AnyFactor},
		{MaxAge: -time.Hour, Factors: policy.AnyFactor},
	} {
		if _, err := policy.Compile(base, nil, nil); err == nil {
			t.Errorf("Compile(%+v): no error", base)
		}
	}
}

func TestRulesDoNotChangeWithTheirArguments(t *testing.T) {
	methods := []string{"POST"}
	rules := compile(t, nil, adminRule(methods...))
	methods[0] = "PUT"
	if j := rules.Judge(policy.Request{Method: "POST", Path: "/admin"}); j.Requirement.MaxAge != adminAge {
		t.Errorf("Judge(POST /admin) = %+v after the caller changed its slice", j)
	}
}
