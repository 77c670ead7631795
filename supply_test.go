package caddymfa_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports returns the files outside tests that import a package.
func imports(t *testing.T, wanted string) []string {
	t.Helper()
	var found []string
	for name, content := range repository(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == `"`+wanted+`"` {
				found = append(found, name)
			}
		}
	}
	return found
}

// What can be guessed decides nothing: only pauses are drawn from math/rand.
func TestRandomnessThatMattersIsFromTheSystem(t *testing.T) {
	for _, wanted := range []string{"math/rand", "math/rand/v2"} {
		for _, name := range imports(t, wanted) {
			if name != "caddymfa/onelogin/retry.go" && !strings.Contains(name, "/redistest/") {
				t.Errorf("%s imports %s", name, wanted)
			}
		}
	}
	if len(imports(t, "crypto/rand")) == 0 {
		t.Error("no file imports crypto/rand: the test looks at the wrong files")
	}
}

func TestNoDebugEndpointIsBuiltIn(t *testing.T) {
	for _, wanted := range []string{"net/http/pprof", "expvar"} {
		if found := imports(t, wanted); len(found) > 0 {
			t.Errorf("%s import %s", found, wanted)
		}
	}
}

// secretName is how values are called that must not be compared with ==, whose
// time tells how much of them is right.
var secretName = regexp.MustCompile(`(?i)(secret|csrf|pepper|mac)$`)

func TestSecretsAreComparedInConstantTime(t *testing.T) {
	for name, content := range repository(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "caddymfa/") || strings.HasPrefix(name, "caddymfa/simulator/") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, content, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if compared, ok := n.(*ast.BinaryExpr); ok && (compared.Op == token.EQL || compared.Op == token.NEQ) {
				for _, side := range []ast.Expr{compared.X, compared.Y} {
					own := name == "caddymfa/onelogin/accesstoken.go" // the operator's old secret with their new one
					if !own && secretName.MatchString(lastName(side)) && !empty(compared.X) && !empty(compared.Y) {
						t.Errorf("%s compares %s with %s", files.Position(n.Pos()), lastName(side), compared.Op)
					}
				}
			}
			return true
		})
	}
	for _, name := range []string{"caddymfa/webhook.go", "caddymfa/internal/stepup/challenge.go"} {
		if !strings.Contains(string(repository(t)[name]), "subtle.ConstantTimeCompare") {
			t.Errorf("%s compares its secret in another way", name)
		}
	}
}

// lastName is the name of a variable or field, or "".
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// empty tells whether e is "" or nil: asking whether there is a secret at all
// tells nothing about it.
func empty(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Value == `""`
	case *ast.Ident:
		return e.Name == "nil"
	}
	return false
}

// The versions that we build on have the fixes that we rely on.
func TestVersionsHaveTheFixesWeRelyOn(t *testing.T) {
	mod := string(repository(t)["go.mod"])
	for _, least := range []struct {
		name, pattern string
		version       [3]int
	}{
		{"Go", `(?m)^go (\d+)\.(\d+)\.(\d+)$`, [3]int{1, 26, 6}},
		{"Caddy", `github\.com/caddyserver/caddy/v2 v(\d+)\.(\d+)\.(\d+)`, [3]int{2, 11, 9}},
	} {
		var got [3]int
		for i, part := range regexp.MustCompile(least.pattern).FindStringSubmatch(mod)[1:] {
			got[i], _ = strconv.Atoi(part)
		}
		if slices.Compare(got[:], least.version[:]) < 0 {
			t.Errorf("go.mod asks for %s %v, want %v at least", least.name, got, least.version)
		}
	}
	if regexp.MustCompile(`(?m)^replace `).MatchString(mod) {
		t.Error("go.mod replaces modules: who builds with xcaddy would build something else")
	}
}

// The checks that come before a release are in .ci/run, and run unless somebody
// asks for others.
func TestReleaseIsLintedBuiltTwiceAndListed(t *testing.T) {
	script := string(repository(t)[".ci/run"])
	checks := regexp.MustCompile(`(?m)^checks=\((.*)\)$`).FindStringSubmatch(script)
	if checks == nil {
		t.Fatal("no list of checks in .ci/run")
	}
	for _, name := range []string{"modules", "vet", "static", "gosec", "tests", "reproducible", "fuzz"} {
		if !slices.Contains(strings.Fields(checks[1]), name) || !strings.Contains(script, "\ncheck_"+name+"() {") {
			t.Errorf("check %s is missing", name)
		}
	}
	for _, part := range []string{"go test -race", "go version -m -json", "mod verify", "-trimpath -buildvcs=false", "golangci-lint"} {
		if !strings.Contains(strings.ReplaceAll(script, `go -C "$dir" test`, "go test"), part) {
			t.Errorf(".ci/run has no %q", part)
		}
	}
	if lint := string(repository(t)[".golangci.yml"]); !strings.Contains(lint, "- gosec") {
		t.Error(".golangci.yml does not enable gosec")
	}
}

// What an operator copies must not leave the admin API open to everybody on
// the machine.
func TestExamplesKeepTheAdminAPIClosed(t *testing.T) {
	example := string(repository(t)["Caddyfile.example"])
	if !regexp.MustCompile(`(?m)^\s*admin (off|unix//)`).MatchString(example) {
		t.Error("Caddyfile.example leaves the admin API on a port")
	}
}
