package caddymfa_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// site is a real Caddy in this process, with our handler in front of an app
// that counts, and the simulator behind our handler.
type site struct {
	t    *testing.T
	url  string
	sim  *simulator.Simulator
	app  *app
	file string // the Caddyfile it runs

	// unbound lets OneLogin refuse to activate anything, as it may for devices
	// that show codes by themselves.
	unbound atomic.Bool
}

// oneLogin is the simulator, behind what the test makes of it.
func (s *site) oneLogin(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("read a call to OneLogin: %v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	activates := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/verifications") && !bytes.Contains(body, []byte(`"otp"`))
	if s.unbound.Load() && activates {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"statusCode":422,"name":"UnprocessableEntityError","message":"this device cannot be activated"}`)
		return
	}
	s.sim.API().ServeHTTP(w, r)
}

// app is the legacy app: it remembers every request that reached it.
type app struct {
	mu   sync.Mutex
	seen []*http.Request
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r)
	a.mu.Unlock()
	fmt.Fprintf(w, "hello from the app, %s", r.URL.Path)
}

func (a *app) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.seen...)
}

// wantCount fails the test unless exactly n requests have reached the app: the
// oracle behind every refusal.
func (a *app) wantCount(t *testing.T, n int) {
	t.Helper()
	if got := len(a.requests()); got != n {
		t.Fatalf("the app saw %d requests, want %d", got, n)
	}
}

// open starts a site whose mfa block holds options. The first login is a
// request header, so that tests can be anybody.
func open(t *testing.T, options string) *site {
	return openFile(t, siteFile(options))
}

func siteFile(options string) string {
	return `{
	admin off
	persist_config off
	storage file_system STORAGE
	grace_period 2s
	log {
		level ERROR
	}
	mfa {
		onelogin ONELOGIN {
			client_id {file.ID_FILE}
			client_secret {file.SECRET_FILE}
		}
	}
}
http://SITE {
	mfa MATCHER {
		user {http.request.header.Remote-User}
		insecure_http
		` + options + `
	}
	reverse_proxy APP
}
`
}

// openFile starts a site with a whole Caddyfile, in which SITE, APP, ONELOGIN
// and STORAGE stand for the addresses of this test.
func openFile(t *testing.T, file string) *site {
	t.Helper()
	s := &site{t: t, sim: simulator.New(simulator.Options{}), app: new(app)}
	api := httptest.NewServer(http.HandlerFunc(s.oneLogin))
	behind := httptest.NewServer(s.app)
	address := freeAddress(t)
	dir := t.TempDir()
	t.Setenv("XDG_DATA_HOME", dir) // where the store's journal goes
	write(t, dir+"/id", "demo-client")
	write(t, dir+"/secret", "demo-secret")
	s.url = "http://" + address
	_, port, _ := net.SplitHostPort(address)
	s.file = strings.NewReplacer("SITE", address, "PORT", port, "APP", strings.TrimPrefix(behind.URL, "http://"),
		"ONELOGIN", api.URL, "STORAGE", dir+"/storage", "ID_FILE", dir+"/id", "SECRET_FILE", dir+"/secret",
		" MATCHER", "").Replace(file)
	s.load(s.file)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stop Caddy: %v", err)
		}
		api.Close()
		behind.Close()
	})
	return s
}

// load makes Caddy run a Caddyfile, as "caddy reload --force" does.
func (s *site) load(file string) {
	s.t.Helper()
	if err := s.tryLoad(file); err != nil {
		s.t.Fatalf("load config: %v", err)
	}
}

func (s *site) tryLoad(file string) error {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// browser is one client of the site: a user's name, a cookie jar, and the
// headers of a program unless a test says otherwise.
type browser struct {
	*site
	user   string
	client *http.Client
	header http.Header
	host   string // that it asks for; "" = the site's address
}

// program acts for user and asks for JSON.
func (s *site) program(user string) *browser {
	return s.browser(user, http.Header{"Accept": {"application/json"}})
}

// person acts for user as a browser opening pages does.
func (s *site) person(user string) *browser {
	return s.browser(user, http.Header{
		"Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"same-origin"},
	})
}

func (s *site) browser(user string, header http.Header) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &browser{site: s, user: user, client: client, header: header}
}

// answer is a response whose body has been read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, body io.Reader, header http.Header) answer {
	b.t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = b.url + path
	}
	r, err := http.NewRequest(method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if b.user != "" {
		r.Header.Set("Remote-User", b.user)
	}
	r.Host = b.host
	response, err := b.send(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatalf("read answer: %v", err)
	}
	return answer{response, string(content)}
}

// send asks again for what changes nothing if the connection was cut before an
// answer, as browsers do: on a reload the kernel resets connections that still
// wait at the old config's socket. The client adds its cookies to what it sends,
// so each attempt is a copy.
func (b *browser) send(r *http.Request) (response *http.Response, err error) {
	for range 3 {
		response, err = b.client.Do(r.Clone(r.Context()))
		cut := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
		if r.Method != http.MethodGet || !cut {
			break
		}
	}
	return response, err
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil, nil)
}

// post sends a flat JSON object to an endpoint.
func (b *browser) post(name string, fields map[string]string) answer {
	b.t.Helper()
	encoded, err := json.Marshal(fields)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(http.MethodPost, "/.mfa/"+name, bytes.NewReader(encoded), http.Header{"Content-Type": {"application/json"}})
}

// form sends an HTML form to an endpoint.
func (b *browser) form(name string, fields map[string]string) answer {
	b.t.Helper()
	values := url.Values{}
	for field, value := range fields {
		values.Set(field, value)
	}
	return b.do(http.MethodPost, "/.mfa/"+name, strings.NewReader(values.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

// challenge is the JSON that a challenge is shown as.
type challenge struct {
	State, CSRF, User, Site, Factor, Error string
	Factors                                []struct {
		ID, Kind, Name string
		Default        bool
	}
	NeedsCode *bool  `json:"needs_code"`
	ExpiresIn int    `json:"expires_in"`
	TriesLeft *int   `json:"tries_left"`
	ReturnTo  string `json:"return_to"`
	Code      string
	Reference string
	Polled    bool
	VoiceCode string `json:"voice_code"`
	Needs     []string
	Enroll    []struct{ ID, Kind, Name string }
	Enrolment *struct {
		Kind, Secret string
		TOTPURL      string `json:"totp_url"`
	}
	SessionForm  string `json:"session_form"`
	SessionToken string `json:"session_token"`
	// of a problem:
	Status       int
	ChallengeURL string `json:"challenge_url"`
	MaxAge       int    `json:"max_age"`
}

func (a answer) json(t *testing.T) challenge {
	t.Helper()
	var c challenge
	if err := json.Unmarshal([]byte(a.body), &c); err != nil {
		t.Fatalf("answer %s is no JSON: %v\n%s", a.Status, err, a.body)
	}
	return c
}

func (c challenge) factor(t *testing.T, kind string) string {
	t.Helper()
	for _, f := range c.Factors {
		if f.Kind == kind {
			return f.ID
		}
	}
	t.Fatalf("no factor %s among %+v", kind, c.Factors)
	return ""
}

// wantStatus fails the test unless the answer has this status.
func (a answer) wantStatus(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s = %s, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.Response.Status, status, a.body)
	}
	return a
}

// begin asks for path, and returns the challenge that it leads to with its
// address.
func (b *browser) begin(path string) (challenge, string) {
	b.t.Helper()
	address := b.get(path).wantStatus(b.t, http.StatusUnauthorized).json(b.t).ChallengeURL
	return b.get(address).wantStatus(b.t, http.StatusOK).json(b.t), address
}

// verifyBy goes through a whole challenge for path with a typed code.
func (b *browser) verifyBy(kind simulator.Factor, path string) {
	b.t.Helper()
	c, _ := b.begin(path)
	b.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(b.t, string(kind))}).wantStatus(b.t, http.StatusOK)
	done := b.post("verify", map[string]string{"csrf": c.CSRF, "code": b.sim.Code(b.user, kind)}).wantStatus(b.t, http.StatusOK).json(b.t)
	if done.State != "verified" || done.ReturnTo != path {
		b.t.Fatalf("after the right code: %+v, want verified with return_to %s", done, path)
	}
}

// masked matches what differs between two equal challenges.
var masked = regexp.MustCompile(`"(csrf|id|factor|reference|expires_in|resend_in)":("[^"]*"|\d+)`)

func parseConfig(config []byte) (*caddy.Config, error) {
	loaded := new(caddy.Config)
	return loaded, json.Unmarshal(config, loaded)
}
