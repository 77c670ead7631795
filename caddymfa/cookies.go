package caddymfa

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// cookieNames are the names under which a site keeps its cookies in the
// browser.
type cookieNames struct {
	session string // the session's
	prefix  string // of all the others
	secure  bool
}

// namesOfCookies uses the prefix __Host-, which makes browsers refuse the
// cookie from other hosts and over plain http (RFC 6265bis, 4.1.3.2). Plain
// http has no such cookies.
func namesOfCookies(insecure bool) cookieNames {
	if insecure {
		return cookieNames{session: "mfa", prefix: "mfa-"}
	}
	return cookieNames{session: "__Host-mfa", prefix: "__Host-mfa-", secure: true}
}

// own tells whether a cookie is ours, and so nothing for the app.
func (n cookieNames) own(name string) bool {
	return name == n.session || strings.HasPrefix(name, n.prefix)
}

// challenge names the cookie of one challenge. Each challenge has its own, so
// that two tabs do not overwrite each other's. The nonce itself stays secret.
func (n cookieNames) challenge(nonce [16]byte) string {
	sum := sha256.Sum256(nonce[:])
	return n.prefix + hex.EncodeToString(sum[:4])
}

// language names the cookie that holds the language a person chose.
func (n cookieNames) language() string { return n.prefix + "lang" }

// set writes a cookie that ends with the browser's session, or after maxAge
// if that is not zero. It must be called before the status is written.
func (n cookieNames) set(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is set unless the operator allowed plain http
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   int(maxAge / time.Second),
		Secure:   n.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// clear removes a cookie from the browser.
func (n cookieNames) clear(w http.ResponseWriter, name string) {
	n.set(w, name, "", -time.Second)
}
