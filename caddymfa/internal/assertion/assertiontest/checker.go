// Package assertiontest is what an app does with the assertions that it is
// sent, as docs/assertion.md shows it. Tests of other rooms check them with it.
package assertiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	skew      = 5 * time.Second  // how far the clocks may differ
	keepKeys  = 5 * time.Minute  // as Cache-Control says
	fetchWait = 10 * time.Second // so that made-up key ids cost nothing
)

// Claims is what an assertion says.
type Claims struct {
	jwt.Claims
	AuthTime *jwt.NumericDate `json:"auth_time"`
	Methods  []string         `json:"amr"`
	Class    string           `json:"acr"`
}

// Checker checks the assertions that one app is sent. Set all of the exported
// fields: what is empty would not be checked.
type Checker struct {
	KeysURL  string // https://<site>/.mfa/jwks.json
	Issuer   string // the site's host
	Audience string // as the site's assertion says; its default is the host
	Client   *http.Client
	Now      func() time.Time

	mu      sync.Mutex
	keys    jose.JSONWebKeySet
	fetched time.Time
}

// Check returns what the header's value says, or an error: then the request
// did not come through the gateway, or is too old, and must be refused.
func (c *Checker) Check(headerValue string) (Claims, error) {
	// ES256 alone: not "none", and no HMAC with the public key as its secret.
	assertion, err := jwt.ParseSigned(headerValue, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Claims{}, err
	}
	key, err := c.key(assertion.Headers[0].KeyID)
	if err != nil {
		return Claims{}, err
	}
	var said Claims
	if err := assertion.Claims(key, &said); err != nil {
		return Claims{}, err
	}
	expected := jwt.Expected{Issuer: c.Issuer, AnyAudience: jwt.Audience{c.Audience}, Time: c.Now()}
	if err := said.ValidateWithLeeway(expected, skew); err != nil {
		return Claims{}, err
	}
	if said.Subject == "" || said.Expiry == nil || said.AuthTime == nil {
		return Claims{}, errors.New("a claim is missing")
	}
	return said, nil
}

// key returns a published key. For an id that it does not know it asks again,
// because keys are rotated.
func (c *Checker) key(id string) (jose.JSONWebKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := c.Now().Sub(c.fetched)
	if found := c.keys.Key(id); len(found) == 1 && age < keepKeys {
		return found[0], nil
	}
	if age >= fetchWait {
		if err := c.fetch(); err != nil {
			return jose.JSONWebKey{}, err
		}
	}
	if found := c.keys.Key(id); len(found) == 1 {
		return found[0], nil
	}
	return jose.JSONWebKey{}, errors.New("the key is not published")
}

func (c *Checker) fetch() error {
	c.fetched = c.Now()
	answer, err := c.Client.Get(c.KeysURL)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", c.KeysURL, answer.Status)
	}
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(answer.Body).Decode(&keys); err != nil {
		return err
	}
	c.keys = keys
	return nil
}
