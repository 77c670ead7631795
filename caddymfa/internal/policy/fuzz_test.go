package policy_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

func FuzzJudge(f *testing.F) {
	for _, file := range []string{"exempt.txt", "exempt-lookalikes.txt", "protected-spellings.txt"} {
		for _, p := range load(f, file) {
			f.Add("GET", p.line, "")
		}
	}
	f.Add("post", "/admin", "/x")
	rules := compile(f, []string{"/static/*"}, adminRule("POST"))
	f.Fuzz(func(t *testing.T, method, path, current string) {
		j := rules.Judge(policy.Request{Method: method, Path: path, Current: current})
		if j.Requirement.MaxAge != siteAge && j.Requirement.MaxAge != adminAge || j.Requirement.Factors != policy.AnyFactor {
			t.Fatalf("Judge(%q, %q, %q) = %+v", method, path, current, j)
		}
		if j.Exempt && (j.Ambiguous || j.Requirement.MaxAge != siteAge || !strings.HasPrefix(path, "/static/")) {
			t.Fatalf("Judge(%q, %q, %q) = %+v", method, path, current, j)
		}
		if len(path) > 200 {
			return // the models are slow, and length is no trick of theirs
		}
		for _, server := range legacyServers() {
			if served := server.serve(path); inAdmin(served) {
				if j := rules.Judge(policy.Request{Method: "POST", Path: path}); j.Requirement.MaxAge != adminAge {
					t.Fatalf("%s serves %q as %q, but Judge = %+v", server.name, path, served, j)
				}
			}
		}
	})
}

func FuzzReturnURL(f *testing.F) {
	for _, file := range []string{"targets.txt", "redirects.txt"} {
		for _, p := range load(f, file) {
			f.Add(p.line)
		}
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := policy.ReturnURL(target)
		if !ok {
			if got != "/" {
				t.Fatalf("ReturnURL(%q) = %q, false", target, got)
			}
			return
		}
		u, err := url.Parse("https://app.example.com" + got)
		if got != target || browserHost(got) != "" || err != nil || u.Host != "app.example.com" {
			t.Fatalf("ReturnURL(%q) = %q, which leads to %v, %v", target, got, u, err)
		}
		path, _, _ := strings.Cut(strings.SplitN(got, "?", 2)[0], "#")
		if strings.HasPrefix(unescape(path), "//") || strings.ContainsAny(unescape(path), "\\\r\n\t\x00") || policy.UnderPrefix(path, "/.mfa") {
			t.Fatalf("ReturnURL(%q) accepts path %q", target, unescape(path))
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, file := range []string{"exempt.txt", "exempt-lookalikes.txt", "endpoint-spellings.txt", "endpoint-strangers.txt"} {
		for _, p := range load(f, file) {
			f.Add(p.line)
		}
	}
	f.Fuzz(func(t *testing.T, path string) {
		decoded, ok := policy.Canonical(path)
		if !ok {
			if decoded != "" {
				t.Fatalf("Canonical(%q) = %q, false", path, decoded)
			}
			return
		}
		if decoded != unescape(path) || strings.ContainsAny(decoded, "\\;#?\x00\r\n") || strings.Contains(decoded, "//") {
			t.Fatalf("Canonical(%q) = %q", path, decoded)
		}
		if !strings.HasPrefix(decoded, "/") || strings.Contains(decoded+"/", "/../") || strings.Contains(decoded+"/", "/./") {
			t.Fatalf("Canonical(%q) = %q", path, decoded)
		}
		for _, server := range ordinaryServers() {
			if inAdmin(server.serve(path)) && !inAdmin(bestFit(decoded)) {
				t.Fatalf("%s serves %q from /admin, but Canonical = %q", server.name, path, decoded)
			}
		}
	})
}
