package assertion_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What apps are told to do is what the tests here do.
func TestDocumentedCheckIsTheOneThatIsTested(t *testing.T) {
	_, checker, _ := strings.Cut(read(t, "assertiontest/checker.go"), "package assertiontest\n\n")
	if _, documented, _ := strings.Cut(read(t, "../../../docs/assertion.md"), "\n```go\n"); !strings.HasPrefix(documented, checker+"```\n") {
		t.Error("the Go block in docs/assertion.md is not assertiontest/checker.go")
	}
}

func TestDocumentedMethodsAreComplete(t *testing.T) {
	documented := read(t, "../../../docs/assertion.md")
	for _, factor := range policy.AnyFactor.List() {
		method, _ := assertion.Method(string(factor))
		if row := fmt.Sprintf("\n| `%s` | `%s` |", factor, method); !strings.Contains(documented, row) {
			t.Errorf("docs/assertion.md has no row %q", row)
		}
	}
}
