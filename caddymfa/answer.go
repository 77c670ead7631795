package caddymfa

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problem is an answer for programs that no challenge is part of (RFC 9457).
type problem struct {
	Type         string `json:"type,omitempty"`
	Title        string `json:"title"`
	Status       int    `json:"status"`
	Detail       string `json:"detail,omitempty"`
	Code         string `json:"code,omitempty"`
	Reference    string `json:"reference,omitempty"`
	ChallengeURL string `json:"challenge_url,omitempty"`
	MaxAge       int64  `json:"max_age,omitempty"`
}

// challengeJSON is a challenge for programs. Durations are in seconds.
type challengeJSON struct {
	State      string       `json:"state"`
	CSRF       string       `json:"csrf,omitempty"`
	ReportCSRF string       `json:"report_csrf,omitempty"` // of a session: to report a push
	User       string       `json:"user"`
	Site       string       `json:"site"`
	Factors    []factorJSON `json:"factors,omitempty"`
	Factor     string       `json:"factor,omitempty"` // id of the activated one, or kind of the session's
	NeedsCode  *bool        `json:"needs_code,omitempty"`
	ExpiresIn  int64        `json:"expires_in,omitempty"`
	ResendIn   int64        `json:"resend_in,omitempty"`
	TriesLeft  *int         `json:"tries_left,omitempty"`
	RetryIn    int64        `json:"retry_in,omitempty"`
	ReturnTo   string       `json:"return_to,omitempty"`
	Needs      []string     `json:"needs,omitempty"` // what a first login has to be given: user, password

	Polled    bool           `json:"polled,omitempty"`     // may be approved elsewhere
	VoiceCode string         `json:"voice_code,omitempty"` // to key into the phone that rings
	Enroll    []factorJSON   `json:"enroll,omitempty"`     // what can be enrolled
	Enrolment *enrolmentJSON `json:"enrolment,omitempty"`

	SessionForm  string `json:"session_form,omitempty"` // where a browser posts session_token
	SessionToken string `json:"session_token,omitempty"`

	Error     string `json:"error,omitempty"`
	Reference string `json:"reference,omitempty"`
}

// enrolmentJSON is a device that is being enrolled. Its secret makes codes.
type enrolmentJSON struct {
	Kind      string `json:"kind"`
	TOTPURL   string `json:"totp_url,omitempty"`
	Secret    string `json:"secret,omitempty"`
	VoiceCode string `json:"voice_code,omitempty"`
	NeedsCode bool   `json:"needs_code"`
	ExpiresIn int64  `json:"expires_in"`
}

type factorJSON struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Default bool   `json:"default"`

	LockedUntil time.Time `json:"locked_until,omitzero"` // cannot be started before
	LockedIn    int64     `json:"locked_in,omitempty"`
}

// setPrivate keeps an answer of ours out of every cache, and has browsers take
// it for what it says and name it to no other page.
func setPrivate(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Cookie")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

func writeJSON(w http.ResponseWriter, status int, body any) error {
	return writeAs(w, "application/json", status, body)
}

func writeProblem(w http.ResponseWriter, p problem) error {
	return writeAs(w, "application/problem+json", p.Status, p)
}

func writeAs(w http.ResponseWriter, mediaType string, status int, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(append(encoded, '\n')) // the client is gone if this fails
	return nil
}

// wantsJSON tells whether a program asks rather than a browser: it says so in
// Accept, or it sends JSON and does not ask for a page.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/html") || strings.Contains(accept, "text/event-stream") {
		return false
	}
	sent, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return strings.Contains(accept, "json") || sent == "application/json" || !navigates(r) && accept == ""
}

// seconds rounds a duration up: "in 0 s" would be a lie.
func seconds(d time.Duration) int64 {
	return int64((max(d, 0) + time.Second - 1) / time.Second)
}

func setRetryAfter(h http.Header, wait time.Duration) {
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(wait), 10))
	}
}
