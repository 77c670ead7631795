package stepup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// smart has OneLogin judge the risk and send a code to an address of the user
// (docs/onelogin.md, Smart MFA).
type smart struct{ *Engine }

// errLowRisk means that no code was sent though one was asked for.
var errLowRisk = errors.New("OneLogin sent no code")

func (w smart) activate(ctx context.Context, a activation) (opened, error) {
	threshold := a.demand.riskThreshold()
	given, err := w.client.ValidateSmart(ctx, onelogin.SmartRequest{
		Identifier: smartIdentifier(a.challenge.UserID, a.device.address),
		Email:      a.device.address,
		UserAgent:  cmp.Or(a.demand.UserAgent, "unknown"), // OneLogin wants one
		IP:         a.demand.Address,
		Threshold:  threshold,
		Lifetime:   w.limits.Lifetime + outlives,
	})
	switch {
	case err != nil:
		return opened{}, fmt.Errorf("validate user: %w", err)
	case given.CodeSent:
		return opened{way: waySmart, handle: given.StateToken}, nil
	case threshold == 0:
		return opened{}, errLowRisk
	}
	return opened{lowRisk: true}, nil
}

// riskThreshold is the score from which on a code is sent. It is 0, for always,
// unless a low risk may stand in for a proof here.
func (d Demand) riskThreshold() int {
	if d.Features.Smart.AllowLowRisk && d.Factors.Has(policy.LowRisk) {
		return min(max(0, d.Features.Smart.Threshold), 100)
	}
	return 0
}

// smartIdentifier names a user at Smart MFA, which wants one address for ever
// under a name: a user whose address changed is somebody new there, and so
// gets a code.
func smartIdentifier(userID, address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return "caddymfa-" + userID + "-" + hex.EncodeToString(sum[:8])
}

func (w smart) verify(ctx context.Context, c challenge, code string) (answer, error) {
	verdict, err := w.client.VerifySmart(ctx, c.Handle, code)
	return answer{verdict: verdict}, err
}

func (w smart) poll(context.Context, challenge) (answer, error) {
	return answer{verdict: onelogin.Pending}, nil
}

// smartDevices are the addresses that a code can go to: those that OneLogin has
// for the user.
func smartDevices(user onelogin.User) []device {
	if user.Email == "" {
		return nil
	}
	return []device{{
		Device: onelogin.Device{ID: "smart:email", Name: maskAddress(user.Email), Default: true},
		factor: policy.Email, way: waySmart, address: user.Email,
	}}
}

// maskAddress shows so much of a mail address that its owner knows it.
func maskAddress(address string) string {
	name, domain, found := strings.Cut(address, "@")
	if !found {
		return "•••"
	}
	_, size := utf8.DecodeRuneInString(name)
	return name[:size] + "•••@" + domain
}
