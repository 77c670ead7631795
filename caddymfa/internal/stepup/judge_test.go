package stepup

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// TestVerdictsThatAreNoAcceptanceNeverVerify covers the verdicts on a code that
// the simulator has no switch for, and those that OneLogin's client may add.
func TestVerdictsThatAreNoAcceptanceNeverVerify(t *testing.T) {
	for _, tt := range []struct {
		verdict onelogin.Verdict
		state   State
		notice  Notice
		fails   bool
	}{
		{onelogin.Undecided, "", NoticeNone, true},
		{onelogin.Verdict(99), "", NoticeNone, true},
		{onelogin.Verdict(-1), "", NoticeNone, true},
		{onelogin.Pending, Pending, WrongCode, false},
		{onelogin.WrongCode, Pending, WrongCode, false},
		{onelogin.Denied, Denied, NoticeNone, false},
		{onelogin.Gone, Expired, NoticeNone, false},
	} {
		t.Run(tt.verdict.String(), func(t *testing.T) {
			e := New(Config{Store: memory.New(memory.Config{})})
			defer e.Close()
			s := submission{key: challengeKey(Demand{}), challenge: pending()}
			s.challenge.StartBy = time.Now().Add(time.Minute)
			s.challenge.Deadline = s.challenge.StartBy
			if err := e.create(t.Context(), s.key, s.challenge); err != nil {
				t.Fatal(err)
			}
			c, met, err := e.judge(t.Context(), s, answer{verdict: tt.verdict}, balance{left: 3}, time.Now())
			if c.State != tt.state || met != tt.notice || (err != nil) != tt.fails {
				t.Errorf("judge(%v) = %s, %s, %v, want %s, %s, error %v", tt.verdict, c.State, met, err, tt.state, tt.notice, tt.fails)
			}
		})
	}
}

// contended is a store in which others win the first races.
type contended struct {
	session.Store
	losses int
}

func (c *contended) Update(ctx context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	if c.losses > 0 {
		c.losses--
		return false, nil
	}
	return c.Store.Update(ctx, key, old, value, expires)
}

func TestLostRaceIsRunAgain(t *testing.T) {
	for _, tt := range []struct {
		losses  int
		changed bool
		err     error
	}{
		{0, true, nil},
		{3, true, nil},
		{maxRaces, false, errBusy},
	} {
		store := &contended{Store: memory.New(memory.Config{})}
		e := New(Config{Store: store})
		defer e.Close()
		key, c := challengeKey(Demand{}), pending()
		c.StartBy = time.Now().Add(time.Minute)
		c.Deadline = c.StartBy
		if err := e.create(t.Context(), key, c); err != nil {
			t.Fatal(err)
		}
		store.losses = tt.losses
		_, changed, err := e.change(t.Context(), key, event{kind: evTry, browser: "b1", activation: "r1"})
		if changed != tt.changed || !errors.Is(err, tt.err) {
			t.Errorf("after %d lost races: changed %v, %v, want %v, %v", tt.losses, changed, err, tt.changed, tt.err)
		}
		record, _, _ := store.Load(t.Context(), key)
		if got, _ := decode(record); (got.TriesLeft == c.TriesLeft-1) != tt.changed {
			t.Errorf("after %d lost races: %d tries left of %d", tt.losses, got.TriesLeft, c.TriesLeft)
		}
	}
}
