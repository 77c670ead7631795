package simulator_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// A test gives Transport to the client that it tests. Nothing listens, and the
// host does not matter.
func ExampleSimulator_Transport() {
	sim := simulator.New(simulator.Options{Switches: simulator.Switches{Only: simulator.OpDevices, HTML502: true}})
	client := http.Client{Transport: sim.Transport()}

	r, _ := http.NewRequest("POST", "https://acme.onelogin.com/auth/oauth2/v2/token",
		strings.NewReader(`{"grant_type":"client_credentials"}`))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("demo-client", "demo-secret")
	resp, err := client.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	fmt.Println(resp.Status, sim.Calls(simulator.OpToken))

	resp, err = client.Get("https://acme.onelogin.com/api/2/mfa/users/101/devices")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status, resp.Header.Get("Content-Type"))
	// Output:
	// 200 OK 1
	// 502 Bad Gateway text/html
}
