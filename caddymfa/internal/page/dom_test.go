package page_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// source is the HTML of p.
func source(t *testing.T, p page.Page) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := page.Render(&b, p); err != nil {
		t.Fatalf("Render: %v", err)
	}
	return b.Bytes()
}

// parse reads HTML as a browser without script does.
func parse(t *testing.T, document []byte) *html.Node {
	t.Helper()
	root, err := html.ParseWithOptions(bytes.NewReader(document), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return root
}

func dom(t *testing.T, p page.Page) *html.Node {
	t.Helper()
	return parse(t, source(t, p))
}

// find returns the elements for which want holds, in document order.
func find(root *html.Node, want func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && want(n) {
			found = append(found, n)
		}
	}
	return found
}

func tag(names ...string) func(*html.Node) bool {
	return func(n *html.Node) bool { return slices.Contains(names, n.Data) }
}

func with(key, value string) func(*html.Node) bool {
	return func(n *html.Node) bool { return attr(n, key) == value && has(n, key) }
}

// only returns the single element for which want holds.
func only(t *testing.T, root *html.Node, want func(*html.Node) bool) *html.Node {
	t.Helper()
	found := find(root, want)
	if len(found) != 1 {
		t.Fatalf("found %d elements, want 1", len(found))
	}
	return found[0]
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text is what is read aloud: the text inside n with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// within says whether n lies inside an element for which want holds.
func within(n *html.Node, want func(*html.Node) bool) bool {
	for a := range n.Ancestors() {
		if a.Type == html.ElementNode && want(a) {
			return true
		}
	}
	return false
}

// sample returns a page of the gallery.
func sample(t testing.TB, name string) page.Page {
	t.Helper()
	for _, s := range page.Gallery() {
		if s.Name == name {
			return s.Page
		}
	}
	t.Fatalf("no sample %q", name)
	return page.Page{}
}

// each runs test on every sample in every language.
func each(t *testing.T, test func(*testing.T, page.Page)) {
	for _, s := range page.Gallery() {
		for _, lang := range page.Languages() {
			t.Run(s.Name+"/"+lang.String(), func(t *testing.T) {
				s.Page.Lang = lang
				test(t, s.Page)
			})
		}
	}
}
