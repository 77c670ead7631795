package stepup_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// openBook is a store that writes down what it is given.
type openBook struct {
	session.Store
	mu    sync.Mutex
	notes strings.Builder
}

func (b *openBook) note(key session.Key, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(&b.notes, "%v %+v %s %x\n", key, key, value, value)
}

func (b *openBook) Add(ctx context.Context, key session.Key, value string, expires time.Time, groups ...session.Group) (bool, error) {
	b.note(key, value)
	return b.Store.Add(ctx, key, value, expires, groups...)
}

func (b *openBook) Update(ctx context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	b.note(key, value)
	return b.Store.Update(ctx, key, old, value, expires)
}

func (b *openBook) Increment(ctx context.Context, key session.Key, window time.Duration) (int64, time.Time, error) {
	b.note(key, "")
	return b.Store.Increment(ctx, key, window)
}

// A stolen store tells no code, and no hash that six digits can be tried on.
func TestStoreLearnsNoCodeAndNoPlainHashOfOne(t *testing.T) {
	book := new(openBook)
	inBubble(t, func(t *testing.T, k *kit) {
		v := k.visit("bob")
		v.start(policy.SMS)
		right := k.code("bob", simulator.SMS)
		v.want(v.verify(wrong(right, 0)), stepup.Pending, stepup.WrongCode)
		v.want(v.verify(right), stepup.Verified, stepup.NoticeNone)
		notes := book.notes.String()
		if strings.Count(notes, "\n") < 4 {
			t.Fatalf("the store was given too little to tell:\n%s", notes)
		}
		for _, code := range []string{right, wrong(right, 0)} {
			for _, guess := range plainHashes(code, "bob", "102", "bob@example.com") {
				if strings.Contains(notes, guess) {
					t.Errorf("the store holds %q, which is made of the code alone:\n%s", guess, notes)
				}
			}
		}
	}, func(c *stepup.Config) {
		book.Store = c.Store
		c.Store = book
	})
}

// plainHashes are the code, and what anybody could make of it and a name.
func plainHashes(code string, names ...string) []string {
	texts := []string{code}
	for _, name := range names {
		for _, between := range []string{"", "\x00", ":", "|", "/", " ", "\n"} {
			texts = append(texts, name+between+code, code+between+name)
		}
	}
	all := []string{code, hex.EncodeToString([]byte(code))}
	for _, text := range texts {
		sum := sha256.Sum256([]byte(text))
		all = append(all, hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:16]), string(sum[:]),
			base64.RawURLEncoding.EncodeToString(sum[:16]), base64.RawStdEncoding.EncodeToString(sum[:16]))
	}
	return all
}
