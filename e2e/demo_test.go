package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// demo is one running demo.
type demo struct {
	t       *testing.T
	gateway string // base URL of each, without a slash at the end
	phone   string
	app     string
	admin   string // empty unless -admin was given
}

// startDemo runs the demo on free ports until the test ends.
func startDemo(t *testing.T, flags ...string) *demo {
	t.Helper()
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-gateway", "localhost:0", "-phone", "localhost:0", "-api", "127.0.0.1:0", "-app", "127.0.0.1:0"}, flags...)
	command := exec.Command(binary, args...)
	var log bytes.Buffer
	command.Stderr = &log
	printed, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	d := readAddresses(t, printed)
	t.Cleanup(func() {
		d.madePlainCalls()
		_ = command.Process.Signal(os.Interrupt)
		if err := command.Wait(); err != nil {
			t.Errorf("the demo ended with %v", err)
		}
		if t.Failed() {
			t.Logf("log of the demo:\n%s", &log)
		}
	})
	return d
}

// madePlainCalls fails the test if OneLogin was asked for anything that only a
// feature needs: the demo has none turned on. It closes every journey.
func (d *demo) madePlainCalls() {
	d.t.Helper()
	var all []oneLoginCall
	d.call("GET", d.phone+"/_sim/requests", nil, &all)
	for _, one := range all {
		if !slices.Contains(plainCalls(), one.Op) {
			d.t.Errorf("OneLogin got a call %q, with every feature off", one.Op)
		}
	}
}

// readAddresses reads what the demo prints until it is ready.
func readAddresses(t *testing.T, printed io.Reader) *demo {
	t.Helper()
	addresses := map[string]string{}
	row := regexp.MustCompile(`^  (gateway|phone|app|admin) +(http://\S+)`)
	for lines := bufio.NewScanner(printed); lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl+C"); {
		if found := row.FindStringSubmatch(lines.Text()); found != nil {
			addresses[found[1]] = found[2]
		}
	}
	if addresses["app"] == "" {
		t.Fatal("the demo did not start")
	}
	return &demo{t: t, gateway: addresses["gateway"], phone: addresses["phone"], app: addresses["app"], admin: addresses["admin"]}
}

// call sends a JSON request to a control address and decodes the answer. It
// returns the status.
func (d *demo) call(method, url string, body, into any) int {
	d.t.Helper()
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			d.t.Fatal(err)
		}
	}
	r, err := http.NewRequest(method, url, &sent)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			d.t.Fatalf("%s %s = %d %.300s: %v", method, url, answer.StatusCode, text, err)
		}
	}
	return answer.StatusCode
}

// arrival is one request that reached the app.
type arrival struct {
	Method, Path, User, Factor string
	Cookies                    []string
}

// everything is what reached the app.
func (d *demo) everything() []arrival {
	d.t.Helper()
	var seen struct {
		Requests []arrival
		Count    int
	}
	d.call("GET", d.app+"/-/requests", nil, &seen)
	if seen.Count != len(seen.Requests) {
		d.t.Fatalf("the app counts %d requests and lists %d", seen.Count, len(seen.Requests))
	}
	return seen.Requests
}

// arrivals are the requests that reached the app and needed a proof: not those
// for the notice, the style and the icon below /public/, which are exempt and
// which a browser may still be loading.
func (d *demo) arrivals() []arrival {
	d.t.Helper()
	return slices.DeleteFunc(d.everything(), func(one arrival) bool { return strings.HasPrefix(one.Path, "/public/") })
}

// nothingArrived fails the test if a request that needed a proof reached the
// app.
func (d *demo) nothingArrived() {
	d.t.Helper()
	if seen := d.arrivals(); len(seen) > 0 {
		d.t.Fatalf("the app saw %v, want no request", seen)
	}
}

// forgetArrivals lets the app count from zero again.
func (d *demo) forgetArrivals() {
	d.t.Helper()
	d.call("POST", d.app+"/-/reset", nil, nil)
}

// code is the code that the user's device shows or was sent last; "" if none.
func (d *demo) code(user, factor string) string {
	d.t.Helper()
	var phone struct {
		Devices []struct{ Factor, Code string }
	}
	d.call("GET", d.phone+"/_sim/users/"+user, nil, &phone)
	for _, device := range phone.Devices {
		if device.Factor == factor {
			return device.Code
		}
	}
	d.t.Fatalf("%s has no %s", user, factor)
	return ""
}

// wrongCode is a code of the right form that is not code. Different n from 1
// to 9 give different ones.
func wrongCode(code string, n int) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return r
		}
		return '0' + (r-'0'+rune(n))%10
	}, code)
}

// answer approves or denies the newest push on the user's phone.
func (d *demo) answer(user, answer string) {
	d.t.Helper()
	if status := d.call("POST", d.phone+"/_sim/users/"+user+"/"+answer, nil, nil); status != http.StatusNoContent {
		d.t.Fatalf("%s on %s's phone = %d, want 204", answer, user, status)
	}
}

// advance moves OneLogin's clock.
func (d *demo) advance(by time.Duration) {
	d.t.Helper()
	d.call("POST", d.phone+"/_sim/advance", map[string]float64{"seconds": by.Seconds()}, nil)
}

// deviate sets OneLogin's switches; those that are not named are off.
func (d *demo) deviate(switches string) {
	d.t.Helper()
	if status := d.call("PUT", d.phone+"/_sim/switches", json.RawMessage(switches), nil); status != http.StatusOK {
		d.t.Fatalf("switches %s = %d, want 200", switches, status)
	}
}

// sent is how many pushes, messages and mails went out.
func (d *demo) sent() int {
	d.t.Helper()
	var all []any
	d.call("GET", d.phone+"/_sim/sent", nil, &all)
	return len(all)
}

// oneLoginCall is one request that OneLogin answered.
type oneLoginCall struct {
	Op     string
	Status int
}

// calls are the requests of one kind that OneLogin answered.
func (d *demo) calls(op string) []oneLoginCall {
	d.t.Helper()
	var all, some []oneLoginCall
	d.call("GET", d.phone+"/_sim/requests", nil, &all)
	for _, one := range all {
		if one.Op == op {
			some = append(some, one)
		}
	}
	return some
}
