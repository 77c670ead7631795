package caddymfa

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxForm bounds the body of a POST to an endpoint, in bytes.
	maxForm = 8 << 10
	// maxFields bounds how many fields it may have.
	maxFields = 16
	// formDeadline bounds how long a client may take to send it.
	formDeadline = 10 * time.Second
)

// errForm is what a person or program sent that is no form of ours.
var errForm = errors.New("not a form of ours")

// readForm reads the body of a POST and proves that it comes from one of our
// own pages: its csrf value was sealed by us, for this user, on this site, for
// this purpose. False: the call has been answered, with the error returned.
func (h *Handler) readForm(c *call, purpose string) (bool, error) {
	if !sameOrigin(c.r) {
		return false, h.refuse(c.w, c.r, refusal{status: http.StatusForbidden, kind: kindCrossSite})
	}
	fields, status := readFields(c.w, c.r)
	if status != http.StatusOK {
		return false, h.refuse(c.w, c.r, refusal{status: status, kind: kindBadForm})
	}
	t, ok, err := h.openTicket(c.r, purpose, fields["csrf"])
	if err != nil {
		return false, h.unavailable(c.w, c.r, "open form", err)
	}
	if !ok || !t.fits(c.r, c.user) || time.Now().After(t.Expires) {
		return false, h.refuse(c.w, c.r, refusal{status: http.StatusForbidden, kind: kindStaleForm, returnTo: t.ReturnTo})
	}
	c.ticket, c.fields = t, fields
	return true, nil
}

// sameOrigin tells whether a browser sent the request from one of this site's
// own pages. Programs and old browsers say nothing about that; for them, and
// for pages that hide their origin, the csrf value alone decides.
func sameOrigin(r *http.Request) bool {
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" {
		return from == "same-origin" || from == "none"
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "null" || strings.EqualFold(origin, scheme(r)+"://"+r.Host)
}

// readFields returns the body's fields, and 200 or what is wrong with it.
func readFields(w http.ResponseWriter, r *http.Request) (map[string]string, int) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" && kind != "application/x-www-form-urlencoded" {
		return nil, http.StatusUnsupportedMediaType
	}
	// A connection that cannot have a deadline is still bounded by the
	// server's own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(formDeadline))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	parse := parseURLEncoded
	if kind == "application/json" {
		parse = parseJSON
	}
	fields, err := parse(string(body))
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return fields, http.StatusOK
}

// parseURLEncoded refuses a field that is there twice: who reads the first and
// who reads the last would not agree.
func parseURLEncoded(body string) (map[string]string, error) {
	if strings.Count(body, "&") >= maxFields {
		return nil, errForm
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, errForm
	}
	fields := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 {
			return nil, errForm
		}
		fields[name] = all[0]
	}
	return fields, nil
}

// parseJSON reads one flat object of strings. It walks the tokens itself
// because encoding/json lets the last of two equal names win.
func parseJSON(body string) (map[string]string, error) {
	decoder := json.NewDecoder(strings.NewReader(body))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errForm
	}
	fields := make(map[string]string)
	for decoder.More() {
		name, nameErr := decoder.Token()
		value, valueErr := decoder.Token()
		if nameErr != nil || valueErr != nil || len(fields) == maxFields {
			return nil, errForm
		}
		text, isString := value.(string)
		if _, twice := fields[name.(string)]; twice || !isString {
			return nil, errForm
		}
		fields[name.(string)] = text
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errForm
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errForm
	}
	return fields, nil
}
