package stepup

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// register enrols a device: the way that an enrolment takes through the same
// steps as a proof. What is accepted here is the device, and proves nothing.
type register struct{ *Engine }

func (w register) activate(ctx context.Context, a activation) (opened, error) {
	name := cmp.Or(displayName(a.device.Device), string(a.device.factor))
	r, err := w.client.Register(ctx, a.challenge.UserID, a.device.ID, name, enrolTime+outlives)
	if err != nil {
		return opened{}, fmt.Errorf("register factor: %w", err)
	}
	o := opened{way: wayRegister, handle: r.ID, expiresAt: r.ExpiresAt,
		voiceCode: r.VoiceCode, totpURL: r.TOTPURL, secret: r.Secret,
		polled: push(a.device.factor) || a.device.factor == policy.Voice}
	if a.device.factor == policy.Voice && o.voiceCode == "" {
		return opened{}, errNoVoiceCode
	}
	return o, nil
}

func (w register) verify(ctx context.Context, c challenge, code string) (answer, error) {
	verdict, _, err := w.client.VerifyRegistration(ctx, c.registration(), code)
	return answer{verdict: verdict}, err
}

func (w register) poll(ctx context.Context, c challenge) (answer, error) {
	verdict, _, err := w.client.PollRegistration(ctx, c.registration())
	return answer{verdict: verdict}, err
}

func (c challenge) registration() onelogin.Registration {
	return onelogin.Registration{ID: c.Handle, UserID: c.UserID}
}

// enrolTime is how long an enrolment may take: an app must be found and
// installed. It is also how long its secret is kept.
const enrolTime = 10 * time.Minute

// enrollable reports whether OneLogin lets a factor be enrolled by its API.
func enrollable(f policy.Factor) bool {
	switch f {
	case policy.Protect, policy.SMS, policy.Email, policy.Voice, policy.TOTP:
		return true
	}
	return false
}
