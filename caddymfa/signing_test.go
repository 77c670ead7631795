package caddymfa

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
)

// shelf is a storage in memory that can be out of order.
type shelf struct {
	certmagic.Storage // whatever is not used here

	lock chan struct{} // one for all paths

	mu     sync.Mutex // guards what follows
	broken error
	held   map[string][]byte
	stores int
}

func newShelf() *shelf {
	return &shelf{lock: make(chan struct{}, 1), held: map[string][]byte{}}
}

func (s *shelf) Lock(ctx context.Context, _ string) error {
	select {
	case s.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shelf) Unlock(context.Context, string) error {
	<-s.lock
	return nil
}

func (s *shelf) Load(ctx context.Context, path string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(ctx.Err(), s.broken); err != nil {
		return nil, err
	}
	held, ok := s.held[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return held, nil
}

func (s *shelf) Store(_ context.Context, path string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.held[path] = value
	s.stores++
	return nil
}

// fail makes the storage answer with an error, or work again with nil.
func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *shelf) delete(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, path)
}

// signingNode is what one node has of the keys. It reads them again by itself
// until the test's bubble ends.
func signingNode(t *testing.T, storage *shelf) *signingKeys {
	t.Helper()
	k := &signingKeys{storage: storage, log: zap.NewNop(), audit: zap.NewNop()}
	ringOf(t, k)
	go k.watch(t.Context())
	return k
}

func ringOf(t *testing.T, k *signingKeys) assertion.Ring {
	t.Helper()
	ring, err := k.ring(t.Context())
	if err != nil {
		t.Fatalf("ring: %v", err)
	}
	return ring
}

// signs is the id of the key that a node signs with now.
func signs(t *testing.T, k *signingKeys) string {
	t.Helper()
	signed, err := ringOf(t, k).Sign(assertion.Statement{User: "alice", Factor: "totp"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return assertedKey(t, signed)
}

// publishes is the ids of the keys that a node publishes now.
func publishes(t *testing.T, k *signingKeys) []string {
	t.Helper()
	encoded, err := ringOf(t, k).PublicKeys(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return publishedIDs(t, string(encoded))
}

func publishedIDs(t *testing.T, set string) []string {
	t.Helper()
	var keys struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(set), &keys); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, key := range keys.Keys {
		ids[key.Kid] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

func TestNodesMakeOneKeyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newShelf()
		nodes := make([]*signingKeys, 8)
		var started sync.WaitGroup
		for i := range nodes {
			started.Go(func() { nodes[i] = signingNode(t, storage) })
		}
		started.Wait()
		for _, node := range nodes {
			if got, want := signs(t, node), signs(t, nodes[0]); got != want {
				t.Errorf("a node signs with %s, another with %s", got, want)
			}
		}
		if storage.stores != 1 {
			t.Errorf("keys were written %d times, want once", storage.stores)
		}
	})
}

func TestRotationReachesEveryNodeBeforeItMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newShelf()
		here, there := signingNode(t, storage), signingNode(t, storage)
		first := signs(t, here)
		for range 2 { // the second one changes nothing: a key is on its way
			if err := here.rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := publishes(t, here); len(got) != 2 {
			t.Fatalf("after a rotation %d keys are published, want 2", len(got))
		}
		time.Sleep(rereadSigning + time.Second)
		if got, want := publishes(t, there), publishes(t, here); !slices.Equal(got, want) {
			t.Errorf("a minute later the other node publishes %q, want %q", got, want)
		}
		late := signingNode(t, storage)
		for name, node := range map[string]*signingKeys{"here": here, "there": there, "late": late} {
			if got := signs(t, node); got != first {
				t.Errorf("the node %s signs with the new key, which nobody had time to fetch", name)
			}
		}
		time.Sleep(assertion.Overlap)
		if second := signs(t, here); second == first || second != signs(t, there) || second != signs(t, late) {
			t.Error("an hour later the nodes do not sign with the new key")
		}
	})
}

func TestKeysRotateByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newShelf()
		old, err := assertion.Ring{}.Rotate(time.Now().Add(-assertion.KeyLifetime + time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := writeRing(t.Context(), storage, old); err != nil {
			t.Fatal(err)
		}
		here, there := signingNode(t, storage), signingNode(t, storage)
		first := signs(t, here)
		time.Sleep(time.Hour + 2*rereadSigning)
		if got := publishes(t, there); len(got) != 2 || storage.stores != 2 || signs(t, here) != first {
			t.Errorf("after a month %d keys are published and %d rotations were made, want 2 keys and one rotation", len(got), storage.stores-1)
		}
		time.Sleep(2*assertion.Overlap + rereadSigning)
		for _, node := range []*signingKeys{here, there} {
			if got := publishes(t, node); len(got) != 1 || got[0] == first || signs(t, node) != got[0] {
				t.Errorf("two hours later %q are published, want the new key alone", got)
			}
		}
	})
}

func TestUnreadableKeysAreAnErrorUntilTheyCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newShelf()
		storage.fail(errors.New("storage is down"))
		k := &signingKeys{storage: storage, log: zap.NewNop(), audit: zap.NewNop()}
		if _, err := k.ring(t.Context()); err == nil || !strings.Contains(err.Error(), "storage is down") {
			t.Fatalf("ring = %v, want the storage's error", err)
		}
		storage.fail(nil)
		if _, err := k.ring(t.Context()); err == nil {
			t.Error("the storage was asked again at once: a broken one would be asked by every request")
		}
		time.Sleep(rereadEvery)
		gone, leave := context.WithCancel(t.Context())
		leave() // a client that left is no reason to fail
		if _, err := k.ring(gone); err != nil {
			t.Errorf("ring = %v after the storage came back", err)
		}
	})
}

func TestKeysThatAreHeldOutliveTheStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newShelf()
		k := signingNode(t, storage)
		first := signs(t, k)
		storage.fail(errors.New("storage is down"))
		time.Sleep(time.Hour)
		if got := signs(t, k); got != first {
			t.Errorf("%s signs while the storage is down, want %s", got, first)
		}
		if err := k.rotate(t.Context()); err == nil {
			t.Error("keys were rotated without a storage")
		}
		storage.fail(nil)
		storage.delete(signingPath)
		time.Sleep(2 * rereadSigning)
		if got := signs(t, k); got != first || storage.stores != 1 {
			t.Error("a file that vanished made a new key by itself")
		}
		if err := k.rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := publishes(t, k); len(got) != 1 || got[0] == first || signs(t, k) != got[0] {
			t.Errorf("deleted and rotated: %q are published, want one new key that signs at once", got)
		}
	})
}

func TestBrokenKeysAreNeitherUsedNorOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newShelf()
		storage.held[signingPath] = []byte("canary")
		k := &signingKeys{storage: storage, log: zap.NewNop(), audit: zap.NewNop()}
		for name, try := range map[string]func() error{
			"ring":   func() error { _, err := k.ring(t.Context()); return err },
			"rotate": func() error { return k.rotate(t.Context()) },
		} {
			if err := try(); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), signingPath) {
				t.Errorf("%s = %v, want an error that names the file and not what is in it", name, err)
			}
		}
		if string(storage.held[signingPath]) != "canary" {
			t.Error("the file was overwritten")
		}
	})
}

// without a key nothing goes to the app, least of all without its header.
func TestVerifiedRequestIsRefusedIfNothingCanBeSigned(t *testing.T) {
	h, next := gateHandler(t, 1)
	storage := newShelf()
	storage.fail(errors.New("storage is down"))
	h.Assertion = new(Assertion)
	h.app = &App{signing: &signingKeys{storage: storage, log: zap.NewNop(), audit: zap.NewNop()}}
	h.Assertion.join(h.app)
	reached := 0
	app := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		if reached++; r.Header.Get("X-Mfa-Assertion") == "" {
			t.Error("the app was reached without an assertion")
		}
		return nil
	})
	ask := func() int {
		w := httptest.NewRecorder()
		r := caddyhttp.PrepareRequest(next(), caddy.NewReplacer(), w, nil)
		if err := h.ServeHTTP(w, r, app); err != nil {
			t.Fatal(err)
		}
		return w.Code
	}
	if status := ask(); status != http.StatusServiceUnavailable || reached != 0 {
		t.Errorf("status = %d and the app saw %d requests, want 503 and none", status, reached)
	}
	storage.fail(nil)
	h.app.signing.tried = time.Time{}
	if status := ask(); status != http.StatusOK || reached != 1 {
		t.Errorf("status = %d and the app saw %d requests, want 200 and one", status, reached)
	}
}

// assertedKey is the id of the key that a statement was signed with.
func assertedKey(t *testing.T, signed string) string {
	t.Helper()
	header, _, _ := strings.Cut(signed, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var named struct{ Kid string }
	if err := json.Unmarshal(text, &named); err != nil || named.Kid == "" {
		t.Fatalf("no key is named in %s", text)
	}
	return named.Kid
}
