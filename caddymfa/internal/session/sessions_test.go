package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

const site = "app.example.com"

// ada returns a session that begins now.
func ada() session.Session {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return session.Session{
		User: "ada", UserID: "1001", Site: site, Factor: "totp",
		Node: "caddy-1", Browser: "Firefox on Linux",
		AuthTime: now, Created: now, Seen: now,
	}
}

// open returns sessions in a memory store, and one of them.
func open(t testing.TB) (*session.Sessions, *memory.Store, session.Session, string) {
	t.Helper()
	store := memory.New(memory.Config{})
	x := session.NewSessions(store, session.Options{})
	s := ada()
	cookieValue, err := x.Create(t.Context(), s, 8*time.Hour)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return x, store, s, cookieValue
}

// wantGone checks that a cookie value leads nowhere, without an error.
func wantGone(t *testing.T, x *session.Sessions, site, cookieValue string) {
	t.Helper()
	if s, _, found, err := x.Load(t.Context(), site, cookieValue); found || err != nil {
		t.Errorf("Load(%q, %q) = %+v, %v, %v, want none", site, cookieValue, s, found, err)
	}
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// malformed returns values that Create never makes, all close to one it made.
func malformed(cookieValue string) []string {
	values := []string{
		"", cookieValue[:42], cookieValue[1:], cookieValue[:42] + "=", // cut
		cookieValue + "A", cookieValue + "=", cookieValue + cookieValue, // extended
		cookieValue + "\x00", cookieValue + "%00", cookieValue + "\n", `"` + cookieValue + `"`, " " + cookieValue,
		cookieValue[:42] + "\n", cookieValue[:42] + "\x00", cookieValue[:20] + "\r\n" + cookieValue[22:], // 43 bytes
		"+" + cookieValue[1:], "/" + cookieValue[1:], "=" + cookieValue[1:], "~" + cookieValue[1:],
		"Ａ" + cookieValue[3:], "\xff" + cookieValue[1:], "\xc1" + cookieValue[1:],
	}
	end := strings.IndexByte(base64url, cookieValue[42])
	for unused := 1; unused < 4; unused++ { // three more spellings of the same 256 bits
		values = append(values, cookieValue[:42]+base64url[end+unused:end+unused+1])
	}
	return values
}

func TestMalformedCookieValueNeverReachesTheStore(t *testing.T) {
	_, _, _, cookieValue := open(t)
	for _, value := range malformed(cookieValue) {
		store := &fixed{}
		x := session.NewSessions(store, session.Options{})
		wantGone(t, x, site, value)
		if err := x.Delete(t.Context(), site, value); err != nil {
			t.Errorf("Delete(%q): %v, want none", value, err)
		}
		if err := x.Touch(t.Context(), site, value, session.Record{}, ada(), time.Now()); err != nil {
			t.Errorf("Touch(%q): %v, want none", value, err)
		}
		if store.asked != 0 {
			t.Errorf("the store was asked for %q", value)
		}
	}
}

func TestOnlyTheExactCookieValueLeadsToTheSession(t *testing.T) {
	x, _, want, cookieValue := open(t)
	wantGone(t, x, site, strings.ToUpper(cookieValue))
	wantGone(t, x, site, strings.ToLower(cookieValue))
	for i := range cookieValue {
		for _, c := range base64url {
			if value := cookieValue[:i] + string(c) + cookieValue[i+1:]; value != cookieValue {
				wantGone(t, x, site, value)
			}
		}
	}
	if got, _, found, err := x.Load(t.Context(), site, cookieValue); got != want || !found || err != nil {
		t.Errorf("Load = %+v, %v, %v, want %+v", got, found, err, want)
	}
}

func TestSessionOfOneSiteIsUnknownAtAnother(t *testing.T) {
	x, _, _, cookieValue := open(t)
	for _, other := range []string{"", "other.example.com", "APP.EXAMPLE.COM", site + "."} {
		wantGone(t, x, other, cookieValue)
	}
	if err := x.Delete(t.Context(), "other.example.com", cookieValue); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if _, _, found, _ := x.Load(t.Context(), site, cookieValue); !found {
		t.Error("Delete at another site ended the session")
	}
}

func TestCookieValuesAreCanonicalAndDiffer(t *testing.T) {
	x := session.NewSessions(memory.New(memory.Config{}), session.Options{})
	seen := make(map[string]bool)
	for range 1000 {
		v, err := x.Create(t.Context(), ada(), time.Hour)
		if err != nil || len(v) != 43 || seen[v] {
			t.Fatalf("Create = %q, %v, want 43 characters not seen before", v, err)
		}
		seen[v] = true
	}
}

func TestCreateRefusesWhatNobodyCouldUse(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*session.Session)
		lifetime time.Duration
	}{
		{"no user", func(s *session.Session) { s.User = "" }, time.Hour},
		{"user too long", func(s *session.Session) { s.User = strings.Repeat("u", 257) }, time.Hour},
		{"user id too long", func(s *session.Session) { s.UserID = strings.Repeat("1", 65) }, time.Hour},
		{"no site", func(s *session.Session) { s.Site = "" }, time.Hour},
		{"site too long", func(s *session.Session) { s.Site = strings.Repeat("s", 257) }, time.Hour},
		{"factor too long", func(s *session.Session) { s.Factor = strings.Repeat("f", 33) }, time.Hour},
		{"node too long", func(s *session.Session) { s.Node = strings.Repeat("n", 65) }, time.Hour},
		{"browser too long", func(s *session.Session) { s.Browser = strings.Repeat("b", 65) }, time.Hour},
		{"no auth time", func(s *session.Session) { s.AuthTime = time.Time{} }, time.Hour},
		{"no creation time", func(s *session.Session) { s.Created = time.Time{} }, time.Hour},
		{"no last use", func(s *session.Session) { s.Seen = time.Time{} }, time.Hour},
		{"no lifetime", func(*session.Session) {}, 0},
		{"lifetime over", func(s *session.Session) { s.Created = s.Created.Add(-2 * time.Hour) }, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := memory.New(memory.Config{})
			s := ada()
			tt.change(&s)
			v, err := session.NewSessions(store, session.Options{}).Create(t.Context(), s, tt.lifetime)
			if v != "" || err == nil || store.Len(session.KindSession) != 0 {
				t.Errorf("Create = %q, %v, stored %d, want only an error", v, err, store.Len(session.KindSession))
			}
		})
	}
}

func TestCreateInAFullStoreSaysSo(t *testing.T) {
	x := session.NewSessions(memory.New(memory.Config{MaxSessions: 1}), session.Options{})
	if _, err := x.Create(t.Context(), ada(), time.Hour); err != nil {
		t.Fatalf("Create: %v", err)
	}
	if v, err := x.Create(t.Context(), ada(), time.Hour); v != "" || !errors.Is(err, session.ErrFull) {
		t.Errorf("Create = %q, %v, want ErrFull", v, err)
	}
}

func TestSessionEndsWithItsLifetimeHoweverOftenItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, _, cookieValue := open(t)
		for range 8*60 - 1 {
			time.Sleep(time.Minute)
			s, record, found, err := x.Load(t.Context(), site, cookieValue)
			if !found || err != nil || !s.Alive(time.Now(), 30*time.Minute, 8*time.Hour) {
				t.Fatalf("Load = %+v, %v, %v, want an alive session", s, found, err)
			}
			if err := x.Touch(t.Context(), site, cookieValue, record, s, time.Now()); err != nil {
				t.Fatalf("Touch: %v", err)
			}
		}
		time.Sleep(time.Minute)
		wantGone(t, x, site, cookieValue)
	})
}

func TestTouchChangesOnlyWhenItWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, want, cookieValue := open(t)
		_, before, _, _ := x.Load(t.Context(), site, cookieValue)
		time.Sleep(time.Minute)
		if err := x.Touch(t.Context(), site, cookieValue, before, want, time.Now()); err != nil {
			t.Fatalf("Touch: %v", err)
		}
		want.Seen = time.Now().UTC()
		got, after, _, _ := x.Load(t.Context(), site, cookieValue)
		if got != want || !after.Expires.Equal(before.Expires) {
			t.Errorf("session %+v until %v, want %+v until %v", got, after.Expires, want, before.Expires)
		}
	})
}

func TestTouchNeitherRevivesNorRewinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, s, cookieValue := open(t)
		_, record, _, _ := x.Load(t.Context(), site, cookieValue)
		touch := func(now time.Time) {
			t.Helper()
			if err := x.Touch(t.Context(), site, cookieValue, record, s, now); err != nil {
				t.Errorf("Touch: %v, want a lost race to be no error", err)
			}
		}
		touch(s.Seen.Add(-time.Hour))
		if got, _, _, _ := x.Load(t.Context(), site, cookieValue); got != s {
			t.Errorf("Touch at an earlier time left %+v, want %+v", got, s)
		}
		x.Delete(t.Context(), site, cookieValue)
		touch(time.Now().Add(time.Second))
		wantGone(t, x, site, cookieValue)
		time.Sleep(9 * time.Hour)
		touch(time.Now())
		wantGone(t, x, site, cookieValue)
	})
}

func TestDeleteEndsTheSession(t *testing.T) {
	x, _, _, cookieValue := open(t)
	for range 2 {
		if err := x.Delete(t.Context(), site, cookieValue); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		wantGone(t, x, site, cookieValue)
	}
	if err := x.Delete(t.Context(), site, "no cookie value"); err != nil {
		t.Errorf("Delete of what cannot be a session: %v, want none", err)
	}
}

// fixed is a store that answers every Load alike, and counts them. Its other
// methods panic.
type fixed struct {
	session.Store
	value string
	err   error
	asked int
}

func (f *fixed) Load(context.Context, session.Key) (session.Record, bool, error) {
	f.asked++
	return session.Record{Value: f.value}, f.err == nil, f.err
}

func TestLoadIsAnErrorWhenTheStoreCannotBeBelieved(t *testing.T) {
	_, store, s, cookieValue := open(t)
	good, _, _ := store.Load(t.Context(), session.NewKey(session.KindSession, s.Site, cookieValue))
	failure := errors.New("no connection")
	tests := []struct {
		name string
		site string
		fixed
	}{
		{"store fails", site, fixed{value: good.Value, err: failure}},
		{"empty record", site, fixed{}},
		{"unknown format", site, fixed{value: "\x01" + good.Value[1:]}},
		{"another site's record", "other.example.com", fixed{value: good.Value}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, found, err := session.NewSessions(&tt.fixed, session.Options{}).Load(t.Context(), tt.site, cookieValue)
			if err == nil || found || got != (session.Session{}) {
				t.Errorf("Load = %+v, %v, %v, want only an error", got, found, err)
			}
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("Load error %v does not wrap %v", err, tt.err)
			}
			if strings.Contains(err.Error(), cookieValue) || strings.Contains(err.Error(), "ada") {
				t.Errorf("error %q tells a secret", err)
			}
		})
	}
}

func TestStoredRecordDoesNotContainTheCookieValue(t *testing.T) {
	_, store, s, cookieValue := open(t)
	record, found, err := store.Load(t.Context(), session.NewKey(session.KindSession, s.Site, cookieValue))
	if !found || err != nil || strings.Contains(record.Value, cookieValue) {
		t.Errorf("record %q, %v, %v must not contain the cookie value", record.Value, found, err)
	}
}

func TestLoadAllocatesAtMostTwice(t *testing.T) {
	x, _, _, cookieValue := open(t)
	n := testing.AllocsPerRun(100, func() { x.Load(t.Context(), site, cookieValue) })
	if n > 2 {
		t.Errorf("Load allocates %v times, want at most 2", n)
	}
}
