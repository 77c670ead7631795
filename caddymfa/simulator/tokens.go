package simulator

import (
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// accessTokenLife is constant; expires_in does not count down.
const accessTokenLife = 10 * time.Hour

// accountID is the invented tenant's number.
const accountID = 555555

// accessToken is the one live token of a credential. Everybody who asks with
// that credential gets the same.
type accessToken struct {
	value, refresh string
	createdAt      time.Time
}

// tokenBody is the answer of the token endpoint in the key order of the wire.
type tokenBody struct {
	AccessToken  string `json:"access_token"`
	CreatedAt    string `json:"created_at"` // when it was first made, perhaps hours ago
	ExpiresIn    int    `json:"expires_in"` // seconds from CreatedAt, not from now
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type"` // always "bearer", in lower case
	AccountID    int    `json:"account_id"`
}

// grant answers a request for an access token. The order of the checks is part
// of the contract: content type, credential present, credential right, grant.
func (s *Simulator) grant(c *call) reply {
	form, isForm, ok := c.credentialBody()
	if !ok {
		return errorA(http.StatusBadRequest, messageContentType)
	}
	clientID, clientSecret, given := clientCredential(authorization(c.request.Header))
	// Only a form may carry the credential in its body, and only instead of a header.
	if !given && isForm && !c.authorized() {
		clientID, clientSecret = form.Get("client_id"), form.Get("client_secret")
		given = clientID != ""
	}
	if !given && !c.authorized() {
		return errorA(http.StatusBadRequest, messageNoCredential)
	}
	known, ok := s.credential(clientID, clientSecret)
	if !ok {
		return errorA(http.StatusUnauthorized, messageAuthentication)
	}
	if form.Get("grant_type") != "client_credentials" {
		return errorA(http.StatusBadRequest, messageGrant)
	}
	return tokenReply(s.accessToken(known.ClientID, c.now), c)
}

// accessToken returns the live token of a credential, making one if needed.
func (s *Simulator) accessToken(clientID string, now time.Time) accessToken {
	current, ok := s.accessTokens[clientID]
	if !ok || !current.alive(now) {
		current = accessToken{
			value:     hex.EncodeToString(randomBytes(32)),
			refresh:   hex.EncodeToString(randomBytes(32)),
			createdAt: now,
		}
		s.accessTokens[clientID] = current
	}
	return current
}

func (t accessToken) alive(now time.Time) bool { return now.Before(t.createdAt.Add(accessTokenLife)) }

func tokenReply(t accessToken, c *call) reply {
	body := tokenBody{
		AccessToken:  t.value,
		CreatedAt:    t.createdAt.Add(c.switches.TokenCreatedAtSkew).UTC().Format("2006-01-02T15:04:05.000Z"),
		ExpiresIn:    int(accessTokenLife / time.Second),
		RefreshToken: t.refresh,
		TokenType:    "bearer",
		AccountID:    accountID,
	}
	if c.switches.TokenNoRefreshField {
		body.RefreshToken = ""
	}
	if c.endpoint.path == "auth/oauth2/token" || c.switches.TokenWrapped {
		return okA([]tokenBody{body})
	}
	return reply{status: http.StatusOK, body: body}
}

// revoke ends an access token, for everybody who uses it. Revoking one that is
// dead already succeeds.
func (s *Simulator) revoke(c *call) reply {
	form, _, ok := c.credentialBody()
	if !ok {
		return errorA(http.StatusBadRequest, messageContentType)
	}
	if !c.authorized() {
		return errorA(http.StatusBadRequest, messageNoCredential)
	}
	clientID, clientSecret, _ := clientCredential(authorization(c.request.Header))
	known, ok := s.credential(clientID, clientSecret)
	if !ok {
		return errorA(http.StatusUnauthorized, messageAuthentication)
	}
	value := form.Get("access_token")
	if value == "" {
		return errorA(http.StatusBadRequest, messageNoAccessToken)
	}
	if s.accessTokens[known.ClientID].value == value {
		delete(s.accessTokens, known.ClientID)
	}
	return okA(nil)
}

// credentialBody returns the fields of a token or revoke request, which may be
// JSON or a form. ok is false for any other content type.
func (c *call) credentialBody() (fields url.Values, isForm, ok bool) {
	mediaType, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	switch mediaType {
	case "application/x-www-form-urlencoded":
		fields, _ = url.ParseQuery(string(c.body))
		return fields, true, true
	case "application/json":
		var object map[string]any
		json.Unmarshal(c.body, &object) // no object: no fields, and so no grant
		fields = url.Values{}
		for name, value := range object {
			if text, isText := value.(string); isText {
				fields.Set(name, text)
			}
		}
		return fields, false, true
	}
	return nil, false, false
}
