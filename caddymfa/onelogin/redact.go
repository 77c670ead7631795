package onelogin

import (
	"fmt"
	"io"
)

// redactedText stands where a value with a secret in it is printed.
const redactedText = "[redacted]"

// redacted is embedded in each struct that carries a secret or a person's
// address, so that no log shows any of it by accident: fmt prints the struct
// as [redacted] with every verb, and so do encoding/json and the loggers that
// build on either, such as log/slog and zap.
//
// Such a struct does not survive encoding/json: who stores one stores its
// fields. And fmt cannot ask it if it is an unexported field of a struct that
// is printed: keep one there only in types that nobody prints.
type redacted struct{}

// Format implements [fmt.Formatter] for every verb and flag.
func (redacted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }

// String implements [fmt.Stringer] for loggers that look for it.
func (redacted) String() string { return redactedText }

// MarshalText implements [encoding.TextMarshaler], which encoding/json uses too.
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }
