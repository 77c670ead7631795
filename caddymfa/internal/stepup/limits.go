package stepup

import (
	"context"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// Limits bound what one user can try, have sent and wait for. They count by
// OneLogin's user id in the store, whatever the browser, site or challenge;
// where nobody is known yet they count by the name that was typed and by the
// client's address.
// A field that is not positive takes its value from [DefaultLimits].
type Limits struct {
	// TriesPerChallenge is how many codes one challenge takes. Default 5.
	TriesPerChallenge int

	// TriesPerUser is how many codes a user may try within Window,
	// TriesPerUserDay within a day. Defaults 5 and 20.
	TriesPerUser, TriesPerUserDay int

	// PushesPerUser is how many pushes go to a user within SendWindow,
	// PushesPerUserDay within a day. Defaults 3 and 10.
	PushesPerUser, PushesPerUserDay int

	// MessagesPerUser is how many text messages, mails and calls together go
	// to a user within SendWindow, MessagesPerUserDay within a day. Defaults 5
	// and 20.
	MessagesPerUser, MessagesPerUserDay int

	// SilentPerUser is how many activations that send nothing, such as an
	// authenticator app's, a user may have within SendWindow. Default 20.
	SilentPerUser int

	// PasswordsPerName is how many passwords are tried for a name, as it was
	// typed, within Window, PasswordsPerNameDay within a day. Defaults 5 and 20.
	PasswordsPerName, PasswordsPerNameDay int

	// StartsPerAddress is how many starts of a blind demand and passwords
	// together one client address may have within SendWindow, whatever the
	// names: what costs calls to OneLogin and anybody can do. An IPv6 address
	// counts by its /64. An office may share one. Default 60.
	StartsPerAddress int

	// Window counts tries and passwords. Default 15 minutes.
	Window time.Duration

	// SendWindow counts activations, and what an address does. Default 10
	// minutes.
	SendWindow time.Duration

	// ResendAfter is how long an activated factor is not activated again.
	// Default 30 seconds.
	ResendAfter time.Duration

	// Lifetime is how long a proof is awaited after an activation. Default
	// 2 minutes, at most 10.
	Lifetime time.Duration
}

// maxLifetime bounds [Limits.Lifetime]: NIST SP 800-63B lets an out-of-band
// code live for ten minutes.
const maxLifetime = 10 * time.Minute

const day = 24 * time.Hour

// DefaultLimits returns the limits described with [Limits].
func DefaultLimits() Limits { return Limits{}.orDefault() }

func (l Limits) orDefault() Limits {
	preset(&l.TriesPerChallenge, 5)
	preset(&l.TriesPerUser, 5)
	preset(&l.TriesPerUserDay, 20)
	preset(&l.PushesPerUser, 3)
	preset(&l.PushesPerUserDay, 10)
	preset(&l.MessagesPerUser, 5)
	preset(&l.MessagesPerUserDay, 20)
	preset(&l.SilentPerUser, 20)
	preset(&l.PasswordsPerName, 5)
	preset(&l.PasswordsPerNameDay, 20)
	preset(&l.StartsPerAddress, 60)
	preset(&l.Window, 15*time.Minute)
	preset(&l.SendWindow, 10*time.Minute)
	preset(&l.ResendAfter, 30*time.Second)
	preset(&l.Lifetime, 2*time.Minute)
	l.Lifetime = min(l.Lifetime, maxLifetime)
	return l
}

func preset[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// budget is how often something may happen within a window.
type budget struct {
	name   string
	limit  int
	window time.Duration
}

func (l Limits) tries() []budget {
	return []budget{{"tries", l.TriesPerUser, l.Window}, {"tries a day", l.TriesPerUserDay, day}}
}

// sends are the budgets of one activation of f.
func (l Limits) sends(f policy.Factor) []budget {
	switch f {
	case policy.Protect:
		return []budget{{"pushes", l.PushesPerUser, l.SendWindow}, {"pushes a day", l.PushesPerUserDay, day}}
	case policy.SMS, policy.Email, policy.Voice:
		return []budget{{"messages", l.MessagesPerUser, l.SendWindow}, {"messages a day", l.MessagesPerUserDay, day}}
	}
	return []budget{{"silent", l.SilentPerUser, l.SendWindow}}
}

func (l Limits) passwords() []budget {
	return []budget{{"passwords", l.PasswordsPerName, l.Window}, {"passwords a day", l.PasswordsPerNameDay, day}}
}

// strangers are the budgets of an address. A success gives nothing of them back:
// whoever has an account of their own could guess at others for ever.
func (l Limits) strangers() []budget {
	return []budget{{"starts", l.StartsPerAddress, l.SendWindow}}
}

// all are the budgets that a success gives back. What follows from a declined
// push is not among them: the one who declines a push is not the one who
// started it, so that the one can prove themselves says nothing of the other.
func (l Limits) all() []budget {
	all := append(l.tries(), l.passwords()...)
	for _, f := range []policy.Factor{policy.Protect, policy.SMS, policy.TOTP} {
		all = append(all, l.sends(f)...)
	}
	return all
}

func counterKey(b budget, subject string) session.Key {
	return session.NewKey(session.KindCounter, b.name, subject)
}

// balance is how a user stands after a charge.
type balance struct {
	passed  bool      // the limit was reached before: what was charged must not happen
	left    int       // how often it may still happen
	retryAt time.Time // if left is 0: when that changes
}

// charge counts one more against each budget and ends at the first that is
// passed, so that refused tries of a minute do not use up the day. The store
// counts atomically: however many race, no more than the limit are let through.
func (e *Engine) charge(ctx context.Context, subject string, budgets []budget) (balance, error) {
	least := balance{left: budgets[0].limit}
	for _, b := range budgets {
		n, resets, err := e.store.Increment(ctx, counterKey(b, subject), b.window)
		if err != nil {
			return balance{}, fmt.Errorf("charge %s: %w", b.name, err)
		}
		left := b.limit - int(n)
		least.left = max(0, min(least.left, left))
		if left <= 0 {
			least.retryAt = later(least.retryAt, resets)
		}
		if left < 0 {
			least.passed = true
			return least, nil
		}
	}
	return least, nil
}

// spent reports whether a budget has nothing left, and until when.
func (e *Engine) spent(ctx context.Context, subject string, budgets []budget) (retryAt time.Time, spent bool, err error) {
	for _, b := range budgets {
		n, resets, err := e.store.Count(ctx, counterKey(b, subject))
		if err != nil {
			return time.Time{}, false, fmt.Errorf("count %s: %w", b.name, err)
		}
		if int(n) >= b.limit {
			spent, retryAt = true, later(retryAt, resets)
		}
	}
	return retryAt, spent, nil
}

// forgive gives a user who proved themselves all budgets back, and the names
// that they typed. If the store cannot, the limits stay as they are and end
// with their windows: no reason to take the proof away.
func (e *Engine) forgive(ctx context.Context, c challenge) {
	subjects := []string{c.UserID}
	if c.Blind {
		subjects = append(subjects, c.subject(), blindSubject(c.UserID))
	}
	if c.Login != nil {
		subjects = append(subjects, typedSubject(c.Login.Typed))
	}
	for _, subject := range subjects {
		for _, b := range e.limits.all() {
			_ = e.store.Delete(ctx, counterKey(b, subject))
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
