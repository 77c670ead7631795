package onelogin_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// Find a user, open a verification for the first device, and try a code.
func Example() {
	server := httptest.NewServer(tenant())
	defer server.Close()
	client, err := onelogin.New(onelogin.Config{
		BaseURL:      server.URL, // or "acme" for acme.onelogin.com
		ClientID:     "client-id",
		ClientSecret: "client-secret",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	user, found, err := client.UserByUsername(ctx, "jdoe")
	if err != nil || !found || !user.Active(time.Now()) {
		log.Fatal("no such active user: ", err)
	}
	devices, err := client.Devices(ctx, user.ID)
	if err != nil || len(devices) == 0 {
		log.Fatal("no device: ", err)
	}
	verification, err := client.Activate(ctx, user.ID, devices[0].ID, onelogin.Activation{Lifetime: 2 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	for _, code := range []string{"000000", "012345"} {
		verdict, err := client.Verify(ctx, verification, code)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(devices[0].Kind(), code, verdict)
	}
	// Output:
	// sms 000000 wrong code
	// sms 012345 accepted
}

// tenant is just enough of OneLogin for the example.
func tenant() http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	}
	answer("POST /auth/oauth2/v2/token", `{"access_token":"T","expires_in":36000}`)
	answer("GET /api/2/users", `[{"id":7,"username":"jdoe","status":1,"state":1}]`)
	answer("GET /api/2/mfa/users/7/devices", `[{"device_id":"3","auth_factor_name":"SMS"}]`)
	answer("POST /api/2/mfa/users/7/verifications", `{"id":"v1","user_id":"7","device_id":"3"}`)
	mux.HandleFunc("PUT /api/2/mfa/users/7/verifications/v1", func(w http.ResponseWriter, r *http.Request) {
		status := "pending"
		if body, _ := io.ReadAll(r.Body); string(body) == `{"otp":"012345","device_id":3}` {
			status = "accepted"
		}
		_, _ = fmt.Fprintf(w, `{"id":"v1","status":%q,"device_id":"3"}`, status)
	})
	return mux
}
