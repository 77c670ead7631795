package caddymfa_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis/redistest"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// keyID is the name of the key that sealed b's session in Redis.
func (f *fleet) keyID(b *browser) string {
	f.t.Helper()
	return f.redis.Do("GET", b.record())[keyIDAt:nonceAt]
}

// login makes a session at n, of a user of its own.
func (f *fleet) login(n *node, userID int64) *browser {
	f.t.Helper()
	name := fmt.Sprint("user", userID)
	f.newcomer(name, userID, simulator.TOTP)
	b := n.person(name)
	b.verifyBy(simulator.TOTP, "/")
	return b
}

func TestKeyRotationOnOneNodeReachesTheOther(t *testing.T) {
	t.Parallel()
	f := newFleet(t, http.HandlerFunc(told))
	north, south := f.pair()
	both := func(b *browser, pass bool) func() bool {
		return func() bool {
			return b.at(north).get("/").passed() == pass && b.at(south).get("/").passed() == pass
		}
	}
	alice := f.verified(north, "alice")
	redistest.Eventually(t, time.Minute, "alice passes", both(alice, true))
	userID, keyID := int64(700), f.keyID(alice)
	for rotation := range 2 {
		north.rotate()
		rotated := time.Now()
		var newest *browser
		redistest.Eventually(t, time.Minute, "a session is sealed with the new key", func() bool {
			userID++
			newest = f.login(north, userID)
			return f.keyID(newest) != keyID
		})
		keyID = f.keyID(newest)
		sealed := time.Since(rotated)
		redistest.Eventually(t, time.Minute, "it passes on both nodes", both(newest, true))
		t.Logf("a session is sealed with a new key %.1f s after the rotation, and passes on the other node %.1f s after it", sealed.Seconds(), time.Since(rotated).Seconds())
		if rotation == 0 {
			redistest.Eventually(t, time.Minute, "alice passes still", both(alice, true))
		}
	}
	redistest.Eventually(t, 20*time.Second, "alice is refused", both(alice, false))
	before := len(f.app.requests())
	minted := f.verified(north, "mallory") // by somebody who has the old key
	for _, n := range []*node{north, south} {
		for _, b := range []*browser{alice, minted} {
			got := b.at(n).get("/")
			if got.StatusCode != http.StatusUnauthorized {
				t.Errorf("node %s answers %d to %s, whose session is sealed with a key of long ago", n.name, got.StatusCode, b.user)
			}
		}
	}
	f.app.wantCount(t, before)
	north.person("alice").verifyBy(simulator.TOTP, "/")
}

// passed tells whether the app has answered.
func (a answer) passed() bool { return a.StatusCode == http.StatusOK }
