package page

import (
	"io"
	"maps"
	"time"

	"golang.org/x/text/language"
)

// RenderRightToLeft renders p in a language that is English read from right to
// left, because none of ours is.
func RenderRightToLeft(w io.Writer, p Page) error {
	texts := maps.Clone(catalogueOf(language.English))
	texts["dir"] = "rtl"
	return render(w, p, texts)
}

// Words says d in one of the languages.
func Words(tag language.Tag, d time.Duration) string {
	return newView(Page{Lang: tag}, look{}, catalogueOf(tag)).words(d)
}

// InCode tells the problems of the code field from the others.
func (p Problem) InCode() bool { return p.inCode() }
