package onelogin

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxDepth bounds the nesting of a body. OneLogin's own reach 4.
	maxDepth = 32

	maxOpaqueLength = 4096
)

var (
	errUnreadable = errors.New("not one plain JSON value")

	// userIDPattern allows one spelling per user, so that ids compare as text.
	userIDPattern = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

	// recordIDPattern is for ids that are opaque to us: verifications, devices.
	recordIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

	digitsPattern = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
)

// object is a JSON object read with exact names. Structs are not decoded from
// the wire directly: encoding/json would take "STATUS" for "status" and let
// the last of two win.
type object = map[string]any

// parse reads a body that must be one JSON value in valid UTF-8, at most
// maxDepth deep, without a name twice in one object and with nothing after it.
// Numbers stay json.Number.
func parse(body []byte) (any, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, errUnreadable
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	return parseValue(decoder, maxDepth)
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	next, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delimiter, container := next.(json.Delim)
	switch {
	case !container:
		return next, nil
	case depth == 0:
		return nil, errUnreadable
	case delimiter == '{':
		return parseObject(decoder, depth-1)
	default:
		return parseArray(decoder, depth-1)
	}
}

func parseObject(decoder *json.Decoder, depth int) (any, error) {
	members := object{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if _, repeated := members[key]; repeated {
			return nil, errUnreadable
		}
		if members[key], err = parseValue(decoder, depth); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token() // the closing brace
	return members, err
}

func parseArray(decoder *json.Decoder, depth int) (any, error) {
	items := []any{}
	for decoder.More() {
		item, err := parseValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := decoder.Token() // the closing bracket
	return items, err
}

// parseRecord reads a body that holds one object, bare or as the only element
// of an array, or of an array in an array: OneLogin's documents show arrays
// where its servers send objects (docs/onelogin.md, Shapes).
func parseRecord(body []byte) (object, error) {
	value, err := parse(body)
	if err != nil {
		return nil, err
	}
	for range 2 {
		if items, ok := value.([]any); ok && len(items) == 1 {
			value = items[0]
		}
	}
	record, ok := value.(object)
	if !ok {
		return nil, errUnreadable
	}
	return record, nil
}

// readEnvelope reads {"status":{…},"data":…}, the form of the first API, where
// the status does not speak of an error. Data is an object or the only one of
// an array, and nil if it is neither.
func readEnvelope(body []byte) (status, data object, ok bool) {
	record, err := parseRecord(body)
	if err != nil || !spelledExactly(record, "status", "data") {
		return nil, nil, false
	}
	status, _ = record["status"].(object)
	if items, isList := record["data"].([]any); isList && len(items) == 1 {
		data, _ = items[0].(object)
	} else {
		data, _ = record["data"].(object)
	}
	return status, data, status["error"] == false && status["code"] == json.Number("200")
}

// parseList reads a body that holds an array of objects, or one object bare.
func parseList(body []byte) ([]object, error) {
	value, err := parse(body)
	if err != nil {
		return nil, err
	}
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	records := make([]object, len(items))
	for i, item := range items {
		if records[i], ok = item.(object); !ok {
			return nil, errUnreadable
		}
	}
	return records, nil
}

// spelledExactly reports whether none of the names occurs in another case. A
// body with both "status" and "Status" is not one to trust.
func spelledExactly(record object, names ...string) bool {
	for key := range record {
		for _, name := range names {
			if key != name && strings.EqualFold(key, name) {
				return false
			}
		}
	}
	return true
}

// identifier returns an id that OneLogin sent as a string or as a whole
// number, or "" if it is neither.
func identifier(value any) string {
	switch id := value.(type) {
	case json.Number:
		if digitsPattern.MatchString(id.String()) {
			return id.String()
		}
	case string:
		if recordIDPattern.MatchString(id) {
			return id
		}
	}
	return ""
}

// opaque returns a string that is a secret of OneLogin's making, or "" for all
// that could not travel in a header.
func opaque(value any) string {
	s := text(value)
	if len(s) > maxOpaqueLength || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}

// text returns a string member, or "" for null, for none and for other types.
func text(value any) string {
	s, _ := value.(string)
	return s
}

// number returns a whole number, or -1 for everything else.
func number(value any) int {
	n, ok := value.(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil || i < 0 || i > 1<<30 {
		return -1
	}
	return int(i)
}

// instant reads a time such as 2021-07-27T23:25:50Z, with or without a
// fraction. It returns the zero time and true for null, none and "".
func instant(value any) (time.Time, bool) {
	if value == nil || value == "" {
		return time.Time{}, true
	}
	at, err := time.Parse(time.RFC3339, text(value))
	return at.UTC(), err == nil
}
