package stepup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// choices is what a user can choose from.
type choices struct {
	user       onelogin.User // zero in a blind challenge
	devices    []device
	enrollable []device // for whoever has no device at all
	others     []string // names of devices that cannot be used here
	refused    Notice   // why there is nothing to choose, or NoticeNone
}

// choices returns what there is for d, as seen at most maxAge ago. Who may not
// choose yet, because a password is wanted first, gets none.
func (e *Engine) choices(ctx context.Context, d Demand, c challenge, maxAge time.Duration) (choices, error) {
	x, err := e.allChoices(ctx, d, c, maxAge)
	if err != nil || d.Blind || !slices.ContainsFunc(x.devices, isPush) {
		return x, err
	}
	until, locked, err := e.pushLock(ctx, x.user.ID)
	if err != nil || !locked {
		return x, err
	}
	for i := range x.devices {
		if isPush(x.devices[i]) {
			x.devices[i].lockedUntil = until
		}
	}
	slices.SortStableFunc(x.devices, func(a, b device) int { return a.lockedUntil.Compare(b.lockedUntil) })
	return x, nil
}

func isPush(x device) bool { return push(x.factor) }

// allChoices are the choices whether or not a push may be sent now.
func (e *Engine) allChoices(ctx context.Context, d Demand, c challenge, maxAge time.Duration) (choices, error) {
	switch {
	case d.Blind:
		return choices{devices: blindDevices(d)}, nil
	case needsLogin(d, c):
		return choices{}, nil
	case c.Login != nil:
		will, others := loginDevices(d, c)
		return choices{user: onelogin.User{ID: c.UserID}, devices: will, others: others}.judged(), nil
	case d.Features.Smart != nil:
		return e.smartChoices(ctx, d, maxAge)
	}
	return e.deviceChoices(ctx, d, maxAge)
}

// needsLogin reports whether a password is wanted before anything else.
func needsLogin(d Demand, c challenge) bool {
	return d.Features.Password != nil && !d.Blind && c.Login == nil
}

// judged adds why there is nothing to choose.
func (x choices) judged() choices {
	if len(x.devices) == 0 {
		x.refused = NoDevice
	}
	return x
}

func (e *Engine) smartChoices(ctx context.Context, d Demand, maxAge time.Duration) (choices, error) {
	p, err := e.people.users.find(ctx, d.User, maxAge)
	if err != nil || !p.active(time.Now()) {
		return choices{refused: NoAccess}, err
	}
	x := choices{user: p.user}
	for _, address := range smartDevices(p.user) {
		if d.Factors.Has(address.factor) {
			x.devices = append(x.devices, address)
		}
	}
	return x.judged(), nil
}

// deviceChoices are the devices that OneLogin lists, and a temporary code if
// the help desk has made one.
func (e *Engine) deviceChoices(ctx context.Context, d Demand, maxAge time.Duration) (choices, error) {
	p, err := e.people.find(ctx, d.User, maxAge)
	if err != nil || !p.active(time.Now()) {
		return choices{refused: NoAccess}, err
	}
	x := choices{user: p.user}
	x.devices, x.others = usable(d, p.devices)
	temporary, found, err := e.temporaryDevice(ctx, d, p, maxAge)
	if err != nil {
		return choices{}, err
	}
	if found {
		x.devices = append(x.devices, temporary)
	}
	if len(x.devices) == 0 && len(p.devices) == 0 {
		x.enrollable, err = e.enrollable(ctx, d, p.user.ID, maxAge)
	}
	return x.judged(), err
}

// enrollable is what a user without any device may enrol for d.
func (e *Engine) enrollable(ctx context.Context, d Demand, userID string, maxAge time.Duration) ([]device, error) {
	if d.Features.Enroll.And(d.Factors) == 0 {
		return nil, nil
	}
	factors, err := e.people.factors.find(ctx, userID, maxAge)
	if err != nil {
		return nil, err
	}
	var list []device
	for _, found := range factors {
		factor, known := factorOf(found.Kind())
		if known && enrollable(factor) && d.Features.Enroll.And(d.Factors).Has(factor) {
			list = append(list, device{Device: onelogin.Device{ID: found.ID, TypeName: found.Name}, factor: factor, way: wayRegister})
		}
	}
	return list, nil
}

// factorOf returns the factor of a kind that this package can verify with, or
// false. A device of an unknown kind is never offered.
func factorOf(kind onelogin.Kind) (policy.Factor, bool) {
	switch kind {
	case onelogin.KindProtect:
		return policy.Protect, true
	case onelogin.KindSMS:
		return policy.SMS, true
	case onelogin.KindEmail:
		return policy.Email, true
	case onelogin.KindVoice:
		return policy.Voice, true
	case onelogin.KindTOTP:
		return policy.TOTP, true
	case onelogin.KindYubiKey:
		return policy.YubiKey, true
	case onelogin.KindDuo:
		return policy.Duo, true
	}
	return "", false // a temporary code is no device: see temporaryDevice
}

// push reports whether f is approved on a phone.
func push(f policy.Factor) bool { return f == policy.Protect }

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
		factor, known := factorOf(found.Kind())
		x := device{Device: found, factor: factor, way: wayBound}
		switch {
		case found.Kind() == onelogin.KindTemporary:
		case !known || !d.Factors.Has(factor):
			others = append(others, displayName(found))
		case found.Default:
			will = append(will, x)
		default:
			rest = append(rest, x)
		}
	}
	return append(will, rest...), others
}

// choose returns the device behind an offer, or the notice that says why there
// is none. If the offer is not among what was seen a while ago OneLogin is
// asked again.
func (e *Engine) choose(ctx context.Context, d Demand, c challenge, wanted string, among func(choices) []device) (choices, device, Notice, error) {
	var refused Notice
	for _, maxAge := range [...]time.Duration{freshFor, recheckAfter} {
		seen, err := e.choices(ctx, d, c, maxAge)
		if err != nil {
			return choices{}, device{}, NoticeNone, fmt.Errorf("choose factor: %w", err)
		}
		for _, x := range among(seen) {
			if offerID(d, x.ID) == wanted {
				return seen, x, NoticeNone, nil
			}
		}
		if refused = seen.refused; refused == NoAccess {
			break
		}
		if refused == NoticeNone || len(among(seen)) > 0 {
			refused = UnknownFactor
		}
	}
	return choices{}, device{}, refused, nil
}
