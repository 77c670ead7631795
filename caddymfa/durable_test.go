package caddymfa_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Every test here has a row in the table of docs/operations.md that says what
// survives what. What the app has seen decides: a refused request never gets
// there.

// wantLetIn and wantAsked fail the test unless b's next request reaches the app,
// or does not and leads to a challenge.
func (b *browser) wantLetIn() {
	b.t.Helper()
	before := len(b.app.requests())
	b.get("/").wantStatus(b.t, http.StatusOK)
	b.app.wantCount(b.t, before+1)
}

func (b *browser) wantAsked() {
	b.t.Helper()
	before := len(b.app.requests())
	if got := b.get("/").wantStatus(b.t, http.StatusUnauthorized).json(b.t); got.ChallengeURL == "" {
		b.t.Fatalf("refused without a challenge: %+v", got)
	}
	b.app.wantCount(b.t, before)
}

// verified returns somebody at n who has just verified.
func (n *node) verified(user string, kind simulator.Factor) *browser {
	n.t.Helper()
	b := n.person(user)
	b.verifyBy(kind, "/")
	return b
}

// holder is b as somebody who holds a session.
func (b *browser) holder() holder {
	b.t.Helper()
	for _, cookie := range b.client.Jar.Cookies(mustParse(b.t, "http://"+b.host)) {
		if cookie.Name == "mfa" {
			return holder{b.user, cookie.Value}
		}
	}
	b.t.Fatalf("%s has no session cookie", b.user)
	return holder{}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestRestartKeepsSessions(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice, bob := n.verified("alice", simulator.TOTP), n.verified("bob", simulator.SMS)
	if status, err := n.revoke(bob.holder().handle()); status != http.StatusOK {
		t.Fatalf("DELETE = %d, %v", status, err)
	}
	n.end(syscall.SIGTERM)
	n.run()
	alice.wantLetIn()
	bob.wantAsked()
	n.person("alice").wantAsked()
}

// More than sessions: a challenge goes on, a lock stays, and a code that was
// used stays used.
func TestKilledNodeKeepsChallengesLocksAndUsedCodes(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	n.addUser("carol")
	alice, bob, carol := n.verified("alice", simulator.TOTP), n.person("bob"), n.person("carol")
	used := n.sim.Code("alice", simulator.TOTP)
	pending, address := bob.begin("/")
	bob.post("start", map[string]string{"csrf": pending.CSRF, "factor": pending.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	for range 5 {
		c, _ := carol.begin("/")
		carol.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")})
		carol.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"})
	}

	n.end(os.Kill)
	n.run()

	alice.wantLetIn()
	if c := bob.get(address).wantStatus(t, http.StatusOK).json(t); c.State != "pending" {
		t.Errorf("bob's challenge is %+v, want it pending", c)
	}
	bob.post("verify", map[string]string{"csrf": pending.CSRF, "code": n.sim.Code("bob", simulator.SMS)}).wantStatus(t, http.StatusOK)
	bob.wantLetIn()

	c, _ := carol.begin("/")
	carol.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusTooManyRequests)
	carol.wantAsked()

	thief := n.person("alice")
	c, _ = thief.begin("/")
	thief.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	again := thief.post("verify", map[string]string{"csrf": c.CSRF, "code": used}).wantStatus(t, http.StatusUnprocessableEntity)
	if got := again.json(t); got.Error != "used_code" {
		t.Errorf("a used code after the kill: %+v, want used_code", got)
	}
	thief.wantAsked()
}

func TestWithoutAJournalEverybodyVerifiesAgain(t *testing.T) {
	n := newCluster(t, nil).start("north", "store memory {\njournal off\n}", "")
	alice := n.verified("alice", simulator.SMS)
	alice.wantLetIn()
	if printed, ok := n.caddy("reload", "--config", n.file, "--adapter", "caddyfile", "--force"); !ok {
		t.Fatalf("caddy reload:\n%s", printed)
	}
	alice.wantLetIn()
	n.end(syscall.SIGTERM)
	n.run()
	alice.wantAsked()
	alice.verifyBy(simulator.SMS, "/")
	alice.wantLetIn()
	if _, err := os.Stat(n.journalFile()); err == nil {
		t.Error("a journal was written though it is off")
	}
}

func TestDeletedJournalIsANewOne(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice := n.verified("alice", simulator.SMS)
	n.end(syscall.SIGTERM)
	if err := os.Remove(n.journalFile()); err != nil {
		t.Fatal(err)
	}
	before := len(n.log.String())
	n.run()
	alice.wantAsked()
	if logged := n.log.String()[before:]; !strings.Contains(logged, "there is no journal yet") {
		t.Error("the log does not say that the journal is new")
	}
	alice.verifyBy(simulator.SMS, "/")
	alice.wantLetIn()
	n.end(os.Kill)
	before = len(n.log.String())
	n.run()
	alice.wantLetIn()
	if logged := n.log.String()[before:]; strings.Contains(logged, "there is no journal yet") {
		t.Error("the log calls a journal new that is not")
	}
}

// A second Caddy with the same file ends with an error. "caddy validate" with it
// goes well, so it has not opened it.
func TestJournalOfAnotherProcessIsAnError(t *testing.T) {
	c := newCluster(t, nil)
	n := c.start("north", "", "")
	alice := n.verified("alice", simulator.TOTP)
	other := c.prepare("south", "store memory {\njournal "+n.journalFile()+"\n}", "")
	for _, of := range []*node{n, other} {
		printed, err := of.program("validate", "--config", of.file, "--adapter", "caddyfile").CombinedOutput()
		if err != nil || !strings.Contains(string(printed), "Valid configuration") {
			t.Errorf("caddy validate beside a running Caddy: %v\n%s", err, printed)
		}
	}
	other.wantNoStart(n.journalFile(), "is in use by another process", "path of its own")
	alice.wantLetIn()
	n.end(syscall.SIGTERM)
	other.run()
	alice.at(other).wantLetIn()
}

func TestValidateMakesNoJournal(t *testing.T) {
	n := newCluster(t, nil).prepare("north", "", "")
	if printed, err := n.program("validate", "--config", n.file, "--adapter", "caddyfile").CombinedOutput(); err != nil {
		t.Fatalf("caddy validate: %v\n%s", err, printed)
	}
	for _, file := range []string{n.journalFile(), keyFile(n.folder)} {
		if _, err := os.Stat(file); err == nil {
			t.Errorf("caddy validate made %s", file)
		}
	}
}

func TestCorruptJournalIsAnErrorUntilItIsMovedAway(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice := n.verified("alice", simulator.SMS)
	n.end(syscall.SIGTERM)
	whole := read(t, n.journalFile())
	for name, corrupt := range map[string][]byte{
		"cut":         whole[:len(whole)/2],
		"overwritten": append(bytes.Repeat([]byte("garbage "), 2048), whole[16<<10:]...),
		"text":        []byte("this is not a journal"),
	} {
		if err := os.WriteFile(n.journalFile(), corrupt, 0o600); err != nil {
			t.Fatal(err)
		}
		n.wantNoStart(n.journalFile(), "is corrupt", "move it away")
		if !bytes.Equal(read(t, n.journalFile()), corrupt) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	write(t, n.journalFile(), string(whole))
	n.run()
	alice.wantLetIn()
	n.end(syscall.SIGTERM)
	write(t, n.journalFile(), "this is not a journal")
	if err := os.Rename(n.journalFile(), n.folder+"/away"); err != nil {
		t.Fatal(err)
	}
	n.run()
	alice.wantAsked()
}

func TestReplacedKeyIsAnErrorAndLosesNothing(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice := n.verified("alice", simulator.SMS)
	n.end(syscall.SIGTERM)
	key, sealed := read(t, keyFile(n.folder)), read(t, n.journalFile())
	write(t, keyFile(n.folder), strings.Repeat("another key's 32", 2))
	n.wantNoStart(n.journalFile(), "key in Caddy's storage has changed", "bring the key back", "move it away")
	if err := os.Remove(keyFile(n.folder)); err != nil {
		t.Fatal(err)
	}
	n.wantNoStart(n.journalFile(), "key in Caddy's storage has changed")
	write(t, keyFile(n.folder), "half a key")
	n.wantNoStart("mfa/seal.key has 10 bytes", "restore it")
	if !bytes.Equal(read(t, n.journalFile()), sealed) {
		t.Error("the journal was changed")
	}
	write(t, keyFile(n.folder), string(key))
	n.run()
	alice.wantLetIn()
	n.person("alice").wantAsked()
}

func (n *node) rotate() {
	n.t.Helper()
	if printed, ok := n.caddy("mfa", "rotate"); !ok {
		n.t.Fatalf("caddy mfa rotate:\n%s", printed)
	}
}

// awaitNewestKey has people begin to verify until something in the journal is
// sealed with the newest key, which the node meets some seconds after it was
// made.
func (n *node) awaitNewestKey() {
	n.t.Helper()
	id := sha256.Sum256(append([]byte("caddymfa vault key id "), read(n.t, keyFile(n.folder))[:32]...))
	beginning := append([]byte{1}, id[:4]...) // of what is sealed, behind the schema
	for end := time.Now().Add(time.Minute); !bytes.Contains(read(n.t, n.journalFile()), beginning); {
		if time.Now().After(end) {
			n.t.Fatal("nothing is sealed with the new key a minute after it was made")
		}
		n.beginAsSomebody()
		<-time.After(100 * time.Millisecond)
	}
}

// beginAsSomebody makes a challenge, which is a write, of a user of its own.
func (n *node) beginAsSomebody() {
	n.t.Helper()
	name := "somebody " + rand.Text()
	n.addUser(name)
	b := n.person(name)
	c, _ := b.begin("/")
	b.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(n.t, "totp")}).wantStatus(n.t, http.StatusOK)
}

// A second rotation drops the key of what was written before the first one, and
// nothing else.
func TestKeyRotatedTwiceDropsWhatIsOlder(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	n.addUser("carol")
	alice := n.verified("alice", simulator.TOTP)
	n.rotate()
	n.awaitNewestKey()
	bob := n.verified("bob", simulator.SMS)
	n.rotate()
	carol := n.verified("carol", simulator.TOTP)
	alice.wantLetIn() // she is in memory
	before := len(n.log.String())
	n.end(syscall.SIGTERM)
	n.run()
	bob.wantLetIn()
	carol.wantLetIn()
	alice.wantAsked()
	if logged := n.log.String()[before:]; !strings.Contains(logged, "entries of the journal refused and dropped") {
		t.Error("the log does not say that entries were refused")
	}
}

func TestKeyRotatedOnceKeepsSessions(t *testing.T) {
	n := newCluster(t, nil).start("north", "", "")
	alice := n.verified("alice", simulator.TOTP)
	n.rotate()
	alice.wantLetIn()
	n.end(os.Kill)
	n.run()
	alice.wantLetIn()
	n.person("alice").wantAsked()
}
