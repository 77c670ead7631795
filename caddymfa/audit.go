package caddymfa

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Events of the audit log that belong to one request. Those of challenges have
// their names from stepup. The names never change: docs/events.md lists them.
const (
	auditSessionCreated = "session_created"
	auditSessionEnded   = "session_ended"
	auditFormRefused    = "form_refused"
	auditHeaderForged   = "header_forged"
	auditPathAmbiguous  = "path_ambiguous"
	auditKeyRotated     = "key_rotated"
)

// audit writes what happened in a request, with what finds the request again.
func (h *Handler) audit(r *http.Request, level zapcore.Level, event, user string, fields ...zap.Field) {
	c := h.app.audit.Check(level, "request event")
	if c == nil {
		return
	}
	request, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.request.uuid")
	c.Write(append(fields, zap.String("event", event), zap.String("user", user), zap.String("site", site(r)),
		zap.String("address", clientAddress(r)), zap.String("method", r.Method), zap.String("request_id", request))...)
}
