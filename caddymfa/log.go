package caddymfa

import (
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// logEvent writes what happened to a challenge. Operators see one line when it
// ends; the steps on the way are for debugging.
func logEvent(log *zap.Logger, event stepup.Event) {
	c := log.Check(eventLevel(event), "challenge event")
	if c == nil {
		return
	}
	fields := []zap.Field{
		zap.String("event", event.Name),
		zap.String("user", event.User),
		zap.String("user_id", event.UserID),
		zap.String("site", event.Site),
		zap.String("challenge", event.ChallengeRef),
		zap.String("state", string(event.State)),
	}
	if event.Factor != "" {
		fields = append(fields, zap.String("factor", string(event.Factor)))
	}
	if event.Notice != stepup.NoticeNone {
		fields = append(fields, zap.Stringer("notice", event.Notice))
	}
	if event.By != "" {
		fields = append(fields, zap.String("by", event.By), zap.String("reason", event.Reason))
	}
	if !event.Until.IsZero() {
		fields = append(fields, zap.Time("until", event.Until))
	}
	if event.Address != "" {
		fields = append(fields, zap.String("address", event.Address))
	}
	if event.Cause != nil {
		fields = append(fields, zap.Error(event.Cause))
	}
	c.Write(fields...)
}

func eventLevel(event stepup.Event) zapcore.Level {
	switch event.Name {
	case stepup.EventStarted, stepup.EventActivated:
		return zap.DebugLevel
	case stepup.EventVerified, stepup.EventExpired, stepup.EventCancelled, stepup.EventCodeWrong,
		stepup.EventEnrolStarted, stepup.EventEnrolled, stepup.EventPasswordAccepted, stepup.EventTemporaryIssued:
		return zap.InfoLevel
	}
	return zap.WarnLevel // refusals, and what a newer engine may tell
}

// logCall writes one call to OneLogin: quietly when it was answered, with
// OneLogin's request id, which its support asks for, when it was not.
func logCall(log *zap.Logger, call onelogin.Call) {
	level := zap.DebugLevel
	if call.Err != nil || callFailed(call.StatusCode) {
		level = zap.WarnLevel
	}
	if c := log.Check(level, "onelogin call"); c != nil {
		c.Write(zap.String("op", call.Op), zap.Int("status", call.StatusCode),
			zap.String("request_id", call.RequestID), zap.Duration("duration", call.Duration), zap.Error(call.Err))
	}
}

// callFailed tells whether an operator should look at an answer. A wrong code
// or an unknown user is none of these.
func callFailed(statusCode int) bool {
	return statusCode == http.StatusForbidden || statusCode == http.StatusTooManyRequests || statusCode >= 500
}
