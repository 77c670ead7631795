package intranet_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/cmd/demo/intranet"
)

const own = "127.0.0.1:8092"

// get sends a request to host, with name and value pairs as headers.
func get(app http.Handler, method, host, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

// history asks the app's own listener what reached it.
func history(t *testing.T, app http.Handler) intranet.History {
	t.Helper()
	var seen intranet.History
	w := get(app, "GET", own, "/-/requests")
	if err := json.Unmarshal(w.Body.Bytes(), &seen); err != nil {
		t.Fatalf("GET /-/requests = %q: %v", w.Body, err)
	}
	return seen
}

func TestCounterIsHiddenFromOtherHosts(t *testing.T) {
	for _, host := range []string{"localhost:8080", "127.0.0.1:8080", "127.0.0.1", "localhost:8092", "127.0.0.1:8092.evil.example", ""} {
		app := intranet.New(own)
		if w := get(app, "GET", host, "/-/requests"); w.Code != http.StatusNotFound {
			t.Errorf("GET /-/requests with Host %q = %d, want 404", host, w.Code)
		}
		if w := get(app, "POST", host, "/-/reset"); w.Code != http.StatusNotFound {
			t.Errorf("POST /-/reset with Host %q = %d, want 404", host, w.Code)
		}
		if seen := history(t, app); seen.Count != 2 {
			t.Errorf("Host %q: %d requests counted, want the 2 that were refused", host, seen.Count)
		}
	}
}

func TestCounterIsHiddenFromProxies(t *testing.T) {
	app := intranet.New(own)
	if w := get(app, "GET", own, "/-/requests", "X-Forwarded-For", "127.0.0.1"); w.Code != http.StatusNotFound {
		t.Errorf("GET /-/requests through a proxy = %d, want 404", w.Code)
	}
}

func TestEveryRequestIsCounted(t *testing.T) {
	app := intranet.New(own)
	get(app, "GET", "localhost:8080", "/orders?page=2", "X-Mfa-User", "alice", "X-Mfa-Factor", "totp", "Cookie", "theme=dark; lang=en")
	get(app, "DELETE", "localhost:8080", "/nowhere")
	got := history(t, app)
	want := intranet.History{Count: 2, Requests: []intranet.Request{
		{Method: "GET", Path: "/orders?page=2", User: "alice", Factor: "totp", Cookies: []string{"theme", "lang"}},
		{Method: "DELETE", Path: "/nowhere", Cookies: []string{}},
	}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("history = %v, want %v", got, want)
	}
}

func TestAskingForTheCounterIsNotCounted(t *testing.T) {
	app := intranet.New(own)
	history(t, app)
	if seen := history(t, app); seen.Count != 0 {
		t.Errorf("count = %d after reading the count, want 0", seen.Count)
	}
}

func TestResetEmptiesTheCounter(t *testing.T) {
	app := intranet.New(own)
	get(app, "GET", "localhost:8080", "/")
	if w := get(app, "POST", own, "/-/reset"); w.Code != http.StatusNoContent {
		t.Fatalf("POST /-/reset = %d, want 204", w.Code)
	}
	if seen := history(t, app); seen.Count != 0 || len(seen.Requests) != 0 {
		t.Errorf("history after reset = %v, want none", seen)
	}
}

func TestHistoryIsBoundedAndTheCountGoesOn(t *testing.T) {
	app := intranet.New(own)
	for range 1005 {
		get(app, "GET", "localhost:8080", "/healthz")
	}
	if seen := history(t, app); seen.Count != 1005 || len(seen.Requests) != 1000 {
		t.Errorf("count %d with %d requests, want 1005 with 1000", seen.Count, len(seen.Requests))
	}
}

func TestPagesAnswer(t *testing.T) {
	app := intranet.New(own)
	for _, c := range []struct {
		target string
		status int
		says   string
	}{
		{"/", 200, "Ships at our berths"},
		{"/orders", 200, "Order supplies"},
		{"/admin/", 200, "Administration"},
		{"/public/notice", 200, "Public notice"},
		{"/public/app.css", 200, "color-scheme"},
		{"/public/icon.svg", 200, "<svg"},
		{"/healthz", 200, "ok"},
		{"/public/home.html", 404, ""},
		{"/admin", 307, "/admin/"},
		{"/nowhere", 404, "/nowhere"},
	} {
		w := get(app, "GET", "localhost:8080", c.target)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("GET %s = %d %.80q, want %d with %q", c.target, w.Code, w.Body, c.status, c.says)
		}
	}
}

func TestPageShowsWhatTheGatewaySaid(t *testing.T) {
	app := intranet.New(own)
	w := get(app, "GET", "localhost:8080", "/", "X-Mfa-User", "<b>alice</b>", "X-Mfa-Auth-Time", "2026-01-02T03:04:05Z", "X-Other", "no")
	body := w.Body.String()
	for _, want := range []string{"X-Mfa-User", "&lt;b&gt;alice", "X-Mfa-Auth-Time", "2026-01-02T03:04:05Z"} {
		if !strings.Contains(body, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	for _, unwanted := range []string{"<b>alice", "X-Other"} {
		if strings.Contains(body, unwanted) {
			t.Errorf("page holds %q", unwanted)
		}
	}
}

func TestOrderForm(t *testing.T) {
	for _, c := range []struct {
		name           string
		item, quantity string
		status         int
	}{
		{"good", "Rope", "3", http.StatusSeeOther},
		{"no item", "  ", "3", http.StatusUnprocessableEntity},
		{"long item", strings.Repeat("é", 61), "3", http.StatusUnprocessableEntity},
		{"no number", "Rope", "three", http.StatusUnprocessableEntity},
		{"zero", "Rope", "0", http.StatusUnprocessableEntity},
		{"too many", "Rope", "501", http.StatusUnprocessableEntity},
		{"huge", strings.Repeat("x", 9<<10), "1", http.StatusUnprocessableEntity},
	} {
		app := intranet.New(own)
		form := url.Values{"item": {c.item}, "quantity": {c.quantity}}
		r := httptest.NewRequest("POST", "/orders", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: POST /orders = %d, want %d", c.name, w.Code, c.status)
		}
		listed := strings.Contains(get(app, "GET", "h", "/orders").Body.String(), `id="orders"`)
		if listed != (c.status == http.StatusSeeOther) {
			t.Errorf("%s: an order is listed: %v", c.name, listed)
		}
	}
}
