// Package intranet is the demo's legacy app: the intranet of an invented
// shipping company. It has no login of its own and knows nothing about MFA; it
// only shows what the gateway in front of it says about the person.
//
// It also counts the requests that reached it. Tests read that count to see
// that a refused request never got here.
package intranet

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// Company is the name of the invented company.
const Company = "Fairhaven Freight"

//go:embed pages/*.html pages/app.css pages/icon.svg
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages/*.html"))

// contentPolicy lets the app's pages load nothing but their own style sheet
// and icon.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// App is the legacy app. Make one with [New]; it is safe for concurrent use.
type App struct {
	own      string
	mux      *http.ServeMux
	requests history
	orders   orderBook
}

// New returns the app. own is the host:port of the app's own listener: only
// there does it answer below /-/, so nobody reaches the counter through the
// gateway.
func New(own string) *App {
	a := &App{own: own, mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /{$}", a.show("home"))
	a.mux.HandleFunc("GET /orders", a.show("orders"))
	a.mux.HandleFunc("POST /orders", a.placeOrder)
	a.mux.HandleFunc("GET /admin/{$}", a.show("admin"))
	a.mux.HandleFunc("GET /public/notice", a.show("public"))
	a.mux.HandleFunc("GET /public/{file}", serveFile)
	a.mux.HandleFunc("GET /healthz", healthy)
	a.mux.HandleFunc("/", a.notFound)
	return a
}

// ServeHTTP answers one request and counts it, unless it asks for the counter
// itself on the app's own listener.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/-/") && a.cameDirectly(r) {
		a.requests.ServeHTTP(w, r)
		return
	}
	a.requests.add(r)
	a.mux.ServeHTTP(w, r)
}

// cameDirectly tells whether no proxy passed the request on. A client can
// write any Host, but Caddy always adds X-Forwarded-For.
func (a *App) cameDirectly(r *http.Request) bool {
	return r.Host == a.own && len(r.Header.Values("X-Forwarded-For")) == 0
}

// page is what every template gets.
type page struct {
	Company  string
	Name     string   // which page: "home", "orders", "admin", "public", "missing"
	Path     string   // of the request
	Identity []header // what the gateway said about the person
	User     string   // from X-Mfa-User; empty if the gateway said nothing
	Orders   []order
	Problem  string // what was wrong with a form
}

// header is one request header, for display.
type header struct{ Name, Value string }

// show answers with the page of that name. The app trusts whoever reaches it:
// who may, is for the gateway to say.
func (a *App) show(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.render(w, r, http.StatusOK, name, "")
	}
}

// notFound answers every address that the app does not have.
func (a *App) notFound(w http.ResponseWriter, r *http.Request) {
	a.render(w, r, http.StatusNotFound, "missing", "")
}

// render writes a page. Problem is what was wrong with a form, or empty.
func (a *App) render(w http.ResponseWriter, r *http.Request, status int, name, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here means that the client went away.
	_ = pages.ExecuteTemplate(w, name, page{
		Company:  Company,
		Name:     name,
		Path:     r.URL.Path,
		Identity: identity(r.Header),
		User:     r.Header.Get("X-Mfa-User"),
		Orders:   a.orders.list(),
		Problem:  problem,
	})
}

// identity lists the X-Mfa-* headers of a request by name.
func identity(h http.Header) []header {
	var found []header
	for name, values := range h {
		if strings.HasPrefix(name, "X-Mfa-") {
			found = append(found, header{name, strings.Join(values, ", ")})
		}
	}
	slices.SortFunc(found, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// serveFile serves the style sheet and the icon, and no template.
func serveFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name != "app.css" && name != "icon.svg" {
		http.NotFound(w, r)
		return
	}
	http.ServeFileFS(w, r, files, "pages/"+name)
}

// healthy answers a load balancer.
func healthy(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("ok\n"))
}
