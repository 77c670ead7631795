package session_test

import (
	"context"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
)

func Example() {
	store := memory.New(memory.Config{SweepEvery: time.Second})
	defer store.Close()
	sessions := session.NewSessions(store, session.Options{})
	ctx, now := context.Background(), time.Now()

	// After a step-up: a new session, and the value of its cookie.
	cookieValue, err := sessions.Create(ctx, session.Session{
		User: "ada", UserID: "1001", Site: "app.example.com", Factor: "totp",
		AuthTime: now, Created: now, Seen: now,
	}, 8*time.Hour)
	if err != nil {
		fmt.Println("refuse:", err)
		return
	}

	// With every request.
	s, _, found, err := sessions.Load(ctx, "app.example.com", cookieValue)
	if err != nil {
		fmt.Println("refuse:", err)
		return
	}
	fmt.Println(found, s.User, s.Factor, s.Alive(time.Now(), 30*time.Minute, 8*time.Hour))

	// At another site the same value leads nowhere.
	_, _, found, _ = sessions.Load(ctx, "other.example.com", cookieValue)
	fmt.Println(found)
	// Output:
	// true ada totp true
	// false
}
