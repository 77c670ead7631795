package onelogin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// vault is a OneLogin that knows API credentials: which secrets are good, and
// which access token belongs to each.
type vault struct {
	mu      sync.Mutex
	secrets map[string]bool // that OneLogin takes
	tokens  map[string]bool // that are alive
	asked   []string        // secrets, in order
	codes   int             // tries of a code
	wait    time.Duration   // for the token endpoint
}

func newVault(secrets ...string) *vault {
	v := &vault{secrets: map[string]bool{}, tokens: map[string]bool{}}
	for _, secret := range secrets {
		v.secrets[secret] = true
	}
	return v
}

// RoundTrip implements http.RoundTripper.
func (v *vault) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		read, _ := io.ReadAll(r.Body)
		body = string(read)
	}
	op := opOf(r.Method, r.URL.Path, body)
	status, answer := v.answer(op, r.Header.Get("Authorization"))
	if op == "token" {
		select {
		case <-time.After(v.wait):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (v *vault) answer(op, authorization string) (int, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if op == "token" {
		_, secret, _ := strings.Cut(authorization, "client_secret:")
		v.asked = append(v.asked, secret)
		if !v.secrets[secret] {
			return 401, `{"statusCode":401,"name":"UnauthorizedError","message":"Unauthorized"}`
		}
		v.tokens["T-"+secret] = true
		return 200, fmt.Sprintf(`{"access_token":%q,"created_at":%q,"expires_in":36000}`, "T-"+secret, time.Now().UTC().Format(time.RFC3339))
	}
	if op == "verify" {
		v.codes++
	}
	if !v.tokens[strings.TrimPrefix(authorization, "Bearer ")] {
		return 401, envelopeA("Authentication Failure")
	}
	if op == "devices" {
		return 200, "[]"
	}
	return 200, `{"status":"accepted"}`
}

// revoke withdraws a secret, and the access token that it was good for.
func (v *vault) revoke(secret string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.secrets, secret)
	delete(v.tokens, "T-"+secret)
}

func (v *vault) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if got := fmt.Sprint(v.asked); got != fmt.Sprint(want) {
		t.Errorf("token requests with %s, want %s", got, want)
	}
}

// secretFile is where an operator puts a new secret.
type secretFile struct {
	mu      sync.Mutex
	secret  string
	err     error
	reads   int
	waiting time.Duration
}

func (s *secretFile) put(secret string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.err = secret, err
}

func (s *secretFile) read(ctx context.Context) (string, string, error) {
	s.mu.Lock()
	s.reads++
	secret, err, wait := s.secret, s.err, s.waiting
	s.mu.Unlock()
	select {
	case <-time.After(wait):
		return clientID, secret, err
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
}

func (s *secretFile) wantReads(t *testing.T, want int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads != want {
		t.Errorf("the file was read %d times, want %d", s.reads, want)
	}
}

func vaultClient(t *testing.T, v *vault, file *secretFile) *onelogin.Client {
	t.Helper()
	config := onelogin.Config{BaseURL: "acme", ClientID: clientID, ClientSecret: "old", Transport: v}
	if file != nil {
		config.Reload = file.read
	}
	client, err := onelogin.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// Both secrets are good for a while, as OneLogin lets an operator have it.
func TestRotationWithOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault("old", "new")
		client := vaultClient(t, v, nil)
		work := func(when string) {
			t.Helper()
			if err := listDevices(t, client); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			if got, err := client.Verify(t.Context(), verification, "012345"); got != accepted || err != nil {
				t.Errorf("%s: Verify = %v, %v", when, got, err)
			}
		}
		work("with the old secret")
		client.SetCredentials(clientID, "new")
		work("with the new secret")
		v.wantAsked(t, "old", "new")
		v.revoke("old")
		work("after the old one was revoked")
		v.wantAsked(t, "old", "new")
	})
}

// The old secret is revoked while calls run with its access token. They find a
// new secret in its place; a code that was on its way is not sent again.
func TestRevokedSecretIsReplacedByTheOneInTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, file := newVault("old"), &secretFile{secret: "old"}
		client := vaultClient(t, v, file)
		if err := listDevices(t, client); err != nil {
			t.Fatal(err)
		}
		v.secrets["new"] = true
		v.revoke("old")
		file.put("new", nil)

		if got, err := client.Verify(t.Context(), verification, "012345"); got != undecided || !refused(err, 401) || v.codes != 1 {
			t.Errorf("Verify = %v, %v after %d tries, want undecided after one", got, err, v.codes)
		}
		if got, err := client.Verify(t.Context(), verification, "012345"); got != accepted || err != nil {
			t.Errorf("the next Verify = %v, %v", got, err)
		}
		v.wantAsked(t, "old", "old", "new")
		file.wantReads(t, 1)
	})
}

// The same for what reads: nobody notices.
func TestReadsSurviveARevokedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, file := newVault("old"), &secretFile{secret: "new", waiting: time.Second}
		v.wait = time.Second
		client := vaultClient(t, v, file)
		if err := listDevices(t, client); err != nil {
			t.Fatal(err)
		}
		v.secrets["new"] = true
		v.revoke("old")
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if err := listDevices(t, client); err != nil {
					t.Errorf("Devices = %v", err)
				}
			})
		}
		group.Wait()
		v.wantAsked(t, "old", "old", "new")
		file.wantReads(t, 1)
	})
}

// Nothing better in the file: the refusal stands, and neither the file nor
// OneLogin is asked in a stream.
func TestReloadThatBringsNothingIsNotAskedInAStream(t *testing.T) {
	for _, tt := range []struct {
		name, secret string
		err          error
		asked        []string
	}{
		{"the same", "old", nil, []string{"old"}},
		{"another bad one", "bad", nil, []string{"old", "bad"}},
		{"nothing", "", nil, []string{"old"}},
		{"not sendable", "new\n", nil, []string{"old"}},
		{"an error", "new", errors.New("canary: no such file"), []string{"old"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, file := newVault("new"), &secretFile{secret: tt.secret, err: tt.err}
				client := vaultClient(t, v, file)
				for range 20 {
					err := listDevices(t, client)
					refusal, ok := errors.AsType[*onelogin.Error](err)
					if !ok || refusal.StatusCode != 401 || refusal.Op != "access token" || strings.Contains(err.Error(), "canary") {
						t.Fatalf("Devices = %v, want the token endpoint's 401", err)
					}
				}
				file.wantReads(t, 1)
				v.wantAsked(t, tt.asked...)
				file.put("new", nil)
				advance(3 * time.Second)
				if err := listDevices(t, client); err != nil {
					t.Errorf("Devices after the file was right = %v", err)
				}
				file.wantReads(t, 2)
			})
		})
	}
}

// A new secret was set while the old one was being refused.
func TestSecretSetDuringARefusalIsUsedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault("new")
		v.wait = time.Second
		client := vaultClient(t, v, nil)
		var group sync.WaitGroup
		group.Go(func() {
			if err := listDevices(t, client); err != nil {
				t.Errorf("Devices = %v", err)
			}
		})
		synctest.Wait()
		client.SetCredentials(clientID, "new")
		group.Wait()
		v.wantAsked(t, "old", "new")
	})
}

// Only a refusal asks for another credential; an outage does not.
func TestOutageIsNoReasonToReload(t *testing.T) {
	for _, answer := range []reply{{status: 500}, {status: 429}, {err: errReset}, {status: 200, body: "<html>"}} {
		synctest.Test(t, func(t *testing.T) {
			f, file := newFake(t), &secretFile{secret: "new"}
			f.on("token", answer)
			_ = listDevices(t, f.client(func(c *onelogin.Config) { c.Reload = file.read }))
			file.wantReads(t, 0)
		})
	}
}

func TestReloadThatHangsOrPanicsIsAnError(t *testing.T) {
	for name, reload := range map[string]func(context.Context) (string, string, error){
		"hangs":  func(ctx context.Context) (string, string, error) { <-ctx.Done(); return "", "", ctx.Err() },
		"panics": func(context.Context) (string, string, error) { panic("canary") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.on("token", reply{status: 401, body: fixture(t, "access_token_refused.json")})
				client := f.client(func(c *onelogin.Config) { c.Reload = reload })
				started := time.Now()
				err := listDevices(t, client)
				if took := time.Since(started); err == nil || strings.Contains(err.Error(), "canary") || took > 10*time.Second {
					t.Errorf("Devices = %v after %v, want an error within 10s", err, took)
				}
			})
		})
	}
}
