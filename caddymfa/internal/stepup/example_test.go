package stepup_test

import (
	"context"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// A challenge from start to proof, against a simulated OneLogin. Errors are
// left out; each means that the gate stays shut.
func Example() {
	ctx := context.Background()
	sim := simulator.New(simulator.Options{})
	client, _ := onelogin.New(onelogin.Config{
		BaseURL: "https://acme.onelogin.com", ClientID: "demo-client", ClientSecret: "demo-secret",
		Transport: sim.Transport(),
	})
	engine := stepup.New(stepup.Config{Client: client, Store: memory.New(memory.Config{})})
	defer engine.Close()

	demand := stepup.Demand{
		Nonce: [16]byte{1}, User: "bob", Site: "https://app.example.com",
		Factors: policy.AnyFactor, Expires: time.Now().Add(10 * time.Minute),
	}
	seen, _ := engine.Look(ctx, demand, "")
	fmt.Println(seen.State, seen.Offers[0].Name)

	started, _ := engine.Start(ctx, demand, "", seen.Offers[0].ID)
	cookie := started.CookieValue
	fmt.Println(started.State, started.TriesLeft)

	verified, _ := engine.Verify(ctx, demand, cookie, sim.Code("bob", simulator.SMS))
	fmt.Println(verified.State)

	proof, won, _ := engine.Finish(ctx, demand, cookie)
	fmt.Println(won, proof.UserID, proof.Factor)
	// Output:
	// choosing Bob's number
	// pending 5
	// verified
	// true 102 sms
}
