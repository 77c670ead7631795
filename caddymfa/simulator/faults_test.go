package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestEdgePageIs117BytesAndCarriesNoneOfOurHeaders(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.sim.SetSwitches(func(w *simulator.Switches) { w.Edge429 = 3 })
	for range 2 {
		if got := p.call("GET", aliceDevices, ""); got.status != 200 {
			t.Errorf("before the third call = %d, want 200", got.status)
		}
	}
	for range 2 {
		got := p.call("GET", aliceDevices, "")
		if got.status != 429 || len(got.body) != 117 || got.header.Get("Content-Type") != "text/html" {
			t.Errorf("from the third call on = %d, %d bytes of %s", got.status, len(got.body), got.header.Get("Content-Type"))
		}
		for _, name := range []string{"X-Request-Id", "Retry-After", "X-Ratelimit-Limit"} {
			if got.header.Get(name) != "" {
				t.Errorf("%s = %q, want none", name, got.header.Get(name))
			}
		}
	}
}

func TestFaultInFrontHasNoEffect(t *testing.T) {
	for name, change := range map[string]func(*simulator.Switches){
		"edge":  func(w *simulator.Switches) { w.Edge429 = 1 },
		"quota": func(w *simulator.Switches) { w.Quota429 = true },
		"502":   func(w *simulator.Switches) { w.HTML502 = true },
	} {
		p := newPeer(t, simulator.Options{})
		p.sim.SetSwitches(change)
		activateSMS(p)
		if got := p.sim.Sent(); len(got) != 0 {
			t.Errorf("%s: sent %v, want nothing", name, got)
		}
	}
}

func TestQuotaSaysThatNothingRemains(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{Only: "poll", Quota429: true}})
	if got := p.poll("x").header.Get("X-Ratelimit-Remaining"); got != "0" {
		t.Errorf("remaining = %q, want 0", got)
	}
}

func TestTimesEndsASwitch(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502, w.Only, w.Times = true, "devices", 2 })
	var got []int
	for range 4 {
		got = append(got, p.call("GET", aliceDevices, "").status)
		p.call("GET", users, "") // not aimed at, so not counted
	}
	if want := [4]int{502, 502, 200, 200}; [4]int(got) != want {
		t.Errorf("statuses = %v, want %v", got, want)
	}
}

func TestTokenSwitches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		token := func(change func(*simulator.Switches)) string {
			p.sim.SetSwitches(func(w *simulator.Switches) { *w = simulator.Switches{}; change(w) })
			return p.send("POST", tokenPath, grant, clientForm).body
		}
		if got := token(func(*simulator.Switches) {}); !strings.Contains(got, `"refresh_token":"`) {
			t.Errorf("default = %s, want a refresh token", got)
		}
		if got := token(func(w *simulator.Switches) { w.TokenNoRefreshField = true }); strings.Contains(got, "refresh_token") {
			t.Errorf("token_no_refresh_field = %s", got)
		}
		if got := token(func(w *simulator.Switches) { w.TokenWrapped = true }); !strings.HasPrefix(got, successA[:len(successA)-1]+`,"data":[{`) {
			t.Errorf("token_wrapped = %s", got)
		}
		got := token(func(w *simulator.Switches) { w.TokenCreatedAtSkew = 2 * time.Hour })
		if created := field(t, got, "created_at"); created != "2000-01-01T02:00:00.000Z" {
			t.Errorf("token_created_at_skew: created_at = %s", created)
		}
	})
}

func TestTokenKilledByOtherClient(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{TokenKilledByOtherClient: true}})
	before := p.accessToken
	check(t, "first call", p.call("GET", aliceDevices, ""), 401, invalidB)
	check(t, "same token", p.call("GET", aliceDevices, ""), 401, invalidB)
	p.login("demo-client", "demo-secret")
	if got := p.call("GET", aliceDevices, ""); got.status != 200 || p.accessToken == before {
		t.Errorf("with a new token = %d, token renewed = %v", got.status, p.accessToken != before)
	}
}

func TestSameTokenAfter401(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{SameTokenAfter401: true}})
	before := p.accessToken
	check(t, "call", p.call("GET", aliceDevices, ""), 401, invalidB)
	if p.login("demo-client", "demo-secret"); p.accessToken != before {
		t.Error("the access token changed")
	}
}

func TestIDSwitches(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{NumericVerificationIDs: true}})
	if got := activateSMS(p).body; !regexp.MustCompile(`^{"id":"[0-9]{7,10}","user_id":"101","device_id":"1002",`).MatchString(got) {
		t.Errorf("numeric_verification_ids = %s", got)
	}
	p.sim.SetSwitches(func(w *simulator.Switches) { w.IDsAsNumbers = true })
	if got := activateSMS(p).body; !regexp.MustCompile(`^{"id":[0-9]{7,10},"user_id":101,"device_id":1002,`).MatchString(got) {
		t.Errorf("with ids_as_numbers = %s", got)
	}
	p.sim.SetSwitches(func(w *simulator.Switches) { *w = simulator.Switches{VerificationIDMismatch: true} })
	id := p.activate("1002")
	for _, got := range []answer{p.poll(id), p.verify(id, "1002", "wrong")} {
		if other := field(t, got.body, "id"); other == id {
			t.Errorf("verification_id_mismatch = %s, the same id", got.body)
		}
	}
}

func TestActivationSwitches(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{ActivateStatus: 200, AlphanumericCodes: true}})
	if got := activateSMS(p); got.status != 200 {
		t.Errorf("activate_status = %d, want 200", got.status)
	}
	if code := p.sim.Code("alice", simulator.SMS); !regexp.MustCompile(`^[A-Z][0-9]{5}$`).MatchString(code) {
		t.Errorf("code = %q, want a letter and five digits", code)
	}
}

func TestSlowTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{Switches: simulator.Switches{Only: "devices", Slow: time.Minute}})
		start := time.Now()
		p.call("GET", aliceDevices, "")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v of the bubble's time, want a minute", took)
		}
	})
}

func TestSlowEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{Switches: simulator.Switches{Only: "activate", Slow: time.Hour}})
		client := http.Client{Transport: p.sim.Transport(), Timeout: time.Second}
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://x"+verifications, strings.NewReader(`{"device_id":1002}`))
		r.Header.Set("Authorization", "Bearer "+p.accessToken)
		r.Header.Set("Content-Type", "application/json")
		if _, err := client.Do(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v, want the deadline", err)
		}
		if p.sim.Calls(simulator.OpActivate) != 1 || len(p.sim.Sent()) != 0 {
			t.Errorf("the abandoned call: calls %d, sent %d; want it counted and nothing sent",
				p.sim.Calls(simulator.OpActivate), len(p.sim.Sent()))
		}
	})
}

// The same switch over a connection and without one.
func TestTruncatedBody(t *testing.T) {
	p := newPeer(t, simulator.Options{Switches: simulator.Switches{Only: "activate", TruncateBody: true}})
	server := httptest.NewServer(p.sim.API())
	defer server.Close()
	for name, transport := range map[string]http.RoundTripper{
		"in process": p.sim.Transport(), "over a connection": server.Client().Transport,
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", server.URL+verifications, strings.NewReader(`{"device_id":1002}`))
		r.Header.Set("Authorization", "Bearer "+p.accessToken)
		r.Header.Set("Content-Type", "application/json")
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, want a broken answer", name, err)
		}
	}
	if got := len(p.sim.Sent()); got != 2 {
		t.Errorf("sent = %d, want both: the calls were carried out", got)
	}
}

func TestTransportGivesUpAtOnce(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "https://any.example"+users, nil)
	if _, err := sim.Transport().RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("RoundTrip = %v, want context.Canceled", err)
	}
	if got := sim.Calls(simulator.OpUsers); got != 0 {
		t.Errorf("calls = %d, want 0", got)
	}
}

func TestOversizedBodyIsRefused(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	if got := p.call("POST", verifications, strings.Repeat(" ", 1<<20+1)); got.status != 400 {
		t.Errorf("a body over 1 MiB = %d, want 400", got.status)
	}
}
