package policy

import (
	"slices"
	"strings"
)

// Request is what is judged of an HTTP request.
type Request struct {
	// Method is the method as the client sent it.
	Method string

	// Path is the path as the client sent it, percent-encoded, without query.
	Path string

	// Current is the path that the app will see, percent-encoded, if an earlier
	// handler rewrote it. Empty means that it is Path.
	Current string
}

// Judgement is what the rules say of a request.
type Judgement struct {
	// Exempt reports whether the request needs no proof.
	Exempt bool

	// Ambiguous reports whether servers may read one of the paths in several
	// ways. Such a request is never exempt.
	Ambiguous bool

	// Requirement is what the request has to prove unless it is exempt. It is
	// set in any case, so that a caller who overlooks Exempt errs towards
	// asking.
	Requirement Requirement
}

// Judge returns what q has to prove. It allocates nothing for ordinary paths.
//
// A require rule takes part if any reading of Path or of Current lies under one
// of its patterns; all that take part and the site's base are tightened into
// one requirement. A path that does not start with a slash, has a Windows short
// name in it or takes too much work to read meets every rule.
//
// The request is exempt if Path matches an exempt pattern, both paths are
// [Canonical], and no require rule takes part. The pattern is compared with
// what the client sent: a rewrite to an exempt path exempts nothing.
//
// A rule for GET is for HEAD too, because servers answer HEAD by running GET. A
// method that is not one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS,
// spelled exactly so, meets the rules of every method: many old apps run such a
// request as if it were GET or POST.
func (r *Rules) Judge(q Request) Judgement {
	sent := r.look(q.Path)
	current := sent
	if q.Current != "" && q.Current != q.Path {
		current = r.look(q.Current)
	}
	j := Judgement{Requirement: r.base, Ambiguous: !sent.clear || !current.clear}
	required := false
	for i := range r.require {
		if one := &r.require[i]; one.forMethod(q.Method) && (one.meets(&sent) || one.meets(&current)) {
			j.Requirement = j.Requirement.Tighten(one.requirement)
			required = true
		}
	}
	j.Exempt = !required && !j.Ambiguous && r.exempts(sent.canonical)
	return j
}

func (r *Rules) exempts(canonical string) bool {
	for i := range r.exempt {
		if r.exempt[i].matchesExactly(canonical) {
			return true
		}
	}
	return false
}

// view is one path as the rules see it.
type view struct {
	raw       string
	others    []string // the readings besides raw
	opaque    bool     // what it leads to cannot be told
	canonical string
	clear     bool // canonical is set
}

// look reads a path. The readings of an odd one are left out if there is no
// rule to hold against them.
func (r *Rules) look(path string) view {
	if plain(path) {
		return view{raw: path, canonical: path, clear: true}
	}
	v := view{raw: path}
	v.canonical, v.clear = Canonical(path)
	if len(r.require) > 0 {
		all, complete := readings(path)
		v.others = all[1:]
		v.opaque = !complete || !strings.HasPrefix(path, "/") || slices.ContainsFunc(all, shortName)
	}
	return v
}

// meets reports whether a reading of v lies under one of the rule's patterns.
func (r *rule) meets(v *view) bool {
	if v.opaque {
		return true
	}
	for i := range r.patterns {
		p := &r.patterns[i]
		if p.matchesReading(v.raw) || slices.ContainsFunc(v.others, p.matchesReading) {
			return true
		}
	}
	return false
}

// familiar lists the methods that every server understands alike (RFC 9110
// section 9, RFC 5789). CONNECT and TRACE are not for apps.
func familiar() [7]string {
	return [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
}

// forMethod reports whether the rule is for requests with method.
func (r *rule) forMethod(method string) bool {
	if len(r.methods) == 0 || slices.Contains(r.methods, method) {
		return true
	}
	if method == "HEAD" {
		return slices.Contains(r.methods, "GET")
	}
	known := familiar()
	return !slices.Contains(known[:], method)
}

// UnderPrefix reports whether any reading of a percent-encoded path lies at or
// below prefix, which is written without a slash at its end. Case does not
// count. It is true as well for a path that takes too much work to read.
func UnderPrefix(escapedPath, prefix string) bool {
	p := pattern{base: prefix, below: true}
	if plain(escapedPath) {
		return p.matchesReading(escapedPath)
	}
	all, complete := readings(escapedPath)
	return !complete || slices.ContainsFunc(all, p.matchesReading)
}
