package caddymfa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// secrets are the values that no log may hold, with what they are.
type secrets struct {
	mu    sync.Mutex
	value map[string]string
}

func (s *secrets) add(what, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) >= 5 {
		s.value[value] = what
	}
}

// secretField matches what is secret in JSON and forms, to browsers and to
// OneLogin alike.
var secretField = regexp.MustCompile(`"(access_token|refresh_token|state_token|session_token|mfa_token|token|csrf|otp|code|voice_code|password|secret|totp_url|totp_secret_key|verification_token)"\s*:\s*"([^"]+)"`)

// addFrom learns secrets from the body of a message.
func (s *secrets) addFrom(body []byte) {
	for _, m := range secretField.FindAllSubmatch(body, -1) {
		if string(m[1]) != "code" || !regexp.MustCompile(`^[a-z_]+$`).Match(m[2]) { // "code" is also an error's name
			s.add(string(m[1]), string(m[2]))
		}
	}
	if values, err := url.ParseQuery(string(body)); err == nil {
		for _, name := range []string{"csrf", "code", "password", "session_token"} {
			s.add(name, values.Get(name))
		}
	}
}

// spy is what a browser sends through: it learns secrets on the way.
type spy struct {
	http.RoundTripper
	*secrets
}

func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.addFrom(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := s.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, cookie := range response.Cookies() {
		s.add("cookie "+cookie.Name, cookie.Value)
	}
	if strings.Contains(response.Header.Get("Content-Type"), "event-stream") {
		return response, nil
	}
	body, err := io.ReadAll(response.Body)
	s.addFrom(body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}

// logged is a site that logs everything there is to one file, with all that
// its clients and OneLogin said to it.
type logged struct {
	*site
	admin, file string
	*secrets
}

func (l *logged) program(user string) *browser {
	b := l.site.program(user)
	b.client.Transport = spy{b.client.Transport, l.secrets}
	return b
}

// call asks the admin API.
func (l *logged) call(method, path, body string) map[string]any {
	l.t.Helper()
	_, got := adminCall(l.t, method, l.admin+path, body)
	text, err := json.Marshal(got)
	if err != nil {
		l.t.Fatal(err)
	}
	l.addFrom(text)
	return got
}

const (
	loggedPassword = "pa55-of-alice"
	loggedWrong    = "pa55-that-is-wrong"
)

// openLogged starts a site that logs at DEBUG, with an access log.
func openLogged(t *testing.T, global, options string) *logged {
	t.Helper()
	l := &logged{file: t.TempDir() + "/all.log", secrets: &secrets{value: map[string]string{}}}
	admin := freeAddress(t)
	l.admin = "http://" + admin
	var started atomic.Pointer[site]
	oneLogin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		l.addFrom(body)
		l.add("Authorization", strings.TrimPrefix(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "bearer "))
		s, answer := started.Load(), httptest.NewRecorder()
		if s == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.oneLogin(answer, r)
		l.addFrom(answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(oneLogin.Close)
	file := strings.NewReplacer("admin off", "admin "+admin, "level ERROR", "level DEBUG\n\t\toutput file "+l.file,
		"onelogin ONELOGIN", "onelogin "+oneLogin.URL, "http://SITE {", "http://SITE {\n\tlog").Replace(withGlobal(global, options))
	if strings.Contains(options, "sign_in") {
		file = strings.Replace(file, "user {http.request.header.Remote-User}\n", "\n", 1)
	}
	l.site = openFile(t, file)
	started.Store(l.site)
	l.sim.SetPassword("alice", loggedPassword)
	for what, value := range map[string]string{"client secret": "demo-secret", "webhook secret": webhookSecret, "password": loggedPassword} {
		l.add(what, value)
	}
	for _, user := range l.sim.Users() {
		l.add("phone number", strings.TrimPrefix(user.Phone, "+1"))
		for _, device := range user.Devices {
			l.add("device name", device.Name)
		}
	}
	return l
}

// wantSilent fails the test if the log holds a secret, or too little to tell.
func (l *logged) wantSilent(t *testing.T, loggers ...string) {
	t.Helper()
	text, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, logger := range loggers {
		if !bytes.Contains(text, []byte(logger)) {
			t.Errorf("the log says nothing about %s", logger)
		}
	}
	kinds := map[string]int{}
	for value, what := range l.value {
		kinds[what]++
		for line := range bytes.Lines(text) {
			// A number within a time or a longer number is another one.
			if regexp.MustCompile(`(^|[^0-9.])` + regexp.QuoteMeta(value) + `($|[^0-9])`).Match(line) {
				t.Errorf("the log holds a %s, %q:\n%s", what, value, line)
			}
		}
	}
	t.Logf("%d lines hold none of %d secrets: %v", bytes.Count(text, []byte("\n")), len(l.value), kinds)
}

func TestNoLogHoldsASecretOfAPerson(t *testing.T) {
	l := openLogged(t, "help_desk\n webhook "+webhookSecret, "enroll")
	l.byCode(t)
	l.byPush(t)
	l.byEnrolment(t)
	l.byTemporaryCode(t)
	l.tell(webhookSecret, l.event(19, "bob", time.Now())).wantStatus(t, http.StatusNoContent)
	l.tell(webhookSecret+"x", "[]").wantStatus(t, http.StatusUnauthorized)
	l.call("GET", "/mfa/sessions?user=alice", "")
	l.call("POST", "/mfa/revoke", `{"user":"alice","by":"desk"}`)
	l.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	late := l.program("bob")
	late.get(late.get("/").json(t).ChallengeURL).wantStatus(t, http.StatusServiceUnavailable)
	l.wantSilent(t, "http.log.access", "http.handlers.mfa.audit", "onelogin call", "upstream roundtrip", "admin.api", "temporary_code_issued")
}

// byCode proves alice by codes, after wrong, repeated and forged ones.
func (l *logged) byCode(t *testing.T) {
	t.Helper()
	alice := l.program("alice")
	c, _ := alice.begin("/orders?page=2")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}).wantStatus(t, http.StatusOK)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "314159"}).wantStatus(t, http.StatusUnprocessableEntity)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "not a code at all"})
	alice.post("verify", map[string]string{"csrf": "forged-" + c.CSRF, "code": "271828"}).wantStatus(t, http.StatusForbidden)
	l.program("bob").post("verify", map[string]string{"csrf": c.CSRF, "code": "161803"}).wantStatus(t, http.StatusForbidden)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": l.sim.Code("alice", simulator.SMS)}).wantStatus(t, http.StatusOK)
	alice.get("/orders?page=2").wantStatus(t, http.StatusOK)
	alice.do(http.MethodGet, "/", nil, http.Header{"X-Mfa-User": {"root"}})
	home := alice.get("/.mfa/").json(t)
	alice.get("/.mfa/sessions")
	alice.post("logout", map[string]string{"csrf": home.CSRF}).wantStatus(t, http.StatusNoContent)
}

func (l *logged) byPush(t *testing.T) {
	t.Helper()
	for _, approve := range []bool{true, false} {
		alice := l.program("alice")
		c, address := alice.begin("/")
		alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
		l.sim.Answer("alice", "", approve)
		alice.waitFor(address, map[bool]string{true: "verified", false: "denied"}[approve])
		alice.get(status(address))
	}
}

func (l *logged) byEnrolment(t *testing.T) {
	t.Helper()
	carol := l.program("carol")
	c, _ := carol.begin("/")
	for _, f := range c.Enroll {
		if f.Kind == "totp" {
			carol.post("enroll", map[string]string{"csrf": c.CSRF, "factor": f.ID}).wantStatus(t, http.StatusOK)
		}
	}
	carol.post("confirm", map[string]string{"csrf": c.CSRF, "code": "141421"})
	carol.post("confirm", map[string]string{"csrf": c.CSRF, "code": l.sim.Code("carol", simulator.TOTP)}).wantStatus(t, http.StatusOK)
}

func (l *logged) byTemporaryCode(t *testing.T) {
	t.Helper()
	code, _ := l.call("POST", "/mfa/token", `{"user":"alice","reason":"lost phone","by":"desk"}`)["code"].(string)
	alice := l.program("alice")
	c, _ := alice.begin("/")
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "temporary")}).wantStatus(t, http.StatusOK)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": code}).wantStatus(t, http.StatusOK)
}

func TestNoLogHoldsAPassword(t *testing.T) {
	l := openLogged(t, "store memory", "sign_in password {\n\t\t\tonelogin_session http://SITE\n\t\t}")
	nobody := l.program("")
	asked, address := nobody.begin("/")
	for _, name := range []string{"alice", "nobody-at-all"} {
		nobody.post("login", map[string]string{"csrf": asked.CSRF, "user": name, "password": loggedWrong}).wantError(t, http.StatusUnprocessableEntity, "wrong_password")
	}
	in := nobody.post("login", map[string]string{"csrf": asked.CSRF, "user": "alice", "password": loggedPassword}).wantStatus(t, http.StatusOK).json(t)
	nobody.post("start", map[string]string{"csrf": in.CSRF, "factor": in.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	nobody.post("verify", map[string]string{"csrf": in.CSRF, "code": l.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	page := with(nobody, pageHeader()).get(address)
	l.add("session token", between(page.body, `name="session_token" value="`, `"`))
	l.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	late := l.program("")
	asked, _ = late.begin("/")
	late.post("login", map[string]string{"csrf": asked.CSRF, "user": "alice", "password": loggedPassword}).wantStatus(t, http.StatusServiceUnavailable)
	l.wantSilent(t, "http.log.access", "password_accepted", "password_wrong", "onelogin call")
}

func TestNoLogHoldsASecretOfPasswordlessSites(t *testing.T) {
	l := openLogged(t, "store memory", "sign_in passwordless")
	for _, name := range []string{"alice", "nobody-at-all"} {
		nobody := l.program("")
		asked, _ := nobody.begin("/")
		named := nobody.post("name", map[string]string{"csrf": asked.CSRF, "user": name}).wantStatus(t, http.StatusOK).json(t)
		nobody.post("start", map[string]string{"csrf": named.CSRF, "factor": named.factor(t, "sms")})
		nobody.post("verify", map[string]string{"csrf": named.CSRF, "code": "314159"})
		if name == "alice" {
			nobody.post("verify", map[string]string{"csrf": named.CSRF, "code": l.sim.Code("alice", simulator.SMS)}).wantStatus(t, http.StatusOK)
		}
	}
	l.wantSilent(t, "http.log.access", "challenge_verified", "factor_not_activated")
}

// The block of docs/events.md that hides who people are.
func TestDocumentedFilterHidesNamesAndAddresses(t *testing.T) {
	text, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	filter := between(string(text), "\t\tformat filter {", "\n```")
	filter = strings.TrimSuffix(strings.TrimSpace(filter), "}\n}") // of the log and of the global block
	file := t.TempDir() + "/audit.log"
	s := openFile(t, strings.Replace(siteFile(""), "\tmfa {", "\tlog audit {\n\t\tinclude http.handlers.mfa.audit\n\t\toutput file "+file+
		"\n\t\tlevel DEBUG\n\t\tformat filter {\n"+filter+"}\n\tmfa {", 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	alice.do(http.MethodGet, "/", nil, http.Header{"X-Mfa-User": {"root"}})
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(got, []byte(`"challenge_verified"`)) || !bytes.Contains(got, []byte(`"header_forged"`)) {
		t.Fatalf("audit log: %v\n%s", err, got)
	}
	for _, clear := range []string{"alice", "127.0.0.1"} {
		if strings.Contains(strings.ReplaceAll(string(got), strings.TrimPrefix(s.url, "http://"), "SITE"), clear) {
			t.Errorf("the filtered log holds %q:\n%s", clear, got)
		}
	}
}

func TestNoNameForgesALineOfALog(t *testing.T) {
	l := openLogged(t, "store memory", "sign_in passwordless")
	names := []string{
		"a\n{\"level\":\"info\",\"event\":\"forged\"}", "a\r\n{\"event\":\"forged\"}", "a\",\"event\":\"forged", "a\x1b[2J\x1b[31mred", "\u202eecila",
		"a\u2028b\u2029c", "a\x00b\x7f\u0085c", strings.Repeat("a", 5000), "a\xff\xfe", "a\tb\vc\fd",
	}
	for _, name := range names {
		nobody := l.program("")
		asked, _ := nobody.begin("/")
		nobody.post("name", map[string]string{"csrf": asked.CSRF, "user": name})
		nobody.do(http.MethodGet, "/x?"+url.Values{"q": {name}}.Encode(), nil, http.Header{"X-Mfa-User": {"root"}, "User-Agent": {url.QueryEscape(name)}})
	}
	text, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		lines++
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("line %d is no JSON: %v\n%q", lines, err, line)
		}
		if one["event"] == "forged" || one["level"] == nil || one["ts"] == nil {
			t.Errorf("line %d is forged: %q", lines, line)
		}
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x00\x1b\r\v\f\u0085") {
			t.Errorf("line %d holds a raw control character: %q", lines, line)
		}
	}
	if lines < 3*len(names) {
		t.Errorf("%d lines about %d names", lines, len(names))
	}
}

func TestMetricsDoNotGrowWithUsersAndPaths(t *testing.T) {
	s, admin := openWithAdmin(t, "store memory", "exempt /open/*")
	series := func() int {
		got, err := http.Get(admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\ncaddy_mfa_")
	}
	visit := func(i int) {
		name := fmt.Sprintf("person%d", i)
		s.sim.AddUser(simulator.User{ID: int64(5000 + i), Username: name, Devices: []simulator.Device{{ID: int64(6000 + i), Factor: simulator.TOTP, Name: "App"}}})
		b := s.program(name)
		b.verifyBy(simulator.TOTP, fmt.Sprintf("/path/%d", i))
		b.get(fmt.Sprintf("/open/%d", i)).wantStatus(t, http.StatusOK)
	}
	for i := range 3 {
		visit(i)
	}
	before := series()
	for i := range 47 {
		visit(3 + i)
	}
	if after := series(); after != before || before == 0 {
		t.Errorf("%d series after 3 users, %d after 50", before, after)
	}
}
