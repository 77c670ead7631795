package caddymfa_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// What OneLogin says about an error is for operators at most: nobody who asks
// is shown it.
func TestErrorsOfOneLoginAreShownToNobody(t *testing.T) {
	const canary = `canary-7d1f9a<script>alert(1)</script>`
	var started atomic.Pointer[site]
	var status atomic.Int32
	oneLogin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := started.Load(); s != nil && !strings.HasSuffix(r.URL.Path, "/verifications") && status.Load() < 1000 {
			s.oneLogin(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Load() % 1000))
		fmt.Fprintf(w, `{"statusCode":%d,"name":%q,"message":%q,"status":{"error":true,"code":%[1]d,"type":%[2]q,"message":%[3]q}}`, status.Load()%1000, canary, canary)
	}))
	defer oneLogin.Close()
	s := openFile(t, strings.Replace(siteFile(""), "ONELOGIN", oneLogin.URL, 1))
	started.Store(s)
	c, _ := s.program("bob").begin("/")
	if len(c.Factors) == 0 {
		t.Fatalf("challenge = %+v", c)
	}
	for _, code := range []int32{400, 401, 403, 404, 409, 422, 429, 500, 503, 1401, 1403, 1404, 1500} {
		alice := s.program("alice")
		status.Store(code % 1000)
		c, address := alice.begin("/")
		status.Store(code)
		got := []answer{
			alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}),
			alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "email")}),
			with(alice, pageHeader()).get(address), s.person("carol").get("/"), s.program("fred").get(address),
		}
		if got[0].StatusCode == http.StatusOK && got[1].StatusCode == http.StatusOK {
			t.Errorf("%d: start = %s", code, got[0].body)
		}
		for _, a := range got {
			if text := fmt.Sprint(a.Header, a.body); strings.Contains(text, "canary") {
				t.Errorf("%d: %s %s tells what OneLogin said:\n%s", code, a.Request.Method, a.Request.URL.Path, text)
			}
		}
	}
	s.app.wantCount(t, 0)
}
