package caddymfa_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestReadOnlyFolderIsAnError(t *testing.T) {
	c := newCluster(t, nil)
	folder := c.folder + "/sealed"
	if err := os.Mkdir(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	n := c.prepare("north", "store memory {\njournal "+folder+"/sessions.db\n}", "")
	if os.Geteuid() == 0 { // root minds no permissions, unless that right is taken away
		n.under = []string{"setpriv", "--bounding-set", "-dac_override"}
	}
	n.wantNoStart(folder+"/sessions.db", "permission denied", "may write to")
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	n.run()
	n.verified("alice", simulator.TOTP).wantLetIn()
}

// bearFileLimit makes writes beyond limitFiles fail, as on a full disk, where
// otherwise the process would end.
func bearFileLimit() { signal.Ignore(syscall.SIGXFSZ) }

// limitFiles lets the node write no file beyond so many bytes, as if the disk
// were full, until it is given "unlimited".
func (n *node) limitFiles(bytes string) {
	n.t.Helper()
	out, err := exec.Command("prlimit", "--pid", fmt.Sprint(n.process.Process.Pid), "--fsize="+bytes+":").CombinedOutput()
	if err != nil {
		n.t.Fatalf("prlimit: %v\n%s", err, out)
	}
}

func TestFullDiskLetsNobodyNewIn(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	for _, name := range []string{"carol", "dave", "erin"} {
		n.addUser(name)
	}
	alice, bob, carol := n.verified("alice", simulator.TOTP), n.verified("bob", simulator.SMS), n.person("carol")
	erin := n.verified("erin", simulator.TOTP)
	pending, _ := carol.begin("/")
	carol.post("start", map[string]string{"csrf": pending.CSRF, "factor": pending.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	code := map[string]string{"csrf": pending.CSRF, "code": n.sim.Code("carol", simulator.TOTP)}

	n.limitFiles("1")
	if a := carol.post("verify", code).wantStatus(t, http.StatusServiceUnavailable); a.Header.Get("Set-Cookie") != "" {
		t.Errorf("carol was given %s", a.Header.Get("Set-Cookie"))
	}
	carol.wantAsked()
	stranger := n.person("alice")
	c, _ := stranger.begin("/")
	stranger.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusServiceUnavailable)
	stranger.wantAsked()
	alice.wantLetIn()
	if status, err := n.revoke(bob.holder().handle()); status != http.StatusServiceUnavailable {
		t.Errorf("DELETE on a full disk = %d, %v, want 503: it may come back with the next start", status, err)
	}
	bob.wantAsked()
	if status, got := n.ask(http.MethodPost, "/mfa/revoke", `{"user":"erin"}`); status != http.StatusServiceUnavailable {
		t.Errorf("POST /mfa/revoke on a full disk = %d, %v", status, got)
	}
	erin.wantAsked()
	status, got := n.ask(http.MethodGet, "/mfa/health", "")
	if status != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(got["store"]), "file too large") {
		t.Errorf("GET /mfa/health on a full disk = %d %v, want 503 and the cause", status, got)
	}
	if !strings.Contains(n.log.String(), "file too large") {
		t.Error("the log does not say why")
	}

	// With room again what was revoked is written with what comes next.
	n.limitFiles("unlimited")
	dave := n.verified("dave", simulator.TOTP)
	if status, got := n.ask(http.MethodGet, "/mfa/health", ""); status != http.StatusOK {
		t.Errorf("GET /mfa/health with room again = %d %v", status, got)
	}
	n.end(os.Kill)
	n.run()
	alice.wantLetIn()
	dave.wantLetIn()
	bob.wantAsked()
	erin.wantAsked()
}
