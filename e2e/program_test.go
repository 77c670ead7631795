package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
)

// program is a client that speaks JSON and keeps cookies. It follows no
// redirect.
type program struct {
	t      *testing.T
	d      *demo
	user   string
	client *http.Client
}

func newProgram(t *testing.T, d *demo, user string) *program {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &program{t: t, d: d, user: user, client: &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// hold puts a cookie into the jar.
func (p *program) hold(name, value string) {
	at, err := url.Parse(p.d.gateway)
	if err != nil {
		p.t.Fatal(err)
	}
	p.client.Jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// answer is what the gateway or the app said.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to a path of the gateway. Pairs of header names and
// values may follow; they come after the usual ones and replace them.
func (p *program) ask(method, path string, body []byte, headers ...string) answer {
	p.t.Helper()
	r, err := http.NewRequest(method, p.d.gateway+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.SetBasicAuth(p.user, "demo")
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := p.client.Do(r)
	if err != nil && method == "GET" { // a reload cuts connections; browsers ask again
		got, err = p.client.Do(r)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{got.StatusCode, got.Header, string(text)}
}

// get asks for a path.
func (p *program) get(path string) answer {
	p.t.Helper()
	return p.ask("GET", path, nil)
}

// post sends fields to one of the gateway's own endpoints.
func (p *program) post(endpoint string, fields map[string]string, headers ...string) answer {
	p.t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.ask("POST", "/.mfa/"+endpoint, body, headers...)
}

// problem is the answer of the gate.
type problem struct {
	Status       int    `json:"status"`
	ChallengeURL string `json:"challenge_url"`
	Code         string `json:"code"`
	Reference    string `json:"reference"`
}

// challenge is the JSON of a challenge.
type challenge struct {
	State   string `json:"state"`
	CSRF    string `json:"csrf"`
	User    string `json:"user"`
	Site    string `json:"site"`
	Factors []struct {
		ID, Kind, Name string
		Default        bool
	} `json:"factors"`
	Factor    string `json:"factor"`
	NeedsCode *bool  `json:"needs_code"`
	ExpiresIn int    `json:"expires_in"`
	TriesLeft *int   `json:"tries_left"`
	ReturnTo  string `json:"return_to"`
	Error     string `json:"error"`
}

// factor is the id of the factor of that kind.
func (c challenge) factor(t *testing.T, kind string) string {
	t.Helper()
	for _, one := range c.Factors {
		if one.Kind == kind {
			return one.ID
		}
	}
	t.Fatalf("the challenge is %+v, want a factor %s", c, kind)
	return ""
}

// decode reads the JSON of an answer, which must have this status.
func decode[T any](p *program, a answer, status int) T {
	p.t.Helper()
	var got T
	if a.status != status {
		p.t.Fatalf("status %d %.400s, want %d", a.status, a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		p.t.Fatalf("%.400s: %v", a.body, err)
	}
	return got
}

// look reads the challenge at a path.
func (p *program) look(path string) challenge {
	p.t.Helper()
	return decode[challenge](p, p.get(path), http.StatusOK)
}

// meet asks for a protected path and returns the address of the challenge.
func (p *program) meet(path string) string {
	p.t.Helper()
	refused := decode[problem](p, p.get(path), http.StatusUnauthorized)
	if refused.ChallengeURL == "" {
		p.t.Fatalf("GET %s: no challenge_url", path)
	}
	return refused.ChallengeURL
}

// begin meets a challenge at path and starts it with a factor.
func (p *program) begin(path, factor string) (challengeURL string, started challenge) {
	p.t.Helper()
	challengeURL = p.meet(path)
	c := p.look(challengeURL)
	started = decode[challenge](p, p.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(p.t, factor)}), http.StatusOK)
	return challengeURL, started
}

// prove goes through a whole journey with a code of that factor.
func (p *program) prove(path, factor string) {
	p.t.Helper()
	_, started := p.begin(path, factor)
	code := p.d.code(p.user, factor)
	done := decode[challenge](p, p.post("verify", map[string]string{"csrf": started.CSRF, "code": code}), http.StatusOK)
	if done.State != "verified" || done.ReturnTo != path {
		p.t.Fatalf("after the right code: %+v, want verified and a return to %s", done, path)
	}
}
