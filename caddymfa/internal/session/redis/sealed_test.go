package redis_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// tampered is a store in whose Redis somebody else writes too.
type tampered struct {
	store
	server  *redistest.Server
	diary   *diary
	refused []error
}

func openTampered(t *testing.T) *tampered {
	x := &tampered{server: redistest.Start(t), diary: new(diary)}
	config := at(x.server)
	config.Log = x.diary.log
	config.Refused = func(err error) { x.refused = append(x.refused, err) }
	x.store = open(t, config)
	return x
}

// put puts a value under key, as somebody who can write to Redis.
func (x *tampered) put(key session.Key, value string) {
	x.t.Helper()
	x.server.Do("SET", nameOf(key), value, "PX", "3600000")
}

// wantRefused checks that Load is an error that says why, and is told.
func (x *tampered) wantRefused(what string, key session.Key, why error) {
	x.t.Helper()
	told := len(x.refused)
	eventually(x.t, what+" is refused", func() bool { // the copy of what was there before may need a moment
		_, found, err := x.Load(x.t.Context(), key)
		if found && err != nil {
			x.t.Errorf("%s: Load = true, %v", what, err)
		}
		return !found && errors.Is(err, why)
	})
	if len(x.refused) != told+1 || !errors.Is(x.refused[told], why) {
		x.t.Errorf("%s: Refused heard %v, want one more that is %v", what, x.refused[told:], why)
	}
}

func TestTamperedRecordIsRefused(t *testing.T) {
	t.Parallel()
	x := openTampered(t)
	x.add(one, "one", group("a"))
	value := x.server.Do("GET", nameOf(one))

	x.put(two, value)
	x.wantRefused("a value copied to another key", two, vault.ErrForged)
	challenge := session.Key{Kind: session.KindChallenge, Sum: one.Sum}
	x.put(challenge, value)
	x.wantRefused("a value copied to another kind", challenge, vault.ErrForged)
	for i := range len(value) {
		flipped := []byte(value)
		flipped[i] ^= 0x80
		x.put(challenge, string(flipped))
		if _, found, err := x.Load(t.Context(), challenge); found || err == nil {
			t.Errorf("Load with byte %d changed = %v, %v, want an error", i, found, err)
		}
	}
	for _, made := range []string{"", "\x00", "\x02\x01", "\xff", strings.Repeat("x", 200), value[:len(value)-1], value + "x"} {
		x.put(challenge, made)
		if _, found, err := x.Load(t.Context(), challenge); found || err == nil {
			t.Errorf("Load of %.20q = %v, %v, want an error", made, found, err)
		}
	}
	older := []byte(value)
	older[1+8] = 0 // the schema, behind one group
	x.put(one, string(older))
	x.wantRefused("a record of another schema", one, vault.ErrSchema)
	if n := x.diary.count("refused"); n != 1 {
		t.Errorf("the log tells of %d refusals within ten seconds, want one", n)
	}
}

func TestRecordOfAnUnknownKeyIsRefused(t *testing.T) {
	t.Parallel()
	x := openTampered(t)
	config := at(x.server)
	config.Vault = newVault(2)
	open(t, config).add(one, "one", group("a"))
	x.wantRefused("a record that another key sealed", one, vault.ErrUnknownKey)
	if _, err := x.Members(t.Context(), group("a")); !errors.Is(err, vault.ErrUnknownKey) {
		t.Errorf("Members: %v, want an error, since others can load the record", err)
	}
	if _, _, err := x.Scan(t.Context(), session.KindSession, "", 10); !errors.Is(err, vault.ErrUnknownKey) {
		t.Errorf("Scan: %v, want an error, since others can load the record", err)
	}
}

// Nobody may keep a user from being signed out by what they write to Redis.
func TestForgedMembersAreNoMembers(t *testing.T) {
	t.Parallel()
	x := openTampered(t)
	x.add(one, "one", group("a"))
	x.add(two, "two", group("a"))
	x.put(one, x.server.Do("GET", nameOf(two)))
	set := names(x.server, "mfa:g:*")[0]
	x.server.Do("ZADD", set, "99999999999999", "no member", "99999999999999", strings.Repeat("\x00", 33))
	x.server.Do("SET", "mfa:1:no key", "x", "EX", "100")
	members, err := x.Members(t.Context(), group("a"))
	page, _, scan := x.Scan(t.Context(), session.KindSession, "", 10)
	for what, found := range map[string][]session.Entry{"Members": members, "Scan": page} {
		if len(found) != 1 || found[0].Key != two || found[0].Record.Value != "two" || err != nil || scan != nil {
			t.Errorf("%s = %v, %v, %v, want the second session alone", what, found, err, scan)
		}
	}
}

// Whoever writes to Redis can lengthen the life of a key, but not of a record.
func TestPersistentKeyStillExpires(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, k := range []session.Key{one, key(session.KindChallenge, "one")} {
		s, c := open(t, at(server)), new(clock)
		s.SetNow(c.now)
		s.add(k, "value")
		old := s.want(k, "value")
		server.Do("PERSIST", nameOf(k))
		c.pass(time.Hour)
		s.wantAbsent(k)
		if entries, _, err := s.Scan(t.Context(), k.Kind, "", 10); len(entries) != 0 || err != nil {
			t.Errorf("Scan = %v, %v, want nothing", entries, err)
		}
		if touched, err := s.Touch(t.Context(), k, old, "again"); touched {
			t.Errorf("Touch of an expired record = %v, %v, want not true", touched, err)
		}
		if added, err := s.Add(t.Context(), k, "next", c.now().Add(time.Hour)); !added || err != nil {
			t.Errorf("Add in its place = %v, %v, want true", added, err)
		}
		s.want(k, "next")
	}
}

// A counter that was made persistent must not lock anybody out for ever.
func TestPersistentCounterGetsAWindow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	k := key(session.KindCounter, "tries")
	s.Increment(t.Context(), k, time.Hour)
	server.Do("PERSIST", nameOf(k))
	if n, resets, err := s.Count(t.Context(), k); n != 1 || resets.IsZero() || err != nil {
		t.Errorf("Count = %d, %v, %v, want 1 and a moment", n, resets, err)
	}
	if n, _, err := s.Increment(t.Context(), k, time.Hour); n != 2 || err != nil {
		t.Errorf("Increment = %d, %v, want 2", n, err)
	}
	wantMortal(t, server)
}

func TestOtherTypesAreErrors(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	for _, k := range []session.Key{one, key(session.KindChallenge, "one")} {
		server.Do("HSET", nameOf(k), "field", "value")
		_, _, load := s.Load(t.Context(), k)
		_, add := s.Add(t.Context(), k, "", time.Now().Add(time.Hour))
		_, update := s.Update(t.Context(), k, session.Record{Version: 1}, "", time.Now().Add(time.Hour))
		_, _, increment := s.Increment(t.Context(), k, time.Hour)
		_, _, count := s.Count(t.Context(), k)
		for op, err := range map[string]error{"Load": load, "Add": add, "Update": update, "Increment": increment, "Count": count} {
			wantCause(t, op, err, "another type")
		}
		s.delete(k)
		s.wantAbsent(k)
	}
}

// Names in Redis show a hash, and values what the vault sealed.
func TestDumpShowsNoUser(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	const name, id = "ada.lovelace@example.com", "31415926"
	sessions := session.NewSessions(s, session.Options{})
	cookieValue, err := sessions.Create(t.Context(), session.Session{
		User: name, UserID: id, Site: "shop.example.com", Factor: "totp", Node: "node-seven",
		AuthTime: time.Now(), Created: time.Now(), Seen: time.Now(),
	}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.Increment(t.Context(), session.NewKey(session.KindCounter, "tries", name), time.Hour)
	var dump strings.Builder
	for _, key := range names(server, "*") {
		dump.WriteString(key + server.Do("DUMP", key))
	}
	if dump.Len() < 300 {
		t.Fatalf("the dump has %d bytes, want a session, its groups and a counter", dump.Len())
	}
	for _, told := range []string{name, "ada", id, "shop.example", "node-seven", cookieValue} {
		if strings.Contains(strings.ToLower(dump.String()), strings.ToLower(told)) {
			t.Errorf("a dump of Redis shows %q", told)
		}
	}
}

// Groups and versions lie where the scripts look for them.
func TestUpdateKeepsGroups(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, at(server))
	s.add(one, "0", group("a"), group("b"))
	for i := range 5 {
		s.update(one, s.want(one, strconv.Itoa(i)), strconv.Itoa(i+1))
	}
	for _, g := range []string{"a", "b"} {
		if members, err := s.Members(t.Context(), group(g)); len(members) != 1 || members[0].Record.Value != "5" || err != nil {
			t.Errorf("Members of %s = %v, %v, want the session as it is now", g, members, err)
		}
	}
	s.delete(one)
	if left := names(server, "*"); len(left) != 0 {
		t.Errorf("%q are left of a session that was deleted", left)
	}
}
