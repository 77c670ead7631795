package assertion_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion/assertiontest"
	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

// start is when the tests begin.
func start() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }

func statement() assertion.Statement {
	return assertion.Statement{
		Issuer: "app.example.com", Audience: "orders", User: "zoë@example.com", Factor: "totp",
		AuthTime: start().Add(-time.Hour),
	}
}

// gateway publishes the keys of a ring, and has a clock.
type gateway struct {
	*httptest.Server
	ring    assertion.Ring
	now     time.Time
	fetches int
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{now: start(), ring: rotated(t, assertion.Ring{}, start())}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		g.fetches++
		keys, err := g.ring.PublicKeys(g.now)
		if err != nil {
			t.Error(err)
		}
		w.Write(keys)
	}))
	t.Cleanup(g.Close)
	return g
}

func rotated(t *testing.T, r assertion.Ring, now time.Time) assertion.Ring {
	t.Helper()
	r, err := r.Rotate(now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// app checks what it is sent as the app of statement does, by the gateway's
// clock.
func (g *gateway) app() *assertiontest.Checker {
	return &assertiontest.Checker{
		KeysURL: g.URL, Issuer: "app.example.com", Audience: "orders", Client: g.Client(),
		Now: func() time.Time { return g.now },
	}
}

func sign(t *testing.T, r assertion.Ring, s assertion.Statement, now time.Time) string {
	t.Helper()
	signed, err := r.Sign(s, now)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

//
func TestAppRefusesWhatWasNotSignedForIt(t *testing.T) {
	g := newGateway(t)
	good := sign(t, g.ring, statement(), start())
	header, payload, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(payload, ".")
	elsewhere, otherSite := statement(), statement()
	elsewhere.Audience, otherSite.Issuer = "payroll", "evil.example.com"
	encode := base64.RawURLEncoding.EncodeToString
	none := encode([]byte(`{"alg":"none","typ":"JWT","kid":"` + keyID(t, good) + `"}`))
	for _, tt := range []struct {
		name, sent string
		after      time.Duration // since it was signed
	}{
		{"nothing", "", 0},
		{"no token", "alice", 0},
		{"for another app", sign(t, g.ring, elsewhere, start()), 0},
		{"from another site", sign(t, g.ring, otherSite, start()), 0},
		{"expired", good, assertion.Lifetime + 6*time.Second},
		{"from the future", good, -6 * time.Second},
		{"by another key", sign(t, rotated(t, assertion.Ring{}, start()), statement(), start()), 0},
		{"by another key under this one's id", forged(t, jose.ES256, otherKey(t), keyID(t, good), payload), 0},
		{"none", none + "." + payload + ".", 0},
		{"none with a signature", none + "." + payload + "." + signature, 0},
		{"the public key as a secret", forged(t, jose.HS256, publicKeys(t, g), keyID(t, good), payload), 0},
		{"another payload", header + "." + encode([]byte(`{"sub":"root","aud":"orders","iss":"app.example.com"}`)) + "." + signature, 0},
		{"no signature", header + "." + payload + ".", 0},
		{"twice", good + "," + good, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g.now = start().Add(tt.after)
			if said, err := g.app().Check(tt.sent); err == nil {
				t.Errorf("Check = %+v, want an error", said)
			}
		})
	}
	for _, after := range []time.Duration{0, assertion.Lifetime} {
		g.now = start().Add(after)
		if said, err := g.app().Check(good); err != nil || said.Subject != "zoë@example.com" {
			t.Errorf("after %s: Check = %+v, %v, want it accepted", after, said, err)
		}
	}
}

// keyID is the key that a signed statement names.
func keyID(t *testing.T, signed string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(signed, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

// forged signs a payload with any key, under an id of somebody's choice.
func forged(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(plain)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func publicKeys(t *testing.T, g *gateway) []byte {
	t.Helper()
	keys, err := g.ring.PublicKeys(start())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestStatementSaysWhatWasProved(t *testing.T) {
	signed := sign(t, rotated(t, assertion.Ring{}, start()), statement(), start().Add(900*time.Millisecond))
	header, payload := decoded(t, signed)
	if header["alg"] != "ES256" || header["typ"] != "JWT" || header["kid"] == "" || len(header) != 3 {
		t.Errorf("header = %v", header)
	}
	at := float64(start().Unix())
	want := map[string]any{
		"iss": "app.example.com", "aud": "orders", "sub": "zoë@example.com", "iat": at, "exp": at + 60,
		"auth_time": at - 3600, "acr": "mfa", "amr": []any{"otp"},
	}
	if !reflect.DeepEqual(payload, want) {
		t.Errorf("claims = %v, want %v", payload, want)
	}
}

func decoded(t *testing.T, signed string) (header, payload map[string]any) {
	t.Helper()
	parts := strings.Split(signed, ".")
	for i, into := range []*map[string]any{&header, &payload} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, payload
}

func TestOnlyALoginWithAFactorIsCalledMFA(t *testing.T) {
	ring := rotated(t, assertion.Ring{}, start())
	for _, tt := range []struct {
		factor string
		alone  bool
		want   any
	}{
		{"low_risk", false, nil},
		{"low_risk", true, nil},
		{"sms", true, nil},
		{"sms", false, "mfa"},
	} {
		s := statement()
		s.Factor, s.Alone = tt.factor, tt.alone
		if _, said := decoded(t, sign(t, ring, s, start())); said["acr"] != tt.want {
			t.Errorf("acr of %s, alone %v = %v, want %v", tt.factor, tt.alone, said["acr"], tt.want)
		}
	}
}

// The values of RFC 8176, and two names that it does not have.
func TestEveryFactorHasAMethod(t *testing.T) {
	known := " swk otp sms tel rba email temporary "
	for _, factor := range policy.AnyFactor.List() {
		if method, ok := assertion.Method(string(factor)); !ok || !strings.Contains(known, " "+method+" ") {
			t.Errorf("Method(%s) = %q, %v", factor, method, ok)
		}
	}
}

func TestNothingIsSignedWithoutAKeyOrAMethod(t *testing.T) {
	if signed, err := (assertion.Ring{}).Sign(statement(), start()); err == nil {
		t.Errorf("a ring without keys signed %s", signed)
	}
	ring := rotated(t, assertion.Ring{}, start())
	for _, factor := range []string{"", "OTP", "webauthn"} {
		s := statement()
		s.Factor = factor
		if signed, err := ring.Sign(s, start()); err == nil {
			t.Errorf("a statement about factor %q was signed: %s", factor, signed)
		}
	}
}
