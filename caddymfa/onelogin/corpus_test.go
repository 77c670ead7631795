package onelogin_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// corpus is every body that the tests of this package know, by a name: those
// of the tables of verdicts, OneLogin's own samples and a few of neither. What
// one call takes for a success is thrown at all others too.
func corpus(t *testing.T) map[string]string {
	t.Helper()
	bodies := map[string]string{
		"one word":            "accepted",
		"accepted false":      `{"status":"accepted","error":true}`,
		"nested envelope":     `{"status":{"status":{"type":"success","code":200,"message":"Success","error":false}}}`,
		"data accepted":       `{"status":{"type":"success","code":200,"error":false},"data":{"status":"rejected"}}`,
		"verified true":       `{"verified":true}`,
		"success true":        `{"success":true}`,
		"result of Duo":       `{"stat":"OK","response":{"result":"allow"}}`,
		"javascript":          `accepted=true`,
		"two documents":       `{"status":"accepted"}` + "\n" + `{"status":"accepted"}`,
		"comment":             `{"status":"accepted"/*x*/}`,
		"single quotes":       `{'status':'accepted'}`,
		"UTF-16":              "\xff\xfe{\x00\"\x00s\x00",
		"form":                `status=accepted&error=false`,
		"XML":                 `<status>accepted</status>`,
		"NUL behind":          `{"status":"accepted"}` + "\x00",
		"zero width space":    "{\"status\":\"accepted\u200b\"}",
		"Cyrillic letter":     `{"status":"аccepted"}`,
		"escaped quote":       `{\"status\":\"accepted\"}`,
		"JSON in JSON":        `"{\"status\":\"accepted\"}"`,
		"accepted as key":     `{"accepted":"status"}`,
		"array of words":      `["accepted","Success","OK"]`,
		"long":                `{"status":"` + strings.Repeat("accepted", 1000) + `"}`,
		"number with a sign":  `{"status":{"type":"success","code":+200,"error":false}}`,
		"number with a point": `{"status":{"type":"success","code":200.0,"message":"Success","error":false}}`,
		"number as exponent":  `{"status":{"type":"success","code":2e2,"message":"Success","error":false}}`,
		"error null":          `{"status":{"type":"success","code":200,"message":"Success","error":null}}`,
		"error zero":          `{"status":{"type":"success","code":200,"message":"Success","error":0}}`,
	}
	for table, rows := range map[string][]verdictCase{
		"v2": slices.Concat(verdictsOf200, verdictsOfOthers), "v1": verdictsOfV1,
		"registration": verdictsOfRegistrations, "smart": verdictsOfSmart, "login": verdictsOfLogin,
	} {
		for _, row := range rows {
			bodies[table+": "+row.name] = row.body
		}
	}
	for _, row := range loginAnswers {
		bodies["log in: "+row.name] = row.body
	}
	samples, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range samples {
		if extension := filepath.Ext(sample.Name()); extension == ".json" || extension == ".html" {
			bodies[sample.Name()] = fixture(t, sample.Name())
		}
	}
	return distinct(bodies)
}

// distinct keeps the first name of each body.
func distinct(bodies map[string]string) map[string]string {
	names := map[string]string{}
	for name, body := range bodies {
		if known, twice := names[body]; !twice || name < known {
			names[body] = name
		}
	}
	kept := map[string]string{}
	for body, name := range names {
		kept[name] = body
	}
	return kept
}

// family is a call that judges, and the names of the only bodies that mean
// success to it, at status 200 and at no other.
type family struct {
	op, api string
	call    func(ctx context.Context, c *onelogin.Client) (success bool, gained string, err error)
	accepts []string
}

// verdictOf turns the end of a call into what a family tells.
func verdictOf(verdict onelogin.Verdict, err error) (bool, string, error) {
	return verdict == accepted, "", err
}

func families() []family {
	// The word, and the envelope of OneLogin's documents.
	word := []string{"smart: accepted", "v2: accepted", "v2: accepted in array", "v2: accepted in array of array",
		"v2: accepted with ids as numbers", "v2: accepted with new members", "v2: accepted with space around",
		"v2: accepted with user", "v2: accepted without error", "v2: accepted written with escapes", "verification_accepted.json"}
	plain := []string{"login: no data", "registration: envelope", "v1: success with data", "v2: success in capitals", "v2: success with empty data", "verification_success.json"}
	envelope := append(slices.Clone(plain), "v1: success without message", "v2: success in array")
	// There is no verification whose id they could have.
	anyID := []string{"registration: accepted without device", "v2: other verification", "v2: success of another verification",
		"v2: verification in capitals", "v2: verification null", "v2: verification object"}
	// All have the id of the device that was enrolled.
	enrolled := []string{"registration: accepted", "registration: accepted with number", "registration: created",
		"registration_accepted.json", "v2: accepted with ids as numbers", "v2: other device"}
	loggedIn := []string{"log in: no user", "login.json", "login: success", "login: success without user"}
	return []family{
		{"verify", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.Verify(ctx, verification, "012345"))
		}, slices.Concat(word, envelope)},
		{"poll", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.Poll(ctx, verification))
		}, word},
		{"verify unbound", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.VerifyUnbound(ctx, userID, deviceID, "012345"))
		}, slices.Concat(word, envelope, anyID)},
		{"verify", "v1", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.Verify(ctx, triggered, "012345"))
		}, plain},
		{"poll", "v1", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.Poll(ctx, triggered))
		}, plain},
		{"verify unbound", "v1", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.VerifyUnbound(ctx, userID, appV1, "012345"))
		}, plain},
		{"verify registration", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			verdict, device, err := c.VerifyRegistration(ctx, registration, "012345")
			return verdict == accepted, device, err
		}, enrolled},
		{"poll registration", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			verdict, device, err := c.PollRegistration(ctx, registration)
			return verdict == accepted, device, err
		}, enrolled},
		{"verify smart", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			return verdictOf(c.VerifySmart(ctx, "state", "012345"))
		}, []string{"smart: OK", "smart: OK quoted", "smart: OK with line end"}},
		{"verify login", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			verdict, sessionToken, err := c.VerifyLogin(ctx, waitingLogin, "111111", "012345", true)
			return verdict == accepted, sessionToken, err
		}, loggedIn},
		{"verify login by poll", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			verdict, sessionToken, err := c.VerifyLogin(ctx, waitingLogin, "111111", "", true)
			return verdict == accepted, sessionToken, err
		}, loggedIn},
		{"log in", "v2", func(ctx context.Context, c *onelogin.Client) (bool, string, error) {
			l, err := c.Login(ctx, loginRequest) // success: the password was right
			return l.Outcome != onelogin.LoginRefused, l.SessionToken + l.StateToken, err
		}, []string{"log in: created", "log in: no device left", "log in: without MFA", "login.json", "login: other user", "login: success", "login_mfa.json"}},
	}
}

// answering gives every call but the one for an access token this answer. It
// may change between calls.
type answering struct {
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (a *answering) RoundTrip(req *http.Request) (*http.Response, error) {
	return constant(*a).RoundTrip(req)
}

// statuses are what HTTP has, and a few that it has not.
var statuses = []int{
	200, 201, 202, 203, 204, 206, 299, 301, 302, 304, 307, 400, 401, 403, 404, 408, 409, 418, 422, 429, 500, 503, 599, 101, 999,
}

// Every body at every status against every call that judges: only what is
// listed, and only with 200, is a success. With all else nothing is gained.
func TestOnlyListedAnswersAreSuccesses(t *testing.T) {
	bodies := corpus(t)
	names := slices.Sorted(maps.Keys(bodies))
	t.Logf("%-22s %-3s %7s %9s %7s %9s %9s", "call", "api", "bodies", "statuses", "cases", "accepted", "refused")
	for _, family := range families() {
		successes := 0
		for _, status := range statuses {
			transport := &answering{status: status}
			client := transport.client(t, family.api)
			for _, name := range names {
				if status == http.StatusTooManyRequests || status >= 500 {
					client = transport.client(t, family.api) // the circuit would keep the rest away
				}
				transport.body = bodies[name]
				success, gained, err := family.call(t.Context(), client)
				if want := status == 200 && slices.Contains(family.accepts, name); success != want {
					t.Errorf("%s %s on %d %s: success %v, want %v", family.op, family.api, status, name, success, want)
				}
				if !success && gained != "" || success && err != nil {
					t.Errorf("%s %s on %d %s: success %v, %q, %v", family.op, family.api, status, name, success, gained, err)
				}
				if success {
					successes++
				}
			}
		}
		cases := len(names) * len(statuses)
		t.Logf("%-22s %-3s %7d %9d %7d %9d %9d", family.op, family.api, len(names), len(statuses), cases, successes, cases-successes)
		if len(names) < 60 || successes != len(family.accepts) {
			t.Errorf("%s %s: %d bodies, %d successes, want 60 or more and %d", family.op, family.api, len(names), successes, len(family.accepts))
		}
	}
}

func (a *answering) client(t *testing.T, api string) *onelogin.Client {
	t.Helper()
	client, err := onelogin.New(onelogin.Config{BaseURL: "acme", ClientID: clientID, ClientSecret: clientSecret, Transport: a, API: api, HourlyBudget: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
