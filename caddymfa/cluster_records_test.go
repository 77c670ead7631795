package caddymfa_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Where the parts of a session's value in Redis begin: the number of its
// groups, two groups, and the sealed record.
const (
	groupsAt = 1
	sealedAt = groupsAt + 2*8
	keyIDAt  = sealedAt + 1
	nonceAt  = keyIDAt + 4
	textAt   = nonceAt + 24
)

// victim is a verified person whose record is changed.
type victim struct {
	*browser
	f     *fleet
	value string  // of the record
	other *victim // somebody else
}

// put writes value where the victim's record was.
func (v *victim) put(value string) { v.f.redis.Do("SET", v.record(), value, "KEEPTTL") }

// with returns the record with one byte changed.
func (v *victim) with(at int, change func(byte) byte) string {
	value := []byte(v.value)
	at = (at + len(value)) % len(value)
	value[at] = change(value[at])
	return string(value)
}

func flip(b byte) byte { return b ^ 1 }

func to(value byte) func(byte) byte { return func(byte) byte { return value } }

// tampering is what somebody does who can write to Redis.
type tampering struct {
	name    string
	change  func(v *victim)
	said    string // by the log
	counted bool   // in caddy_mfa_store_records_refused_total
}

func tamperings() []tampering {
	const (
		forged  = "record is not what was sealed under this key"
		schema  = "record has an unknown schema"
		unknown = "record is sealed with an unknown key"
	)
	set := func(change func(v *victim) string) func(v *victim) { return func(v *victim) { v.put(change(v)) } }
	flipped := func(at int) func(v *victim) {
		return set(func(v *victim) string { return v.with(at, flip) })
	}
	return []tampering{
		{"another person's record", set(func(v *victim) string { return v.other.value }), forged, true},
		{"a record moved to a new cookie value", func(v *victim) {
			v.client.Jar.SetCookies(v.home(), []*http.Cookie{{Name: clusterCookie, Value: invent(), Path: "/"}})
			v.f.redis.Do("SET", v.record(), v.value, "EX", "1000")
		}, forged, true},
		{"a challenge's record", set(func(v *victim) string { return v.f.valueOf("mfa:2:*") }), forged, true},
		{"an older schema", set(func(v *victim) string { return v.with(sealedAt, to(0)) }), schema, true},
		{"a newer schema", set(func(v *victim) string { return v.with(sealedAt, to(2)) }), schema, true},
		{"fewer groups", set(func(v *victim) string { return v.with(0, to(1)) }), "record", true},
		{"more groups", set(func(v *victim) string { return v.with(0, to(3)) }), schema, true},
		{"a flipped key id", flipped(keyIDAt), unknown, true},
		{"a flipped nonce", flipped(nonceAt), forged, true},
		{"a flipped deadline", flipped(textAt), forged, true},
		{"a flipped session", flipped(textAt + 8), forged, true},
		{"a flipped tag", flipped(-1), forged, true},
		{"half a record", set(func(v *victim) string { return v.value[:len(v.value)/2] }), forged, true},
		{"nothing", set(func(*victim) string { return "" }), forged, true},
		{"text", set(func(*victim) string { return strings.Repeat("alice", 1000) }), schema, true},
		{"a counter", set(func(*victim) string { return "1" }), "key holds a counter", false},
		{"a list", func(v *victim) {
			v.f.redis.Do("DEL", v.record())
			v.f.redis.Do("RPUSH", v.record(), v.value)
		}, "something of another type", false},
		{"a record of an older program", func(v *victim) { v.f.rewrite(v.browser, "\x01 of format 1") }, "stored session cannot be decoded", false},
	}
}

// rewrite seals another value under b's session, as an older program may have
// done.
func (f *fleet) rewrite(b *browser, value string) {
	f.t.Helper()
	key, _ := session.SessionKey(clusterSite, b.cookieValue())
	held, _, err := f.store.Load(f.t.Context(), key)
	if err == nil {
		_, err = f.store.Update(f.t.Context(), key, held, value, held.Expires)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// valueOf returns the value of a key that matches a pattern.
func (f *fleet) valueOf(pattern string) string {
	f.t.Helper()
	name, _, _ := strings.Cut(f.redis.Do("KEYS", pattern), "\n")
	if name == "" {
		f.t.Fatalf("no key is called %s", pattern)
	}
	return f.redis.Do("GET", name)
}

var refusedMetric = regexp.MustCompile(`(?m)^caddy_mfa_store_records_refused_total\{store="redis"\} (\d+)$`)

// refusedRecords reads the node's counter of records that it refused.
func (n *node) refusedRecords() int {
	n.t.Helper()
	answer, err := n.adminClient().Get("http://localhost/metrics")
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !bytes.Contains(text, []byte("caddy_")) {
		n.t.Fatalf("GET /metrics = %s, %v", answer.Status, err)
	}
	found := refusedMetric.FindSubmatch(text)
	if found == nil {
		return 0
	}
	count, _ := strconv.Atoi(string(found[1]))
	return count
}

func TestForeignRecordsLetNobodyIn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, http.HandlerFunc(told))
	n := f.node("north")
	bob := n.person("bob")
	c, _ := bob.begin("/")
	bob.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	newVictim := func(user string) *victim {
		b := f.verified(n, user)
		return &victim{browser: b, f: f, value: f.redis.Do("GET", b.record())}
	}
	untouched := newVictim("untouched")
	for _, tt := range tamperings() {
		alice := newVictim("alice")
		alice.other = untouched
		counted, logged := n.refusedRecords(), len(n.log.String())
		tt.change(alice)
		for range 2 {
			want := http.StatusServiceUnavailable
			if tt.name == "a flipped key id" { // as after a rotation: she may verify again
				want = http.StatusUnauthorized
			}
			alice.get("/").wantStatus(t, want)
		}
		f.app.wantCount(t, 0)
		if more := n.refusedRecords() - counted; tt.counted != (more >= 2) {
			t.Errorf("%s: %d refused records counted, want some: %v", tt.name, more, tt.counted)
		}
		if !strings.Contains(n.log.String()[logged:], tt.said) {
			t.Errorf("%s: the log does not say %q:\n%s", tt.name, tt.said, n.log.String()[logged:])
		}
	}
	if !strings.Contains(n.log.String(), "a record in Redis was refused") {
		t.Error("the log does not say that records were refused")
	}
	untouched.get("/").wantStatus(t, http.StatusOK)
	f.app.wantCount(t, 1)
}

// Groups are not sealed, and nobody gains by changing them: the session stays
// its own user's.
func TestChangedGroupsMakeNobodySomebodyElse(t *testing.T) {
	t.Parallel()
	f := newFleet(t, http.HandlerFunc(told))
	n := f.node("north")
	alice, bob := f.verified(n, "alice"), f.verified(n, "bob")
	own, others := f.redis.Do("GET", alice.record()), f.redis.Do("GET", bob.record())
	f.redis.Do("SET", alice.record(), others[:sealedAt]+own[sealedAt:], "KEEPTTL")
	if got := alice.get("/").wantStatus(t, http.StatusOK).body; got != "alice" {
		t.Errorf("the app was told %q", got)
	}
	asBob := n.holding("bob", alice.cookieValue())
	asBob.get("/").wantStatus(t, http.StatusUnauthorized)
	n.ask("POST", "/mfa/revoke", `{"all":true}`)
	alice.get("/").wantStatus(t, http.StatusUnauthorized)
	f.app.wantCount(t, 1)
}

var keyName = regexp.MustCompile(`^mfa:(?:([1-7]):[0-9a-f]{64}|(g):[0-9a-f]{16})$`)

// TestRedisHoldsNoNamesAndForgets looks at all that is in Redis after people
// have logged in, tried, waited and gone.
func TestRedisHoldsNoNamesAndForgets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil)
	n := f.node("north")
	f.newcomer("erin", 601, simulator.Protect)
	alice, bob, erin := n.person("alice"), n.person("bob"), n.person("erin")
	alice.verifyBy(simulator.TOTP, "/reports")
	c, _ := bob.begin("/")
	bob.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	bob.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}).wantStatus(t, http.StatusUnprocessableEntity)
	p, _ := erin.begin("/")
	erin.post("start", map[string]string{"csrf": p.CSRF, "factor": p.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	redistest.Eventually(t, time.Minute, "somebody polls", func() bool { return f.redis.Do("KEYS", "mfa:7:*") != "" })
	gone := f.verified(n, "gone")
	gone.get("/").wantStatus(t, http.StatusOK)
	gone.endSession()

	secrets := []string{"alice", "bob", "erin", "gone", "example.com", clusterSite, "reports", "+1202555", f.sim.Code("bob", simulator.SMS)}
	for _, b := range []*browser{alice, bob, erin} {
		for _, cookie := range b.cookies() {
			secrets = append(secrets, cookie.Value)
			if random, err := base64.RawURLEncoding.DecodeString(cookie.Value); err == nil {
				secrets = append(secrets, string(random))
			}
		}
	}
	kinds := map[string]int{}
	for _, name := range strings.Split(f.redis.Do("KEYS", "*"), "\n") {
		parts := keyName.FindStringSubmatch(name)
		if parts == nil {
			t.Errorf("a key is called %q", name)
			continue
		}
		kinds[parts[1]+parts[2]]++
		held := name + f.dump(name)
		for _, secret := range secrets {
			if strings.Contains(strings.ToLower(held), strings.ToLower(secret)) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
		if left, err := strconv.Atoi(f.redis.Do("PTTL", name)); err != nil || left <= 0 || left > int(25*time.Hour/time.Millisecond) {
			t.Errorf("%s has %d ms to live, %v", name, left, err)
		}
	}
	t.Logf("keys by kind, g for groups: %v", kinds)
	for _, kind := range []string{"1", "2", "3", "4", "5", "7", "g"} {
		if kinds[kind] == 0 {
			t.Errorf("no key of kind %s was looked at", kind)
		}
	}
}

// dump returns what a key holds.
func (f *fleet) dump(name string) string {
	f.t.Helper()
	switch kind := f.redis.Do("TYPE", name); kind {
	case "string":
		return f.redis.Do("GET", name)
	case "zset":
		return f.redis.Do("ZRANGE", name, "0", "-1", "WITHSCORES")
	default:
		f.t.Fatalf("%s is a %s", name, kind)
		return ""
	}
}
