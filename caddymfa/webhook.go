package caddymfa

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// Webhook takes OneLogin's event webhooks at /.mfa/events, on every site that
// mfa guards. OneLogin does not sign them: it sends a secret along, in a header
// that an administrator sets there.
//
// The webhook is not sent by a person, so no first login may stand in front of
// that path: a site of its own, with mfa and nothing else, is the simplest.
type Webhook struct {
	// Secret is the value of the Authorization header that OneLogin sends.
	// Placeholders {env.*} and {file.*} are filled in when the config is
	// loaded. At least 16 bytes. Required.
	Secret string `json:"secret,omitempty"`

	// Events are the numbers of the events that end a user's sessions.
	// Default: locked, suspended, deactivated or deleted, password changed,
	// device removed or lost (docs/onelogin.md, Event webhooks).
	Events []int `json:"events,omitempty"`

	secret [sha256.Size]byte // of the secret, with placeholders filled in
}

const (
	shortestSecret = 16
	maxEventsBody  = 1 << 20 // bytes
)

func (wh *Webhook) resolve(log *zap.Logger) error {
	if wh == nil {
		return nil
	}
	filled, err := fillSecret(caddy.NewReplacer(), "secret", wh.Secret)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if len(filled) < shortestSecret {
		return fmt.Errorf("webhook: the secret is shorter than %d bytes", shortestSecret)
	}
	if !isPlaceholder(wh.Secret) {
		log.Warn("the secret of webhook is written into the config, which Caddy shows and stores in clear: use {env.NAME} or {file./path}")
	}
	wh.secret = sha256.Sum256([]byte(filled))
	return nil
}

// knows tells whether a request brings the secret along.
func (wh *Webhook) knows(r *http.Request) bool {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	sent := sha256.Sum256([]byte(values[0]))
	return subtle.ConstantTimeCompare(sent[:], wh.secret[:]) == 1
}

func (wh *Webhook) ends(event onelogin.Event) bool {
	if len(wh.Events) > 0 {
		return slices.Contains(wh.Events, event.Type)
	}
	return event.EndsSessions()
}

// serveEvents ends the sessions of those about whom OneLogin has news. Events
// may come twice, late or out of order: each ends what was proved before it
// happened, so that none of that does harm.
func (h *Handler) serveEvents(c *call) error {
	hook := h.app.Webhook
	if hook == nil {
		return h.refuse(c.w, c.r, refusal{status: http.StatusNotFound, kind: kindNotFound})
	}
	if !hook.knows(c.r) {
		h.log.Warn("webhook with a wrong secret refused", zap.String("address", clientAddress(c.r)))
		return h.refuse(c.w, c.r, refusal{status: http.StatusUnauthorized, kind: kindBadSecret})
	}
	events, broken, unread := onelogin.ParseEvents(http.MaxBytesReader(c.w, c.r.Body, maxEventsBody))
	if broken > 0 {
		h.log.Warn("webhook holds events that could not be read", zap.Int("events", broken))
	}
	for _, event := range events { // what could be read counts, whatever follows it
		if err := h.obey(c, hook, event); err != nil {
			return h.unavailable(c.w, c.r, "end sessions", err)
		}
	}
	if unread != nil {
		h.log.Warn("webhook could not be read to its end", zap.Error(unread))
		return h.refuse(c.w, c.r, refusal{status: http.StatusBadRequest, kind: kindBadForm})
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// obey ends the sessions that one event is about.
func (h *Handler) obey(c *call, hook *Webhook, event onelogin.Event) error {
	if !hook.ends(event) || event.UserID == "" {
		return nil
	}
	var before time.Time // all of them, if the event does not say when it happened
	if !event.At.IsZero() {
		before = event.At.Add(session.Skew)
	}
	ended, err := h.sessions.EndAll(c.r.Context(), session.Filter{UserID: event.UserID}, before)
	h.app.logEnded(ended, "onelogin", "event "+strconv.Itoa(event.Type))
	return err
}

func (a *App) readWebhook(d *caddyfile.Dispenser) error {
	a.Webhook = new(Webhook)
	if err := text(&a.Webhook.Secret).read(d); err != nil {
		return err
	}
	return readBlock(d, "webhook", map[string]option{"events": {read: a.Webhook.readEvents}})
}

func (wh *Webhook) readEvents(d *caddyfile.Dispenser) error {
	for _, arg := range d.RemainingArgs() {
		number, err := strconv.Atoi(arg)
		if err != nil || number < 1 {
			return d.Errf("events: %q is not the number of an event", arg)
		}
		wh.Events = append(wh.Events, number)
	}
	if len(wh.Events) == 0 {
		return d.WrapErr(errors.New("events needs at least one number"))
	}
	return nil
}
