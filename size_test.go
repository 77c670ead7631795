package caddymfa_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// The house measure. Tests may be longer; everything else is split first.
const (
	maxFileLines     = 400
	maxFunctionLines = 80
)

func TestFilesAndFunctionsStayShort(t *testing.T) {
	files := 0
	for path, content := range repository(t) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		files++
		for _, complaint := range tooLong(path, content) {
			t.Error(complaint)
		}
	}
	if files == 0 {
		t.Fatal("no Go files were found")
	}
}

func TestLongFilesAndFunctionsAreReported(t *testing.T) {
	function := func(lines int) string { return "func f() {" + strings.Repeat("\n", lines-1) + "}\n" }
	for _, test := range []struct {
		name, source string
		want         int
	}{
		{"longest function", "package p\n" + function(maxFunctionLines), 0},
		{"too long function", "package p\n" + function(maxFunctionLines+1), 1},
		{"longest file", "package p\n" + strings.Repeat("// A line.\n", maxFileLines-1), 0},
		{"too long file", "package p\n" + strings.Repeat("// A line.\n", maxFileLines), 1},
		{"not Go", "package", 1},
	} {
		if found := tooLong("p.go", []byte(test.source)); len(found) != test.want {
			t.Errorf("%s: tooLong = %q, want %d complaints", test.name, found, test.want)
		}
	}
}

// tooLong says which of the file and its functions exceed the measure.
func tooLong(path string, source []byte) []string {
	var found []string
	check := func(what string, lines, most int) {
		if lines > most {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d: split it", what, lines, most))
		}
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, 0)
	if err != nil {
		return []string{err.Error()}
	}
	check(path, bytes.Count(source, []byte("\n")), maxFileLines)
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			first, last := set.Position(function.Pos()).Line, set.Position(function.End()).Line
			check(path+": "+function.Name.Name, last-first+1, maxFunctionLines)
		}
	}
	return found
}
