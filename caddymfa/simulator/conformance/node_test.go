package conformance_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// OneLogin's Node SDK knows one call that the Go SDK does not: Smart MFA. Its
// verify goes to a path of its own, which a switch offers.
func TestNodeSDKMakesItsSmartMFACall(t *testing.T) {
	dir := install(t)
	sim := simulator.New(simulator.Options{Switches: simulator.Switches{NodeSmartMFAAlias: true}})
	api, control := httptest.NewServer(sim.API()), httptest.NewServer(sim.Phone())
	defer api.Close()
	defer control.Close()
	printed := run(t, dir, "node", "smart.js", api.URL, control.URL)
	var got struct {
		First, Second map[string]any
		OK            map[string]string
	}
	if err := json.Unmarshal(printed, &got); err != nil {
		t.Fatalf("the script printed %q: %v", printed, err)
	}
	want(t, got.First, "user_id", float64(alice))
	want(t, object(t, got.First["mfa"], nil), "otp_sent", true)
	want(t, object(t, got.Second["mfa"], nil), "otp_sent", false)
	if got.OK["0"] != "O" || got.OK["1"] != "K" { // the SDK spreads the text
		t.Errorf("ValidateOTP = %v, want the letters of OK", got.OK)
	}
	if calls := sim.Calls(simulator.OpSmart); calls != 2 {
		t.Errorf("Smart MFA calls = %d, want 2", calls)
	}
}

// install copies the script to a directory of its own and installs what it
// needs. Without Node the test is skipped, unless CADDYMFA_REQUIRE_NODE is 1.
func install(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CADDYMFA_REQUIRE_NODE") == "1" {
			t.Fatalf("%s is missing, and CADDYMFA_REQUIRE_NODE is 1", tool)
		}
		t.Skipf("NOT TESTED: %s is missing, so OneLogin's Node SDK was not run", tool)
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "smart.js"} {
		text, err := os.ReadFile(filepath.Join("node", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	return dir
}

// run returns what a program prints, and fails the test if it fails.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	printed, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, printed, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return printed
}
