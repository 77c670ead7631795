package page

import (
	"embed"
	"encoding/json"
	"fmt"

	"golang.org/x/text/language"
)

//go:embed languages/*.json
var languageFiles embed.FS

// catalogue holds the texts of one language by key.
type catalogue map[string]string

var (
	catalogues = loadCatalogues()
	matcher    = language.NewMatcher(Languages())
)

// maxAcceptLanguage bounds the header that is parsed. Browsers send less than
// a hundred bytes.
const maxAcceptLanguage = 512

// Languages returns the languages that the pages are written in, the default
// first.
func Languages() []language.Tag {
	return []language.Tag{language.English, language.German, language.French, language.Spanish}
}

// Match picks one of [Languages]. The user's own choice wins if it is exactly
// one of them, then the best match for the Accept-Language header, then
// English. Both may hold anything at all.
func Match(acceptLanguage, chosen string) language.Tag {
	for _, tag := range Languages() {
		if tag.String() == chosen {
			return tag
		}
	}
	if len(acceptLanguage) > maxAcceptLanguage {
		return language.English
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return language.English
	}
	_, index, _ := matcher.Match(wanted...)
	return Languages()[index]
}

// loadCatalogues panics on a broken file: it is embedded, so that is a
// programmer's mistake.
func loadCatalogues() map[string]catalogue {
	all := make(map[string]catalogue)
	for _, tag := range Languages() {
		content, err := languageFiles.ReadFile("languages/" + tag.String() + ".json")
		if err != nil {
			panic(fmt.Sprintf("page: %v", err))
		}
		var texts catalogue
		if err := json.Unmarshal(content, &texts); err != nil {
			panic(fmt.Sprintf("page: language %v: %v", tag, err))
		}
		all[tag.String()] = texts
	}
	return all
}

// catalogueOf falls back to English for a language that we do not have.
func catalogueOf(tag language.Tag) catalogue {
	if texts, ok := catalogues[tag.String()]; ok {
		return texts
	}
	return catalogues[language.English.String()]
}
