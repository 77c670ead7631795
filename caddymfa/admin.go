package caddymfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI adds endpoints to Caddy's admin API. It holds nothing: Caddy makes
// it before the apps and never cleans it up, so the running app is looked up
// for each request.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.mfa",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes returns the endpoints.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/mfa/token", Handler: caddy.AdminHandlerFunc(serveTemporary)},
		{Pattern: "/mfa/ready", Handler: caddy.AdminHandlerFunc(serveReady)},
		{Pattern: "/mfa/health", Handler: caddy.AdminHandlerFunc(serveHealth)},
		{Pattern: sessionsPath, Handler: caddy.AdminHandlerFunc(serveSessions)},
		{Pattern: sessionsPath + "/", Handler: caddy.AdminHandlerFunc(serveSession)},
		{Pattern: "/mfa/revoke", Handler: caddy.AdminHandlerFunc(serveRevoke)},
		{Pattern: "/mfa/rotate", Handler: caddy.AdminHandlerFunc(serveRotate)},
	}
}

const (
	defaultTemporaryLife = 15 * time.Minute
	shortestTemporary    = 2 * time.Minute // OneLogin's least
	longestTemporary     = 72 * time.Hour  // OneLogin's most
	maxReason            = 500             // bytes
	maxAdminBody         = 8 << 10         // bytes
)

// temporaryRequest asks for a temporary code.
type temporaryRequest struct {
	User     string `json:"user"`               // as the first login names them
	For      string `json:"for,omitempty"`      // a duration; default 15m, from 2m to 72h
	Reason   string `json:"reason"`             // for the audit log
	By       string `json:"by"`                 // who asks; for the audit log, not checked
	Reusable bool   `json:"reusable,omitempty"` // until it ends, and not once
}

// temporaryAnswer is the code. It is shown once and kept nowhere here.
type temporaryAnswer struct {
	Code      string    `json:"code"`
	ExpiresAt time.Time `json:"expires_at"`
	Reusable  bool      `json:"reusable"`
}

// serveTemporary makes a temporary code for a person who has lost their phone.
func serveTemporary(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodPost)
	if err != nil {
		return err
	}
	if !app.HelpDesk {
		return adminError(http.StatusForbidden, "help_desk is off: turn it on in the global option mfa")
	}
	issue, err := readIssue(w, r)
	if err != nil {
		return adminError(http.StatusBadRequest, err.Error())
	}
	code, notice, err := app.steps().IssueTemporary(r.Context(), issue)
	switch {
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusBadGateway, Err: err, Message: "OneLogin could not make a code; the log has the cause"}
	case notice != stepup.NoticeNone:
		return adminError(http.StatusNotFound, fmt.Sprintf("no active OneLogin user is named %q", issue.User))
	}
	return writeAdmin(w, temporaryAnswer{Code: code.Code, ExpiresAt: code.ExpiresAt, Reusable: code.Reusable})
}

// readIssue reads and checks what a help desk asks for.
func readIssue(w http.ResponseWriter, r *http.Request) (stepup.Issue, error) {
	var asked temporaryRequest
	if err := readAdmin(w, r, &asked); err != nil {
		return stepup.Issue{}, err
	}
	issue := stepup.Issue{User: asked.User, By: asked.By, Reason: asked.Reason, Reusable: asked.Reusable, Lifetime: defaultTemporaryLife}
	if asked.For != "" {
		life, err := caddy.ParseDuration(asked.For)
		if err != nil {
			return issue, fmt.Errorf("for: %q is not a duration such as 15m", asked.For)
		}
		issue.Lifetime = life
	}
	switch {
	case issue.User == "":
		return issue, errors.New("user is missing")
	case issue.Reason == "" || len(issue.Reason) > maxReason:
		return issue, fmt.Errorf("reason is missing or longer than %d bytes: say why, for the audit log", maxReason)
	case issue.By == "":
		return issue, errors.New("by is missing: say who asks, for the audit log")
	case issue.Lifetime < shortestTemporary || issue.Lifetime > longestTemporary:
		return issue, fmt.Errorf("for: %s is not within %s to %s", issue.Lifetime, shortestTemporary, longestTemporary)
	}
	return issue, nil
}

// readiness tells whether OneLogin answers our credential.
type readiness struct {
	Ready     bool   `json:"ready"`
	Limit     int    `json:"limit,omitempty"`     // OneLogin's, calls an hour for the whole account
	Remaining int    `json:"remaining,omitempty"` // of these
	ResetsIn  int64  `json:"resets_in,omitempty"` // seconds
	Problem   string `json:"problem,omitempty"`
}

// serveReady asks OneLogin for its rate limit, which needs a credential that
// works and costs next to nothing.
func serveReady(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r, http.MethodGet)
	if err != nil {
		return err
	}
	ready := app.ready(r.Context())
	if !ready.Ready {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return writeAdmin(w, ready)
}

func (a *App) ready(ctx context.Context) readiness {
	limit, err := a.engine.value.client.RateLimit(ctx)
	if err != nil {
		return readiness{Problem: err.Error()}
	}
	return readiness{
		Ready: true, Limit: limit.Limit, Remaining: limit.Remaining, ResetsIn: int64(limit.Resets / time.Second),
	}
}

// runningApp is the app of the config that runs now, for a request by the one
// method that its endpoint takes.
func runningApp(w http.ResponseWriter, r *http.Request, method string) (*App, error) {
	if r.Method != method {
		w.Header().Set("Allow", method)
		return nil, adminError(http.StatusMethodNotAllowed, "method not allowed: "+method+" only")
	}
	app, err := caddy.ActiveContext().AppIfConfigured("mfa")
	if err != nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err, Message: "mfa is not configured"}
	}
	return app.(*App), nil
}

func adminError(status int, message string) error {
	return caddy.APIError{HTTPStatus: status, Err: errors.New(message), Message: message}
}

func writeAdmin(w http.ResponseWriter, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(body)
}

// Interface guards
var _ caddy.AdminRouter = (*adminAPI)(nil)
