package simulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// peer is a caller of the API that knows nothing but HTTP.
type peer struct {
	t           *testing.T
	sim         *simulator.Simulator
	accessToken string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

const (
	users         = "/api/2/users"
	aliceDevices  = "/api/2/mfa/users/101/devices"
	verifications = "/api/2/mfa/users/101/verifications"
)

// newPeer returns a caller with an access token.
func newPeer(t *testing.T, o simulator.Options) *peer {
	t.Helper()
	p := &peer{t: t, sim: simulator.New(o)}
	p.login("demo-client", "demo-secret")
	return p
}

func (p *peer) login(clientID, clientSecret string) {
	p.t.Helper()
	got := p.send("POST", "/auth/oauth2/v2/token", `{"grant_type":"client_credentials"}`,
		"client_id:"+clientID+", client_secret:"+clientSecret)
	p.accessToken = field(p.t, got.body, "access_token")
}

// call sends body as JSON with the access token.
func (p *peer) call(method, path, body string) answer {
	p.t.Helper()
	return p.send(method, path, body, "Bearer "+p.accessToken)
}

func (p *peer) send(method, path, body, authorization string) answer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "https://acme.onelogin.com"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return p.do(r)
}

func (p *peer) do(r *http.Request) answer {
	p.t.Helper()
	resp, err := p.sim.Transport().RoundTrip(r)
	if err != nil {
		p.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: read the answer: %v", r.Method, r.URL.Path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// activate opens a verification of alice's device and returns its id.
func (p *peer) activate(deviceID string) string {
	p.t.Helper()
	got := p.call("POST", verifications, `{"device_id":`+deviceID+`}`)
	return field(p.t, strings.Trim(got.body, "[]"), "id")
}

// verify sends a code with the device id.
func (p *peer) verify(verificationID, deviceID, code string) answer {
	p.t.Helper()
	return p.call("PUT", verifications+"/"+verificationID, `{"otp":"`+code+`","device_id":`+deviceID+`}`)
}

func (p *peer) poll(verificationID string) answer {
	p.t.Helper()
	return p.call("GET", verifications+"/"+verificationID, "")
}

// field returns a top-level text or number of a JSON object as text.
func field(t *testing.T, body, name string) string {
	t.Helper()
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("decode %q: %v", body, err)
	}
	switch value := object[name].(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	}
	t.Fatalf("%q has no %s", body, name)
	return ""
}

// check compares status and body.
func check(t *testing.T, what string, got answer, status int, body string) {
	t.Helper()
	if got.status != status || got.body != body {
		t.Errorf("%s = %d %s\nwant %d %s", what, got.status, got.body, status, body)
	}
}

func TestHappyPathOfEveryDemoFactor(t *testing.T) {
	for _, test := range []struct {
		name, deviceID string
		factor         simulator.Factor
	}{
		{"protect's typed code", "1001", simulator.Protect},
		{"sms", "1002", simulator.SMS},
		{"email", "1003", simulator.Email},
		{"authenticator", "1004", simulator.TOTP},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			id := p.activate(test.deviceID)
			check(t, "poll before", p.poll(id), 200, `{"id":"`+id+`","status":"pending","device_id":"`+test.deviceID+`"}`)
			accepted := `{"id":"` + id + `","status":"accepted","device_id":"` + test.deviceID + `"}`
			check(t, "verify", p.verify(id, test.deviceID, p.sim.Code("alice", test.factor)), 200, accepted)
			check(t, "poll after", p.poll(id), 200, accepted)
		})
	}
}

func TestPushIsAnsweredOnThePhone(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*simulator.Simulator) bool
		want   string
	}{
		{"denied", func(s *simulator.Simulator) bool { return s.Deny("alice") }, "rejected"},
		{"approved", func(s *simulator.Simulator) bool { return s.Approve("alice") }, "accepted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, simulator.Options{})
			if test.answer(p.sim) {
				t.Error("answered a push before there was one")
			}
			id := p.activate("1001")
			if got := p.sim.Pushes("alice"); len(got) != 1 || got[0].VerificationID != id {
				t.Errorf("Pushes = %+v, want the one of %s", got, id)
			}
			if !test.answer(p.sim) {
				t.Error("nothing to answer")
			}
			check(t, "poll", p.poll(id), 200, `{"id":"`+id+`","status":"`+test.want+`","device_id":"1001"}`)
			if got := p.sim.Pushes("alice"); len(got) != 0 {
				t.Errorf("Pushes after the answer = %+v, want none", got)
			}
		})
	}
}
