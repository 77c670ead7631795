package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// A handler sends the policy with the page and decides on the status.
func Example() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", page.Policy())
		w.WriteHeader(http.StatusTooManyRequests)
		err := page.Render(w, page.Page{
			Kind:       page.Locked,
			Lang:       page.Match(r.Header.Get("Accept-Language"), ""),
			Site:       "app.example.com",
			RetryAfter: 15 * time.Minute,
			ReturnTo:   "/reports",
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	recorder := httptest.NewRecorder()
	handler(recorder, httptest.NewRequest("GET", "/.mfa/", nil))
	fmt.Println(recorder.Code, recorder.Body.Len() < 30<<10)
	// Output: 429 true
}
