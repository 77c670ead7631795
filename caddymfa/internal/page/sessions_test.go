package page_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/language"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// items are the listed sessions, as elements.
func items(t *testing.T, p page.Page) []*html.Node {
	t.Helper()
	return find(dom(t, p), func(n *html.Node) bool { return n.Data == "li" && within(n, tag("main")) })
}

// sessionsOf is a list of n sessions.
func sessionsOf(t *testing.T, n int) page.Page {
	t.Helper()
	p := sample(t, "sessions-many")
	p.Sessions = p.Sessions[:n]
	return p
}

func TestEachSessionHasAButtonThatSendsItsHandle(t *testing.T) {
	p := sample(t, "sessions")
	form := only(t, dom(t, p), with("action", "/.mfa/sessions/end"))
	buttons := find(form, with("name", "session"))
	if len(buttons) != len(p.Sessions) {
		t.Fatalf("%d buttons, want %d", len(buttons), len(p.Sessions))
	}
	for i, button := range buttons {
		s := p.Sessions[i]
		if attr(button, "value") != s.Handle || len(s.Handle) != 64 {
			t.Errorf("button %d sends %q, want %q", i, attr(button, "value"), s.Handle)
		}
		named := text(only(t, form, with("id", attr(button, "aria-describedby"))))
		if !strings.HasPrefix(named, s.Site+" ") || !strings.Contains(named, s.Browser) {
			t.Errorf("button %d is about %q, want %s and %s", i, named, s.Site, s.Browser)
		}
	}
}

func TestSigningOutEverywhereIsForMoreThanOneSession(t *testing.T) {
	for _, n := range []int{0, 1, 2, 51} {
		found := find(dom(t, sessionsOf(t, n)), with("name", "all"))
		if (len(found) == 1) != (n > 1) {
			t.Errorf("%d sessions: %d buttons for all", n, len(found))
		}
		if len(found) == 1 && (attr(found[0], "value") != "1" || text(found[0]) != "Sign out everywhere") {
			t.Errorf("%d sessions: the button sends %q and says %q", n, attr(found[0], "value"), text(found[0]))
		}
	}
}

func TestThisBrowserIsMarkedInWords(t *testing.T) {
	here := map[string]string{"en": "This browser", "de": "Dieser Browser", "fr": "Ce navigateur", "es": "Este navegador"}
	each(t, func(t *testing.T, p page.Page) {
		if p.Kind != page.Sessions {
			return
		}
		for i, item := range items(t, p) {
			if got := strings.Contains(text(item), here[p.Lang.String()]); got != p.Sessions[i].Current {
				t.Errorf("session %d is marked: %v, want %v", i, got, p.Sessions[i].Current)
			}
		}
	})
}

func TestUnknownBrowserIsCalledSo(t *testing.T) {
	want := map[string]string{"en": "Unknown browser", "de": "Unbekannter Browser", "fr": "Navigateur inconnu", "es": "Navegador desconocido"}
	for _, lang := range page.Languages() {
		for _, browser := range []string{"", " \u200b\x00"} {
			p := sample(t, "sessions")
			p.Lang, p.Sessions[0].Browser = lang, browser
			if said := text(only(t, items(t, p)[0], tag("h2"))); !strings.HasPrefix(said, "app.example.com "+want[lang.String()]) {
				t.Errorf("%v: %q says %q", lang, browser, said)
			}
		}
	}
}

func TestNamesOfASessionAreMadeFitToShow(t *testing.T) {
	p := sample(t, "sessions")
	p.Sessions[1].Site, p.Sessions[1].Browser = "wiki\u202e.example.com", strings.Repeat("x", 100)
	want := "wiki.example.com " + strings.Repeat("x", 79) + "…"
	if said := text(only(t, items(t, p)[1], tag("h2"))); said != want {
		t.Errorf("heading = %q, want %q", said, want)
	}
}

func TestSessionIsToldFromNow(t *testing.T) {
	const minute, hour, day = time.Minute, time.Hour, 24 * time.Hour
	tests := []struct {
		lang               language.Tag
		proved, seen, ends time.Duration
		want               string
	}{
		{language.English, 5 * minute, 29 * time.Second, 3 * hour, "Verified 5 minutes ago with Duo. Last used just now. Ends in 3 hours."},
		{language.English, 61 * minute, 31 * time.Second, 3*hour - 9*time.Second, "Verified 61 minutes ago with Duo. Last used 1 minute ago. Ends in 3 hours."},
		{language.English, 90 * minute, 59*minute + 40*time.Second, 89 * minute, "Verified 2 hours ago with Duo. Last used 1 hour ago. Ends in 89 minutes."},
		{language.English, 47 * hour, 36 * hour, 1, "Verified 47 hours ago with Duo. Last used 36 hours ago. Ends in less than a minute."},
		{language.English, 9 * day, 48*hour - minute, 20*day + 11*hour, "Verified 9 days ago with Duo. Last used 2 days ago. Ends in 20 days."},
		{language.English, -3 * minute, -time.Second, -hour, "Verified just now with Duo. Last used just now. Ends in less than a minute."},
		{language.German, 2 * day, minute, 2 * day, "Bestätigt vor 2 Tagen (Duo). Benutzt vor 1 Minute. Endet in 2 Tagen."},
		{language.French, 2 * hour, 0, minute, "Vérifié il y a 2 heures avec Duo. Utilisé à l’instant. Fin dans 1 minute."},
		{language.Spanish, 2 * hour, 0, 5 * minute, "Verificado hace 2 horas con Duo. Usado ahora mismo. Termina en 5 minutos."},
	}
	for _, test := range tests {
		p := sample(t, "sessions")
		p.Lang = test.lang
		p.Sessions = []page.SessionItem{{
			Factor: page.Factor{Kind: "duo"},
			Proved: p.Now.Add(-test.proved), Seen: p.Now.Add(-test.seen), Ends: p.Now.Add(test.ends),
		}}
		if said := text(only(t, items(t, p)[0], tag("p"))); said != test.want {
			t.Errorf("%v: %v, %v, %v = %q, want %q", test.lang, test.proved, test.seen, test.ends, said, test.want)
		}
	}
}

func TestTimesOfASessionCanBeReadExactly(t *testing.T) {
	p := sample(t, "sessions")
	zone := time.FixedZone("", 2*60*60)
	p.Sessions[0].Ends = p.Sessions[0].Ends.In(zone)
	want := []string{"2026-07-29T14:00:00Z", "2026-07-29T14:03:45Z", "2026-07-29T22:00:00Z"}
	times := find(items(t, p)[0], tag("time"))
	if len(times) != len(want) {
		t.Fatalf("%d times, want %d", len(times), len(want))
	}
	for i, element := range times {
		if got := attr(element, "datetime"); got != want[i] {
			t.Errorf("time %d = %q, want %q", i, got, want[i])
		}
	}
}

func TestWhatIsNotKnownOfASessionIsNotSaid(t *testing.T) {
	now, factor := sample(t, "sessions").Now, page.Factor{Kind: "totp"}
	tests := []struct {
		name string
		now  time.Time
		item page.SessionItem
		want string
	}{
		{"nothing", now, page.SessionItem{}, "Verified."},
		{"factor", now, page.SessionItem{Factor: factor}, "Verified with your authenticator app."},
		{"times but not now", time.Time{}, page.SessionItem{Proved: now, Seen: now, Ends: now}, "Verified."},
		{"end", now, page.SessionItem{Ends: now.Add(time.Hour)}, "Verified. Ends in 1 hour."},
		{"use", now, page.SessionItem{Seen: now}, "Verified. Last used just now."},
	}
	for _, test := range tests {
		p := sample(t, "sessions")
		p.Now, p.Sessions = test.now, []page.SessionItem{test.item}
		if said := text(only(t, items(t, p)[0], tag("p"))); said != test.want {
			t.Errorf("%s: %q, want %q", test.name, said, test.want)
		}
	}
}

func TestLongListIsCutAndCounted(t *testing.T) {
	tests := []struct {
		sessions, listed int
		rest             string
		full             bool
	}{
		{20, 20, "", true},
		{21, 21, "", false},
		{50, 50, "", false},
		{51, 50, "And 1 more.", false},
		{62, 50, "And 12 more.", false},
	}
	for _, test := range tests {
		p := sessionsOf(t, test.sessions)
		listed, said := items(t, p), text(dom(t, p))
		if len(listed) != test.listed || strings.Contains(said, " more.") != (test.rest != "") || !strings.Contains(said, test.rest) {
			t.Errorf("%d sessions: %d are listed, want %d and %q", test.sessions, len(listed), test.listed, test.rest)
		}
		times, factor := len(find(listed[0], tag("time"))), strings.Contains(text(listed[0]), "with your authenticator app")
		if (times == 3) != test.full || factor != test.full {
			t.Errorf("%d sessions: %d times, factor %v; want all: %v", test.sessions, times, factor, test.full)
		}
	}
}

func TestEndedSessionIsNamedInAStatus(t *testing.T) {
	tests := []struct {
		ended page.SessionItem
		want  string
	}{
		{page.SessionItem{}, ""},
		{page.SessionItem{Site: "app.example.com", Browser: "Firefox on Linux"}, "Signed out: Firefox on Linux, app.example.com"},
		{page.SessionItem{Site: "app.example.com"}, "Signed out: Unknown browser, app.example.com"},
		{page.SessionItem{Browser: "Firefox on Linux"}, "Signed out: Firefox on Linux"},
	}
	for _, test := range tests {
		p := sample(t, "sessions")
		p.Ended = test.ended
		said := ""
		for _, status := range find(dom(t, p), with("role", "status")) {
			said += text(status)
		}
		if said != test.want {
			t.Errorf("ended %v: %q, want %q", test.ended, said, test.want)
		}
	}
}

func TestListSaysWhatItIs(t *testing.T) {
	tests := []struct {
		name, want string
	}{
		{"sessions", "Sign out of any browser that you don’t know or no longer use."},
		{"sessions-only", "You are verified in this browser only."},
		{"sessions-none", "You are not verified anywhere at the moment."},
	}
	for _, test := range tests {
		if got := text(only(t, dom(t, sample(t, test.name)), with("class", "lead"))); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	elsewhere := sample(t, "sessions-only")
	elsewhere.Sessions[0].Current = false
	if said := text(dom(t, elsewhere)); strings.Contains(said, "this browser only") {
		t.Errorf("a session elsewhere is taken for this browser's: %q", said)
	}
}

func TestNobodyKnownIsVerifiedNowhere(t *testing.T) {
	p := sample(t, "sessions")
	p.Blind, p.Ended = true, p.Sessions[0]
	if said := text(only(t, dom(t, p), tag("main"))); strings.Contains(said, "Firefox") {
		t.Errorf("somebody who has only typed a name is told %q", said)
	}
}

func TestVerifiedPageLeadsToTheSessions(t *testing.T) {
	link := only(t, dom(t, sample(t, "verified")), with("href", "/.mfa/sessions"))
	if attr(link, "class") != "button plain" || text(link) != "Where you are verified" {
		t.Errorf("link %v says %q", link.Attr, text(link))
	}
}
