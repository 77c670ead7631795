package stepup

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
)

// codeShape is what codes of OneLogin's factors look like: most are six or
// eight digits, text messages may mix letters in, a YubiKey types 44 modhex
// characters (docs/onelogin.md, Factor names).
var codeShape = regexp.MustCompile(`^(?:[A-Za-z0-9]{4,12}|[cbdefghijklnrtuv]{44})$`)

// maxTyped bounds what is looked at, in bytes. The longest code with every
// character full-width and spaces between is shorter.
const maxTyped = 256

// normalise returns the code that a person meant by what they typed or pasted,
// or false if it cannot be a code. Full-width characters become ASCII; blanks
// around it are dropped; blanks and dashes inside it are dropped if all else is
// digits. Case is kept: whether OneLogin's codes have one is not documented.
func normalise(typed string) (code string, ok bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	code = strings.Trim(strings.Map(fold, typed), " \t\r\n")
	if digits := strings.Map(dropSeparator, code); isDigits(digits) {
		code = digits
	}
	return code, codeShape.MatchString(code)
}

// fold maps the full-width forms of ASCII (U+FF01 to U+FF5E) and the ideographic
// space to what they stand for, as NFKC does.
func fold(r rune) rune {
	switch {
	case r >= '！' && r <= '～':
		return r - '！' + '!'
	case r == '\u3000':
		return ' '
	}
	return r
}

func dropSeparator(r rune) rune {
	if strings.ContainsRune(" \t\r\n-", r) {
		return -1
	}
	return r
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// codeMAC stands for a code of one user in the store. Codes are short: without
// the pepper they could be guessed from their hash.
func (e *Engine) codeMAC(ctx context.Context, userID, code string) (string, error) {
	key, err := e.pepper.value(ctx)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("code\x00" + userID + "\x00" + code))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// pepper is read once. Who comes while it is being read reads it too: nobody
// waits for a read that may never end.
type pepper struct {
	read  func(context.Context) ([32]byte, error)
	known *atomic.Pointer[[32]byte]
}

func newPepper(read func(context.Context) ([32]byte, error)) pepper {
	if read == nil {
		var own [32]byte
		rand.Read(own[:])
		read = func(context.Context) ([32]byte, error) { return own, nil }
	}
	return pepper{read: read, known: new(atomic.Pointer[[32]byte])}
}

func (p pepper) value(ctx context.Context) ([32]byte, error) {
	if known := p.known.Load(); known != nil {
		return *known, nil
	}
	value, err := p.read(ctx)
	if err != nil {
		return [32]byte{}, fmt.Errorf("read pepper: %w", err)
	}
	p.known.CompareAndSwap(nil, &value)
	return *p.known.Load(), nil
}
