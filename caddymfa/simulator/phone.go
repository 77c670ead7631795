package simulator

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed phone/page.html phone/portal.html phone/style.css phone/script.js
var phoneFiles embed.FS

var phoneTemplates = template.Must(template.ParseFS(phoneFiles, "phone/page.html", "phone/portal.html"))

// phone serves the web pages. Its fields are fixed.
type phone struct {
	sim           *Simulator
	style, script string
	policy        string // Content-Security-Policy
}

// page is what the page template shows: one person's screen, or all people.
type page struct {
	Title   string
	Refresh bool // reload where scripts are off
	Style   template.CSS
	Script  template.JS
	Screen  *screenView
	People  []personView
}

// Phone returns the web pages that are the people's phones, and below /_sim/
// the control API. Whoever reaches it can approve everything and read every
// code: listening on a loopback address only is the caller's job. POST and PUT
// requests from other sites are refused, see [http.CrossOriginProtection].
func (s *Simulator) Phone() http.Handler {
	p := newPhone(s)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.servePeople)
	mux.HandleFunc("GET /people/{name}", p.servePhone)
	mux.HandleFunc("GET /people/{name}/screen", p.serveScreen)
	mux.HandleFunc("POST /people/{name}/answer", p.takeAnswer)
	mux.HandleFunc("POST /people/{name}/keypad", p.takeNumber)
	mux.HandleFunc("POST /people/{name}/link", p.followLink)
	s.addControl(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

func newPhone(s *Simulator) *phone {
	style, _ := phoneFiles.ReadFile("phone/style.css") // embedded: always there
	script, _ := phoneFiles.ReadFile("phone/script.js")
	return &phone{
		sim: s, style: string(style), script: string(script),
		policy: "default-src 'none'; connect-src 'self'; form-action 'self'; img-src data:; base-uri 'none'; " +
			"frame-ancestors 'none'; style-src " + sourceHash(style) + "; script-src " + sourceHash(script),
	}
}

// sourceHash names a text in a content security policy (CSP level 3, section 2.3.1).
func sourceHash(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p *phone) servePeople(w http.ResponseWriter, _ *http.Request) {
	p.render(w, "page", page{
		Title: "Whose phone?", Refresh: true, People: p.sim.peopleView(),
		Style: template.CSS(p.style), Script: template.JS(p.script),
	})
}

func (p *phone) servePhone(w http.ResponseWriter, r *http.Request) {
	screen, ok := p.sim.screenView(r.PathValue("name"))
	if !ok {
		http.Error(w, "There is no such person in this simulator.", http.StatusNotFound)
		return
	}
	p.render(w, "page", page{
		Title: screen.Name + "’s phone", Refresh: !screen.ringing(), Screen: &screen,
		Style: template.CSS(p.style), Script: template.JS(p.script),
	})
}

// serveScreen answers the part of the page that changes, for the page's script.
func (p *phone) serveScreen(w http.ResponseWriter, r *http.Request) {
	screen, ok := p.sim.screenView(r.PathValue("name"))
	if !ok {
		http.Error(w, "There is no such person in this simulator.", http.StatusNotFound)
		return
	}
	p.render(w, "screen", screen)
}

// render writes a page only once it is whole, with the headers that keep it from
// being stored, framed, or extended by anything that it does not hold itself.
func (p *phone) render(w http.ResponseWriter, name string, view any) {
	var out bytes.Buffer
	if err := phoneTemplates.ExecuteTemplate(&out, name, view); err != nil {
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(out.Bytes())
}

// takeAnswer approves or denies. An answer that comes too late changes nothing;
// the screen shows how things stand.
func (p *phone) takeAnswer(w http.ResponseWriter, r *http.Request) {
	switch formValue(w, r, "answer") {
	case "approve":
		p.answer(w, r, true)
	case "deny":
		p.answer(w, r, false)
	default:
		http.Error(w, "The answer must be approve or deny.", http.StatusBadRequest)
	}
}

// takeNumber ends a voice call: the right number approves, any other denies, and
// there is no second try, as on a phone.
func (p *phone) takeNumber(w http.ResponseWriter, r *http.Request) {
	if verificationID, ok := namedVerification(w, r); ok {
		p.sim.keyIn(r.PathValue("name"), verificationID, formValue(w, r, "number"))
		backToPhone(w, r)
	}
}

// followLink opens a magic link, and goes where the site wanted it to lead. A
// link that was opened before, or too late, leads back to the phone.
func (p *phone) followLink(w http.ResponseWriter, r *http.Request) {
	verificationID, ok := namedVerification(w, r)
	if !ok {
		return
	}
	leadsTo, _ := p.sim.openLink(r.PathValue("name"), verificationID)
	if !followable(leadsTo) {
		backToPhone(w, r)
		return
	}
	p.render(w, "opened", openedView{
		Style: template.CSS(p.style), Username: r.PathValue("name"), LeadsTo: leadsTo,
	})
}

// openedView is the page behind a magic link.
type openedView struct {
	Style             template.CSS
	Username, LeadsTo string
}

func (p *phone) answer(w http.ResponseWriter, r *http.Request, approve bool) {
	if verificationID, ok := namedVerification(w, r); ok {
		p.sim.Answer(r.PathValue("name"), verificationID, approve)
		backToPhone(w, r)
	}
}

// namedVerification returns the verification that the form is about, or answers
// 400.
func namedVerification(w http.ResponseWriter, r *http.Request) (string, bool) {
	verificationID := formValue(w, r, "verification")
	if verificationID == "" {
		http.Error(w, "The verification is missing.", http.StatusBadRequest)
	}
	return verificationID, verificationID != ""
}

func backToPhone(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/people/"+url.PathEscape(r.PathValue("name")), http.StatusSeeOther)
}

// formValue returns a field of a bounded form body.
func formValue(w http.ResponseWriter, r *http.Request, name string) string {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	return r.PostFormValue(name)
}
