package main

import (
	_ "embed" // for the guide
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/caddymfa/caddymfa/cmd/demo/intranet"
)

//go:embed guide.tmpl
var guideText string

var guide = template.Must(template.New("guide").Parse(guideText))

// printGuide tells what to open and what to do there.
func (d *demo) printGuide(w io.Writer) {
	// An error here means that nobody reads it.
	_ = guide.Execute(w, map[string]any{
		"Company": intranet.Company,
		"Listen":  d.addresses,
		"Age":     brief(d.addresses.MaxAge),
		"Admin":   brief(d.addresses.AdminMaxAge),
	})
}

// brief writes a duration without the zeros at its end: 8h, not 8h0m0s.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
