package caddymfa_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/journal"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// nodeSite is the site that every node serves.
const nodeSite = "app.test"

// keyFile is where the nodes of a folder keep their sealing keys.
func keyFile(folder string) string { return folder + "/storage/mfa/seal.key" }

// journalFile is the default journal of a node.
func journalFile(folder, name string) string { return folder + "/" + name + "/caddy/mfa/sessions.db" }

func (n *node) journalFile() string { return journalFile(n.folder, n.name) }

// holder is somebody who is verified: a user and what their browser holds.
type holder struct{ user, cookieValue string }

func (h holder) handle() string {
	key, _ := session.SessionKey(nodeSite, h.cookieValue)
	return session.Handle(key)
}

// seedJournal writes a sealing key, and the journal of a node that is not started yet
// with count sessions in it: as if as many people had verified.
func seedJournal(t testing.TB, folder, name string, count int) []holder {
	t.Helper()
	var key [32]byte
	rand.Read(key[:])
	if err := errors.Join(os.MkdirAll(filepath.Dir(keyFile(folder)), 0o700), os.WriteFile(keyFile(folder), key[:], 0o600)); err != nil {
		t.Fatal(err)
	}
	keys := func(context.Context) ([][32]byte, error) { return [][32]byte{key}, nil }
	j, err := journal.Open(t.Context(), journal.Config{Path: journalFile(folder, name), Vault: vault.New(keys)})
	if err != nil {
		t.Fatal(err)
	}
	const chunk = 50_000 // in one transaction
	holders := make([]holder, 0, count)
	for first := 0; first < count; first += chunk {
		entries, more := seedEntries(t, first, min(chunk, count-first))
		holders = append(holders, more...)
		if err := j.Write(entries...); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return holders
}

// seedEntries makes sessions in a store of their own and returns them as a
// journal has them.
func seedEntries(t testing.TB, first, count int) (entries []journal.Entry, holders []holder) {
	t.Helper()
	store := memory.New(memory.Config{MaxSessions: count})
	defer store.Close()
	sessions, now := session.NewSessions(store, session.Options{}), time.Now()
	for i := range count {
		user, userID := fmt.Sprintf("seed%d@example.com", first+i), fmt.Sprint(10_000_000+first+i)
		cookieValue, err := sessions.Create(t.Context(), session.Session{
			User: user, UserID: userID, Site: nodeSite, Factor: "totp", Node: "north", Browser: "Firefox on Linux",
			AuthTime: now, Created: now, Seen: now,
		}, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := session.SessionKey(nodeSite, cookieValue)
		record, _, err := store.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		groups := []session.Group{session.UserGroup(user), session.UserIDGroup(userID)}
		entries = append(entries, journal.Entry{Key: key, Groups: groups, Record: record})
		holders = append(holders, holder{user, cookieValue})
	}
	return entries, holders
}

// addUser makes somebody with an authenticator and a phone for messages.
func addUser(sim *simulator.Simulator, name string) {
	sim.AddUser(simulator.User{Username: name, Email: name + "@example.com", Phone: "+15550100", Devices: []simulator.Device{
		{Factor: simulator.TOTP, Name: "app", Default: true}, {Factor: simulator.SMS, Name: "phone"}}})
}

func (c *cluster) addUser(name string) { addUser(c.sim, name) }
func (s *site) addUser(name string)    { addUser(s.sim, name) }

// errCut means that the node went away before it had answered.
var errCut = errors.New("the connection was cut")

// visitor is a program at a node that may be killed at any moment: what goes
// wrong is an error, and not the end of the test.
type visitor struct {
	n      *node
	user   string
	client *http.Client
}

func (n *node) visitor(user string, transport http.RoundTripper) *visitor {
	jar, _ := cookiejar.New(nil) // never fails
	return &visitor{n, user, &http.Client{Jar: jar, Transport: transport, Timeout: time.Minute}}
}

// ask sends one request, with fields as a JSON body if there are any. If the
// answer was cut after its header, it is returned beside the error.
func (v *visitor) ask(method, path string, fields map[string]string) (answer, error) {
	var body io.Reader
	if fields != nil {
		encoded, _ := json.Marshal(fields) // strings can be encoded
		body = strings.NewReader(string(encoded))
	}
	r, err := http.NewRequest(method, v.n.url+path, body)
	if err != nil {
		return answer{}, err
	}
	r.Host = nodeSite
	r.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Remote-User": {v.user}}
	response, err := v.client.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errCut, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		err = fmt.Errorf("%w: %w", errCut, err)
	}
	return answer{response, string(content)}, err
}

// expect is ask for an answer with a status and a challenge in it.
func (v *visitor) expect(status int, method, path string, fields map[string]string) (a answer, c challenge, err error) {
	if a, err = v.ask(method, path, fields); err != nil {
		return a, c, err
	}
	if a.StatusCode != status {
		return a, c, fmt.Errorf("%s %s for %s = %s, want %d\n%s", method, path, v.user, a.Status, status, a.body)
	}
	return a, c, json.Unmarshal([]byte(a.body), &c)
}

// verify goes through a step-up for path and returns the cookie value that it
// was answered with, if it was.
func (v *visitor) verify(path string, kind simulator.Factor) (cookieValue string, err error) {
	_, c, err := v.expect(http.StatusUnauthorized, http.MethodGet, path, nil)
	if err != nil {
		return "", err
	}
	if _, c, err = v.expect(http.StatusOK, http.MethodGet, c.ChallengeURL, nil); err != nil {
		return "", err
	}
	offer := ""
	for _, f := range c.Factors {
		if f.Kind == string(kind) {
			offer = f.ID
		}
	}
	csrf := c.CSRF
	if _, _, err = v.expect(http.StatusOK, http.MethodPost, "/.mfa/start", map[string]string{"csrf": csrf, "factor": offer}); err != nil {
		return "", err
	}
	code := v.n.sim.Code(v.user, kind)
	a, _, err := v.expect(http.StatusOK, http.MethodPost, "/.mfa/verify", map[string]string{"csrf": csrf, "code": code})
	if a.Response == nil {
		return "", err
	}
	for _, cookie := range a.Cookies() {
		if cookie.Name == "mfa" {
			return cookie.Value, err
		}
	}
	return "", errors.Join(err, fmt.Errorf("verify for %s gave no session: %s", v.user, a.body))
}

// asks tells how the node answers a request of h, as a browser that holds
// nothing but the session's cookie.
func (n *node) asks(h holder) int {
	n.t.Helper()
	v := n.visitor(h.user, http.DefaultTransport)
	v.client.Jar.SetCookies(mustParse(n.t, "http://"+nodeSite), []*http.Cookie{{Name: "mfa", Value: h.cookieValue}})
	a, err := v.ask(http.MethodGet, "/", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return a.StatusCode
}

// revoke ends a session by its handle and returns the status of the answer.
func (n *node) revoke(handle string) (int, error) {
	r, err := http.NewRequest(http.MethodDelete, "http://localhost/mfa/sessions/"+handle, nil)
	if err != nil {
		return 0, err
	}
	a, err := n.adminClient().Do(r)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errCut, err)
	}
	defer a.Body.Close()
	return a.StatusCode, nil
}

// handles returns the handles of all sessions that the admin API lists.
func (n *node) handles() map[string]bool {
	n.t.Helper()
	all := make(map[string]bool)
	for cursor := ""; ; {
		status, got := n.ask(http.MethodGet, "/mfa/sessions?limit=1000&cursor="+cursor, "")
		if status != http.StatusOK {
			n.t.Fatalf("GET /mfa/sessions = %d %v", status, got)
		}
		for _, one := range got["sessions"].([]any) {
			all[one.(map[string]any)["id"].(string)] = true
		}
		next, more := got["next"].(string)
		if !more {
			return all
		}
		cursor = next
	}
}
