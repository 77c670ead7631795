package assertion_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
)

func otherKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// published are the ids of a ring's published keys.
func published(t rapid.TB, r assertion.Ring, now time.Time) []string {
	t.Helper()
	encoded, err := r.PublicKeys(now)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(encoded, &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range set.Keys {
		ids = append(ids, key.Kid)
	}
	return ids
}

func TestPublicKeysHoldNothingPrivate(t *testing.T) {
	ring := rotated(t, rotated(t, assertion.Ring{}, start()), start())
	encoded, err := ring.PublicKeys(start())
	if err != nil {
		t.Fatal(err)
	}
	var set map[string][]map[string]string
	if err := json.Unmarshal(encoded, &set); err != nil || len(set) != 1 || len(set["keys"]) != 2 {
		t.Fatalf("PublicKeys = %s", encoded)
	}
	for _, key := range set["keys"] {
		if key["kty"] != "EC" || key["crv"] != "P-256" || key["use"] != "sig" || key["alg"] != "ES256" ||
			key["x"] == "" || key["y"] == "" || key["kid"] == "" || len(key) != 7 {
			t.Errorf("published key %v", key)
		}
	}
}

func TestNewKeyIsPublishedBeforeItSigns(t *testing.T) {
	ring := rotated(t, assertion.Ring{}, start())
	first := published(t, ring, start())[0]
	again := start().Add(assertion.KeyLifetime)
	ring = rotated(t, ring, again)
	second := published(t, ring, again)[0]
	for _, tt := range []struct {
		after     time.Duration // since the rotation
		signs     string
		published []string
		waiting   bool
	}{
		{0, first, []string{second, first}, true},
		{assertion.Overlap - time.Second, first, []string{second, first}, true},
		{assertion.Overlap, second, []string{second, first}, false},
		{2*assertion.Overlap - time.Second, second, []string{second, first}, false},
		{2 * assertion.Overlap, second, []string{second}, false},
	} {
		now := again.Add(tt.after)
		if got := keyID(t, sign(t, ring, statement(), now)); got != tt.signs {
			t.Errorf("after %s %s signs, want %s", tt.after, got, tt.signs)
		}
		if got := published(t, ring, now); !slices.Equal(got, tt.published) {
			t.Errorf("after %s %q are published, want %q", tt.after, got, tt.published)
		}
		if got := ring.Waiting(now); got != tt.waiting {
			t.Errorf("after %s Waiting = %v, want %v", tt.after, got, tt.waiting)
		}
	}
}

func TestKeysAreDueInTime(t *testing.T) {
	ring := rotated(t, assertion.Ring{}, start())
	end := start().Add(assertion.KeyLifetime)
	if !(assertion.Ring{}).Due(start()) || ring.Due(end.Add(-time.Second)) || !ring.Due(end) {
		t.Error("a ring is due when it is empty, or KeyLifetime after its last rotation")
	}
	if ring.Waiting(start()) {
		t.Error("the only key waits for nobody")
	}
}

// A rotation must be invisible to an app that keeps the keys for minutes, and
// to nodes that learn of it a minute later.
func TestRotationIsInvisible(t *testing.T) {
	const kept, learned = 5 * time.Minute, time.Minute
	rapid.Check(t, func(t *rapid.T) {
		now := start()
		ring, err := assertion.Ring{}.Rotate(now)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 12).Draw(t, "rotations") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "wait")))
			if ring.Waiting(now) {
				continue
			}
			before := ring
			if ring, err = ring.Rotate(now); err != nil {
				t.Fatal(err)
			}
			stored, err := ring.Encode()
			if count := strings.Count(string(stored), `"pkcs8"`); err != nil || count > 3 {
				t.Fatalf("%d keys are kept, %v", count, err)
			}
			fetched := published(t, before, now.Add(-kept))
			for after := time.Duration(0); after <= learned; after += learned / 2 {
				for name, node := range map[string]assertion.Ring{"old": before, "new": ring} {
					signed, err := node.Sign(statement(), now.Add(after))
					if err != nil {
						t.Fatal(err)
					}
					id := keyIDOf(signed)
					if !slices.Contains(fetched, id) {
						t.Fatalf("%s after a rotation the %s node signs with a key that was not published before", after, name)
					}
					if !slices.Contains(published(t, ring, now.Add(after+assertion.Lifetime)), id) {
						t.Fatalf("%s after a rotation a key of the %s node is gone before what it signed", after, name)
					}
				}
			}
		}
	})
}

// keyIDOf is keyID without a test to fail.
func keyIDOf(signed string) string {
	header, _, _ := strings.Cut(signed, ".")
	text, _ := base64.RawURLEncoding.DecodeString(header)
	var named struct{ Kid string }
	_ = json.Unmarshal(text, &named)
	return named.Kid
}

func TestAppFetchesAKeyThatItDoesNotKnow(t *testing.T) {
	g := newGateway(t)
	app := g.app()
	check := func(signed string, fetches int) {
		t.Helper()
		if _, err := app.Check(signed); err != nil {
			t.Errorf("Check: %v", err)
		}
		if g.fetches != fetches {
			t.Errorf("the keys were fetched %d times, want %d", g.fetches, fetches)
		}
	}
	old := sign(t, g.ring, statement(), g.now)
	check(old, 1)
	check(old, 1)
	emergency := rotated(t, assertion.Ring{}, g.now) // nobody was told before
	if _, err := app.Check(sign(t, emergency, statement(), g.now)); err == nil || g.fetches != 1 {
		t.Errorf("unknown key: %v after %d fetches; want it refused without another fetch so soon", err, g.fetches)
	}
	g.ring, g.now = emergency, g.now.Add(11*time.Second)
	check(sign(t, g.ring, statement(), g.now), 2)
	if _, err := app.Check(old); err == nil {
		t.Error("a key that is not published any more was accepted")
	}
}

func TestSignedBeforeARotationStillVerifies(t *testing.T) {
	g := newGateway(t)
	g.now = start().Add(assertion.KeyLifetime)
	old := sign(t, g.ring, statement(), g.now)
	g.ring = rotated(t, g.ring, g.now)
	for _, app := range []string{"app that asks now", "app that asks at the end"} {
		if _, err := g.app().Check(old); err != nil {
			t.Errorf("%s: %v", app, err)
		}
		g.now = g.now.Add(assertion.Lifetime)
	}
}

func TestRingSurvivesStorage(t *testing.T) {
	ring := rotated(t, rotated(t, assertion.Ring{}, start()), start().Add(time.Minute))
	encoded, err := ring.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := assertion.ParseRing(encoded)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, time.Hour, 90 * time.Minute, 24 * time.Hour} {
		now := start().Add(after)
		if got, want := published(t, read, now), published(t, ring, now); !slices.Equal(got, want) {
			t.Errorf("after %s %q are published, want %q", after, got, want)
		}
		if got, want := keyID(t, sign(t, read, statement(), now)), keyID(t, sign(t, ring, statement(), now)); got != want {
			t.Errorf("after %s %s signs, want %s", after, got, want)
		}
	}
}

func TestParseRingRefuses(t *testing.T) {
	encode := func(curve elliptic.Curve) string {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(der)
	}
	one := fmt.Sprintf(`{"made":1,"pkcs8":%q}`, encode(elliptic.P256()))
	ring := func(version int, keys ...string) string {
		return fmt.Sprintf(`{"version":%d,"keys":[%s]}`, version, strings.Join(keys, ","))
	}
	for name, stored := range map[string]string{
		"nothing":          "",
		"a sealing key":    strings.Repeat("canary-", 5),
		"no JSON":          "{",
		"two values":       ring(1, one) + "{}",
		"another version":  ring(2, one),
		"no version":       `{"keys":[` + one + `]}`,
		"no key":           ring(1),
		"too many keys":    ring(1, slices.Repeat([]string{one}, 9)...),
		"another curve":    ring(1, fmt.Sprintf(`{"made":1,"pkcs8":%q}`, encode(elliptic.P384()))),
		"no pkcs8":         ring(1, `{"made":1}`),
		"cut":              ring(1, one[:40]+`"}`),
		"canary as key":    ring(1, `{"made":1,"pkcs8":"Y2FuYXJ5"}`),
		"a second of junk": ring(1, one, `{"made":"canary","pkcs8":""}`),
	} {
		if _, err := assertion.ParseRing([]byte(stored)); err == nil {
			t.Errorf("%s: ParseRing accepted %s", name, stored)
		} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Y2Fu") {
			t.Errorf("%s: the error shows what was read: %v", name, err)
		}
	}
	if _, err := assertion.ParseRing([]byte(ring(1, one))); err != nil {
		t.Errorf("ParseRing refused a good ring: %v", err)
	}
}
