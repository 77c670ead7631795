package stepup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// A blind challenge is put to whoever typed a name. Until a proof is accepted
// nothing may tell whether there is such a user: not what is shown, not how
// long it takes, not what other people with that name have tried. So the
// offers are always the same, a start is answered before OneLogin is asked,
// limits that show are counted by the name as it was typed, and whoever cannot
// be proven gets a phantom.

const (
	// settleTime is how long after a start a code is looked at: by then it is
	// usually known who it is for.
	settleTime = time.Second

	// maxSettling bounds how many starts are being found out about at a time: it
	// is looked at when one more begins.
	maxSettling = 64

	// maxUser is how long a name may be to be looked for, in bytes.
	maxUser = 256
)

// phantom is the way of nobody. A code costs one call, which decides nothing:
// that takes as long as refusing a real one.
type phantom struct{ *Engine }

func (w phantom) activate(context.Context, activation) (opened, error) {
	return opened{way: wayPhantom}, nil
}

func (w phantom) verify(ctx context.Context, _ challenge, _ string) (answer, error) {
	if err := w.decoy(ctx); err != nil {
		return answer{}, err
	}
	return answer{verdict: onelogin.WrongCode}, nil
}

func (w phantom) poll(context.Context, challenge) (answer, error) {
	return answer{verdict: onelogin.Pending}, nil
}

// decoy asks OneLogin about a verification that was never made, of a user who
// is none of ours. Any answer will do; the error is that there was none, as a
// question about a real one would have met it.
func (e *Engine) decoy(ctx context.Context) error {
	_, err := e.client.Poll(ctx, onelogin.Verification{ID: newReservation(), UserID: "1", DeviceID: "1"})
	said, ok := errors.AsType[*onelogin.Error](err)
	if ok && said.StatusCode >= http.StatusBadRequest && said.StatusCode < http.StatusInternalServerError &&
		said.StatusCode != http.StatusTooManyRequests {
		return nil
	}
	return err
}

// blindDevices are the offers of a blind demand.
func blindDevices(d Demand) (will []device) {
	for _, f := range []policy.Factor{policy.Protect, policy.SMS, policy.Email, policy.TOTP} {
		if d.Factors.Has(f) {
			will = append(will, device{Device: onelogin.Device{ID: "blind:" + string(f)}, factor: f, way: wayPhantom})
		}
	}
	return will
}

// enterBlindly lets a blind start in, unless too many are being found out about
// or too few calls are left to spend them on strangers. Neither says anything
// about anybody. Who is let in leaves again.
func (e *Engine) enterBlindly() bool {
	if e.client.Budget().Scarce {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.settling >= maxSettling {
		return false
	}
	e.settling++
	return true
}

// reserveBlindly is reserve for somebody who may be let in, and whose address
// may begin one more.
func (e *Engine) reserveBlindly(ctx context.Context, d Demand, c challenge, cookieValue string, a activation) (Result, error) {
	if !e.enterBlindly() {
		return Result{}, errBusy
	}
	defer e.leave()
	left, err := e.chargeAddress(ctx, d)
	if err != nil {
		return Result{}, err
	}
	if left.passed {
		return e.refuseAddress(ctx, d, c, d.User, left), nil
	}
	return e.reserve(ctx, d, c, cookieValue, a)
}

func (e *Engine) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settling--
}

// settle finds out behind the person's back who c is for, and activates the
// device of theirs that was chosen. Until then, and after any failure, c is a
// phantom.
func (e *Engine) settle(key session.Key, d Demand, c challenge, f policy.Factor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.settling++
	e.working.Go(func() {
		defer e.leave()
		ctx, cancel := context.WithTimeout(e.live, stepTime)
		defer cancel()
		ev := e.findOut(ctx, d, c, f)
		ev.kind, ev.activation = evSettle, c.Activation
		// Should the store not take it, the challenge stays a phantom.
		if next, settled, err := e.change(ctx, key, ev); err == nil && settled {
			e.watch(key, next)
		}
	})
}

// findOut activates the chosen kind of device of the user that d names, in as
// many calls as it takes to find out that there is none. The user's own limits
// hold here too, unseen.
func (e *Engine) findOut(ctx context.Context, d Demand, c challenge, f policy.Factor) event {
	nobody := event{opened: opened{way: wayPhantom}}
	p, err := e.findBlindly(ctx, d.User)
	if nobody.cause = err; err != nil {
		return nobody
	}
	x, found := chosenOf(d, p, f)
	switch {
	case !p.active(time.Now()):
		nobody.notice = NoAccess
	case !found:
		nobody.notice = NoDevice
	default:
		c.UserID = p.user.ID
		nobody.notice, _, nobody.cause = e.admit(ctx, challengeKey(d), c, c.Activation, x)
		if nobody.cause == nil && nobody.notice == NoticeNone {
			o, err := bound{e}.activate(ctx, activation{demand: d, challenge: c, device: x})
			if err == nil {
				return event{userID: p.user.ID, device: x, opened: o}
			}
			nobody.cause = err
			return nobody
		}
	}
	_ = e.decoy(ctx) // in place of the activation
	return nobody
}

// findBlindly reads a person and their devices, not from memory: what is known
// is found sooner.
func (e *Engine) findBlindly(ctx context.Context, name string) (person, error) {
	if !findable(name) {
		name = nobodyLike(name)
	}
	user, found, err := e.client.UserByUsername(ctx, name)
	switch {
	case err != nil:
	case strings.Contains(name, "@") && !found:
		user, found, err = e.client.UserByEmail(ctx, name)
	case strings.Contains(name, "@"):
		err = e.decoy(ctx)
	}
	if err != nil {
		return person{}, fmt.Errorf("find user: %w", err)
	}
	p := person{user: user, found: found}
	if !p.active(time.Now()) {
		return p, e.decoy(ctx)
	}
	if p.devices, err = e.client.Devices(ctx, user.ID); err != nil {
		return person{}, fmt.Errorf("list devices: %w", err)
	}
	return p, nil
}

// findable reports whether OneLogin is asked about a name at all: its client
// leaves out what nobody can be called (docs/onelogin.md, Users).
func findable(name string) bool {
	return name != "" && len(name) <= maxUser && utf8.ValidString(name) &&
		!strings.ContainsAny(name, "*!") && !strings.ContainsFunc(name, unicode.IsControl)
}

// nobodyLike returns a name that nobody has and that takes as many calls to find
// out as name would.
func nobodyLike(name string) string {
	if strings.Contains(name, "@") {
		return newReservation() + "@invalid"
	}
	return newReservation()
}

// chosenOf returns p's first device of a kind, their default one if it is.
func chosenOf(d Demand, p person, f policy.Factor) (device, bool) {
	will, _ := usable(d, p.devices)
	for _, x := range will {
		if x.factor == f {
			return x, true
		}
	}
	return device{}, false
}

// loadSettled is load for a step that needs to know who a blind challenge is
// for. It takes as long after the start for everybody; only a slow OneLogin
// makes it longer.
func (e *Engine) loadSettled(ctx context.Context, d Demand, cookieValue string) (challenge, error) {
	c, err := e.load(ctx, d)
	if err != nil || !c.Blind || c.State != Pending || !c.owned(d, cookieValue) {
		return c, err
	}
	if !pause(ctx, nil, time.Until(c.SentAt.Add(settleTime))) {
		return c, fmt.Errorf("wait for user: %w", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	for {
		changed, release := e.changes.subscribe(challengeKey(d))
		c, err = e.load(ctx, d)
		if err != nil || c.State != Pending || c.Settled {
			release()
			return c, err
		}
		goOn := pause(ctx, changed, reloadEvery)
		release()
		if !goOn {
			return c, errNoAnswer
		}
	}
}

// unseenWay is the way by which a code of a blind challenge is tried: its own,
// unless the user has no tries left or the code was used. That must not show,
// and a limit that strangers can exhaust must not be that of the user's other
// challenges.
func (e *Engine) unseenWay(ctx context.Context, c challenge, used bool) (way, error) {
	if c.Way == wayPhantom || used {
		return phantom{e}, nil
	}
	left, err := e.charge(ctx, blindSubject(c.UserID), e.limits.tries())
	if err != nil || left.passed {
		return phantom{e}, err
	}
	return e.way(c.Way), nil
}

func blindSubject(userID string) string { return "blind " + userID }

// typedSubject is what limits count by where a name was typed by anybody.
func typedSubject(name string) string { return "typed " + canonical(name) }

// canonical makes the usual spellings of a name one.
func canonical(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(strings.Map(fold, name)), " "))
}
