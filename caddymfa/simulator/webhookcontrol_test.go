package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// Over a connection and by control calls alone.
func TestControlledWebhook(t *testing.T) {
	arrived := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	sim := simulator.New(simulator.Options{})
	for _, call := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PUT", "/_sim/webhook", `{"url":"nonsense"}`, 400, "not a full http"},
		{"PUT", "/_sim/webhook", `{"uri":""}`, 400, "uri"},
		{"PUT", "/_sim/webhook", `{"url":"` + server.URL + `/hook","authorization":"s3cret","lines":true,"batch":5,"wait_seconds":1.5}`, 200,
			"\"authorization\": \"[redacted]\",\n  \"lines\": true,\n  \"batch\": 5,\n  \"wait_seconds\": 1.5,"},
		{"PUT", "/_sim/webhook", `{"url":"` + server.URL + `/hook","authorization":"s3cret"}`, 200, `"deliveries": []`},
		{"POST", "/_sim/users/alice/password", `{}`, 400, "password is missing"},
		{"POST", "/_sim/users/nobody/password", `{"password":"x"}`, 404, "no such user"},
		{"DELETE", "/_sim/users/nobody", "", 404, "no such user"},
		{"DELETE", "/_sim/users/nobody/devices/1", "", 404, "no such user"},
		{"DELETE", "/_sim/users/alice/devices/1005", "", 404, "no such device"},
		{"DELETE", "/_sim/users/alice/devices/x", "", 404, "no such device"},
	} {
		if got := open(t, sim, call.method, call.path, call.body); got.status != call.status || !strings.Contains(got.body, call.want) {
			t.Errorf("%s %s %s = %d %s, want %d with %s", call.method, call.path, call.body, got.status, got.body, call.status, call.want)
		}
	}
	for _, call := range []struct{ method, path, body, want string }{
		{"POST", "status", `{"status":3}`, `"event_type_id":19,`},
		{"POST", "password", `{"password":"new"}`, `"event_type_id":11,`},
		{"DELETE", "devices/1002", "", `"event_type_id":24,`},
		{"DELETE", "", "", `"event_type_id":17,`},
	} {
		path := strings.TrimSuffix("/_sim/users/alice/"+call.path, "/")
		if got := open(t, sim, call.method, path, call.body); got.status != 204 {
			t.Errorf("%s %s = %d %s, want 204", call.method, path, got.status, got.body)
		}
		if got := <-arrived; !strings.HasPrefix(got, "/hook s3cret [{") || !strings.Contains(got, call.want) {
			t.Errorf("%s %s: posted %s, want %s", call.method, path, got, call.want)
		}
	}
	shown := open(t, sim, "GET", "/_sim/webhook", "").body
	var view struct {
		URL        string
		Deliveries []simulator.Delivery
	}
	if err := json.Unmarshal([]byte(shown), &view); err != nil || view.URL != server.URL+"/hook" || strings.Contains(shown, "s3cret") {
		t.Errorf("GET /_sim/webhook = %s, %v", shown, err)
	}
	if len(view.Deliveries) < 3 { // the last may still be on its way
		t.Errorf("deliveries = %+v, want those of four requests", view.Deliveries)
	}
	for _, delivery := range view.Deliveries {
		if delivery.Status != http.StatusTemporaryRedirect {
			t.Errorf("delivery = %+v, want the redirect not followed", delivery)
		}
	}
	if got := open(t, sim, "PUT", "/_sim/webhook", `{}`); !strings.Contains(got.body, `"url": ""`) {
		t.Errorf("PUT {} = %s", got.body)
	}
}
