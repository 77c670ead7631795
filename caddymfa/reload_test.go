package caddymfa_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

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

// reload is a config that is loaded, and whether Caddy takes it.
type reload struct {
	file  string
	taken bool
}

// reloads are what operators do to the config of s: nothing, other durations, a
// mistake, another site more, and a mistake that shows only when it starts.
func (s *site) reloads() []reload {
	_, guarded, _ := strings.Cut(s.file, "\nhttp://")
	_, guarded, _ = strings.Cut(guarded, " ")
	return []reload{
		{s.file, true},
		{strings.Replace(s.file, "max_age 8h", "max_age 4h\nidle 30m\nlifetime 6h", 1), true},
		{strings.Replace(s.file, "{file.", "{file./missing", 1), false},
		{s.file + "http://" + freeAddress(s.t) + " " + guarded, true},
		{strings.Replace(s.file, "grace_period 2s", "grace_period 2s\n\tstorage file_system /proc/none", 1), false},
	}
}

func (s *site) reload(r reload) {
	s.t.Helper()
	if err := s.tryLoad(r.file); (err == nil) != r.taken {
		s.t.Errorf("the config was loaded with %v, want it taken: %v\n%s", err, r.taken, r.file)
	}
}

// busy has people ask all the time until end is called: those who are verified,
// and strangers who use their names and say so to the app. Some of their answers
// are told by answered.
func (s *site) busy(verified []*browser) (answered <-chan struct{}, end func()) {
	stop, told := make(chan struct{}), make(chan struct{}, 1)
	var asking sync.WaitGroup
	ask := func(b *browser, want int) {
		asking.Go(func() {
			if err := b.keepAsking(stop, told, want); err != nil {
				s.t.Errorf("during reloads: %v", err)
			}
			b.client.CloseIdleConnections()
		})
	}
	for _, b := range verified {
		ask(b, http.StatusOK)
		ask(s.browser(b.user, http.Header{"Accept": {"application/json"}, "Stranger": {"yes"}}), http.StatusUnauthorized)
	}
	return told, func() {
		close(stop)
		asking.Wait()
	}
}

// keepAsking returns an error for the first answer that is not want.
func (b *browser) keepAsking(stop <-chan struct{}, told chan<- struct{}, want int) error {
	for {
		select {
		case <-stop:
			return nil
		case told <- struct{}{}:
		default:
		}
		r, err := http.NewRequest(http.MethodGet, b.url+"/busy", nil)
		if err != nil {
			return err
		}
		r.Header = b.header.Clone()
		r.Header.Set("Remote-User", b.user)
		response, err := b.send(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != want {
			return fmt.Errorf("%s got %s and %v, want %d", b.user, response.Status, err, want)
		}
	}
}

// take returns how many requests have reached the app since the last call, and
// fails the test if there was a stranger's among them.
func (a *app) take(t *testing.T) int {
	t.Helper()
	a.mu.Lock()
	seen := a.seen
	a.seen = nil
	a.mu.Unlock()
	for _, r := range seen {
		if user := r.Header.Get("X-Mfa-User"); r.Header.Get("Stranger") != "" || user == "" || user != r.Header.Get("Remote-User") {
			t.Fatalf("the app saw a request of %q, verified as %q", r.Header.Get("Remote-User"), user)
		}
	}
	return len(seen)
}

// stand waits until goroutines neither come nor go for longer than an old config
// may linger, and returns how many there are and the bytes on the heap.
func stand() (goroutines int, heap uint64) {
	goroutines = runtime.NumGoroutine()
	since, end := time.Now(), time.Now().Add(time.Minute)
	for time.Since(since) < 3*time.Second && time.Now().Before(end) {
		<-time.After(20 * time.Millisecond)
		if n := runtime.NumGoroutine(); n != goroutines {
			goroutines, since = n, time.Now()
		}
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return goroutines, m.HeapAlloc
}

// Configs come and go while people ask all the time: nobody is lost, no stranger
// gets through, who is verifying can go on, and nothing is left behind.
func TestFiftyReloadsUnderLoadLoseNobody(t *testing.T) {
	// An old config's connections to the app may outlive it, but not for long.
	s := openFile(t, strings.Replace(siteFile("max_age 8h"), "reverse_proxy APP", "reverse_proxy APP {\ntransport http {\nkeepalive 1s\n}\n}", 1))
	var verified []*browser
	for _, name := range []string{"ann", "ben", "cem"} {
		s.addUser(name)
		b := s.program(name)
		b.verifyBy(simulator.TOTP, "/")
		verified = append(verified, b)
	}
	turns := s.reloads()
	round := func(count int) (passed int) {
		answered, end := s.busy(verified)
		for turn := range count {
			for range 20 {
				select {
				case <-answered:
				case <-time.After(time.Minute):
					t.Error("nobody has been answered for a minute")
				}
			}
			s.reload(turns[turn%len(turns)])
			passed += s.app.take(t)
		}
		end()
		s.load(s.file)
		return passed + s.app.take(t)
	}
	round(10) // what the first reloads leave behind is there for good
	goroutines, heap := stand()
	passed := 0
	for turn := range 5 {
		late := s.program(fmt.Sprint("late", turn))
		s.addUser(late.user)
		c, address := late.begin("/")
		late.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
		passed += round(10)
		if got := late.get(address).wantStatus(t, http.StatusOK).json(t); got.State != "pending" {
			t.Errorf("after ten reloads the challenge is %+v, want it pending", got)
		}
		late.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code(late.user, simulator.SMS)}).wantStatus(t, http.StatusOK)
		late.get("/").wantStatus(t, http.StatusOK)
		late.client.CloseIdleConnections()
	}
	s.load(s.file)
	goroutinesAfter, heapAfter := stand()
	t.Logf("50 reloads while %d requests passed: goroutines from %d to %d, heap from %d to %d KiB",
		passed, goroutines, goroutinesAfter, heap>>10, heapAfter>>10)
	if goroutinesAfter > goroutines+10 || heapAfter > heap+4<<20 {
		t.Error("something was left behind")
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
