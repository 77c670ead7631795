package caddymfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

const (
	sessionsPath = "/mfa/sessions"

	defaultListed = 100
	maxListed     = 1000
)

// sessionJSON is a session as the admin API shows it. Its id ends it and
// cannot be used as one.
type sessionJSON struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	UserID   string    `json:"user_id"`
	Site     string    `json:"site"`
	Factor   string    `json:"factor"`
	Node     string    `json:"node,omitempty"`
	Browser  string    `json:"browser,omitempty"`
	AuthTime time.Time `json:"auth_time"`
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen"`    // to the minute
	Expires  time.Time `json:"expires"` // by the store; idle may end it before
}

// sessionsJSON is one page of sessions.
type sessionsJSON struct {
	Sessions []sessionJSON `json:"sessions"`
	Next     string        `json:"next,omitempty"` // cursor of the next page
}

// revocation asks for the end of sessions: of one user, or of all.
type revocation struct {
	User   string `json:"user,omitempty"` // as a first login names them, or a OneLogin user id
	All    bool   `json:"all,omitempty"`
	By     string `json:"by,omitempty"`     // for the audit log, not checked
	Reason string `json:"reason,omitempty"` // for the audit log
}

// revoked is how many sessions were ended.
type revoked struct {
	Ended int `json:"ended"`
}

// serveSessions lists sessions: GET /mfa/sessions.
func serveSessions(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodGet)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	limit := defaultListed
	if asked := query.Get("limit"); asked != "" {
		if limit, err = strconv.Atoi(asked); err != nil || limit < 1 || limit > maxListed {
			return adminError(http.StatusBadRequest, fmt.Sprintf("limit %q is not within 1 to %d", asked, maxListed))
		}
	}
	filter := session.Filter{User: query.Get("user"), Site: query.Get("site"), Node: query.Get("node")}
	page, next, err := app.sessions().List(r.Context(), filter, query.Get("cursor"), limit)
	if err != nil {
		return storeFailed(err)
	}
	answer := sessionsJSON{Sessions: []sessionJSON{}, Next: next}
	for _, listed := range page {
		answer.Sessions = append(answer.Sessions, toSessionJSON(listed))
	}
	return writeAdmin(w, answer)
}

func toSessionJSON(listed session.Listed) sessionJSON {
	s := listed.Session
	return sessionJSON{
		ID: listed.Handle, User: s.User, UserID: s.UserID, Site: s.Site, Factor: s.Factor, Node: s.Node, Browser: s.Browser,
		AuthTime: s.AuthTime, Created: s.Created, Seen: s.Seen, Expires: listed.Expires,
	}
}

// serveSession ends one session: DELETE /mfa/sessions/{id}.
func serveSession(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodDelete)
	if err != nil {
		return err
	}
	listed, found, err := app.sessions().End(r.Context(), strings.TrimPrefix(r.URL.Path, sessionsPath+"/"))
	if err != nil {
		return storeFailed(err)
	}
	if !found {
		return adminError(http.StatusNotFound, "there is no such session")
	}
	app.logEnded([]session.Listed{listed}, "admin", "")
	return writeAdmin(w, revoked{Ended: 1})
}

// serveRevoke ends the sessions of a user, or all: POST /mfa/revoke.
func serveRevoke(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodPost)
	if err != nil {
		return err
	}
	var asked revocation
	if err := readAdmin(w, r, &asked); err != nil {
		return err
	}
	if asked.All == (asked.User != "") {
		return adminError(http.StatusBadRequest, `give either "user" or "all": true`)
	}
	ended, err := app.sessions().EndAll(r.Context(), session.Filter{User: asked.User}, time.Time{})
	app.logEnded(ended, asked.By, asked.Reason)
	if err != nil {
		return storeFailed(err)
	}
	return writeAdmin(w, revoked{Ended: len(ended)})
}

// logEnded writes who was signed out, to the audit log.
func (a *App) logEnded(ended []session.Listed, by, reason string) {
	for _, listed := range ended {
		s := listed.Session
		a.audit.Info("session ended", zap.String("event", auditSessionEnded), zap.String("session", listed.Handle),
			zap.String("user", s.User), zap.String("user_id", s.UserID), zap.String("site", s.Site),
			zap.String("by", bounded(by, maxReason)), zap.String("reason", bounded(reason, maxReason)))
		a.engine.value.events.tell(caddySessionRevoked, map[string]any{
			"user": s.User, "user_id": s.UserID, "site": s.Site, "session": listed.Handle, "by": by, "reason": reason,
		})
	}
}

// healthJSON is whether people can verify, and if not, why.
type healthJSON struct {
	OK       bool         `json:"ok"`
	OneLogin readiness    `json:"onelogin"`
	Store    storeJSON    `json:"store"`
	Node     string       `json:"node"`
	Versions versionsJSON `json:"versions"`
}

// storeJSON is the state of the store.
type storeJSON struct {
	OK bool `json:"ok"`
	storeHealth
	Problem string `json:"problem,omitempty"`
}

// versionsJSON names what runs.
type versionsJSON struct {
	MFA   string `json:"mfa"`
	Caddy string `json:"caddy"`
	Go    string `json:"go"`
}

// serveHealth asks OneLogin and the store: GET /mfa/health. The status is for
// probes, 503 if people cannot verify; with ?report it is 200 in any case.
func serveHealth(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodGet)
	if err != nil {
		return err
	}
	health := app.health(r.Context())
	if !health.OK && !r.URL.Query().Has("report") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return writeAdmin(w, health)
}

// healthTime bounds how long a look at the health may take.
const healthTime = 5 * time.Second

func (a *App) health(ctx context.Context) healthJSON {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	health := healthJSON{OneLogin: a.ready(ctx), Node: a.Node, Versions: versions()}
	store, err := a.store.value.health(ctx)
	health.Store = storeJSON{OK: err == nil, storeHealth: store}
	if err != nil {
		health.Store.Problem = err.Error()
	}
	health.OK = health.OneLogin.Ready && health.Store.OK
	return health
}

// versions reads what the binary was built from.
func versions() versionsJSON {
	found := versionsJSON{MFA: "unknown", Go: runtime.Version()}
	found.Caddy, _ = caddy.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range append(info.Deps, &info.Main) {
			if module.Path == "github.com/caddymfa/caddymfa" {
				found.MFA = module.Version
			}
		}
	}
	return found
}

// serveRotate makes new keys: POST /mfa/rotate. What the ones before have sealed
// still opens, until the next rotation, and what they signed still verifies.
func serveRotate(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodPost)
	if err != nil {
		return err
	}
	if err := app.rotate(r.Context()); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "Caddy's storage could not take the new key: " + err.Error()}
	}
	return writeAdmin(w, struct{}{})
}

func (a *App) rotate(ctx context.Context) error {
	if err := a.keys.rotate(ctx); err != nil {
		return err
	}
	a.audit.Info("sealing key rotated", zap.String("event", auditKeyRotated))
	if !a.asserts {
		return nil
	}
	return a.signing.rotate(ctx)
}

func storeFailed(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "the store could not tell: " + err.Error()}
}

// readAdmin reads the JSON body of an admin request.
func readAdmin(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		return adminError(http.StatusBadRequest, "body: "+err.Error())
	}
	return nil
}
