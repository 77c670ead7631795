// Tests of the tree itself. They need no build of Caddy when they are run by
// file: go test arrows_test.go
package caddymfa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	module    = "github.com/caddymfa/caddymfa"
	caddy     = "github.com/caddyserver/caddy/v2"
	onelogin  = "caddymfa/onelogin"
	simulator = "caddymfa/simulator"
)

// A room is one package of the module and what it may import beyond the
// standard library. Arrows only point to lower floors.
type room struct {
	floor int
	path  string   // below the module's path
	may   []string // rooms that it may import
	libs  []string // third-party packages that it may import, or what lies below them
}

// rooms is the picture of the architecture: an import that is not drawn here
// fails TestEveryImportIsDrawn. Drawing a new arrow or room is a decision;
// CONTRIBUTING.md says where a line belongs.
func rooms() []room {
	const (
		policy   = "caddymfa/internal/policy"
		page     = "caddymfa/internal/page"
		identity = "caddymfa/internal/identity"
		seal     = "caddymfa/internal/seal"
		form     = "caddymfa/internal/form"
		signed   = "caddymfa/internal/assertion"
		checker  = "caddymfa/internal/assertion/assertiontest"
		session  = "caddymfa/internal/session"
		vault    = "caddymfa/internal/session/vault"
		journal  = "caddymfa/internal/session/journal"
		memory   = "caddymfa/internal/session/memory"
		redis    = "caddymfa/internal/session/redis"
		servers  = "caddymfa/internal/session/redis/redistest"
		suite    = "caddymfa/internal/session/sessiontest"
		stepup   = "caddymfa/internal/stepup"
		handler  = "caddymfa"

		legacyApp = "cmd/demo/intranet"
		certmagic = "github.com/caddyserver/certmagic" // Caddy's storage
		jose      = "github.com/go-jose/go-jose/v4"
	)
	return []room{
		{0, onelogin, nil, []string{"github.com/sony/gobreaker/v2", "golang.org/x/sync", "golang.org/x/time/rate"}},
		{0, simulator, nil, nil},
		{0, policy, nil, []string{"golang.org/x/text/unicode/norm"}},
		{0, page, nil, []string{"golang.org/x/text", "rsc.io/qr"}},
		{0, identity, nil, nil},
		{0, seal, nil, nil},
		{0, form, nil, nil},
		{0, signed, nil, []string{jose}},
		{0, checker, nil, []string{jose}},
		{0, legacyApp, nil, nil},
		{0, servers, nil, nil},

		{1, session, nil, nil},

		{2, vault, []string{session}, []string{"golang.org/x/crypto/chacha20poly1305"}},
		{2, suite, []string{session}, nil},
		{2, stepup, []string{onelogin, policy, session}, nil},

		{3, journal, []string{session, vault}, []string{"go.etcd.io/bbolt"}},
		{3, redis, []string{session, vault}, []string{"github.com/redis/rueidis"}},

		{4, memory, []string{session, journal}, []string{"github.com/patrickmn/go-cache"}},

		{5, handler,
			[]string{onelogin, policy, page, identity, seal, form, signed, session, vault, journal, memory, redis, stepup},
			[]string{caddy, certmagic, "go.uber.org/zap", "github.com/prometheus/client_golang", "github.com/spf13/cobra"}},

		{6, "", []string{handler}, nil},
		{6, "cmd/caddy", []string{handler}, []string{caddy}},
		{6, "cmd/demo", []string{handler, simulator, legacyApp}, []string{caddy}},
		{6, "cmd/oneloginsim", []string{simulator}, nil},
		{6, "e2e", []string{simulator}, nil}, // tests alone
	}
}

// testLibs are what tests may import in every room: models, leaks, a browser,
// a network with faults.
var testLibs = []string{"pgregory.net/rapid", "go.uber.org/goleak", "github.com/chromedp", "golang.org/x/net/html", "golang.org/x/net/http2", "github.com/Shopify/toxiproxy/v2"}

// A pkg is what go list says of one package.
type pkg struct {
	ImportPath                         string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

func TestEveryImportIsDrawn(t *testing.T) {
	for _, violation := range violations(rooms(), listPackages(t)) {
		t.Error(violation)
	}
}

func TestArrowsPointDown(t *testing.T) {
	floors := map[string]int{}
	for _, r := range rooms() {
		floors[r.path] = r.floor
	}
	for _, r := range rooms() {
		for _, to := range r.may {
			if floor, drawn := floors[to]; !drawn || floor >= r.floor {
				t.Errorf("the table lets %s (floor %d) import %s (floor %d, drawn: %v)", r.path, r.floor, to, floor, drawn)
			}
		}
	}
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,GoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var graph []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); err == io.EOF {
			return graph
		} else if err != nil {
			t.Fatal(err)
		}
		graph = append(graph, p)
	}
}

// violations compares the graph with the picture and says what differs.
func violations(rooms []room, graph []pkg) []string {
	var found []string
	report := func(format string, args ...any) {
		found = append(found, fmt.Sprintf(format, args...)+"; the picture is the table in arrows_test.go, the rules are in CONTRIBUTING.md")
	}
	reach := map[string][]string{}
	for _, p := range graph {
		reach[short(p.ImportPath)] = p.Deps
	}
	drawn := map[string]room{}
	for _, r := range rooms {
		drawn[r.path] = r
		if _, exists := reach[r.path]; !exists {
			report("room %q is drawn, but there is no such package", r.path)
		}
	}
	for _, p := range graph {
		name := short(p.ImportPath)
		r, known := drawn[name]
		if !known {
			if len(p.GoFiles) > 0 || below(name, "caddymfa") || below(name, "cmd") {
				report("package %s is not drawn", name)
			}
			continue // elsewhere, packages of tests may import what they like
		}
		checkCode(r, p, report)
		checkTests(r, p, reach, report)
	}
	return found
}

// checkCode checks what the package itself imports, and what that links.
func checkCode(r room, p pkg, report func(string, ...any)) {
	for _, to := range p.Imports {
		if !standard(to) && !slices.Contains(r.may, short(to)) && !r.uses(to) {
			report("%q imports %s: this arrow is not drawn", r.path, short(to))
		}
	}
	if !r.knowsCaddy() && reaches(p.Deps, caddy) {
		report("%q reaches Caddy, and must build without it", r.path)
	}
	onlyForTrial := below(r.path, simulator) || r.path == "cmd/demo" || r.path == "cmd/oneloginsim"
	if !onlyForTrial && reaches(p.Deps, module+"/"+simulator) {
		report("%q links the simulator, which no production binary does", r.path)
	}
}

// checkTests lets tests import other rooms, as long as those of a room without
// Caddy stay quick, and the simulator and the client stay strangers.
func checkTests(r room, p pkg, reach map[string][]string, report func(string, ...any)) {
	for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
		far := append([]string{to}, reach[short(to)]...)
		if !standard(to) && !below(to, module) && !r.uses(to) && !anyBelow(to, testLibs) {
			report("the tests of %q import %s, which tests do not", r.path, to)
		}
		if !r.knowsCaddy() && reaches(far, caddy) {
			report("the tests of %q reach Caddy through %s, and must build without it", r.path, short(to))
		}
		if below(r.path, simulator) && reaches(far, module+"/"+onelogin) {
			report("the tests of the simulator reach the client through %s: the two are independent readings of one contract", short(to))
		}
	}
}

func (r room) uses(path string) bool { return anyBelow(path, r.libs) }

// knowsCaddy is true for floor 5 and for what is built on it.
func (r room) knowsCaddy() bool {
	return r.uses(caddy) || slices.Contains(r.may, "caddymfa")
}

// standard tells packages of the standard library by their first element,
// which has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// short is a package's path below the module's, or the whole path of a
// package that is not ours. The root package is "".
func short(path string) string {
	if path == module {
		return ""
	}
	return strings.TrimPrefix(path, module+"/")
}

func below(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func anyBelow(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return below(path, root) })
}

func reaches(paths []string, root string) bool {
	return slices.ContainsFunc(paths, func(path string) bool { return below(path, root) })
}

// A small tree in the shape of ours: each case breaks one rule in it.
func TestWrongArrowsAreReported(t *testing.T) {
	picture := []room{
		{0, onelogin, nil, []string{"golang.org/x/sync"}},
		{0, simulator, nil, nil},
		{1, "caddymfa", []string{onelogin}, []string{caddy}},
		{2, "cmd/demo", []string{"caddymfa", simulator}, nil},
	}
	at := func(name string) string { return module + "/" + name }
	tree := func() map[string]*pkg {
		return map[string]*pkg{
			onelogin:   {Imports: []string{"net/http", "golang.org/x/sync/singleflight"}, XTestImports: []string{at(simulator)}},
			simulator:  {Imports: []string{"net/http"}, XTestImports: []string{"pgregory.net/rapid", at(simulator)}},
			"caddymfa": {Imports: []string{at(onelogin), caddy + "/modules/caddyhttp"}, Deps: []string{at(onelogin), caddy + "/modules/caddyhttp"}},
			"cmd/demo": {Imports: []string{at("caddymfa"), at(simulator)}, Deps: []string{caddy, at("caddymfa"), at(simulator)}},
			"e2e":      {XTestImports: []string{at("cmd/demo"), "github.com/chromedp/chromedp"}},
		}
	}
	for _, test := range []struct {
		name   string
		change func(tree map[string]*pkg)
		want   string // part of the only report; "" = none
	}{
		{"as drawn", func(map[string]*pkg) {}, ""},
		{"arrow up", func(tree map[string]*pkg) { tree[onelogin].Imports = []string{at("caddymfa")} }, `"caddymfa/onelogin" imports caddymfa: this arrow is not drawn`},
		{"library", func(tree map[string]*pkg) { tree[simulator].Imports = []string{"golang.org/x/sync/errgroup"} }, `"caddymfa/simulator" imports golang.org/x/sync/errgroup`},
		{"library of a like name", func(tree map[string]*pkg) { tree[onelogin].Imports = []string{"golang.org/x/synctools"} }, "imports golang.org/x/synctools"},
		{"Caddy from afar", func(tree map[string]*pkg) { tree[onelogin].Deps = []string{caddy} }, `"caddymfa/onelogin" reaches Caddy`},
		{"simulator from afar", func(tree map[string]*pkg) { tree["caddymfa"].Deps = []string{at(simulator)} }, `"caddymfa" links the simulator`},
		{"simulator's tests import the client", func(tree map[string]*pkg) { tree[simulator].TestImports = []string{at(onelogin)} }, "tests of the simulator reach the client"},
		{"tests import Caddy", func(tree map[string]*pkg) { tree[onelogin].TestImports = []string{at("caddymfa")} }, `tests of "caddymfa/onelogin" reach Caddy through caddymfa`},
		{"tests import a new library", func(tree map[string]*pkg) { tree["caddymfa"].TestImports = []string{"github.com/stretchr/testify"} }, `tests of "caddymfa" import github.com/stretchr/testify`},
		{"new room", func(tree map[string]*pkg) { tree["caddymfa/cellar"] = &pkg{} }, "package caddymfa/cellar is not drawn"},
		{"new room elsewhere", func(tree map[string]*pkg) { tree["shed"] = &pkg{GoFiles: []string{"shed.go"}} }, "package shed is not drawn"},
		{"room gone", func(tree map[string]*pkg) { delete(tree, "cmd/demo") }, `room "cmd/demo" is drawn, but there is no such package`},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := tree()
			test.change(changed)
			var graph []pkg
			for name, p := range changed {
				p.ImportPath = at(name)
				graph = append(graph, *p)
			}
			found := violations(picture, graph)
			if test.want == "" && len(found) > 0 || test.want != "" && (len(found) != 1 || !strings.Contains(found[0], test.want)) {
				t.Errorf("violations = %q, want one that says %q", found, test.want)
			}
		})
	}
}
