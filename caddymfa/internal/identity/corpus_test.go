package identity_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// corpus returns the lines of a file in testdata, split into words. A word in
// quotes is a Go string; it keeps one quote in front, so that it differs from
// a bare word.
func corpus(t testing.TB, name string) [][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, words(t, line))
		}
	}
	return lines
}

func words(t testing.TB, line string) []string {
	t.Helper()
	var all []string
	for rest := line; rest != ""; rest = strings.TrimSpace(rest) {
		if !strings.HasPrefix(rest, `"`) {
			var word string
			word, rest, _ = strings.Cut(rest, " ")
			all = append(all, word)
			continue
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("corpus line %s: %v", line, err)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("corpus line %s: %v", line, err)
		}
		all, rest = append(all, `"`+text), rest[len(quoted):]
	}
	return all
}

// unquoted returns a word without its mark.
func unquoted(word string) string { return strings.TrimPrefix(word, `"`) }

func unquotedAll(words []string) []string {
	var all []string
	for _, word := range words {
		all = append(all, unquoted(word))
	}
	return all
}

// around splits words at the first one that equals mark.
func around(t testing.TB, words []string, mark string) (before, after []string) {
	t.Helper()
	i := slices.Index(words, mark)
	if i < 0 {
		t.Fatalf("corpus line %q has no %s", words, mark)
	}
	return words[:i], words[i+1:]
}
