package caddymfa_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
)

// fault is what happens to a Redis.
type fault struct {
	name   string
	strike func(d *drill)
	undo   func(d *drill) // nil: it passes by itself
	cause  string         // part of what log and health say while it lasts

	reads  bool // Redis still tells who is verified, and takes no writes
	lost   bool // it has forgotten all sessions
	absent bool // it is so before Caddy starts
	two    bool // with two nodes
	store  string
}

// aclUser is the user that docs/operations.md proposes.
const aclUser = `on >right resetkeys ~mfa:* resetchannels &mfa:* -@all
	+hello +auth +ping +client|tracking +client|caching
	+get +set +del +pttl +pexpire +incr +scan +eval +evalsha
	+zadd +zrem +zscore +zrangebyscore +zremrangebyscore
	+publish +subscribe +role +cluster|slots +cluster|shards +info +select`

func faults() []fault {
	do := func(commands ...string) func(d *drill) {
		return func(d *drill) {
			for _, command := range commands {
				d.redis.Do(strings.Fields(command)...)
			}
		}
	}
	start := func(d *drill) { d.redis.Restart(true) }
	return []fault{
		{name: "stopped, and started again", cause: "cannot connect", undo: start,
			strike: func(d *drill) { d.redis.Do("SAVE"); d.redis.Stop() }},
		{name: "frozen (SIGSTOP), and thawed", cause: "no answer in time",
			strike: func(d *drill) { d.redis.Freeze() }, undo: func(d *drill) { d.redis.Thaw() }},
		{name: "restarted with its data", strike: start},
		{name: "restarted without its data", lost: true, strike: func(d *drill) { d.redis.Restart(false) }},
		{name: "killed, and back with older data", two: true, strike: func(d *drill) {
			d.redis.Kill()
			d.redis.Restart(true)
			if d.redis.Do("EXISTS", d.carol.record()) != "1" {
				d.t.Error("the older data do not hold the session that was revoked")
			}
		}},
		{name: "its password changed, and back", cause: "wrong password", store: "store redis ADDRESS {\nusername caddymfa\npassword right\n}",
			strike: do("ACL SETUSER caddymfa resetpass >other", "CLIENT KILL USER caddymfa"),
			undo:   do("ACL SETUSER caddymfa resetpass >right")},
		{name: "memory full (noeviction), and freed", cause: "out of memory", reads: true,
			strike: do("CONFIG SET maxmemory 1"), undo: do("CONFIG SET maxmemory 0")},
		{name: "made a read-only replica, and master again", cause: "read-only replica", reads: true,
			strike: do("REPLICAOF 127.0.0.1 1"), undo: do("REPLICAOF NO ONE")},
		{name: "all connections cut (CLIENT KILL)", strike: do("CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal")},
		{name: "absent when Caddy starts, and started later", absent: true, cause: "cannot connect", undo: start},
	}
}

// TestRedisFaults breaks a Redis in every way that it is known to break and
// prints a table of what people saw. That nobody is let in who should not be is
// told by the app.
func TestRedisFaults(t *testing.T) {
	var mu sync.Mutex
	all := faults()
	rows := make([]string, len(all))
	t.Run("all", func(t *testing.T) {
		for i, f := range all {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				row := f.drill(t)
				mu.Lock()
				defer mu.Unlock()
				rows[i] = row
			})
		}
	})
	t.Log("\nRequests of people who are not verified that reached the app: 0\n\n| Redis is | people who are not verified see | a login is told | verified people see | an open event stream | log and health say | healed after |\n" +
		"|---|---|---|---|---|---|---|\n" + strings.Join(rows, "\n"))
}

func (f fault) drill(t *testing.T) string {
	if f.store == "" {
		f.store = "store redis ADDRESS"
	}
	d := newDrill(t, f)
	if !f.absent {
		redistest.Eventually(t, time.Minute, "alice passes", func() bool { return statuses(time.Time{}, d.alice) == "200" })
		d.stream = d.listen(d.alice.browser)
		d.struck = time.Now()
		f.strike(d)
	}
	d.bob = d.ask(d.bob.browser)
	d.undone = d.struck
	if f.undo != nil {
		f.await(d)
		f.look(d)
		if f.reads {
			f.write(d)
		}
		d.undone = time.Now()
		f.undo(d)
	}
	healed := f.heal(d)
	d.stop()
	d.asking.Wait()
	f.judge(d)
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %.1f s |", f.name, statuses(d.struck, d.strangers...), d.login,
		"busy: "+d.alice.course(d.struck)+"; new: "+d.bob.course(d.struck)+d.noted, d.streamed(), d.health+d.revoked, healed.Sub(d.undone).Seconds())
}

// await returns when the fault has had all the effect that it has.
func (f fault) await(d *drill) {
	if f.reads {
		redistest.Eventually(d.t, time.Minute, "alice passes though no copy can last so long", func() bool {
			_, passed := d.alice.first(d.struck.Add(copiesLast+askEvery), http.StatusOK)
			return passed
		})
		return
	}
	redistest.Eventually(d.t, time.Minute, "alice is refused, and her stream is cut", func() bool {
		_, refused := d.alice.first(d.struck, http.StatusServiceUnavailable)
		_, cut := d.stream.ended()
		return refused && cut
	})
}

// look asks for what people and operators are told while the fault lasts.
func (f fault) look(d *drill) {
	d.t.Helper()
	login := d.north.person("before").enter()
	if d.login = fmt.Sprint(login); login != http.StatusServiceUnavailable {
		d.t.Errorf("a login during the fault: %d, want 503", login)
	}
	redistest.Eventually(d.t, 10*time.Second, "the log names the cause", func() bool { return strings.Contains(d.north.log.String(), f.cause) })
	if !f.reads && !strings.Contains(d.north.log.String(), "redis cannot be used") {
		d.t.Error("the log does not say that Redis cannot be used")
	}
	_, got := d.north.ask("GET", "/mfa/health?report", "")
	d.health, _ = got["store"].(map[string]any)["problem"].(string)
	if !strings.Contains(d.health, f.cause) {
		d.t.Errorf("health says %v, want something about %q", got, f.cause)
	}
	if text, ok := d.north.caddy("mfa", "health"); ok || !strings.Contains(text, f.cause) {
		d.t.Errorf("caddy mfa health, ok %v, does not say %q:\n%s", ok, f.cause, text)
	}
}

// write tries what has to be written where Redis can be read alone: when a
// session was last used, and that it is revoked.
func (f fault) write(d *drill) {
	d.t.Helper()
	noted, _ := d.idle.try("GET", "/", "")
	d.noted = fmt.Sprintf("; not seen for a minute: %d", noted)
	if noted != http.StatusOK {
		d.t.Errorf("a verified user whose use cannot be noted: %d, want 200", noted)
	}
	revoked, _ := d.north.ask("DELETE", "/mfa/sessions/"+d.bob.handle(), "")
	d.revoked = fmt.Sprintf("; the desk that revokes: %d", revoked)
	d.bob.get("/").wantStatus(d.t, http.StatusUnauthorized)
}

// heal returns when everything works that should: verified people pass, or are
// asked for a proof where they are forgotten, and others can log in.
func (f fault) heal(d *drill) time.Time {
	want := http.StatusOK
	if f.lost {
		want = http.StatusUnauthorized
	}
	var at time.Time
	people := []*asker{d.alice}
	if !f.reads {
		people = append(people, d.bob)
	}
	for _, a := range people {
		redistest.Eventually(d.t, time.Minute, a.user+" is answered as ever", func() bool {
			passed, found := a.first(d.undone, want)
			if passed.After(at) {
				at = passed
			}
			return found
		})
	}
	after := d.north.person("after")
	redistest.Eventually(d.t, time.Minute, "a login succeeds", func() bool { return after.enter() == http.StatusOK })
	if entered := time.Now(); entered.After(at) {
		at = entered
	}
	after.get("/").wantStatus(d.t, http.StatusOK)
	long := at.Add(askEvery)
	if f.two {
		long = d.struck.Add(copiesLast + askEvery)
	}
	for _, stranger := range d.strangers {
		redistest.Eventually(d.t, time.Minute, stranger.user+" is told", func() bool { return len(stranger.since(long)) > 2 })
	}
	return at
}

// judge fails the test for whoever was let in and should not be.
func (f fault) judge(d *drill) {
	d.t.Helper()
	d.app.wantOwn(d.t, "alice", "bob", "idle", "dora", "after")
	for _, stranger := range d.strangers {
		told := stranger.since(time.Time{})
		for _, n := range told {
			if n.status != http.StatusUnauthorized && n.status != http.StatusServiceUnavailable {
				d.t.Fatalf("%s was told %d %s", stranger.user, n.status, n.body)
			}
		}
		if len(told) == 0 {
			d.t.Errorf("%s did not ask", stranger.user)
		}
	}
	for _, a := range []*asker{d.alice, d.bob} {
		for _, n := range a.since(time.Time{}) {
			if n.status == http.StatusOK && n.body != a.user || n.status == 0 {
				d.t.Errorf("%s was told %d %q", a.user, n.status, n.body)
			}
		}
		if passed, found := a.last(d.struck, d.undone, http.StatusOK); found && !f.reads && passed.After(d.struck.Add(copiesLast)) {
			d.t.Errorf("%s passed %v after Redis was gone", a.user, passed.Sub(d.struck))
		}
	}
}
