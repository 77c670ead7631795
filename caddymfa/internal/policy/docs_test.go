package policy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// documented are the rules above the table of examples in docs/paths.md.
const documented = `exempt  /healthz /static/*
require /admin/* {
	max_age 5m
}
require POST /payments/* {
	max_age 1m
}
`

func TestDocumentedExamplesAreTrue(t *testing.T) {
	text, err := os.ReadFile("../../../docs/paths.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Examples\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !strings.Contains(section, documented) {
		t.Fatalf("docs/paths.md does not show the rules of this test:\n%s", documented)
	}
	rules := compile(t, []string{"/healthz", "/static/*"}, adminRule(), policy.Rule{
		Methods: []string{"POST"}, Paths: []string{"/payments/*"}, Requirement: policy.Requirement{MaxAge: time.Minute},
	})
	rows := regexp.MustCompile("(?m)^\\| `(\\S+) (\\S+)` \\| (\\S+) \\|").FindAllStringSubmatch(section, -1)
	if want := strings.Count(section, "\n| `"); len(rows) == 0 || len(rows) != want {
		t.Fatalf("%d of %d rows are understood", len(rows), want)
	}
	for _, row := range rows {
		j := rules.Judge(policy.Request{Method: row[1], Path: row[2]})
		got := strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(j.Requirement.MaxAge.String())
		if j.Exempt {
			got = "exempt"
		}
		if got != row[3] {
			t.Errorf("%s %s is judged as %s, the document says %s", row[1], row[2], got, row[3])
		}
	}
}

func TestDocumentedPatternsAreRefused(t *testing.T) {
	text, err := os.ReadFile("../../../docs/paths.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "Everything else is refused")
	list, _, _ = strings.Cut(list, "regular")
	patterns := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1)
	if len(patterns) < 5 {
		t.Fatalf("only %d patterns found", len(patterns))
	}
	for _, pattern := range patterns {
		if _, err := policy.Compile(site(), []string{pattern[1]}, nil); err == nil {
			t.Errorf("Compile(%q): no error, the document says it is refused", pattern[1])
		}
	}
}
