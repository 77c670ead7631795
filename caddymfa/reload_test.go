package caddymfa_test

import (
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestReloadKeepsSessionsAndChallenges(t *testing.T) {
	s := open(t, "max_age 8h")
	alice, bob := s.program("alice"), s.program("bob")
	alice.verifyBy(simulator.TOTP, "/")
	c, address := bob.begin("/")
	bob.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)

	s.load(strings.Replace(s.file, "max_age 8h", "max_age 4h", 1))

	alice.get("/").wantStatus(t, http.StatusOK)
	if got := bob.get(address).wantStatus(t, http.StatusOK).json(t); got.State != "pending" {
		t.Fatalf("after the reload the challenge is %+v, want pending", got)
	}
	bob.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("bob", simulator.SMS)}).wantStatus(t, http.StatusOK)
	bob.get("/").wantStatus(t, http.StatusOK)
	if sent := s.sim.Sent(); len(sent) != 1 {
		t.Errorf("sent %v, want one message", sent)
	}
}

func TestPushApprovedAcrossReload(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	c, address := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	s.load(s.file)
	s.sim.Approve("alice")
	alice.waitFor(address, "verified")
	alice.get(status(address)).wantStatus(t, http.StatusOK)
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestFailedReloadLeavesTheOldConfigServing(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	for _, broken := range []string{
		strings.Replace(s.file, "{file.", "{file./missing", 1),
		strings.Replace(s.file, "grace_period 2s", "grace_period 2s\n\tstorage file_system /proc/none", 1),
	} {
		if err := s.tryLoad(broken); err == nil {
			t.Error("a broken config was loaded")
		}
		alice.get("/").wantStatus(t, http.StatusOK)
	}
}

func TestFiftyReloadsLeakNothing(t *testing.T) {
	s := open(t, "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	s.load(s.file)
	before := runtime.NumGoroutine()
	for range 50 {
		s.load(s.file)
	}
	alice.get("/").wantStatus(t, http.StatusOK)
	if after := runtime.NumGoroutine(); after > before+25 {
		t.Errorf("50 reloads raised the goroutines from %d to %d", before, after)
	}
}

func TestExampleFileIsFormattedAndValid(t *testing.T) {
	example, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if string(caddyfile.Format(example)) != string(example) {
		t.Error("Caddyfile.example is not formatted: run caddy fmt --overwrite")
	}
	secret := t.TempDir() + "/secret"
	write(t, secret, "s3cret")
	t.Setenv("ONELOGIN_CLIENT_ID", "client")
	validate(t, strings.ReplaceAll(string(example), "/run/secrets/onelogin", secret))
}

// validate does what "caddy validate" does, and fails on a warning too.
func validate(t *testing.T, file string) {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "Caddyfile"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Adapt: error %v, warnings %v", err, warnings)
	}
	loaded, err := parseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(loaded); err != nil {
		t.Errorf("Validate: %v", err)
	}
}

func TestProvisionErrorsNameTheOption(t *testing.T) {
	secret := t.TempDir() + "/secret"
	write(t, secret, "s3cret-canary")
	empty := t.TempDir() + "/empty"
	write(t, empty, "\n")
	good := strings.NewReplacer("ONELOGIN", "acme", "ID_FILE", secret, "SECRET_FILE", secret, " MATCHER", "",
		"SITE", "127.0.0.1:1", "APP", "127.0.0.1:2", "STORAGE", t.TempDir()).Replace(siteFile(""))
	validate(t, string(caddyfile.Format([]byte(good))))
	for name, test := range map[string]struct{ old, new, want string }{
		"unset variable": {"client_secret {file." + secret + "}", "client_secret {env.CADDYMFA_UNSET}", "client_secret"},
		"missing file":   {"client_id {file." + secret + "}", "client_id {file./nowhere}", "client_id"},
		"empty file":     {"client_secret {file." + secret + "}", "client_secret {file." + empty + "}", "client_secret"},
		"missing ca":     {"onelogin acme {", "onelogin acme {\n\t\t\tca /nowhere", "ca"},
		"ca without pem": {"onelogin acme {", "onelogin acme {\n\t\t\tca " + secret, "no certificate"},
		"missing logo":   {"insecure_http", "insecure_http\n\t\tbrand {\n\t\t\tlogo /nowhere.png\n\t\t}", "logo"},
		"odd logo":       {"insecure_http", "insecure_http\n\t\tbrand {\n\t\t\tlogo " + secret + "\n\t\t}", "want a .png"},
	} {
		t.Run(name, func(t *testing.T) {
			config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(strings.Replace(good, test.old, test.new, 1)), nil)
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := parseConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			if err = caddy.Validate(loaded); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Validate = %v, want an error about %q", err, test.want)
			} else if strings.Contains(err.Error(), "s3cret-canary") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}
