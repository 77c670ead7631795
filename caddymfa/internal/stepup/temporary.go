package stepup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// The lifetimes of temporary codes.
const (
	DefaultTemporary = 15 * time.Minute
	minTemporary     = 2 * time.Minute
	maxTemporary     = 72 * time.Hour
)

var (
	errNoHelpDesk        = errors.New("temporary codes are turned off")
	errTemporaryLifetime = errors.New("a temporary code lasts from 2 minutes to 72 hours")
)

// Issue asks for a temporary code.
type Issue struct {
	// User is the person as sites name them.
	User string

	// Lifetime is how long the code is good, from 2 minutes to 72 hours. Zero
	// selects [DefaultTemporary].
	Lifetime time.Duration

	// Reusable lets it be used more than once.
	Reusable bool

	// By is who asks and Reason why, for the log.
	By, Reason string
}

// IssueTemporary has OneLogin make a code that stands in for all devices of a
// user who has lost them. Every site with [Features.HelpDesk] takes it from
// then on, and so does whatever else OneLogin guards. The notice is [NoAccess]
// if there is no such user or they are not active.
//
// It does not check who asks: that is for the caller. The code is returned once
// and kept nowhere; what is remembered is which device stands for it. An error
// means that there may be a code that nobody knows, that the lifetime is out of
// range, or that [Config.HelpDesk] is not set.
func (e *Engine) IssueTemporary(ctx context.Context, i Issue) (onelogin.TemporaryCode, Notice, error) {
	var none onelogin.TemporaryCode
	if i.Lifetime == 0 {
		i.Lifetime = DefaultTemporary
	}
	switch {
	case !e.helpDesk:
		return none, NoticeNone, errNoHelpDesk
	case i.Lifetime < minTemporary || i.Lifetime > maxTemporary:
		return none, NoticeNone, errTemporaryLifetime
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	p, err := e.people.users.find(ctx, i.User, recheckAfter)
	if err != nil {
		return none, NoticeNone, err
	}
	told := Event{User: i.User, UserID: p.user.ID, Factor: policy.Temporary, By: i.By, Reason: i.Reason, Until: time.Now().Add(i.Lifetime)}
	if !p.active(time.Now()) {
		told.Name, told.Notice, told.Until = EventTemporaryRefused, NoAccess, time.Time{}
		e.observe(told)
		return none, NoAccess, nil
	}
	code, err := e.client.CreateTemporaryCode(ctx, p.user.ID, i.Lifetime, i.Reusable)
	if err != nil {
		return none, NoticeNone, fmt.Errorf("create temporary code: %w", err)
	}
	told.Name = EventTemporaryIssued
	e.observe(told)
	if err := e.remember(ctx, p.user.ID, temporary{code.DeviceID, code.Reusable}, told.Until); err != nil {
		return none, NoticeNone, err
	}
	return code, NoticeNone, nil
}

// temporary is what is remembered of a temporary code: OneLogin does not always
// list its device.
type temporary struct {
	DeviceID string `json:"device_id"`
	Reusable bool   `json:"reusable,omitempty"`
}

func temporaryKey(userID string) session.Key { return session.NewKey(session.KindTemporary, userID) }

// remember keeps the newest temporary code of a user in mind until it expires.
func (e *Engine) remember(ctx context.Context, userID string, made temporary, expires time.Time) error {
	value, err := json.Marshal(made)
	if err != nil {
		return fmt.Errorf("encode temporary code: %w", err)
	}
	key := temporaryKey(userID)
	for range maxRaces {
		old, found, err := e.store.Load(ctx, key)
		kept := false
		if err == nil {
			kept, err = e.put(ctx, key, old, found, string(value), expires)
		}
		if err != nil {
			return fmt.Errorf("remember temporary code: %w", err)
		}
		if kept {
			return nil
		}
	}
	return errBusy
}

// remembered returns the temporary code that was last made for a user.
func (e *Engine) remembered(ctx context.Context, userID string) (made temporary, found bool, err error) {
	record, found, err := e.store.Load(ctx, temporaryKey(userID))
	if err != nil || !found {
		return temporary{}, false, err
	}
	err = json.Unmarshal([]byte(record.Value), &made)
	return made, err == nil, err
}

// temporaryDevice is what a temporary code of p is tried on, if the site takes
// such codes and p has one: the newest that we know of, or else the one that
// OneLogin lists. A listed one is activated like any device; whether one that
// we know of is listed by now is asked again.
func (e *Engine) temporaryDevice(ctx context.Context, d Demand, p person, maxAge time.Duration) (device, bool, error) {
	if !d.Features.HelpDesk || !d.Factors.Has(policy.Temporary) {
		return device{}, false, nil
	}
	made, found, err := e.remembered(ctx, p.user.ID)
	if err != nil {
		return device{}, false, fmt.Errorf("load temporary code: %w", err)
	}
	x := device{Device: onelogin.Device{ID: made.DeviceID}, factor: policy.Temporary, way: wayUnbound, reusable: made.Reusable}
	if x.listedAmong(p.devices) {
		x.way = wayBound
		return x, true, nil
	}
	if !found {
		return device{}, false, nil
	}
	if maxAge != onlySeen {
		if p.devices, err = e.people.devices.find(ctx, p.user.ID, min(maxAge, recheckAfter)); err != nil {
			return device{}, false, err
		}
	}
	if x.listedAmong(p.devices) {
		x.way = wayBound
	}
	return x, true, nil
}

// listedAmong reports whether x is among the devices that OneLogin lists. If it
// is none yet it becomes the first temporary one.
func (x *device) listedAmong(devices []onelogin.Device) bool {
	for _, listed := range devices {
		if listed.Kind() == onelogin.KindTemporary && (x.ID == "" || x.ID == listed.ID) {
			x.ID = listed.ID
			return true
		}
	}
	return false
}

// spendTemporary forgets the temporary code that c was verified with. If the
// store cannot, OneLogin still refuses it.
func (e *Engine) spendTemporary(ctx context.Context, c challenge) {
	if c.Factor != policy.Temporary || c.Reusable {
		return
	}
	e.people.devices.forget(c.UserID)
	if made, found, err := e.remembered(ctx, c.UserID); err == nil && found && made.DeviceID == c.DeviceID {
		_ = e.store.Delete(ctx, temporaryKey(c.UserID))
	}
}
