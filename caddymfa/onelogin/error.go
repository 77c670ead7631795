package onelogin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
)

// The words that Error.Message is made of.
const (
	classInvalidID    = "invalid id"
	classInvalid      = "invalid argument"
	classBudget       = "hourly budget is spent"
	classCrowded      = "too many calls at once"
	classOpen         = "circuit breaker is open"
	classPaused       = "paused after throttling"
	classReplaced     = "access token was dead, not sent again"
	classUnsendable   = "request cannot be sent"
	classCanceled     = "canceled"
	classTimeout      = "timed out"
	classUnknownHost  = "host not found"
	classUntrusted    = "TLS certificate not trusted"
	classTLS          = "TLS failed"
	classLost         = "no connection"
	classTooLarge     = "answer too large"
	classUnreadable   = "unreadable answer"
	classOtherRecord  = "answer names another record"
	classUnauthorized = "credential not accepted"
	classForbidden    = "forbidden to this credential"
	classNoRoute      = "no such route"
	classNotFound     = "not found"
	classRefused      = "request refused"
	classThrottled    = "throttled"
	classOutOfOrder   = "out of order"
	classUnexpected   = "unexpected status"
)

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,128}$`)

// Error says that OneLogin could not be asked, or that its answer decides
// nothing. It is safe to log.
type Error struct {
	// Op is the call that met the error, as in [Call].
	Op string

	// StatusCode is the HTTP status, 0 if no answer came. 403 means that the
	// credential lacks a scope (docs/onelogin.md, Scopes).
	StatusCode int

	// RequestID is OneLogin's name for the request, which its support asks for.
	RequestID string

	// Message is a fixed word of this package for what went wrong.
	Message string

	// Err is the cause, if there is one below HTTP. Its text is not part of
	// Error's, as it may repeat bytes that came over the wire.
	Err error
}

// Error returns the operation, the fixed word, the status and the request id.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "onelogin: %s: %s", e.Op, e.Message)
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, " (status %d)", e.StatusCode)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request id %s)", e.RequestID)
	}
	return b.String()
}

// Unwrap returns the cause, so that errors.Is finds context.Canceled and
// context.DeadlineExceeded.
func (e *Error) Unwrap() error { return e.Err }

func (a answer) problem(op, class string) *Error {
	return &Error{Op: op, StatusCode: a.status, RequestID: a.requestID, Message: class}
}

// refusal is the problem of an answer whose status alone tells that the call
// did not work.
func (a answer) refusal(op string) *Error {
	return a.problem(op, a.class())
}

func (a answer) class() string {
	switch said := a.says(); {
	case busy(a.status):
		return busyClass(a.status)
	case said == saysForbidden, a.status == http.StatusForbidden:
		return classForbidden
	case said == saysNoRoute:
		return classNoRoute
	case a.status == http.StatusUnauthorized:
		return classUnauthorized
	case a.status == http.StatusNotFound:
		return classNotFound
	case a.status >= 400:
		return classRefused
	default:
		return classUnexpected
	}
}

func busyClass(status int) string {
	if status == http.StatusTooManyRequests {
		return classThrottled
	}
	return classOutOfOrder
}

// lost is the error for a request that brought no whole answer.
func lost(ctx context.Context, op string, a answer, cause error) *Error {
	if ctx.Err() != nil {
		cause = ctx.Err() // the transport may word it as a closed connection
	}
	e := a.problem(op, lostClass(cause))
	e.Err = cause
	return e
}

func lostClass(cause error) string {
	_, unknownHost := errors.AsType[*net.DNSError](cause)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](cause)
	_, wrongName := errors.AsType[x509.HostnameError](cause)
	_, notTLS := errors.AsType[tls.RecordHeaderError](cause)
	_, alert := errors.AsType[tls.AlertError](cause)
	op, isOp := errors.AsType[*net.OpError](cause)
	refused := isOp && (op.Op == "remote error" || op.Op == "local error") // crypto/tls's words for an alert
	timeout, isNet := errors.AsType[net.Error](cause)
	switch {
	case errors.Is(cause, context.Canceled):
		return classCanceled
	case errors.Is(cause, context.DeadlineExceeded):
		return classTimeout
	case unknownHost:
		return classUnknownHost
	case untrusted || wrongName:
		return classUntrusted
	case notTLS || alert || refused:
		return classTLS
	case isNet && timeout.Timeout():
		return classTimeout
	default:
		return classLost
	}
}

// readRequestID drops an id that is not made like OneLogin's, since it ends up
// in logs.
func readRequestID(h http.Header) string {
	requestID := h.Get("X-Request-Id")
	if !requestIDPattern.MatchString(requestID) {
		return ""
	}
	return requestID
}
