package form_test

import (
	"net/http"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/form"
)

func TestOnlyOwnPagesPostForms(t *testing.T) {
	const origin = "https://app.example.com"
	for _, tt := range []struct {
		site, mode, from []string
		want             bool
	}{
		{[]string{"cross-site"}, nil, nil, false},
		{[]string{"same-site"}, nil, nil, false},
		{[]string{"cross-site"}, []string{"navigate"}, []string{origin}, false},
		{[]string{"none"}, nil, nil, false},
		{[]string{"none"}, []string{"cors"}, nil, false},
		{[]string{"none"}, []string{"navigate", "navigate"}, nil, false},
		{[]string{"Same-Origin"}, nil, nil, false},
		{[]string{""}, nil, nil, false},
		{[]string{"same-origin", "cross-site"}, nil, nil, false},
		{[]string{"same-origin", "same-origin"}, nil, nil, false},
		{nil, nil, []string{"https://evil.example"}, false},
		{nil, nil, []string{"http://app.example.com"}, false},
		{nil, nil, []string{"https://app.example.com:8443"}, false},
		{nil, nil, []string{"https://app.example.com.evil.example"}, false},
		{nil, nil, []string{"https://app.example.com/"}, false},
		{nil, nil, []string{"https://sub.app.example.com"}, false},
		{nil, nil, []string{"https://app.example.com."}, false},
		{nil, nil, []string{"app.example.com"}, false},
		{nil, nil, []string{""}, false},
		{nil, nil, []string{origin, "https://evil.example"}, false},
		{nil, nil, []string{origin + ", https://evil.example"}, false},
		{[]string{"same-origin"}, nil, nil, true},
		{[]string{"same-origin"}, []string{"cors"}, []string{origin}, true},
		{[]string{"same-origin"}, []string{"navigate"}, []string{"null"}, true},
		{[]string{"none"}, []string{"navigate"}, nil, true},
		{nil, nil, []string{origin}, true},
		{nil, nil, []string{"HTTPS://App.example.com"}, true},
		{nil, nil, []string{"null"}, true},
		{nil, []string{"cors"}, nil, true},
		{nil, nil, nil, true},
	} {
		h := http.Header{}
		for name, values := range map[string][]string{"Sec-Fetch-Site": tt.site, "Sec-Fetch-Mode": tt.mode, "Origin": tt.from} {
			if values != nil {
				h[name] = values
			}
		}
		if got := form.SameOrigin(h, origin); got != tt.want {
			t.Errorf("SameOrigin(%v) = %v, want %v", h, got, tt.want)
		}
	}
}
