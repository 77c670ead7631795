package caddymfa_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// exactly sends bytes as they are and returns the answer.
func (s *site) exactly(request string) answer {
	s.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, request)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		s.t.Fatalf("read answer to %q: %v", request, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("read answer to %q: %v", request, err)
	}
	return answer{response, string(body)}
}

func catchAll(options string) string {
	return strings.Replace(siteFile(options), "http://SITE {", "http://:PORT {", 1)
}

func TestWholeURLAsTargetIsJudgedByItsPath(t *testing.T) {
	for name, file := range map[string]string{"named": siteFile("exempt /public/*"), "catch-all": catchAll("exempt /public/*")} {
		t.Run(name, func(t *testing.T) {
			s := openFile(t, file)
			host := strings.TrimPrefix(s.url, "http://")
			for _, target := range []string{
				"http://evil.example/admin", "http://evil.example//admin", "http://evil.example/public/../admin", "https://evil.example:1/admin",
				"http://HOST/admin", "http://HOST/public/%2e%2e/admin", "http://evil.example@HOST/admin", "http://evil.example", "http://HOST?/public/x",
			} {
				got := s.exactly("GET " + strings.Replace(target, "HOST", host, 1) + " HTTP/1.1\r\nHost: " + host +
					"\r\nRemote-User: alice\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
				if location := got.Header.Get("Location"); location != "" && !strings.HasPrefix(location, "/.mfa/?c=") {
					t.Errorf("GET %s leads to %q", target, location)
				}
				if strings.Contains(got.body, "//evil.example") {
					t.Errorf("GET %s shows an address of the other host:\n%s", target, got.body)
				}
			}
			s.app.wantCount(t, 0)
			s.exactly("GET http://"+host+"/public/x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n").wantStatusOnly(t, http.StatusOK)
			s.app.wantCount(t, 1)
		})
	}
}

// wantStatusOnly is wantStatus for answers to raw bytes.
func (a answer) wantStatusOnly(t *testing.T, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d", a.StatusCode, status)
	}
}

// TestNoAddressIsBuiltFromWhatAClientNames asks a site that takes every host.
func TestNoAddressIsBuiltFromWhatAClientNames(t *testing.T) {
	s := openFile(t, catchAll(""))
	forged := http.Header{
		"X-Forwarded-Host": {"forwarded.example"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Prefix": {"/forwarded.example"},
		"Forwarded": {"host=forwarded.example;proto=https"}, "X-Original-Host": {"forwarded.example"}, "X-Original-Url": {"//forwarded.example"},
		"X-Rewrite-Url": {"//forwarded.example"}, "X-Host": {"forwarded.example"},
	}
	clean := func(a answer) answer {
		t.Helper()
		text := fmt.Sprint(a.Header, a.body)
		for _, address := range []string{"forwarded.example", "//evil.example", "https://"} {
			if strings.Contains(strings.ReplaceAll(text, "https://www.rfc-editor.org", ""), address) {
				t.Errorf("%s %s: the answer holds %s:\n%s", a.Request.Method, a.Request.URL.Path, address, text)
			}
		}
		for _, cookie := range a.Cookies() {
			if cookie.Domain != "" || cookie.Path != "/" {
				t.Errorf("cookie %v is for a host that the client named", cookie)
			}
		}
		return a
	}
	person, program := with(s.person("alice"), forged), with(s.program("alice"), forged)
	person.host, program.host = "evil.example", "evil.example"
	location := clean(person.get("/reports").wantStatus(t, http.StatusSeeOther)).Header.Get("Location")
	clean(person.get(location).wantStatus(t, http.StatusOK))
	address := clean(program.get("/reports").wantStatus(t, http.StatusUnauthorized)).json(t).ChallengeURL
	c := clean(program.get(address).wantStatus(t, http.StatusOK)).json(t)
	clean(program.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK))
	code := map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}
	if done := clean(program.post("verify", code).wantStatus(t, http.StatusOK)).json(t); done.ReturnTo != "/reports" {
		t.Errorf("return_to = %q, want /reports", done.ReturnTo)
	}
	s.app.wantCount(t, 0)
}

func TestRefererAndOriginAreNoTargets(t *testing.T) {
	s := open(t, "")
	for _, hostile := range []string{"javascript:alert(1)", "https://evil.example/alert(1)", "//evil.example/alert(1)"} {
		header := http.Header{"Referer": {hostile}, "Origin": {hostile}}
		person, program := with(s.person("alice"), header), with(s.program("alice"), header)
		location := person.get("/").wantStatus(t, http.StatusSeeOther).Header.Get("Location")
		page := person.get(location).wantStatus(t, http.StatusOK)
		home := person.get("/.mfa/").wantStatus(t, http.StatusSeeOther)
		c, _ := program.begin("/")
		program.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusForbidden)
		program.header.Del("Origin")
		program.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
		s.sim.Advance(30e9) // a fresh code for each
		done := program.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
		if to := done.json(t).ReturnTo; to != "/" {
			t.Errorf("return_to = %q, want /", to)
		}
		for _, a := range []answer{page, home, done} {
			if text := fmt.Sprint(a.Header, a.body); strings.Contains(text, "evil.example") || strings.Contains(text, "alert(1)") {
				t.Errorf("Referer %s: the answer holds it:\n%s", hostile, text)
			}
		}
		if !strings.HasPrefix(location, "/.mfa/?c=") {
			t.Errorf("Referer %s: Location %q", hostile, location)
		}
	}
	s.app.wantCount(t, 0)
}

func TestErrorRoutesAndRewritesLeadAroundNothing(t *testing.T) {
	file := strings.Replace(siteFile("exempt /public/*"), "\treverse_proxy APP\n", `	try_files {path} /public/fallback
	intercept {
		@refused status 303 401 403 404 405 503
		handle_response @refused {
			reverse_proxy APP
		}
	}
	reverse_proxy APP {
		@broken status 5xx
		handle_response @broken {
			reverse_proxy APP
		}
	}
	handle_errors {
		reverse_proxy APP
	}
`, 1)
	s := openFile(t, file)
	alice, nobody := s.program("alice"), s.program("")
	for _, path := range []string{"/", "/admin", "/nothing-there", "/index.php?x=/public/y", "/public/../admin", "/.mfa/nothing", "/.mfa/start"} {
		alice.get(path)
		nobody.get(path)
		s.person("alice").get(path)
	}
	alice.do(http.MethodTrace, "/", nil, nil)
	s.load(strings.Replace(s.file, "\ttry_files {path} /public/fallback\n", "", 1))
	address := alice.get("/").wantStatus(t, http.StatusUnauthorized).json(t).ChallengeURL
	s.sim.SetSwitches(func(w *simulator.Switches) { w.HTML502 = true })
	alice.get(address).wantStatus(t, http.StatusServiceUnavailable)
	s.app.wantCount(t, 0)
	nobody.get("/public/x").wantStatus(t, http.StatusOK)
	s.app.wantCount(t, 1)
}

func TestAdminAndDebugAddressesAreNotOnTheSite(t *testing.T) {
	s, admin := openWithAdmin(t, "", "")
	alice := s.program("alice")
	alice.verifyBy(simulator.TOTP, "/")
	stranger := s.program("bob")
	for path, status := range map[string]int{
		"/debug/pprof/": 401, "/debug/pprof/heap": 401, "/debug/vars": 401, "/metrics": 401, "/config/": 401, "/mfa/revoke": 401,
		"/mfa/sessions": 401, "/mfa/token": 401, "/.mfa/debug/pprof/": 404, "/.mfa/revoke": 404, "/.mfa/metrics": 404,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			stranger.do(method, path, strings.NewReader(`{"all":true}`), http.Header{"Content-Type": {"application/json"}}).wantStatus(t, status)
		}
	}
	s.app.wantCount(t, 0)
	for name, change := range map[string]func(*http.Request){
		"a page of another site": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"another host's name":    func(r *http.Request) { r.Host = "evil.example" },
	} {
		r, err := http.NewRequest(http.MethodPost, admin+"/mfa/revoke", strings.NewReader(`{"all":true}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		change(r)
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: the admin API answers %s, want 403", name, got.Status)
		}
	}
	alice.get("/").wantStatus(t, http.StatusOK) // nobody's session was ended
}
