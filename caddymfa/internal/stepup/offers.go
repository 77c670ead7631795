package stepup

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// factorOf returns the factor of a device that this package can verify with,
// or false. A device of an unknown kind is never offered.
func factorOf(d onelogin.Device) (policy.Factor, bool) {
	switch d.Kind() {
	case onelogin.KindProtect:
		return policy.Protect, true
	case onelogin.KindSMS:
		return policy.SMS, true
	case onelogin.KindEmail:
		return policy.Email, true
	case onelogin.KindTOTP:
		return policy.TOTP, true
	}
	return "", false
}

// push reports whether f is approved on a phone. All factors take a code.
func push(f policy.Factor) bool { return f == policy.Protect }

// offerID names a device within the challenge of d. The page carries it in
// place of OneLogin's device id, which never leaves the server.
func offerID(d Demand, deviceID string) string {
	sum := sha256.Sum256(append(d.Nonce[:], deviceID...))
	return hex.EncodeToString(sum[:16])
}

// maxName bounds a device's name, in bytes: it is stored with the challenge.
const maxName = 128

// displayName is what the user called a device, or at least what it is.
func displayName(d onelogin.Device) string {
	name := d.Name
	if name == "" {
		name = d.TypeName
	}
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}

// usable returns those of a person's devices that will do for d, the default
// ones first and otherwise in OneLogin's order, and the names of the others.
func usable(d Demand, devices []onelogin.Device) (will []device, others []string) {
	var rest []device
	for _, found := range devices {
		factor, known := factorOf(found)
		switch {
		case !known || !d.Factors.Has(factor):
			others = append(others, displayName(found))
		case found.Default:
			will = append(will, device{found, factor})
		default:
			rest = append(rest, device{found, factor})
		}
	}
	return append(will, rest...), others
}

func offer(d Demand, x device) Offer {
	return Offer{ID: offerID(d, x.ID), Factor: x.factor, Name: displayName(x.Device), Default: x.Default}
}

// withOffers adds to r what p can choose from. Somebody who has not chosen yet
// is told why there is nothing.
func (r Result) withOffers(d Demand, p person) Result {
	will, others := usable(d, p.devices)
	if !p.active(time.Now()) {
		will = nil
	}
	for _, x := range will {
		r.Offers = append(r.Offers, offer(d, x))
	}
	switch {
	case r.State != Choosing || len(will) > 0:
	case !p.active(time.Now()):
		r.Notice = NoAccess
	default:
		r.Notice, r.NotOffered = NoDevice, others
	}
	return r
}

// view is how c looks, without offers.
func (e *Engine) view(d Demand, c challenge) Result {
	r := Result{State: c.State, Notice: c.Notice, ExpiresAt: c.Deadline, TriesLeft: c.TriesLeft,
		RetryAt: c.RetryAt, Revision: c.Revision}
	if c.VerificationID != "" {
		r.Factor = Offer{ID: offerID(d, c.DeviceID), Factor: c.Factor, Name: c.DeviceName, Default: c.DeviceDefault}
	}
	if c.State == Pending {
		r.AcceptsCode, r.NeedsCode = true, !push(c.Factor)
		r.ResendAt = c.SentAt.Add(e.limits.ResendAfter)
	}
	return r
}

// show is the result of a step that left the challenge as c and met n. It asks
// nobody: offers are there if the person was seen before. Why a challenge
// ended is not covered by what a late step met.
func (e *Engine) show(d Demand, c challenge, n Notice) Result {
	r := e.view(d, c)
	if c.State.Final() {
		return r
	}
	if p, seen := e.directory.peek(d.User); seen {
		r = r.withOffers(d, p)
	}
	if n != NoticeNone {
		r.Notice = n
	}
	return r
}

// otherBrowser is all that a browser learns about a challenge that is not its
// own.
func otherBrowser() Result { return Result{State: Choosing, Notice: OtherBrowser} }
