package stepup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// outlives is how much longer OneLogin keeps what it opens than we do, so that
// an approval in our last second can still be read.
const outlives = 30 * time.Second

// A way is how OneLogin is asked about an activation. The rest of the package
// does not care which one it is: it charges, waits, judges and records.
//
// No method changes the challenge. Each makes at most one call that sends
// something or tries a code.
type way interface {
	// activate opens the proof of a device. It may send a push, a message or a
	// mail, or place a call.
	activate(ctx context.Context, a activation) (opened, error)

	// verify tries the code that the user typed.
	verify(ctx context.Context, c challenge, code string) (answer, error)

	// poll asks whether the user has answered elsewhere.
	poll(ctx context.Context, c challenge) (answer, error)
}

// The names of ways, as challenges keep them.
const (
	wayBound    = "bound"    // a verification of OneLogin's, made for this activation
	wayUnbound  = "unbound"  // a device alone, where no verification is to be had
	waySmart    = "smart"    // Smart MFA
	wayLogin    = "login"    // a session login that waits for its factor
	wayRegister = "register" // the registration of a new device
	wayPhantom  = "phantom"  // nobody: nothing is sent, nothing is accepted
)

// activation is what is to be activated.
type activation struct {
	demand    Demand
	challenge challenge
	device    device
	user      onelogin.User // with Smart MFA: whom the code is sent to
}

// opened is what a challenge must remember of an activation.
type opened struct {
	way       string
	handle    string
	expiresAt time.Time // OneLogin's, zero if there is none
	polled    bool
	voiceCode string
	totpURL   string
	secret    string

	gone    bool // nothing was opened, and nothing can be: it is too late
	lowRisk bool // nothing was opened: OneLogin saw no need to ask
}

// answer is what OneLogin says about an activation.
type answer struct {
	verdict      onelogin.Verdict
	sessionToken string // of an accepted login
}

// way returns the way of this name. One that we do not know accepts nothing.
func (e *Engine) way(name string) way {
	switch name {
	case wayBound:
		return bound{e}
	case wayUnbound:
		return unbound{e}
	case waySmart:
		return smart{e}
	case wayLogin:
		return loginWay{e}
	case wayRegister:
		return register{e}
	}
	return phantom{e}
}

// bound is the usual way: activate, then verify or poll what that opened.
type bound struct{ *Engine }

// errNoVoiceCode means that a call was placed, but not what to key in.
var errNoVoiceCode = errors.New("OneLogin gave no code to key in")

func (w bound) activate(ctx context.Context, a activation) (opened, error) {
	x := a.device
	v, err := w.client.Activate(ctx, a.challenge.UserID, x.ID, w.terms(x.factor))
	switch {
	case err != nil && bindsCodes(x.factor) && refuses(err):
		return unbound(w).activate(ctx, a)
	case err != nil:
		return opened{}, fmt.Errorf("activate factor: %w", err)
	case x.factor == policy.Voice && v.VoiceCode == "":
		return opened{}, errNoVoiceCode
	}
	return opened{way: wayBound, handle: v.ID, expiresAt: v.ExpiresAt, voiceCode: v.VoiceCode, polled: w.answeredElsewhere(x.factor)}, nil
}

// terms are those of one activation of f. Only the page behind a link in a mail
// needs to know where it leads.
func (e *Engine) terms(f policy.Factor) onelogin.Activation {
	terms := onelogin.Activation{Lifetime: e.limits.Lifetime + outlives}
	if f == policy.Email {
		terms.RedirectTo = e.emailLink
	}
	return terms
}

// answeredElsewhere reports whether a device of this kind can be proven without
// a code.
func (e *Engine) answeredElsewhere(f policy.Factor) bool {
	return push(f) || f == policy.Voice || f == policy.Email && e.emailLink != ""
}

// bindsCodes reports whether a code is good for this kind of device alone, with
// or without a verification. The codes of messages are not: without theirs, any
// that is outstanding would pass.
func bindsCodes(f policy.Factor) bool {
	return showsCodes(f) || f == policy.Temporary
}

// showsCodes reports whether devices of this kind show codes by themselves, so
// that nothing is to be sent.
func showsCodes(f policy.Factor) bool {
	return f == policy.TOTP || f == policy.YubiKey || f == policy.Duo
}

// refuses reports whether OneLogin would not activate this device at all.
func refuses(err error) bool {
	refusal, ok := errors.AsType[*onelogin.Error](err)
	if !ok {
		return false
	}
	switch refusal.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func (w bound) verify(ctx context.Context, c challenge, code string) (answer, error) {
	verdict, err := w.client.Verify(ctx, c.verification(), code)
	return answer{verdict: verdict}, err
}

func (w bound) poll(ctx context.Context, c challenge) (answer, error) {
	verdict, err := w.client.Poll(ctx, c.verification())
	return answer{verdict: verdict}, err
}

// verification is the activated verification as OneLogin's client wants it.
func (c challenge) verification() onelogin.Verification {
	return onelogin.Verification{ID: c.Handle, UserID: c.UserID, DeviceID: c.DeviceID, ExpiresAt: c.Deadline}
}

// unbound sends a code with its device and nothing else. It is for devices that
// show codes by themselves and for temporary codes.
type unbound struct{ *Engine }

func (w unbound) activate(context.Context, activation) (opened, error) {
	return opened{way: wayUnbound}, nil
}

func (w unbound) verify(ctx context.Context, c challenge, code string) (answer, error) {
	verdict, err := w.client.VerifyUnbound(ctx, c.UserID, c.DeviceID, code)
	return answer{verdict: verdict}, err
}

func (w unbound) poll(context.Context, challenge) (answer, error) {
	return answer{verdict: onelogin.Pending}, nil
}
