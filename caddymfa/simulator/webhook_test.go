package simulator_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// receiver takes what a webhook posts, without a connection.
type receiver struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	status   int   // of its answers
	problem  error // instead of an answer
}

// RoundTrip implements http.RoundTripper.
func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
	r.bodies = append(r.bodies, string(body))
	if r.problem != nil {
		return nil, r.problem
	}
	return &http.Response{StatusCode: r.status, Header: http.Header{}, Body: http.NoBody, Request: request}, nil
}

// posted are the members of a posted event that tests look at.
type posted struct {
	UUID   string `json:"uuid"`
	Type   any    `json:"event_type_id"`
	UserID any    `json:"user_id"`
	Actor  any    `json:"actor_user_id"`
	Device any    `json:"otp_device_id"`
}

// events returns what was posted as arrays, one for each request.
func (r *receiver) events(t *testing.T) [][]posted {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var list [][]posted
	for _, body := range r.bodies {
		list = append(list, decode[[]posted](t, body))
	}
	return list
}

// types returns the types of the events in each request, such as "19 21|12".
func (r *receiver) types(t *testing.T) string {
	t.Helper()
	var requests []string
	for _, events := range r.events(t) {
		var types []string
		for _, e := range events {
			types = append(types, fmt.Sprint(e.Type))
		}
		requests = append(requests, strings.Join(types, " "))
	}
	return strings.Join(requests, "|")
}

const receiverURL = "https://gateway.example/.mfa/events"

// withWebhook runs test in a bubble, with a webhook.
func withWebhook(t *testing.T, hook simulator.Webhook, test func(*testing.T, *peer, *receiver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, simulator.Options{})
		r := &receiver{status: 200}
		hook.URL, hook.Authorization, hook.Transport = receiverURL, "Bearer s3cret", r
		if err := p.sim.SetWebhook(hook); err != nil {
			t.Fatal(err)
		}
		test(t, p, r)
	})
}

// suspendAndBack does what the portal tells as 21 and 32.
func suspendAndBack(p *peer) {
	p.sim.SetStatus("alice", 2, 1)
	p.sim.SetStatus("alice", 1, 1)
}

func TestWebhookTellsWhatHappensToPeople(t *testing.T) {
	const control, api = "1", "<nil>"
	for _, test := range []struct {
		name  string
		do    func(*peer)
		want  string // types
		actor string
	}{
		{"nothing", func(p *peer) { p.sim.SetStatus("alice", 1, 2); p.sim.SetStatus("nobody", 3, 1) }, "", ""},
		{"locked", func(p *peer) { p.sim.SetStatus("alice", 3, 1) }, "19", control},
		{"suspended", func(p *peer) { p.sim.SetStatus("alice", 2, 1) }, "21", control},
		{"deactivated", func(p *peer) { p.sim.SetStatus("alice", 0, 1) }, "15", control},
		{"deleted", func(p *peer) { p.sim.RemoveUser("Alice") }, "17", control},
		{"password changed", func(p *peer) { p.sim.SetPassword("alice", "new") }, "11", control},
		{"device removed", func(p *peer) { p.sim.RemoveDevice("alice", 1002) }, "24", control},
		{"status that no event is known for", func(p *peer) { p.sim.SetStatus("alice", 4, 1) }, "", ""},
		{"locked by the API", func(p *peer) { p.call("PUT", aliceAccount+"/lock_user", `{"locked_until":0}`) }, "531", api},
		{"suspended by the API", func(p *peer) { p.call("PUT", users+"/101", `{"status":2}`) }, "551", api},
		{"deactivated by the API", func(p *peer) { p.call("PUT", users+"/101", `{"status":0}`) }, "15", api},
		{"device removed by the API", func(p *peer) { p.call("DELETE", aliceDevices+"/1002", "") }, "24", api},
		{"other things", func(p *peer) { p.call("PUT", aliceAccount+"/logout", "") }, "516", api},
	} {
		t.Run(test.name, func(t *testing.T) {
			withWebhook(t, simulator.Webhook{}, func(t *testing.T, p *peer, r *receiver) {
				test.do(p)
				synctest.Wait()
				if got := r.types(t); got != test.want {
					t.Errorf("posted %s, want %s", got, test.want)
				}
				for _, e := range slices.Concat(r.events(t)...) {
					if e.UserID != 101.0 || fmt.Sprint(e.Actor) != test.actor || (e.Device == 1002.0) != (test.want == "24") {
						t.Errorf("posted %+v, want alice, the actor %s, and a device only if it is about one", e, test.actor)
					}
				}
			})
		})
	}
}

func TestWebhookBodies(t *testing.T) {
	const (
		announcement = `{"create":{"_id":"UUID"}}`
		members      = `"uuid":"UUID","event_type_id":21,"event_timestamp":"2000-01-01 00:00:00 UTC","account_id":555555,` +
			`"user_id":101,"user_name":"Alice Example","actor_system":"","actor_user_id":1,"actor_user_name":"Ada Example",` +
			`"otp_device_id":null,"otp_device_name":null,"ipaddr":null,"risk_score":null,"app_id":null,"policy_id":null,` +
			`"resolution":null,"custom_message":null,"error_description":null}`
	)
	next := strings.NewReplacer(`:21,`, `:32,`).Replace
	asText := strings.NewReplacer(`:21,`, `:"21",`, `:101,`, `:"101",`).Replace
	for _, test := range []struct {
		name        string
		lines       bool
		switches    simulator.Switches
		want        string
		contentType string
	}{
		{"array", false, simulator.Switches{},
			"[" + announcement[:len(announcement)-1] + "," + members + "," + announcement[:len(announcement)-1] + "," + next(members) + "]", "application/json"},
		{"lines", true, simulator.Switches{},
			announcement + "\n{" + members + "\n" + announcement + "\n{" + next(members) + "\n", "application/x-ndjson"},
		{"ids as text", true, simulator.Switches{WebhookIDsAsText: true},
			announcement + "\n{" + asText(members) + "\n" + announcement + "\n{" + strings.ReplaceAll(asText(members), `"21"`, `"32"`) + "\n", "application/x-ndjson"},
	} {
		t.Run(test.name, func(t *testing.T) {
			withWebhook(t, simulator.Webhook{Lines: test.lines, Wait: time.Second}, func(t *testing.T, p *peer, r *receiver) {
				p.sim.SetSwitches(func(w *simulator.Switches) { *w = test.switches })
				suspendAndBack(p)
				time.Sleep(time.Second) // of the bubble
				synctest.Wait()
				if len(r.requests) != 1 {
					t.Fatalf("%d requests, want 1", len(r.requests))
				}
				uuids := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
				if got := uuids.ReplaceAllString(r.bodies[0], "UUID"); got != test.want {
					t.Errorf("posted %s\nwant %s", got, test.want)
				}
				if named := uuids.FindAllString(r.bodies[0], -1); named[0] != named[1] || named[2] != named[3] || named[1] == named[2] {
					t.Errorf("UUIDs = %v, want two, each twice", named)
				}
				got := r.requests[0]
				if got.Method != "POST" || got.URL.String() != receiverURL || got.Header.Get("Content-Type") != test.contentType ||
					got.Header.Get("Authorization") != "Bearer s3cret" {
					t.Errorf("%s %s with %v", got.Method, got.URL, got.Header)
				}
			})
		})
	}
}

func TestWebhookBatches(t *testing.T) {
	withWebhook(t, simulator.Webhook{Wait: 10 * time.Second}, func(t *testing.T, p *peer, r *receiver) {
		for range 12 {
			suspendAndBack(p)
		}
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if got := r.types(t); got != "" {
			t.Errorf("posted %s before ten seconds were over", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		ten := strings.TrimSuffix(strings.Repeat("21 32 ", 5), " ")
		if got, want := r.types(t), ten+"|"+ten+"|21 32 21 32"; got != want {
			t.Errorf("posted %s, want %s", got, want)
		}
		suspendAndBack(p)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := len(r.bodies); got != 4 {
			t.Errorf("%d requests after another event, want 4", got)
		}
	})
}

func TestWebhookSwitches(t *testing.T) {
	for _, test := range []struct {
		name     string
		switches simulator.Switches
		want     string
	}{
		{"none", simulator.Switches{}, "21 32 21|32 19"},
		{"duplicates", simulator.Switches{WebhookDuplicates: true}, "21 32 21|21 32 21|32 19|32 19"},
		{"reversed", simulator.Switches{WebhookReversed: true}, "19 32 21|32 21"},
		{"once", simulator.Switches{WebhookDuplicates: true, Only: "webhook", Times: 1}, "21 32 21|21 32 21|32 19"},
		{"not for webhooks", simulator.Switches{WebhookDuplicates: true, Only: "poll"}, "21 32 21|32 19"},
	} {
		t.Run(test.name, func(t *testing.T) {
			withWebhook(t, simulator.Webhook{Batch: 3, Wait: time.Second}, func(t *testing.T, p *peer, r *receiver) {
				p.sim.SetSwitches(func(w *simulator.Switches) { *w = test.switches })
				suspendAndBack(p)
				suspendAndBack(p)
				p.sim.SetStatus("alice", 3, 1)
				time.Sleep(time.Second)
				synctest.Wait()
				if got := r.types(t); got != test.want {
					t.Errorf("posted %s, want %s", got, test.want)
				}
				uuids := map[string]bool{}
				for _, e := range slices.Concat(r.events(t)...) {
					uuids[e.UUID] = true
				}
				if len(uuids) != 5 {
					t.Errorf("%d UUIDs, want five: a copy keeps its own", len(uuids))
				}
			})
		})
	}
}

func TestSlowDelaysAWebhook(t *testing.T) {
	withWebhook(t, simulator.Webhook{}, func(t *testing.T, p *peer, r *receiver) {
		p.sim.SetSwitches(func(w *simulator.Switches) { w.Slow = time.Minute })
		p.sim.SetStatus("alice", 3, 1)
		synctest.Wait()
		if got := r.types(t); got != "" {
			t.Errorf("posted %s at once", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.types(t); got != "19" {
			t.Errorf("posted %q after a minute, want 19", got)
		}
	})
}

func TestWebhookIsPostedOnceWhateverTheAnswer(t *testing.T) {
	for _, test := range []struct {
		name    string
		status  int
		problem error
		want    string
	}{
		{"no answer", 0, errors.New("no route to gateway"), "no route"},
		{"refused", 401, nil, ""},
		{"broken", 500, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			withWebhook(t, simulator.Webhook{}, func(t *testing.T, p *peer, r *receiver) {
				r.status, r.problem = test.status, test.problem
				p.sim.SetStatus("alice", 3, 1)
				time.Sleep(time.Hour)
				synctest.Wait()
				got := p.sim.Deliveries()
				if len(r.bodies) != 1 || len(got) != 1 {
					t.Fatalf("posted %d times, deliveries = %+v, want one", len(r.bodies), got)
				}
				if got[0].Status != test.status || got[0].Events != 1 || got[0].Body != r.bodies[0] || got[0].At.IsZero() ||
					!strings.Contains(got[0].Problem, test.want) || (got[0].Problem == "") != (test.want == "") {
					t.Errorf("delivery = %+v, want status %d and problem %q", got[0], test.status, test.want)
				}
			})
		})
	}
}

func TestWhatWaitsIsDropped(t *testing.T) {
	for _, test := range []struct {
		name string
		drop func(*simulator.Simulator, *receiver) error
		want string // of an event before and one after it
	}{
		{"no webhook", func(s *simulator.Simulator, _ *receiver) error { return s.SetWebhook(simulator.Webhook{}) }, ""},
		{"another webhook", func(s *simulator.Simulator, r *receiver) error {
			return s.SetWebhook(simulator.Webhook{URL: receiverURL, Transport: r})
		}, "21"},
		{"reset", func(s *simulator.Simulator, _ *receiver) error { s.Reset(); return nil }, "21"},
	} {
		t.Run(test.name, func(t *testing.T) {
			withWebhook(t, simulator.Webhook{Wait: time.Minute}, func(t *testing.T, p *peer, r *receiver) {
				p.sim.SetStatus("alice", 3, 1)
				if err := test.drop(p.sim, r); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				p.sim.SetStatus("alice", 2, 1)
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := r.types(t); got != test.want {
					t.Errorf("posted %s, want %q", got, test.want)
				}
				if p.sim.Reset(); len(p.sim.Deliveries()) != 0 {
					t.Error("a reset left deliveries behind")
				}
			})
		})
	}
}

func TestUselessWebhooksAreRefused(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	for _, w := range []simulator.Webhook{
		{URL: "gateway.example"}, {URL: "/.mfa/events"}, {URL: "ftp://gateway.example"}, {URL: "http://"},
		{URL: receiverURL, Batch: -1}, {URL: receiverURL, Wait: -time.Second},
	} {
		if err := sim.SetWebhook(w); err == nil {
			t.Errorf("SetWebhook(%+v) = nil, want an error", w)
		}
	}
}
