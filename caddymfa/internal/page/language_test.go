package page_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

func texts(t *testing.T, tag language.Tag) map[string]string {
	t.Helper()
	content, err := os.ReadFile("languages/" + tag.String() + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(content, &texts); err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestEveryLanguageSaysTheSame(t *testing.T) {
	placeholders := regexp.MustCompile(`\{[a-z]+\}|[\[\]]`)
	english := texts(t, language.English)
	for _, tag := range page.Languages() {
		other := texts(t, tag)
		if want, got := slices.Sorted(maps.Keys(english)), slices.Sorted(maps.Keys(other)); !slices.Equal(got, want) {
			t.Errorf("%v: keys = %q, want %q", tag, got, want)
		}
		for key, text := range english {
			want, got := placeholders.FindAllString(text, -1), placeholders.FindAllString(other[key], -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%v: %s has placeholders %q, want %q", tag, key, got, want)
			}
			if strings.TrimSpace(other[key]) == "" || strings.Contains(other[key], "'") {
				t.Errorf("%v: %s is empty or has a straight apostrophe: %q", tag, key, other[key])
			}
		}
	}
}

// A text in a second language that equals the English one was forgotten, unless
// the words are the same.
func TestNothingIsLeftUntranslated(t *testing.T) {
	same := regexp.MustCompile(`^(dir|site|push\.site|error\.prefix|retry|reference|duration\.(seconds|minutes)\..*|device\..*|(label|start)\.(yubikey|duo|other))$`)
	english := texts(t, language.English)
	for _, tag := range page.Languages()[1:] {
		for key, text := range texts(t, tag) {
			if text == english[key] && !same.MatchString(key) {
				t.Errorf("%v: %s is English: %q", tag, key, text)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		accept, chosen string
		want           language.Tag
	}{
		{"", "", language.English},
		{"de-AT,de;q=0.9,en;q=0.5", "", language.German},
		{"fr-CA", "", language.French},
		{"es-419,es;q=0.9", "", language.Spanish},
		{"nl,de;q=0.3", "", language.German},
		{"ja,ko", "", language.English},
		{"de", "fr", language.French},
		{"de", "en", language.English},
		{"de", "FR", language.German},
		{"de", `"><script>`, language.German},
		{"de", "../../etc/passwd", language.German},
		{`lang="><script>`, "", language.English},
		{"de;q=x,,;;=", "", language.English},
		{strings.Repeat("de,", 100_000), "", language.English},
		{strings.Repeat("a-", 100), "", language.English},
	}
	for _, test := range tests {
		if got := page.Match(test.accept, test.chosen); got != test.want {
			t.Errorf("Match(%.40q, %q) = %v, want %v", test.accept, test.chosen, got, test.want)
		}
	}
}

func TestUnknownLanguageIsEnglish(t *testing.T) {
	p := sample(t, "choose")
	p.Lang = language.Japanese
	if got := attr(only(t, dom(t, p), tag("html")), "lang"); got != "en" {
		t.Errorf("lang = %q, want en", got)
	}
}

func TestDurationsInWords(t *testing.T) {
	tests := []struct {
		tag  language.Tag
		d    time.Duration
		want string
	}{
		{language.English, 0, ""},
		{language.English, -time.Second, ""},
		{language.English, time.Millisecond, "about 5 seconds"},
		{language.English, 30 * time.Second, "30 seconds"},
		{language.English, 26 * time.Second, "about 30 seconds"},
		{language.English, 59 * time.Second, "about 60 seconds"},
		{language.English, time.Minute, "1 minute"},
		{language.English, 118 * time.Second, "about 2 minutes"},
		{language.English, 59*time.Minute + 40*time.Second, "about 60 minutes"},
		{language.English, time.Hour, "1 hour"},
		{language.English, 90 * time.Minute, "90 minutes"},
		{language.English, 8 * time.Hour, "8 hours"},
		{language.English, 8*time.Hour - time.Second, "about 8 hours"},
		{language.English, 24 * time.Hour, "24 hours"},
		{language.English, 48 * time.Hour, "2 days"},
		{language.English, 7*24*time.Hour + time.Minute, "about 7 days"},
		{language.German, 7 * 24 * time.Hour, "7 Tage"},
		{language.German, time.Hour, "1 Stunde"},
		{language.French, 118 * time.Second, "environ 2 minutes"},
		{language.Spanish, 26 * time.Second, "aproximadamente 30 segundos"},
	}
	for _, test := range tests {
		if got := page.Words(test.tag, test.d); got != test.want {
			t.Errorf("%v: %v in words = %q, want %q", test.tag, test.d, got, test.want)
		}
	}
}

func TestSwitchNamesEachLanguageInItself(t *testing.T) {
	nav := only(t, dom(t, sample(t, "choose")), tag("nav"))
	want := map[string]string{"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
	links := find(nav, tag("a"))
	if len(links) != len(want) {
		t.Fatalf("%d languages, want %d", len(links), len(want))
	}
	for _, link := range links {
		lang := attr(link, "lang")
		if text(link) != want[lang] || attr(link, "hreflang") != lang || has(link, "aria-current") != (lang == "en") {
			t.Errorf("link %v says %q", link.Attr, text(link))
		}
	}
}
