// Package form reads the small forms that the gateway's endpoints take: HTML
// forms and flat JSON objects of strings, each field once, within bounds.
//
// What can be read in two ways is not read at all: a field that is there
// twice, a number where a code should be, anything behind the end.
package form

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxBody bounds a form, in bytes.
	MaxBody = 8 << 10
	// MaxFields bounds how many fields it may have.
	MaxFields = 16
	// Deadline bounds how long a client may take to send it.
	Deadline = 10 * time.Second
)

// errForm stands for every way of not being a form; the client learns no more.
var errForm = errors.New("not a form")

// Read returns the fields of r's body, and 200. Anything else than 200 is the
// status to answer with: 415 for a type that is not said once, is neither
// application/x-www-form-urlencoded nor application/json, or is not in UTF-8,
// and for a compressed body; 413 beyond [MaxBody]; 400 for a body that cannot
// be read in exactly one way.
//
// It sets the connection's read deadline where that is possible, and reads
// nothing but the body: a field in the query does not count.
func Read(w http.ResponseWriter, r *http.Request) (map[string]string, int) {
	parse := parser(r.Header)
	if parse == nil {
		return nil, http.StatusUnsupportedMediaType
	}
	// A connection that cannot have a deadline is still bounded by the
	// server's own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(Deadline))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	fields, err := parse(string(body))
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return fields, http.StatusOK
}

func parser(h http.Header) func(string) (map[string]string, error) {
	if len(h["Content-Type"]) != 1 || len(h["Content-Encoding"]) > 0 {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if charset, named := parameters["charset"]; err != nil || named && !strings.EqualFold(charset, "utf-8") {
		return nil
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		return parseURLEncoded
	case "application/json":
		return parseJSON
	}
	return nil
}

// parseURLEncoded refuses a field that is there twice: who reads the first and
// who reads the last would not agree.
func parseURLEncoded(body string) (map[string]string, error) {
	if strings.Count(body, "&") >= MaxFields {
		return nil, errForm
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, errForm
	}
	fields := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 || !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return nil, errForm
		}
		fields[name] = all[0]
	}
	return fields, nil
}

// parseJSON reads one flat object of strings. It walks the tokens itself
// because encoding/json lets the last of two equal names win, and it looks for
// broken UTF-8 because encoding/json repairs that.
func parseJSON(body string) (map[string]string, error) {
	if !utf8.ValidString(body) {
		return nil, errForm
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errForm
	}
	fields := make(map[string]string)
	for decoder.More() {
		name, nameErr := decoder.Token()
		value, valueErr := decoder.Token()
		if nameErr != nil || valueErr != nil || len(fields) == MaxFields {
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
