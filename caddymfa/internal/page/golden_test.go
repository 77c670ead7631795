package page_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/text/language"
)

var update = flag.Bool("update", false, "rewrite testdata/*.html")

// inlined matches the style sheet and the script, which have files of their own.
var inlined = regexp.MustCompile(`(?s)(<style>|<script>).*?(</style>|</script>)`)

func TestGoldenPages(t *testing.T) {
	for _, name := range []string{
		"choose", "error.wrong_code", "push", "unavailable", "verified",
		"continue", "enroll-scan", "error.wrong_password", "mail-blind", "voice", "sessions",
	} {
		p := sample(t, name)
		if name == "push" {
			p.Lang = language.German
		}
		got := inlined.ReplaceAll(source(t, p), []byte("$1$2"))
		file := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not as in %s; if that is meant, run go test -update and read the diff", name, file)
		}
	}
}
