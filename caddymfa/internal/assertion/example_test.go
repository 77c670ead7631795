package assertion_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion/assertiontest"
)

// The gateway publishes its keys and signs; the app fetches the keys and checks.
func Example() {
	now := time.Now()
	ring, _ := assertion.Ring{}.Rotate(now)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys, _ := ring.PublicKeys(now)
		w.Write(keys)
	}))
	defer gateway.Close()
	signed, _ := ring.Sign(assertion.Statement{
		Issuer: "app.example.com", Audience: "orders", User: "alice", Factor: "protect", AuthTime: now,
	}, now)

	app := assertiontest.Checker{
		KeysURL: gateway.URL, Issuer: "app.example.com", Audience: "orders", Client: gateway.Client(), Now: time.Now,
	}
	said, err := app.Check(signed)
	fmt.Println(said.Subject, said.Methods, said.Class, err)
	_, err = app.Check(signed[:len(signed)-4] + "AAAA")
	fmt.Println(err != nil)
	// Output:
	// alice [swk] mfa <nil>
	// true
}
