package caddymfa_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeXcaddy writes down how it was called, one argument a line, and leaves a
// Caddy that answers what xcaddy.sh asks of the real one.
const fakeXcaddy = `#!/bin/sh
printf '%s\n' "$@" >"$CALLED"
printf '%s\n' "$GOPRIVATE" "$GONOSUMDB" >"$CALLED.private"
cat >"$4" <<'CADDY'
#!/bin/sh
case $1 in
version) echo v2.99.0 ;;
list-modules) printf 'http.handlers.file_server\nhttp.handlers.mfa\nmfa\nmfa.stores.memory\nhttp.handlers.mfast\n' ;;
esac
CADDY
chmod +x "$4"
`

// runScript runs xcaddy.sh in a directory of its own and returns what it
// printed. Of xcaddy, PATH has only what is in bin.
func runScript(t *testing.T, directory, bin string, environment, arguments []string) (string, error) {
	t.Helper()
	script, err := filepath.Abs("xcaddy.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(directory string) bool {
		_, err := os.Stat(filepath.Join(directory, "xcaddy"))
		return err == nil
	})
	command := exec.Command(script, arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(),
		"PATH="+strings.Join(append([]string{bin}, path...), string(filepath.ListSeparator)),
		"CADDY_VERSION=", "OUTPUT=", "GOPRIVATE=", "GONOSUMDB=")
	command.Env = append(command.Env, environment...)
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestXcaddyBuildsThisCheckout(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", caddy).Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{"--with", module + "/caddymfa", "--replace", module + "=" + here}
	for _, test := range []struct {
		name                   string
		environment, arguments []string
		version, output        string // output: in the directory of the call
		private                string
	}{
		{"as it is", nil, nil, strings.TrimSpace(string(pinned)), "caddy", module},
		{"more modules", nil, []string{"--with", "example.com/a", "--with", "example.com/b=./b c"}, strings.TrimSpace(string(pinned)), "caddy", module},
		{"other version", []string{"CADDY_VERSION=v2.98.0"}, nil, "v2.98.0", "caddy", module},
		{"other place", []string{"OUTPUT=my caddy"}, nil, strings.TrimSpace(string(pinned)), "my caddy", module},
		{"other private modules", []string{"GOPRIVATE=example.com"}, nil, strings.TrimSpace(string(pinned)), "caddy", "example.com," + module},
	} {
		t.Run(test.name, func(t *testing.T) {
			directory, bin := t.TempDir(), t.TempDir()
			called := filepath.Join(bin, "called")
			if err := os.WriteFile(filepath.Join(bin, "xcaddy"), []byte(fakeXcaddy), 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := runScript(t, directory, bin, append(test.environment, "CALLED="+called), test.arguments)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			output := filepath.Join(directory, test.output)
			want := slices.Concat([]string{"build", test.version, "--output", output}, ours, test.arguments)
			if got := lines(t, called); !slices.Equal(got, want) {
				t.Errorf("xcaddy's arguments = %q, want %q", got, want)
			}
			if got, want := lines(t, called+".private"), []string{test.private, test.private}; !slices.Equal(got, want) {
				t.Errorf("GOPRIVATE and GONOSUMDB = %q, want %q", got, want)
			}
			if want := "built " + output + "\nv2.99.0\nhttp.handlers.mfa\nmfa\nmfa.stores.memory\n"; out != want {
				t.Errorf("printed %q, want %q", out, want)
			}
		})
	}
}

func TestArgumentsNeedXcaddy(t *testing.T) {
	for _, test := range []struct {
		name                   string
		environment, arguments []string
	}{
		{"arguments", nil, []string{"--with", "example.com/a"}},
		{"other version", []string{"CADDY_VERSION=v2.98.0"}, nil},
	} {
		directory := t.TempDir()
		out, err := runScript(t, directory, t.TempDir(), test.environment, test.arguments)
		if err == nil || !strings.Contains(out, "xcaddy, which is not on PATH") {
			t.Errorf("%s: error %v, printed %q, want a word that xcaddy is needed", test.name, err, out)
		}
		if left, _ := os.ReadDir(directory); len(left) > 0 {
			t.Errorf("%s: left %v", test.name, left)
		}
	}
}

func TestXcaddyHelp(t *testing.T) {
	for _, flag := range []string{"-h", "--help"} {
		out, err := runScript(t, t.TempDir(), t.TempDir(), nil, []string{flag})
		if err != nil {
			t.Errorf("%s: %v", flag, err)
		}
		for _, word := range []string{"Usage:", "CADDY_VERSION", "OUTPUT", "go build ./cmd/caddy"} {
			if !strings.Contains(out, word) {
				t.Errorf("%s does not mention %s", flag, word)
			}
		}
	}
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}
