package simulator

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
)

// Scope is what a credential may do. An access token has the scope of its
// credential; OneLogin has no scope parameter.
type Scope string

// The scopes of OneLogin, in its own words. None contains another by itself:
// each call names all that it accepts.
const (
	ScopeAuthenticationOnly Scope = "Authentication Only"
	ScopeReadUsers          Scope = "Read Users"
	ScopeManageUsers        Scope = "Manage users"
	ScopeReadAll            Scope = "Read All"
	ScopeManageAll          Scope = "Manage All"
)

// Scopes returns all of them, the narrowest first.
func Scopes() []Scope {
	return []Scope{ScopeAuthenticationOnly, ScopeReadUsers, ScopeManageUsers, ScopeReadAll, ScopeManageAll}
}

// Credential is a pair of client id and secret with its scope.
type Credential struct {
	ClientID, ClientSecret string
	Scope                  Scope
}

// Groups of scopes that calls accept.

func anyScope() []Scope { return append(readUsers(), ScopeAuthenticationOnly) }
func readUsers() []Scope {
	return []Scope{ScopeReadUsers, ScopeManageUsers, ScopeReadAll, ScopeManageAll}
}
func manageUsers() []Scope { return []Scope{ScopeManageUsers, ScopeManageAll} }
func manageAll() []Scope   { return []Scope{ScopeManageAll} }
func logInScopes() []Scope { return append(manageUsers(), ScopeAuthenticationOnly) }

func credentials(o Options) []Credential {
	first := Credential{o.ClientID, o.ClientSecret, ScopeManageAll}
	if first.ClientID == "" {
		first.ClientID = "demo-client"
	}
	if first.ClientSecret == "" {
		first.ClientSecret = "demo-secret"
	}
	return append([]Credential{first}, o.Credentials...)
}

// credential returns the credential with this id and secret.
func (s *Simulator) credential(clientID, clientSecret string) (Credential, bool) {
	for _, c := range s.credentials {
		sameSecret := subtle.ConstantTimeCompare([]byte(c.ClientSecret), []byte(clientSecret)) == 1
		if c.ClientID == clientID && sameSecret {
			return c, true
		}
	}
	return Credential{}, false
}

// bearerForm covers the four spellings in use: with a colon, with a space, with
// both, and in any case.
var bearerForm = regexp.MustCompile(`(?i)^bearer[: ]\s*(.+)$`)

// bearer returns the access token of an Authorization header. It does not
// check that the token exists.
func bearer(header string) (accessToken string, ok bool) {
	match := bearerForm.FindStringSubmatch(header)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// clientForm is OneLogin's own way to send a credential. The space after the
// comma is optional.
var clientForm = regexp.MustCompile(`^client_id:\s*([^,\s]+)\s*,\s*client_secret:\s*(\S+)$`)

// clientCredential returns the id and secret of an Authorization header, in
// OneLogin's form or as HTTP Basic. It does not check them.
func clientCredential(header string) (clientID, clientSecret string, ok bool) {
	if match := clientForm.FindStringSubmatch(header); match != nil {
		return match[1], match[2], true
	}
	scheme, encoded, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(plain), ":")
}

// authorization returns the only Authorization header, or "" when there is
// none or more than one.
func authorization(h http.Header) string {
	if values := h.Values("Authorization"); len(values) == 1 {
		return values[0]
	}
	return ""
}

// schemeForm is the part of a known header that is no secret.
var schemeForm = regexp.MustCompile(`(?i)^(bearer[: ]|basic )`)

// redactedAuthorization keeps the form of the header and hides its secrets.
func redactedAuthorization(header string) string {
	if header == "" {
		return ""
	}
	if match := clientForm.FindStringSubmatch(header); match != nil {
		return "client_id:" + match[1] + ", client_secret:" + redacted
	}
	if scheme := schemeForm.FindString(header); scheme != "" {
		return strings.TrimSpace(scheme) + " " + redacted
	}
	return redacted
}

// authorized reports whether the caller sent any Authorization header.
func (c *call) authorized() bool { return len(c.request.Header.Values("Authorization")) > 0 }
