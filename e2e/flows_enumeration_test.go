package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	perSort  = 200 // how many names of each sort are tried
	abreast  = 48  // at a time; the gateway asks OneLogin about 64 at most
	wrongSMS = "A1B2C3"
)

// sorts are the sorts of people that must look the same.
func sorts() []string { return []string{"real", "held", "bare", "gone"} }

// populate makes people of every sort but "gone", of whom OneLogin knows
// nothing. Each name is used once: limits would tell them apart from new ones.
func populate(sim *simulator.Simulator) {
	devices := []simulator.Device{{Factor: simulator.SMS, Name: "Number"}, {Factor: simulator.TOTP, Name: "App"}}
	for n := range perSort {
		sim.AddUser(simulator.User{Username: nameOf("real", n), Devices: devices})
		sim.AddUser(simulator.User{Username: nameOf("held", n), Devices: devices, Status: 2, State: 1})
		sim.AddUser(simulator.User{Username: nameOf("bare", n)})
	}
}

func nameOf(sort string, n int) string { return fmt.Sprintf("%s-%03d", sort, n) }

// attempt is what one name met: an answer for each step, and how long it took.
type attempt struct {
	sort    string
	answers [3]string
	took    [3]time.Duration
}

// steps are those of an attempt.
func steps() []string { return []string{"name", "start", "verify"} }

// stranger is a client that is no browser and belongs to no test: many of them
// are at work at once, each from an address of its own. What is counted by
// address has nothing to do with names.
type stranger struct {
	gateway, address string
	client           http.Client
}

func (p *stranger) ask(method, path string, fields map[string]string) (status string, header http.Header, body []byte, err error) {
	sent, err := json.Marshal(fields)
	if err != nil {
		return "", nil, nil, err
	}
	r, err := http.NewRequest(method, p.gateway+path, bytes.NewReader(sent))
	if err != nil {
		return "", nil, nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", p.address)
	got, err := p.client.Do(r)
	if err != nil {
		return "", nil, nil, err
	}
	defer got.Body.Close()
	body, err = io.ReadAll(got.Body)
	return got.Status, got.Header, body, err
}

// try types a name, starts with a factor and sends a wrong code.
func (p *stranger) try(sort, name, factor string) (attempt, error) {
	seen := attempt{sort: sort}
	var gate problem
	var c challenge
	for _, path := range []string{"/", ""} {
		_, _, body, err := p.ask("GET", path+gate.ChallengeURL, nil)
		if err != nil {
			return seen, err
		}
		if err := json.Unmarshal(body, map[string]any{"/": &gate, "": &c}[path]); err != nil {
			return seen, err
		}
	}
	for i, step := range steps() {
		fields := map[string]string{"csrf": c.CSRF, "user": name, "code": wrongSMS}
		for _, offered := range c.Factors {
			if offered.Kind == factor {
				fields["factor"] = offered.ID
			}
		}
		before := time.Now()
		status, header, body, err := p.ask("POST", "/.mfa/"+step, fields)
		seen.took[i] = time.Since(before)
		if err != nil {
			return seen, err
		}
		seen.answers[i] = masked(status, header, body, name)
		if err := json.Unmarshal(body, &c); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// changing matches what differs between any two challenges, and numbers.
var changing = regexp.MustCompile(`("csrf":|"id":|"factor":)"[^"]*"|(?:mfa-\w+=[^;]*)|\d+`)

// masked is an answer without what differs between any two.
func masked(status string, header http.Header, body []byte, name string) string {
	header.Del("Date")
	var text strings.Builder
	fmt.Fprintln(&text, status)
	for _, key := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(&text, "%s: %s\n", key, strings.Join(header[key], ", "))
	}
	text.WriteString(strings.ReplaceAll(string(body), name, "NAME"))
	return changing.ReplaceAllString(text.String(), "${1}0")
}

// tryAll tries names of all sorts in turn, many at a time.
func tryAll(t *testing.T, gateway string) []attempt {
	t.Helper()
	type work struct{ sort, name, factor, address string }
	todo := make(chan work)
	var mu sync.Mutex
	var seen []attempt
	var workers sync.WaitGroup
	for range abreast {
		workers.Go(func() {
			for w := range todo {
				jar, _ := cookiejar.New(nil) // which makes no error without options
				p := &stranger{gateway: gateway, address: w.address, client: http.Client{Jar: jar}}
				one, err := p.try(w.sort, w.name, w.factor)
				if err != nil {
					t.Errorf("%s: %v", w.name, err)
				}
				mu.Lock()
				seen = append(seen, one)
				mu.Unlock()
			}
		})
	}
	for n := range perSort {
		for i, sort := range sorts() {
			todo <- work{sort, nameOf(sort, n), []string{"sms", "totp"}[n%2], fmt.Sprintf("10.0.%d.%d", i, n)}
		}
	}
	close(todo)
	workers.Wait()
	return seen
}

// spread is how long one step took for one sort.
type spread struct{ low, median, high time.Duration }

func spreadOf(all []attempt, sort string, step int) spread {
	var took []time.Duration
	for _, one := range all {
		if one.sort == sort {
			took = append(took, one.took[step])
		}
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[len(took)*percent/100].Round(10 * time.Microsecond) }
	return spread{at(5), at(50), at(95)}
}

// TestNobodyLearnsWhoExists compares what names get that OneLogin knows, knows
// no longer, knows without a device, and does not know. It is the one test
// that looks at how long something takes: that is what it is about.
func TestNobodyLearnsWhoExists(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{
		servers: "servers {\ntrusted_proxies static 127.0.0.0/8\n}",
		signIn:  true, site: "sign_in passwordless", tenant: "hourly_budget 100000",
	})
	populate(s.sim)
	s.deviate(`{"slow":"100ms"}`)
	all := tryAll(t, s.gateway)

	for i, step := range steps() {
		kinds := map[string]string{} // one sort that got this answer
		for _, one := range all {
			kinds[one.answers[i]] = one.sort
		}
		if len(kinds) != 1 {
			t.Errorf("%s has %d different answers, want 1: %q", step, len(kinds), slices.Collect(maps.Keys(kinds)))
		}
	}
	var table strings.Builder
	for i, step := range steps() {
		spreads := map[string]spread{}
		for _, sort := range sorts() {
			spreads[sort] = spreadOf(all, sort, i)
			fmt.Fprintf(&table, "%-8s %-6s %10s %10s %10s\n", step, sort, spreads[sort].low, spreads[sort].median, spreads[sort].high)
		}
		for _, one := range sorts() {
			for _, other := range sorts() {
				if m := spreads[one].median; m < spreads[other].low || m > spreads[other].high {
					t.Errorf("%s: the median of %s, %s, is outside of what %s takes", step, one, m, other)
				}
			}
		}
	}
	t.Logf("%d of each sort; 5th percentile, median, 95th percentile:\n%s", perSort, &table)
	s.nothingArrived()
	if n := s.sim.Calls(simulator.OpVerify); n != perSort {
		t.Errorf("OneLogin checked %d codes, want %d: one of everybody real", n, perSort)
	}
}
