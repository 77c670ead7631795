package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestVerifiedPeoplePassWhileOneLoginIsDown(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	verified := openTab(t, d, "alice")
	verified.arrive("/")
	d.deviate(`{"html_502":true}`)
	d.forgetArrivals()
	verified.open("/orders")
	verified.arriveBy("totp", "/orders")

	d.forgetArrivals()
	other := openTab(t, d, "bob")
	other.open("/orders")
	other.see(helpText)
	if !strings.Contains(other.text("main"), other.text("code")) || other.text("code") == "" {
		t.Error("the page shows no reference")
	}
	d.nothingArrived()

	d.deviate(`{}`)
	other.follow(onwards)
	other.see(choosePage)
	d.nothingArrived()
}

func TestNobodyNewPassesWhileOneLoginIsDown(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newProgram(t, d, "alice")
	_, started := p.begin("/", "totp")
	code := map[string]string{"csrf": started.CSRF, "code": d.code("alice", "totp")}
	d.deviate(`{"html_502":true}`)
	got := p.post("verify", code)
	refused := decode[problem](p, got, http.StatusServiceUnavailable)
	if refused.Reference == "" || got.header.Get("Retry-After") == "" {
		t.Errorf("answer = %+v with Retry-After %q, want a reference and a time", refused, got.header.Get("Retry-After"))
	}
	d.nothingArrived()
	// The same code may be sent once more when OneLogin is back.
	d.deviate(`{}`)
	if done := decode[challenge](p, p.post("verify", code), http.StatusOK); done.State != "verified" {
		t.Errorf("afterwards: %+v, want verified", done)
	}
}
