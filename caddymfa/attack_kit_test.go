package caddymfa

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

// drawer is Caddy's storage in memory: as much of it as the keyring uses.
type drawer struct {
	certmagic.Storage
	locked, mu sync.Mutex
	values     map[string][]byte
}

func (d *drawer) Lock(context.Context, string) error   { d.locked.Lock(); return nil }
func (d *drawer) Unlock(context.Context, string) error { d.locked.Unlock(); return nil }

func (d *drawer) Load(_ context.Context, key string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if value, found := d.values[key]; found {
		return value, nil
	}
	return nil, fs.ErrNotExist
}

func (d *drawer) Store(_ context.Context, key string, value []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.values == nil {
		d.values = map[string][]byte{}
	}
	d.values[key] = value
	return nil
}

// node is a gateway of several sites without a Caddy around it and without
// sockets, so that it can live by a fake clock.
type node struct {
	*App
	sites map[string]*Handler // by host
}

const hookSecret = "a secret of the webhook"

// newNode joins a gateway to store and storage. Close it.
func newNode(t testing.TB, oneLogin http.RoundTripper, store *memory.Store, storage *drawer, sites map[string]*Handler) *node {
	t.Helper()
	keys := &keyring{storage: storage}
	engine, err := newEngine(credential{
		baseURL: "https://acme.onelogin.com", clientID: "demo-client", clientSecret: "demo-secret", transport: oneLogin,
	}, store, keys)
	if err != nil {
		t.Fatal(err)
	}
	shared := &openStore{Store: store, streams: session.NewStreams(store), close: func() error { return nil }}
	app := &App{
		OneLogin: &OneLogin{Tenant: "acme"}, Webhook: &Webhook{secret: sha256.Sum256([]byte(hookSecret))},
		log: zap.NewNop(), audit: zap.NewNop(), keys: keys,
		store: &pooled[*openStore]{value: shared}, engine: &pooled[*openEngine]{value: engine},
	}
	n := &node{App: app, sites: map[string]*Handler{}}
	for host, site := range sites {
		h := *site
		h.app, h.sessions, h.streams = app, app.sessions(), shared.streams
		n.sites[host] = &h
	}
	return n
}

func (n *node) close() {
	_ = n.engine.value.Destruct()
	_ = n.store.value.Destruct()
}

// compiled is a handler as Provision leaves it, but for its app. Its first
// login is the header X-User unless it brings its own.
func compiled(t testing.TB, h *Handler) *Handler {
	t.Helper()
	h.log, h.cookies, h.config = zap.NewNop(), namesOfCookies(false), context.Background()
	if h.SignIn == nil {
		h.User = "{http.request.header.X-User}"
	}
	h.setDefaults()
	var err error
	if h.rules, err = h.compile(); err == nil {
		h.unasked, err = h.compileBackground()
	}
	if err == nil {
		err = h.Enroll.compile()
	}
	if err == nil {
		err = h.check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask is a request as a client sends it over TLS.
type ask struct {
	method, host, path string
	user               string // that the first login names
	address            string // the client's
	cookie             string
	accept             string // default: JSON
	secret             string // of the webhook
	body               string // JSON
}

// serve answers a request, with app behind the gateway.
func (n *node) serve(ctx context.Context, t testing.TB, q ask, app caddyhttp.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	target, err := url.ParseRequestURI(q.path)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{
		Method: q.method, URL: target, Host: q.host, RequestURI: q.path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: q.address + ":1234", TLS: &tls.ConnectionState{HandshakeComplete: true}, Header: q.header(), ContentLength: int64(len(q.body)),
		Body: io.NopCloser(strings.NewReader(q.body)),
	}
	w := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r.WithContext(ctx), caddy.NewReplacer(), w, nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, q.address)
	if err := n.sites[q.host].ServeHTTP(w, r, app); err != nil {
		t.Errorf("%s %s: %v", q.method, q.path, err)
	}
	return w
}

func (q ask) header() http.Header {
	h := http.Header{"Accept": {"application/json"}}
	for name, value := range map[string]string{
		"Accept": q.accept, "X-User": q.user, "Cookie": q.cookie, "Authorization": q.secret,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if q.body != "" {
		h.Set("Content-Type", "application/json")
	}
	return h
}
