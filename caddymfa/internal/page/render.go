package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed templates/*.html
var templateFiles embed.FS

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// bodies are the parsed templates, one for each file that defines a body.
var bodies = parseBodies("choose", "code", "wait", "name", "password", "continue", "verified", "sessions", "outcome")

// parseBodies panics on a broken template: it is embedded, so that is a
// programmer's mistake.
func parseBodies(names ...string) map[string]*template.Template {
	layout := template.Must(template.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/icons.html"))
	parsed := make(map[string]*template.Template)
	for _, name := range names {
		clone := template.Must(layout.Clone())
		parsed[name] = template.Must(clone.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return parsed
}

// Render writes p as one complete HTML document in UTF-8. It writes all of it
// or, if there is an error in p, nothing; other errors are those of w.
func Render(w io.Writer, p Page) error {
	return render(w, p, catalogueOf(p.Lang))
}

func render(w io.Writer, p Page, texts catalogue) error {
	look, ok := lookOf(p.Kind)
	if !ok {
		return fmt.Errorf("render page: unknown kind %d", p.Kind)
	}
	var document bytes.Buffer
	if err := bodies[look.Body].ExecuteTemplate(&document, "layout.html", newView(p, look, texts)); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	_, err := document.WriteTo(w)
	return err
}

// Policy returns the value of the Content-Security-Policy header for every
// page. It allows the embedded style sheet and script by the hash of their
// bytes, the logo, and the event stream; nothing else (W3C CSP Level 3).
func Policy() string { return policy("'self'") }

// PolicyWithForm is [Policy] for a [Continue] page: forms may also be sent to
// origin, which is that of [Page.SessionForm], such as
// "https://acme.onelogin.com". Anything but a scheme (https, or http on this
// computer), a host and perhaps a port falls back to Policy.
func PolicyWithForm(origin string) string {
	if !isOrigin(origin) {
		return Policy()
	}
	return policy("'self' " + origin)
}

func policy(formAction string) string {
	return "default-src 'none'" +
		"; style-src '" + hash(style) + "'" +
		"; script-src '" + hash(script) + "'" +
		"; img-src data:; connect-src 'self'; form-action " + formAction +
		"; frame-ancestors 'none'; base-uri 'none'"
}

func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
