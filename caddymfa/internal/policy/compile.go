package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// minMaxAge is the smallest MaxAge that a configuration may ask for. With less
// a proof is stale before the page behind it has loaded, and the user is asked
// for ever.
const minMaxAge = 5 * time.Second

// Rule asks for more than the site's base requirement on some paths.
type Rule struct {
	// Methods are the HTTP methods that the rule is for, in upper case. None
	// means all. GET stands for HEAD as well. A request with an unfamiliar
	// method meets every rule, see [Rules.Judge].
	Methods []string

	// Paths are patterns: "/a" is one path, "/a/*" is /a and all below it, and
	// "*" or "/*" is every path. At least one is needed.
	Paths []string

	// Requirement is what the rule asks for. MaxAge zero and Factors none mean
	// that the site's own are good enough.
	Requirement Requirement
}

// Rules are the compiled rules of one site. They never change.
type Rules struct {
	base    Requirement
	exempt  []pattern
	require []rule
}

type rule struct {
	methods     []string
	patterns    []pattern
	requirement Requirement
}

// Compile checks the rules of a site and makes them ready to judge. base always
// takes part: a rule can tighten it, never loosen it. An exempt pattern "/a/*"
// is for the paths below /a/ alone, not for /a or /a/.
//
// The rules are refused if they cannot mean what they say: a pattern that is
// not understood, one that is named twice or can never match, a rule that has
// no effect, or one that leaves no factor to pass with. The error names the
// pattern or the method.
func Compile(base Requirement, exempt []string, require []Rule) (*Rules, error) {
	if err := checkBase(base); err != nil {
		return nil, err
	}
	r := &Rules{base: base}
	for _, one := range require {
		compiled, err := compileRule(base, one)
		if err != nil {
			return nil, fmt.Errorf("require: %w", err)
		}
		r.require = append(r.require, compiled)
	}
	for _, text := range exempt {
		if err := r.addExempt(text); err != nil {
			return nil, fmt.Errorf("exempt: %w", err)
		}
	}
	if err := r.checkConflicts(); err != nil {
		return nil, fmt.Errorf("require: %w", err)
	}
	return r, nil
}

func checkBase(base Requirement) error {
	if base.MaxAge < minMaxAge {
		return fmt.Errorf("max age %v of the site is below %v", base.MaxAge, minMaxAge)
	}
	if base.Factors == 0 {
		return errors.New("the site accepts no factor")
	}
	return nil
}

func compileRule(base Requirement, one Rule) (rule, error) {
	if len(one.Paths) == 0 {
		return rule{}, errors.New(`a rule names no path; write "/*" for every path`)
	}
	compiled := rule{methods: slices.Clone(one.Methods), requirement: one.Requirement}
	for i, method := range one.Methods {
		if err := checkMethod(method); err != nil {
			return rule{}, err
		}
		if slices.Contains(one.Methods[:i], method) {
			return rule{}, fmt.Errorf("method %q is named twice", method)
		}
	}
	for _, text := range one.Paths {
		p, err := parseRequired(text)
		if err != nil {
			return rule{}, err
		}
		compiled.patterns = append(compiled.patterns, p)
	}
	if err := checkWish(base, one); err != nil {
		return rule{}, err
	}
	if one.Requirement.Factors == 0 {
		compiled.requirement.Factors = AnyFactor
	}
	return compiled, nil
}

// checkWish refuses a max age that no request would ever feel, or that no user
// could keep up with.
func checkWish(base Requirement, one Rule) error {
	switch age := one.Requirement.MaxAge; {
	case age == 0:
		return nil
	case age < minMaxAge:
		return fmt.Errorf("max age %v of %q is below %v", age, one.Paths[0], minMaxAge)
	case age > base.MaxAge:
		return fmt.Errorf("max age %v of %q has no effect: the site's own, %v, is shorter",
			age, one.Paths[0], base.MaxAge)
	}
	return nil
}

// checkMethod refuses what is no method in upper case, and what looks like a
// slip: with it the rule would guard nothing.
func checkMethod(method string) error {
	upper := strings.ToUpper(method)
	if method != upper {
		return fmt.Errorf("method %q is not in upper case; did you mean %q?", method, upper)
	}
	if method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return fmt.Errorf("%q is not a method", method)
	}
	names := familiar()
	if near, ok := Suggest(method, names[:]); ok && near != method {
		return fmt.Errorf("unknown method %q, did you mean %q?", method, near)
	}
	return nil
}

func (r *Rules) addExempt(text string) error {
	p, err := parsePattern(text)
	if err != nil {
		return err
	}
	if p.every && len(r.require) == 0 {
		return fmt.Errorf("path pattern %q exempts every path and no require rule protects any", text)
	}
	for _, other := range r.exempt {
		if p == other || p.every && other.every {
			return fmt.Errorf("path pattern %q is named twice", text)
		}
	}
	for _, one := range r.require {
		if by := one.covering(p); by != "" && len(one.methods) == 0 {
			return fmt.Errorf("path pattern %q can never match: require %q covers all of it, and require wins", text, by)
		}
	}
	r.exempt = append(r.exempt, p)
	return nil
}

// checkConflicts looks for two rules on one path, and for paths that no factor
// opens. Patterns nest or are disjoint, so it is enough to look at each one.
func (r *Rules) checkConflicts() error {
	for i, one := range r.require {
		for j, p := range one.patterns {
			if slices.ContainsFunc(one.patterns[:j], p.same) {
				return fmt.Errorf("path pattern %q is named twice", p.text)
			}
			for _, other := range r.require[:i] {
				if slices.ContainsFunc(other.patterns, p.same) && one.sharesMethod(other) {
					return fmt.Errorf("path pattern %q is in two rules for the same method", p.text)
				}
			}
			if err := r.checkFactors(p, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkFactors refuses a pattern at which the rules, taken together, accept no
// factor: nobody could pass.
func (r *Rules) checkFactors(p pattern, one rule) error {
	for _, method := range familiar() {
		if !one.forMethod(method) {
			continue
		}
		left := r.base
		for _, other := range r.require {
			if other.forMethod(method) && other.covering(p) != "" {
				left = left.Tighten(other.requirement)
			}
		}
		if left.Factors == 0 {
			return fmt.Errorf("path pattern %q: no factor satisfies all rules that cover it", p.text)
		}
	}
	return nil
}

// covering returns the pattern of the rule that has all paths of p, or "".
func (r rule) covering(p pattern) string {
	for _, own := range r.patterns {
		if own.covers(p) {
			return own.text
		}
	}
	return ""
}

// sharesMethod reports whether both rules say the same of their methods: both
// are for all, or one method is in both lists.
func (r rule) sharesMethod(o rule) bool {
	if len(r.methods) == 0 || len(o.methods) == 0 {
		return len(r.methods) == len(o.methods)
	}
	return slices.ContainsFunc(r.methods, func(m string) bool { return slices.Contains(o.methods, m) })
}
