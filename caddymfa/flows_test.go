package caddymfa_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// wantProblem fails the test unless the answer is a problem or challenge with
// this status and error.
func (a answer) wantError(t *testing.T, status int, code string) challenge {
	t.Helper()
	c := a.wantStatus(t, status).json(t)
	if c.Error != code && c.Code != code {
		t.Fatalf("%s %s = %+v, want error %s", a.Request.Method, a.Request.URL.Path, c, code)
	}
	return c
}

func TestVoiceCallShowsTheCodeToKeyIn(t *testing.T) {
	s := open(t, "")
	s.sim.AddUser(simulator.User{ID: 201, Username: "dave", Devices: []simulator.Device{{ID: 2001, Factor: simulator.Voice, Name: "Desk"}}})
	dave := s.program("dave")
	c, address := dave.begin("/")
	pending := dave.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "voice")}).wantStatus(t, http.StatusOK).json(t)
	if pending.VoiceCode == "" || *pending.NeedsCode || !pending.Polled {
		t.Fatalf("after start: %+v, want a code to key in", pending)
	}
	if !strings.Contains(with(dave, pageHeader()).get(address).body, pending.VoiceCode[:3]) {
		t.Error("the page does not show the code")
	}
	s.app.wantCount(t, 0)
	if !s.sim.KeyIn("dave", pending.VoiceCode) {
		t.Fatal("no call to key into")
	}
	dave.waitFor(address, "verified")
	dave.get(status(address)).wantStatus(t, http.StatusOK)
	dave.get("/").wantStatus(t, http.StatusOK)
}

func TestWrongKeysOnThePhoneAreADenial(t *testing.T) {
	s := open(t, "")
	s.sim.AddUser(simulator.User{ID: 201, Username: "dave", Devices: []simulator.Device{{ID: 2001, Factor: simulator.Voice, Name: "Desk"}}})
	dave := s.program("dave")
	c, address := dave.begin("/")
	dave.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "voice")}).wantStatus(t, http.StatusOK)
	s.sim.KeyIn("dave", "000000")
	dave.waitFor(address, "denied")
	dave.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
}

func pageHeader() http.Header { return http.Header{"Accept": {"text/html"}} }

func TestMailLinkVerifiesOnlyTheBrowserThatAsked(t *testing.T) {
	file := strings.Replace(siteFile(""), "client_id", "email_link https://app.example.com/verified\n\t\t\tclient_id", 1)
	s := openFile(t, file)
	s.sim.AddUser(simulator.User{ID: 202, Username: "erin", Email: "erin@example.com", Devices: []simulator.Device{{ID: 2002, Factor: simulator.MagicLink, Name: "Mail"}}})
	asked, other := s.program("erin"), s.program("erin")
	c, address := asked.begin("/")
	asked.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "email")}).wantStatus(t, http.StatusOK)
	if _, opened := s.sim.OpenLink("erin"); !opened {
		t.Fatal("no link to open")
	}
	asked.waitFor(address, "verified")
	other.get(address).wantStatus(t, http.StatusGone)
	other.get("/").wantStatus(t, http.StatusUnauthorized)
	s.app.wantCount(t, 0)
	asked.get(status(address)).wantStatus(t, http.StatusOK)
	asked.get("/").wantStatus(t, http.StatusOK)
}

func TestOneTimePasswordDevices(t *testing.T) {
	s := open(t, "")
	s.sim.AddUser(simulator.User{ID: 203, Username: "fred", Devices: []simulator.Device{
		{ID: 2003, Factor: simulator.YubiKey, Name: "Key"}, {ID: 2004, Factor: simulator.Duo, Name: "Duo"}}})
	for _, factor := range []simulator.Factor{simulator.YubiKey, simulator.Duo} {
		fred := s.program("fred")
		c, _ := fred.begin("/")
		fred.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, string(factor))}).wantStatus(t, http.StatusOK)
		fred.post("verify", map[string]string{"csrf": c.CSRF, "code": "123456"}).wantError(t, http.StatusUnprocessableEntity, "wrong_code")
		s.app.wantCount(t, 0)
		fred.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("fred", factor)}).wantStatus(t, http.StatusOK)
	}
}

func TestVersion1ProvesPeopleToo(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile(""), "client_id", "api v1\n\t\t\tclient_id", 1))
	alice := s.program("alice")
	alice.verifyBy(simulator.SMS, "/")
	alice.get("/").wantStatus(t, http.StatusOK)
	again := s.program("alice")
	c, address := again.begin("/")
	again.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	s.sim.Approve("alice")
	again.waitFor(address, "verified")
	refused := s.program("alice")
	c, address = refused.begin("/")
	refused.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	s.sim.Deny("alice")
	refused.waitFor(address, "denied")
	s.app.wantCount(t, 1)
}

func TestEnrolmentGivesADeviceAndThenTheChallengeGoesOn(t *testing.T) {
	s := open(t, "enroll")
	carol := s.program("carol")
	c, address := carol.begin("/")
	if c.Error != "no_device" || len(c.Enroll) == 0 {
		t.Fatalf("challenge = %+v, want something to enrol", c)
	}
	var totp string
	for _, f := range c.Enroll {
		if f.Kind == "totp" {
			totp = f.ID
		}
	}
	begun := carol.post("enroll", map[string]string{"csrf": c.CSRF, "factor": totp}).wantStatus(t, http.StatusOK).json(t)
	if begun.State != "enrolling" || begun.Enrolment == nil || begun.Enrolment.TOTPURL == "" || begun.Enrolment.Secret == "" {
		t.Fatalf("after enroll: %+v", begun)
	}
	page := with(carol, pageHeader()).get(address).wantStatus(t, http.StatusOK)
	if !strings.Contains(page.body, "<svg") || !strings.Contains(page.body, begun.Enrolment.Secret[:4]) {
		t.Error("the page shows no QR code and secret")
	}
	carol.post("confirm", map[string]string{"csrf": c.CSRF, "code": "000000"}).wantError(t, http.StatusUnprocessableEntity, "wrong_code")
	s.app.wantCount(t, 0)
	code := s.sim.Code("carol", simulator.TOTP)
	ready := carol.post("confirm", map[string]string{"csrf": c.CSRF, "code": code}).wantStatus(t, http.StatusOK).json(t)
	if ready.State != "choosing" || len(ready.Factors) != 1 {
		t.Fatalf("after confirm: %+v, want the new device to choose", ready)
	}
	carol.get("/").wantStatus(t, http.StatusUnauthorized) // a device is no proof
	s.app.wantCount(t, 0)
	s.sim.Advance(30e9)
	carol.post("start", map[string]string{"csrf": c.CSRF, "factor": ready.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	carol.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("carol", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	carol.get("/").wantStatus(t, http.StatusOK)
}

func TestEnrolmentIsForItsAddressesAlone(t *testing.T) {
	s := open(t, `enroll {
			from 10.0.0.0/8
		}`)
	carol := s.program("carol")
	address := carol.get("/").json(t).ChallengeURL
	c := carol.get(address).wantError(t, http.StatusForbidden, "no_device")
	if len(c.Enroll) != 0 {
		t.Errorf("an address outside may enrol %v", c.Enroll)
	}
	for _, forged := range []string{"10.1.2.3", "127.0.0.1, 10.1.2.3"} {
		carol.do(http.MethodGet, address, nil, http.Header{"X-Forwarded-For": {forged}}).wantError(t, http.StatusForbidden, "no_device")
	}
	carol.post("enroll", map[string]string{"csrf": c.CSRF, "factor": "x"})
	if n := s.sim.Calls(simulator.OpEnrol); n != 0 {
		t.Errorf("%d registrations were begun", n)
	}
	s.app.wantCount(t, 0)
}

func TestSmartMFAProvesByACode(t *testing.T) {
	s := open(t, `smart_mfa {
			threshold 50
		}`)
	alice := s.program("alice")
	c, _ := alice.begin("/")
	if len(c.Factors) != 1 {
		t.Fatalf("challenge = %+v, want one way", c)
	}
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.Factors[0].ID}).wantStatus(t, http.StatusOK)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}).wantError(t, http.StatusUnprocessableEntity, "wrong_code")
	s.app.wantCount(t, 0)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.Email)}).wantStatus(t, http.StatusOK)
	alice.get("/").wantStatus(t, http.StatusOK)
}

func TestPasswordlessSiteAsksWhoSomebodyIs(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in passwordless"), "user {http.request.header.Remote-User}\n", "\n", 1))
	nobody := s.program("")
	asked, address := nobody.begin("/orders")
	if len(asked.Needs) != 1 || asked.Needs[0] != "user" {
		t.Fatalf("challenge = %+v, want it to need a user", asked)
	}
	named := nobody.post("name", map[string]string{"csrf": asked.CSRF, "user": "alice"}).wantStatus(t, http.StatusOK).json(t)
	if len(named.Factors) != 4 {
		t.Fatalf("after the name: %+v, want four ways", named)
	}
	nobody.post("start", map[string]string{"csrf": named.CSRF, "factor": named.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	wrong := nobody.post("verify", map[string]string{"csrf": named.CSRF, "code": "000000"})
	wrong.wantError(t, http.StatusUnprocessableEntity, "wrong_code")
	s.app.wantCount(t, 0)
	done := nobody.post("verify", map[string]string{"csrf": named.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK).json(t)
	if done.User != "alice" || done.ReturnTo != "/orders" {
		t.Errorf("verify = %+v", done)
	}
	nobody.do(http.MethodGet, "/orders", nil, http.Header{"X-Mfa-User": {"root"}}).wantStatus(t, http.StatusOK)
	if got := s.app.requests()[0].Header.Get("X-Mfa-User"); got != "alice" {
		t.Errorf("the app was told %q", got)
	}
	_ = address
}

func TestPasswordlessTellsNothingAboutNames(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in passwordless"), "user {http.request.header.Remote-User}\n", "\n", 1))
	s.sim.SetStatus("bob", 2, 1)
	shape := func(name string) []string {
		p := s.program("")
		asked, _ := p.begin("/")
		named := p.post("name", map[string]string{"csrf": asked.CSRF, "user": name})
		c := named.wantStatus(t, http.StatusOK).json(t)
		started := p.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")})
		wrong := p.post("verify", map[string]string{"csrf": c.CSRF, "code": "A1B2C3"})
		var seen []string
		for _, a := range []answer{named, started, wrong} {
			text := strings.ReplaceAll(a.body, name, "NAME")
			text = masked.ReplaceAllString(text, `"":""`)
			seen = append(seen, a.Response.Status+" "+text)
		}
		return seen
	}
	want := shape("alice")
	for _, name := range []string{"nobody-at-all", "bob", "carol", "x*"} {
		for i, got := range shape(name) {
			if got != want[i] {
				t.Errorf("%s, step %d:\n%s\nwant\n%s", name, i, got, want[i])
			}
		}
	}
	s.app.wantCount(t, 0)
}

func TestFormsBeforeALoginBelongToTheirBrowser(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in passwordless"), "user {http.request.header.Remote-User}\n", "\n", 1))
	attacker, victim := s.program(""), s.program("")
	form, _ := attacker.begin("/")
	victim.begin("/")
	victim.post("name", map[string]string{"csrf": form.CSRF, "user": "mallory"}).wantStatus(t, http.StatusForbidden)
	s.program("").post("name", map[string]string{"csrf": form.CSRF, "user": "mallory"}).wantStatus(t, http.StatusForbidden)
}

func TestPasswordSiteNeedsPasswordAndFactor(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in password"), "user {http.request.header.Remote-User}\n", "\n", 1))
	nobody := s.program("")
	asked, _ := nobody.begin("/orders")
	if len(asked.Needs) != 2 {
		t.Fatalf("challenge = %+v, want it to need user and password", asked)
	}
	login := func(user, password string) answer {
		return nobody.post("login", map[string]string{"csrf": asked.CSRF, "user": user, "password": password})
	}
	login("alice", "wrong").wantError(t, http.StatusUnprocessableEntity, "wrong_password")
	login("nobody-at-all", "demo").wantError(t, http.StatusUnprocessableEntity, "wrong_password")
	login("carol", "demo").wantError(t, http.StatusForbidden, "no_access") // no device: no MFA was required, which proves nothing
	in := login("alice", "demo").wantStatus(t, http.StatusOK).json(t)
	nobody.get("/orders").wantStatus(t, http.StatusUnauthorized)
	nobody.post("start", map[string]string{"csrf": in.CSRF, "factor": in.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	s.app.wantCount(t, 0)
	done := nobody.post("verify", map[string]string{"csrf": in.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK).json(t)
	if done.User != "alice" || done.SessionToken != "" {
		t.Errorf("verify = %+v, want alice without a session token", done)
	}
	nobody.get("/orders").wantStatus(t, http.StatusOK)
}

func TestPasswordSiteOpensAOneLoginSessionInTheBrowser(t *testing.T) {
	s := openFile(t, strings.Replace(siteFile("sign_in password {\n\t\t\tonelogin_session http://SITE\n\t\t}"), "user {http.request.header.Remote-User}\n", "\n", 1))
	nobody := s.program("")
	asked, address := nobody.begin("/orders?page=2")
	in := nobody.post("login", map[string]string{"csrf": asked.CSRF, "user": "alice", "password": "demo"}).wantStatus(t, http.StatusOK).json(t)
	nobody.post("start", map[string]string{"csrf": in.CSRF, "factor": in.factor(t, "protect")}).wantStatus(t, http.StatusOK)
	s.sim.Approve("alice")
	nobody.waitFor(address, "verified")
	page := with(nobody, pageHeader()).get(address).wantStatus(t, http.StatusOK)
	form := between(page.body, `action="`, `"`)
	if !strings.HasSuffix(form, "/session_via_api_token") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action 'self' "+strings.TrimSuffix(form, "/session_via_api_token")+";") {
		t.Fatalf("form goes to %q, policy %q", form, page.Header.Get("Content-Security-Policy"))
	}
	sessionToken := between(page.body, `name="session_token" value="`, `"`)
	posted := nobody.do(http.MethodPost, form, strings.NewReader("session_token="+sessionToken), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if back := posted.Header.Get("Location"); back != s.url+"/orders?page=2" {
		t.Errorf("OneLogin sends the browser to %q (%s)", back, posted.Response.Status)
	}
	if s.sim.PortalSessions("alice") != 1 {
		t.Error("no OneLogin session was opened")
	}
	nobody.get("/orders?page=2").wantStatus(t, http.StatusOK)
	s.app.wantCount(t, 1)
	if sent := s.sim.Sent(); len(sent) != 1 {
		t.Errorf("polling sent %d pushes, want one", len(sent))
	}
}

func TestSignInNamesTheUserToHandlersBehind(t *testing.T) {
	file := strings.Replace(siteFile("sign_in passwordless"), "user {http.request.header.Remote-User}\n", "\n", 1)
	s := openFile(t, strings.Replace(file, "reverse_proxy APP", "respond \"{http.auth.user.id} {http.mfa.user}\"", 1))
	nobody := s.program("")
	asked, _ := nobody.begin("/")
	named := nobody.post("name", map[string]string{"csrf": asked.CSRF, "user": "alice@example.com"}).wantStatus(t, http.StatusOK).json(t)
	nobody.post("start", map[string]string{"csrf": named.CSRF, "factor": named.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	nobody.post("verify", map[string]string{"csrf": named.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	if got := nobody.get("/").body; got != "alice alice" {
		t.Errorf("handlers behind see %q, want alice, as OneLogin names her", got)
	}
}

func TestCodeIsVerifiedWithoutAVerificationWhereThereIsNone(t *testing.T) {
	s := open(t, "")
	s.unbound.Store(true)
	alice := s.program("alice")
	c, _ := alice.begin("/")
	if got := alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "sms")}); got.StatusCode == http.StatusOK {
		t.Errorf("start by SMS = %s: any outstanding code of hers would pass", got.body)
	}
	alice.post("start", map[string]string{"csrf": c.CSRF, "factor": c.factor(t, "totp")}).wantStatus(t, http.StatusOK)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": "000000"}).wantError(t, http.StatusUnprocessableEntity, "wrong_code")
	s.app.wantCount(t, 0)
	alice.post("verify", map[string]string{"csrf": c.CSRF, "code": s.sim.Code("alice", simulator.TOTP)}).wantStatus(t, http.StatusOK)
	alice.get("/").wantStatus(t, http.StatusOK)
	if n, m := s.sim.Calls(simulator.OpOneShot), s.sim.Calls("verify"); n != 2 || m != 0 {
		t.Errorf("OneLogin got %d checks by POST and %d by PUT, want 2 and 0", n, m)
	}
}
