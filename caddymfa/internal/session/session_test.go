package session_test

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

func TestAlive(t *testing.T) {
	const idle, lifetime = 30 * time.Minute, 8 * time.Hour
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tests := []struct {
		name           string
		authTime       time.Duration // all three: how long ago
		created, seen  time.Duration
		idle, lifetime time.Duration
		want           bool
	}{
		{"never used session", 0, 0, 0, idle, lifetime, true},
		{"idle limit reached", time.Hour, time.Hour, idle, idle, lifetime, false},
		{"just within the idle limit", time.Hour, time.Hour, idle - 1, idle, lifetime, true},
		{"lifetime reached though in use", lifetime, lifetime, 0, idle, lifetime, false},
		{"just within the lifetime", lifetime, lifetime - 1, 0, idle, lifetime, true},
		{"seen in the future beyond skew", 0, 0, -session.Skew - 1, idle, lifetime, false},
		{"created in the future beyond skew", 0, -session.Skew - 1, 0, idle, lifetime, false},
		{"proved in the future beyond skew", -session.Skew - 1, 0, 0, idle, lifetime, false},
		{"all stamps ahead within skew", -session.Skew, -session.Skew, -session.Skew, idle, lifetime, true},
		{"no idle limit given", 0, 0, 0, 0, lifetime, false},
		{"no lifetime given", 0, 0, 0, idle, 0, false},
		{"no limits and stamps ahead", -session.Skew, -session.Skew, -session.Skew, 0, 0, false},
		{"negative limits", 0, 0, -session.Skew, -time.Hour, -time.Hour, false},
		{"old proof in a young session", 100 * lifetime, 0, 0, idle, lifetime, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := session.Session{AuthTime: ago(tt.authTime), Created: ago(tt.created), Seen: ago(tt.seen)}
			if got := s.Alive(now, tt.idle, tt.lifetime); got != tt.want {
				t.Errorf("%+v.Alive(%v, %v, %v) = %v, want %v", s, now, tt.idle, tt.lifetime, got, tt.want)
			}
		})
	}
}

// A session without any stamp is what a decoding mistake would leave behind.
func TestEmptySessionIsNotAlive(t *testing.T) {
	if (session.Session{}).Alive(time.Now(), time.Hour, time.Hour) {
		t.Error("Session{}.Alive = true, want false")
	}
}
