package caddymfa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// repository returns the text files of the tree by their path, with slashes.
// What is built, installed or drawn into the tree is left out.
func repository(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name == ".git" || entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := entry.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			return err
		}
		content, err := os.ReadFile(name)
		if err == nil && bytes.IndexByte(content, 0) < 0 {
			files[filepath.ToSlash(name)] = content
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A clone has nothing beside it: what is said in this tree must be found in it.
func TestNothingPointsBesideTheRepository(t *testing.T) {
	beside := []byte("../" + "shared")
	for name, content := range repository(t) {
		if bytes.Contains(content, beside) {
			t.Errorf("%s mentions %s", name, beside)
		}
	}
}

func TestEveryDirectDependencyHasAReason(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace []any
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Error("go.mod replaces a module, which xcaddy and go install do not see")
	}
	var decisions []byte
	for name, content := range repository(t) {
		if strings.HasPrefix(name, "docs/decisions/") {
			decisions = append(decisions, content...)
		}
	}
	for _, required := range mod.Require {
		if !required.Indirect && !bytes.Contains(decisions, []byte("`"+required.Path+"`")) {
			t.Errorf("go.mod requires %s, and no record in docs/decisions says why", required.Path)
		}
	}
}

func TestLinksInDocumentsResolve(t *testing.T) {
	files := repository(t)
	checked := 0
	for name, content := range files {
		if path.Ext(name) != ".md" {
			continue
		}
		checked++
		for _, complaint := range deadLinks(name, content, files) {
			t.Error(complaint)
		}
	}
	if checked == 0 {
		t.Fatal("no documents were found")
	}
}

var (
	blockPattern   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	codePattern    = regexp.MustCompile("`[^`\n]*`")
	linkPattern    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?[^)]*\)|(?m:^\[[^\]]+\]: *(\S+))`)
	headingPattern = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	notInAnchor    = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// deadLinks says which relative links of a document lead nowhere. It does not
// look at addresses of other sites, or at links within code.
func deadLinks(name string, content []byte, files map[string][]byte) []string {
	var found []string
	prose := codePattern.ReplaceAll(blockPattern.ReplaceAll(content, nil), nil)
	for _, match := range linkPattern.FindAllSubmatch(prose, -1) {
		target := string(match[1]) + string(match[2])
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		file, anchor, hasAnchor := strings.Cut(target, "#")
		destination := path.Join(path.Dir(name), file)
		if file == "" {
			destination = name
		}
		if !exists(destination, files) {
			found = append(found, fmt.Sprintf("%s links to %s, which is not there", name, target))
		} else if hasAnchor && path.Ext(destination) == ".md" && !anchors(files[destination])[anchor] {
			found = append(found, fmt.Sprintf("%s links to %s, which has no such heading", name, target))
		}
	}
	return found
}

// exists is true for a text file, and for a directory that holds one.
func exists(name string, files map[string][]byte) bool {
	if _, ok := files[name]; ok {
		return true
	}
	for file := range files {
		if strings.HasPrefix(file, name+"/") {
			return true
		}
	}
	info, err := os.Stat(name) // pictures
	return err == nil && info.Mode().IsRegular() && !strings.HasPrefix(name, "..")
}

// anchors are the names that GitHub gives to the headings of a document.
func anchors(content []byte) map[string]bool {
	names := map[string]bool{}
	for _, match := range headingPattern.FindAllSubmatch(blockPattern.ReplaceAll(content, nil), -1) {
		name := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(string(match[1])), ""), " ", "-")
		unique := name
		for n := 1; names[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		names[unique] = true
	}
	return names
}

func TestDeadLinksAreReported(t *testing.T) {
	files := map[string][]byte{
		"README.md":     []byte("# Top\n## What it's `for`\n## Top\n```\n# not a heading\n```\n"),
		"docs/guide.md": nil,
	}
	for _, test := range []struct {
		link string
		want int
	}{
		{"[a](../README.md)", 0},
		{"[a](../README.md#what-its-for) and [b](../README.md#top-1)", 0},
		{"[a](guide.md \"with a title\")", 0},
		{"[a](../docs)", 0},
		{"[a](https://example.com/x)", 0},
		{"`[a](gone.md)`", 0},
		{"```\n[a](gone.md)\n```\n", 0},
		{"[a](gone.md)", 1},
		{"[a](gone.md) [b](also-gone.md)", 2},
		{"![a](gone.png)", 1},
		{"[a]: gone.md", 1},
		{"[a](../README.md#not-a-heading)", 1},
		{"[a](#here)", 1},
		{"[a](../../README.md)", 1},
	} {
		if found := deadLinks("docs/guide.md", []byte(test.link), files); len(found) != test.want {
			t.Errorf("deadLinks(%q) = %q, want %d of them", test.link, found, test.want)
		}
	}
}

var (
	flowRow  = regexp.MustCompile(`(?m)^\| (\d+) \| .*$`)
	testName = regexp.MustCompile("`(?:[a-z0-9]+\\.)?(Test\\w+)`")
)

// TestFlowsAreTested reads the table of flows in docs/onelogin.md: it has ten
// rows, in order, and each names a test.
func TestFlowsAreTested(t *testing.T) {
	_, table, _ := strings.Cut(string(repository(t)["docs/onelogin.md"]), "\n## Flows\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := flowRow.FindAllStringSubmatch(table, -1)
	if len(rows) != 10 {
		t.Fatalf("the table has %d rows, want 10", len(rows))
	}
	for i, row := range rows {
		if row[1] != fmt.Sprint(i+1) {
			t.Errorf("row %d is numbered %s", i+1, row[1])
		}
		if !testName.MatchString(row[0]) {
			t.Errorf("row %s names no test", row[1])
		}
	}
}

// TestWhatSurvivesWhatIsTested reads the table in docs/operations.md: each row
// names a test.
func TestWhatSurvivesWhatIsTested(t *testing.T) {
	_, table, _ := strings.Cut(string(repository(t)["docs/operations.md"]), "\n## What survives what\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) < 12 {
		t.Fatalf("the table has %d lines", len(rows))
	}
	for _, row := range rows[2:] {
		if !testName.MatchString(row) {
			t.Errorf("no test in %s", row)
		}
	}
}

// TestNamedTestsExist finds the tests that documents name.
func TestNamedTestsExist(t *testing.T) {
	files := repository(t)
	var tests []byte
	for name, content := range files {
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, content...)
		}
	}
	for name, content := range files {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, test := range testName.FindAllSubmatch(content, -1) {
			if !bytes.Contains(tests, []byte("\nfunc "+string(test[1])+"(")) {
				t.Errorf("%s names %s, which does not exist", name, test[1])
			}
		}
	}
}

var (
	promiseRow  = regexp.MustCompile(`(?m)^\| R-(\d{3}) \| (.+) \| (.+) \|$`)
	promiseTest = regexp.MustCompile("`((?:[a-z0-9]+\\.)?(?:Test|Fuzz)\\w+)`")
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// promises are the numbers that docs/security.md must have a row for, as first
// and last of a range. The others are good to have, or for later.
var promises = [][2]int{
	{1, 11}, {13, 15}, {17, 33}, {35, 57}, {59, 78}, {80, 96}, {98, 193}, {195, 195}, {201, 209}, {211, 236},
}

// goodToHave may have a row.
var goodToHave = []int{12, 16, 34, 58, 79, 97, 194, 210}

// tableFaults says what is wrong with the table of promises in a document, if
// these are the tests that exist.
func tableFaults(document string, tests map[string]bool) []string {
	var found []string
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	rows := map[int]int{}
	for _, row := range promiseRow.FindAllStringSubmatch(document, -1) {
		number, _ := strconv.Atoi(row[1])
		rows[number]++
		named := promiseTest.FindAllStringSubmatch(row[3], -1)
		if strings.Contains(row[3], "TODO") {
			complain("R-%03d lacks a test: %s", number, row[2])
		} else if len(named) == 0 && !strings.Contains(row[0], "](decisions/") {
			complain("R-%03d names neither a test nor a decision", number)
		}
		for _, test := range named {
			if !tests[test[1]] {
				complain("R-%03d names %s, which does not exist", number, test[1])
			}
		}
	}
	for _, span := range promises {
		for number := span[0]; number <= span[1]; number++ {
			if rows[number] != 1 {
				complain("R-%03d has %d rows, want one", number, rows[number])
			}
			delete(rows, number)
		}
	}
	for number, count := range rows {
		if count > 1 || !slices.Contains(goodToHave, number) {
			complain("R-%03d has %d rows, and is not known or is there twice", number, count)
		}
	}
	return found
}

// TestSecurityTableIsComplete reads the table of promises in docs/security.md.
func TestSecurityTableIsComplete(t *testing.T) {
	files, tests := repository(t), map[string]bool{}
	for name, content := range files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, match := range testFunc.FindAllSubmatch(content, -1) {
			test := string(match[1])
			tests[test], tests[path.Base(path.Dir(name))+"."+test] = true, true
		}
	}
	for _, fault := range tableFaults(string(files["docs/security.md"]), tests) {
		t.Error(fault)
	}
}

func TestFaultsOfTheSecurityTableAreReported(t *testing.T) {
	var whole strings.Builder
	for _, span := range promises {
		for number := span[0]; number <= span[1]; number++ {
			fmt.Fprintf(&whole, "| R-%03d | holds | `TestA` |\n", number)
		}
	}
	tests := map[string]bool{"TestA": true, "room.TestA": true, "FuzzB": true}
	for _, test := range []struct{ name, old, new, want string }{
		{"whole", "", "", ""},
		{"with one that is good to have", "", "| R-012 | holds | `TestA` |\n", ""},
		{"another test too", "| R-001 | holds | `TestA` |", "| R-001 | holds | `room.TestA`, `FuzzB` |", ""},
		{"a decision", "| R-001 | holds | `TestA` |", "| R-001 | [no](decisions/0001-x.md) | – |", ""},
		{"no row", "| R-236 | holds | `TestA` |\n", "", "R-236 has 0 rows"},
		{"two rows", "", "| R-236 | holds | `TestA` |\n", "R-236 has 2 rows"},
		{"unknown", "", "| R-196 | holds | `TestA` |\n", "R-196 has 1 rows"},
		{"no test", "| R-001 | holds | `TestA` |", "| R-001 | holds `TestA` | – |", "R-001 names neither"},
		{"to do", "| R-001 | holds | `TestA` |", "| R-001 | holds | `TestA`, TODO |", "R-001 lacks a test: holds"},
		{"no such test", "| R-001 | holds | `TestA` |", "| R-001 | holds | `TestB` |", "R-001 names TestB"},
		{"another room's test", "| R-001 | holds | `TestA` |", "| R-001 | holds | `hall.TestA` |", "R-001 names hall.TestA"},
	} {
		document := strings.Replace(whole.String(), test.old, test.new, 1)
		found := tableFaults(document, tests)
		if test.want == "" && len(found) > 0 || test.want != "" && (len(found) != 1 || !strings.HasPrefix(found[0], test.want)) {
			t.Errorf("%s: tableFaults = %q, want %q", test.name, found, test.want)
		}
	}
}

// TestLimitsAreStated finds what people have to know before they rely on the
// gateway, and how they report what is wrong with it.
func TestLimitsAreStated(t *testing.T) {
	files := repository(t)
	_, limits, _ := strings.Cut(string(files["docs/security.md"]), "\n## What it cannot do\n")
	limits, _, _ = strings.Cut(limits, "\n## ")
	for _, words := range []string{
		"not phishing-resistant", "except through Caddy", "Scripts of the app", "enrol with `enroll`", "matcher in front of `mfa` is weaker",
	} {
		if !strings.Contains(limits, words) {
			t.Errorf("docs/security.md does not say %q among what the gateway cannot do", words)
		}
	}
	policy := string(files["SECURITY.md"])
	for _, words := range []string{"## Reporting", "working days", "90 days", "## Supported versions", "Caddy 2."} {
		if !strings.Contains(policy, words) {
			t.Errorf("SECURITY.md does not say %q", words)
		}
	}
}
