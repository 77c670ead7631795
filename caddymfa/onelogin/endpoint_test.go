package onelogin_test

import (
	"context"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// lookups are the calls that are not among the operations.
var lookups = []operation{
	{"find user", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, _, err := c.UserByUsername(ctx, "jdoe")
		return err
	}},
	{"find user", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, _, err := c.UserByEmail(ctx, "jdoe@example.com")
		return err
	}},
	{"get user", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, _, err := c.UserByID(ctx, userID)
		return err
	}},
	{"list devices", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Devices(ctx, userID)
		return err
	}},
	{"list devices", "v1", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.Devices(ctx, userID)
		return err
	}},
	{"list factors", "v2", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.AvailableFactors(ctx, userID)
		return err
	}},
	{"verify unbound", "v1", func(ctx context.Context, c *onelogin.Client) error {
		_, err := c.VerifyUnbound(ctx, userID, appV1, "012345")
		return err
	}},
}

// endpoints is what each operation may reach, and nothing else: what removes a
// device, ends a session or revokes a token is not among them.
var endpoints = map[string]string{
	"access token v2":          `POST /auth/oauth2/v2/token`,
	"rate limit v2":            `GET /auth/rate_limit`,
	"find user v2":             `GET /api/2/users\?[^/]*`,
	"get user v2":              `GET /api/2/users/64515901`,
	"list devices v2":          `GET /api/2/mfa/users/64515901/devices`,
	"activate v2":              `POST /api/2/mfa/users/64515901/verifications`,
	"verify v2":                `PUT /api/2/mfa/users/64515901/verifications/` + verifID,
	"verify unbound v2":        `POST /api/2/mfa/users/64515901/verifications`,
	"poll v2":                  `GET /api/2/mfa/users/64515901/verifications/` + verifID,
	"list devices v1":          `GET /api/1/users/64515901/otp_devices`,
	"activate v1":              `(GET /api/1/users/64515901/otp_devices|POST /api/1/users/64515901/otp_devices/525509/trigger)`,
	"verify v1":                `POST /api/1/users/64515901/otp_devices/525509/verify`,
	"verify unbound v1":        `POST /api/1/users/64515901/otp_devices/526551/verify`,
	"poll v1":                  `POST /api/1/users/64515901/otp_devices/525509/verify`,
	"list factors v2":          `GET /api/2/mfa/users/64515901/factors`,
	"register v2":              `POST /api/2/mfa/users/64515901/registrations`,
	"verify registration v2":   `PUT /api/2/mfa/users/64515901/registrations/` + registrationID,
	"poll registration v2":     `GET /api/2/mfa/users/64515901/registrations/` + registrationID,
	"create temporary code v2": `POST /api/2/mfa/users/64515901/mfa_token`,
	"validate smart v2":        `POST /api/2/smart-mfa`,
	"verify smart v2":          `POST /api/2/smart-mfa/verify`,
	"log in v2":                `POST /api/1/login/auth`,
	"verify login v2":          `POST /api/1/login/verify_factor`,
}

// Whatever OneLogin answers, a call reaches its own endpoint and that of the
// access token.
func TestEachCallReachesItsOwnEndpointOnly(t *testing.T) {
	tested := map[string]bool{"access token v2": true}
	for _, operation := range slices.Concat(operations, lookups) {
		tested[operation.String()] = true
		allowed := regexp.MustCompile("^(" + endpoints["access token v2"] + "|" + endpoints[operation.String()] + ")$")
		for _, answer := range []reply{{status: 200, body: yes}, {status: 201, body: `{"id":"a"}`}, {status: 401, body: "{}"}, {status: 403}, {status: 404}, {status: 422, body: "{}"}, {status: 503}, {err: errReset}} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				for _, op := range []string{"find", "user", "list factors", "verify", operation.op} {
					f.on(op, answer)
				}
				_ = operation.do(t.Context(), f)
				for _, s := range f.seen {
					if got := s.method + " " + s.target; !allowed.MatchString(got) {
						t.Errorf("%s on %d sent %s", operation, answer.status, got)
					}
				}
				if len(f.seen) < 2 {
					t.Errorf("%s on %d sent %d requests", operation, answer.status, len(f.seen))
				}
			})
		}
	}
	for name := range endpoints {
		if !tested[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

// A call that is new here needs a row in the table above, a scope and a
// decision about what turns it on (docs/onelogin.md, Which calls are made).
func TestClientHasNoOtherCalls(t *testing.T) {
	known := []string{
		"Activate", "AvailableFactors", "Budget", "Close", "CreateTemporaryCode", "Devices", "Login", "Poll",
		"PollRegistration", "RateLimit", "Register", "SetCredentials", "State", "UserByEmail", "UserByID",
		"UserByUsername", "ValidateSmart", "Verify", "VerifyLogin", "VerifyRegistration", "VerifySmart", "VerifyUnbound",
	}
	client := reflect.TypeFor[*onelogin.Client]()
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; !slices.Contains(known, name) {
			t.Errorf("the client has a call %s", name)
		}
	}
}

// The document names the smallest scope of every request that the client makes.
func TestEveryCallHasItsScopeInTheDocument(t *testing.T) {
	document, err := os.ReadFile("../../docs/onelogin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## Scopes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]string{ // where the document uses another word
		"find user": "users", "get user": "users", "list devices": "devices", "list factors": "factors",
		"register": "registrations", "verify registration": "registrations", "poll registration": "registrations",
		"create temporary code": "temporary codes", "validate smart": "Smart MFA, validate", "verify smart": "Smart MFA, verify",
		"log in": "session login", "verify login": "session login", "verify unbound": "verify",
	}
	for name := range endpoints {
		op := strings.TrimSuffix(strings.TrimSuffix(name, " v1"), " v2")
		word, renamed := rows[op]
		if !renamed {
			word = op
		}
		row := regexp.MustCompile(`(?m)^\|[^|]*\b` + regexp.QuoteMeta(word) + `\b[^|]*\| *\S[^|]*\|$`)
		if op != "access token" && !row.MatchString(section) {
			t.Errorf("no scope for %q", op)
		}
	}
}

// Whatever is configured: a OneLogin that is out of order lets nobody in.
func TestNoSettingFailsOpen(t *testing.T) {
	settings := map[string]func(*onelogin.Config){
		"nothing":        func(*onelogin.Config) {},
		"v1":             speaking("v1"),
		"short timeout":  func(c *onelogin.Config) { c.Timeout = time.Nanosecond },
		"long timeout":   func(c *onelogin.Config) { c.Timeout = time.Hour },
		"no timeout":     func(c *onelogin.Config) { c.Timeout = -1 },
		"budget of one":  func(c *onelogin.Config) { c.HourlyBudget = 1 },
		"budget of two":  func(c *onelogin.Config) { c.HourlyBudget = 2 },
		"one at a time":  func(c *onelogin.Config) { c.MaxConcurrent = 1 },
		"reload fails":   func(c *onelogin.Config) { c.Reload = (&secretFile{err: errReset}).read },
		"observer looks": func(c *onelogin.Config) { c.Observe = func(onelogin.Call) {} },
	}
	for name, setting := range settings {
		for _, answer := range []reply{{status: 500, body: yes}, {status: 429, body: yes}, {status: 401, body: yes}, {err: errReset}, {status: 200}} {
			for _, family := range families() {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t)
					for _, op := range []string{"token", "verify", "verify unbound", "poll", "verify registration", "poll registration", "verify smart", "verify login", "log in"} {
						f.on(op, answer)
					}
					client := f.client(speaking(family.api), setting)
					if success, gained, _ := family.call(t.Context(), client); success || gained != "" {
						t.Errorf("%s: %s with %d let somebody in", name, family.op, answer.status)
					}
				})
			}
		}
	}
	for i := range reflect.TypeFor[onelogin.Config]().NumField() {
		if name := reflect.TypeFor[onelogin.Config]().Field(i).Name; strings.Contains(strings.ToLower(name), "open") || strings.Contains(strings.ToLower(name), "insecure") {
			t.Errorf("there is a setting %s", name)
		}
	}
}

func TestTimeoutAboveTenSecondsCountsAsTen(t *testing.T) {
	for _, operation := range slices.Concat(operations, lookups) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			for _, op := range []string{"token", "find", "user", "list factors", "devices", operation.op} {
				f.slow[op] = time.Hour
				f.on(op, accessTokenReply("T1", time.Now()))
			}
			started := time.Now()
			err := operation.call(t.Context(), f.client(speaking(operation.api), func(c *onelogin.Config) { c.Timeout = time.Hour }))
			if took := time.Since(started); err == nil || took != 10*time.Second {
				t.Errorf("%s = %v after %v, want an error after 10s", operation, err, took)
			}
		})
	}
}
