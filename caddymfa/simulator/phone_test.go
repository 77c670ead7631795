package simulator_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// open sends a request to the phone, a form if body is not empty.
func open(t *testing.T, sim *simulator.Simulator, method, path, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	sim.Phone().ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// shows fails the test unless the page contains all parts.
func shows(t *testing.T, page answer, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if page.status != 200 || !strings.Contains(page.body, part) {
			t.Errorf("the page (%d) does not contain %q:\n%s", page.status, part, page.body)
		}
	}
}

func form(verificationID, name, value string) string {
	return url.Values{"verification": {verificationID}, name: {value}}.Encode()
}

func TestCrossSitePostIsRefused(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1001")
	for _, path := range []string{"/people/alice/answer", "/_sim/users/alice/approve"} {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(form(id, "answer", "approve")))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(name, value)
			w := httptest.NewRecorder()
			p.sim.Phone().ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s with %s = %d, want 403", path, name, w.Code)
			}
		}
	}
	if len(p.sim.Pushes("alice")) != 1 {
		t.Error("another site answered the push")
	}
}

func TestAnswerOnThePage(t *testing.T) {
	for _, test := range []struct{ answer, want string }{{"deny", "rejected"}, {"approve", "accepted"}} {
		p := newPeer(t, simulator.Options{})
		first, second := p.activate("1001"), p.activate("1001")
		shows(t, open(t, p.sim, "GET", "/people/alice", ""), `data-verification="`+first+`"`, `data-verification="`+second+`"`,
			`data-action="approve"`, `data-action="deny"`, `data-push="protect"`, "demo-client")
		got := open(t, p.sim, "POST", "/people/alice/answer", form(first, "answer", test.answer))
		if got.status != http.StatusSeeOther || got.header.Get("Location") != "/people/alice" {
			t.Errorf("%s = %d to %q", test.answer, got.status, got.header.Get("Location"))
		}
		check(t, "the one answered", p.poll(first), 200, `{"id":"`+first+`","status":"`+test.want+`","device_id":"1001"}`)
		check(t, "the other", p.poll(second), 200, `{"id":"`+second+`","status":"pending","device_id":"1001"}`)
		p.sim.Deny("alice")
		shows(t, open(t, p.sim, "GET", "/people/alice/screen", ""), `data-last-answer="rejected"`)
	}
}

func TestBadAnswersChangeNothing(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	id := p.activate("1001")
	for _, test := range []struct {
		path, body string
		want       int
	}{
		{"/people/alice/answer", form(id, "answer", "maybe"), 400},
		{"/people/alice/answer", form("", "answer", "approve"), 400},
		{"/people/bob/answer", form(id, "answer", "approve"), 303},
		{"/people/alice/answer", form("x", "answer", "approve"), 303},
	} {
		if got := open(t, p.sim, "POST", test.path, test.body); got.status != test.want {
			t.Errorf("%s %s = %d, want %d", test.path, test.body, got.status, test.want)
		}
	}
	if len(p.sim.Pushes("alice")) != 1 {
		t.Error("the push is gone")
	}
}

func TestKeypadEndsACall(t *testing.T) {
	p := otherFactors(t)
	for _, right := range []bool{false, true} {
		opened := p.call("POST", verifications, `{"device_id":1}`).body
		id := field(t, opened, "id")
		number := regexp.MustCompile(`verification_token":"(\d{6})`).FindStringSubmatch(opened)[1]
		shows(t, open(t, p.sim, "GET", "/people/alice", ""), `data-action="keypad"`, `data-input="keypad"`)
		want := "accepted"
		if !right {
			number, want = number+"0", "rejected"
		}
		open(t, p.sim, "POST", "/people/alice/keypad", form(id, "number", number))
		check(t, "poll", p.poll(id), 200, `{"id":"`+id+`","status":"`+want+`","device_id":"1"}`)
	}
}

func TestLinkInTheInbox(t *testing.T) {
	p := otherFactors(t)
	id := p.activate("2")
	shows(t, open(t, p.sim, "GET", "/people/alice", ""), `data-action="open-link"`)
	for _, want := range []string{"accepted", "accepted"} {
		got := open(t, p.sim, "POST", "/people/alice/link", form(id, "", ""))
		if got.status != http.StatusSeeOther || got.header.Get("Location") != "/people/alice" {
			t.Errorf("link = %d to %q", got.status, got.header.Get("Location"))
		}
		check(t, "poll", p.poll(id), 200, `{"id":"`+id+`","status":"`+want+`","device_id":"2"}`)
	}
	if got := open(t, p.sim, "GET", "/people/alice", ""); strings.Contains(got.body, "open-link") {
		t.Error("a used link can be opened again")
	}
}

// The page behind the link goes where the site said, if a browser may go there.
func TestLinkLeadsBackToTheSite(t *testing.T) {
	for leadsTo, followed := range map[string]bool{
		"https://app.example.com/done?a=1": true, "javascript:alert(1)": false, "//evil.example": false, "": false,
	} {
		p := otherFactors(t)
		id := field(t, p.call("POST", verifications, `{"device_id":2,"redirect_to":"`+leadsTo+`"}`).body, "id")
		if leadsTo != "" {
			shows(t, open(t, p.sim, "GET", "/people/alice", ""), `data-leads-to>`+leadsTo+`<`)
		}
		got := open(t, p.sim, "POST", "/people/alice/link", form(id, "", ""))
		if followed {
			shows(t, got, `content="2;url=`+leadsTo+`"`, `href="`+leadsTo+`"`, "Simulator, not OneLogin")
		} else if got.status != http.StatusSeeOther || strings.Contains(got.body, leadsTo) && leadsTo != "" {
			t.Errorf("%q was followed: %d %s", leadsTo, got.status, got.body)
		}
	}
}

func TestEnrolmentOnThePage(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	_, protect := p.enrol(`{"factor_id":58957,"display_name":"Carol's <new> phone"}`)
	_, voice := p.enrol(`{"factor_id":58959}`)
	p.enrol(`{"factor_id":58961,"display_name":"App"}`)
	shows(t, open(t, p.sim, "GET", "/people/carol", ""), "Add this phone?", "Carol&#39;s &lt;new&gt; phone", `data-push="protect" data-enrols`,
		`data-push="voice" data-enrols`, "App · being added", `data-code="totp">`+p.sim.Code("carol", simulator.TOTP))
	open(t, p.sim, "POST", "/people/carol/keypad", form(voice, "number", "wrong"))
	open(t, p.sim, "POST", "/people/carol/answer", form(protect, "answer", "approve"))
	check(t, "voice", p.call("GET", carolRegistrations+"/"+voice, ""), 200, `{"id":"`+voice+`","status":"rejected"}`)
	check(t, "protect", p.call("GET", carolRegistrations+"/"+protect, ""), 200, `{"id":"`+protect+`","status":"accepted","device_id":"9001"}`)
}

// Nothing in the API tells which site asks. What the caller says about the
// browser is all that the phone can show.
func TestPushShowsTheBrowsersAddress(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "https://x"+verifications, strings.NewReader(`{"device_id":1001}`))
	r.Header.Set("Authorization", "Bearer "+p.accessToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	p.do(r)
	shows(t, open(t, p.sim, "GET", "/people/alice", ""), "data-ip>203.0.113.9<")
}

func TestSmartCodeArrivesWithoutADevice(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.call("POST", smartPath, `{"user_identifier":"carol","phone":"+12025550103","context":{"user_agent":"x","ip":"a"}}`)
	shows(t, open(t, p.sim, "GET", "/people/carol", ""), `data-code="sms">`+p.sim.Code("carol", simulator.SMS)+`<`)
}

func TestPhoneShowsCodes(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.activate("1002")
	p.activate("1003")
	page := open(t, p.sim, "GET", "/people/alice", "")
	for _, f := range []simulator.Factor{simulator.SMS, simulator.Email, simulator.TOTP, simulator.Protect} {
		shows(t, page, `data-code="`+string(f)+`">`+p.sim.Code("alice", f)+`<`)
	}
}

func TestPeoplePage(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	p.activate("1001")
	shows(t, open(t, p.sim, "GET", "/", ""), "Simulator, not OneLogin", `data-user="alice"`, `data-waiting="1"`,
		`href="/people/bob"`, "No factor enrolled")
	shows(t, open(t, p.sim, "GET", "/people/carol", ""), "Simulator, not OneLogin", "data-no-devices")
	for _, path := range []string{"/people/nobody", "/people/nobody/screen", "/nowhere"} {
		if got := open(t, p.sim, "GET", path, ""); got.status != 404 {
			t.Errorf("%s = %d, want 404", path, got.status)
		}
	}
}

// The script replaces the screen only when the revision differs.
func TestRevisionIgnoresRunningNumbers(t *testing.T) {
	p := newPeer(t, simulator.Options{})
	revision := func() string {
		page := open(t, p.sim, "GET", "/people/alice/screen", "").body
		return regexp.MustCompile(`data-revision="([0-9a-f]+)"`).FindStringSubmatch(page)[1]
	}
	p.sim.Advance(p.sim.Now().Truncate(30 * time.Second).Add(30 * time.Second).Sub(p.sim.Now()))
	p.activate("1001")
	first := revision()
	p.sim.Advance(5 * time.Second)
	if revision() != first {
		t.Error("five seconds changed the revision")
	}
	p.activate("1002")
	if revision() == first {
		t.Error("a message left the revision as it was")
	}
}

func TestPolicyAllowsExactlyWhatThePageHolds(t *testing.T) {
	page := open(t, simulator.New(simulator.Options{}), "GET", "/people/alice", "")
	policy := page.header.Get("Content-Security-Policy")
	for _, tag := range []string{"style", "script"} {
		inline := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page.body, -1)
		if len(inline) != 1 {
			t.Fatalf("%d inline %s elements, want 1", len(inline), tag)
		}
		sum := sha256.Sum256([]byte(inline[0][1]))
		want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q does not contain %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy = %q", policy)
	}
	for _, outside := range []string{"http://", "https://", " style=", " onclick="} {
		if strings.Contains(page.body, outside) {
			t.Errorf("the page contains %q", outside)
		}
	}
}
