package stepup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// person is a user and their devices as seen at OneLogin.
type person struct {
	user    onelogin.User
	found   bool
	devices []onelogin.Device // of an active user
}

func (p person) active(now time.Time) bool { return p.found && p.user.Active(now) }

// people is what the engine remembers of OneLogin's users, apart: not
// everybody who asks for one needs the others.
type people struct {
	users   *directory[person]                     // without devices, by the name at the site
	devices *directory[[]onelogin.Device]          // by user id
	factors *directory[[]onelogin.AvailableFactor] // that may be enrolled, by user id
}

func newPeople(client *onelogin.Client) people {
	return people{
		users: newDirectory(
			func(ctx context.Context, name string) (person, error) { return readUser(ctx, client, name) },
			func(p person) bool { return !p.active(time.Now()) }),
		devices: newDirectory(
			func(ctx context.Context, userID string) ([]onelogin.Device, error) {
				devices, err := client.Devices(ctx, userID)
				if err != nil {
					return nil, fmt.Errorf("list devices: %w", err)
				}
				return devices, nil
			},
			func(devices []onelogin.Device) bool { return len(devices) == 0 }),
		factors: newDirectory(
			func(ctx context.Context, userID string) ([]onelogin.AvailableFactor, error) {
				factors, err := client.AvailableFactors(ctx, userID)
				if err != nil {
					return nil, fmt.Errorf("list factors: %w", err)
				}
				return factors, nil
			}, nil),
	}
}

// find returns the person that a site calls name, with their devices.
func (x people) find(ctx context.Context, name string, maxAge time.Duration) (person, error) {
	p, err := x.users.find(ctx, name, maxAge)
	if err != nil || !p.active(time.Now()) {
		return p, err
	}
	p.devices, err = x.devices.find(ctx, p.user.ID, maxAge)
	return p, err
}

// readUser takes name for a username, and for an email address if nobody has
// that username.
func readUser(ctx context.Context, client *onelogin.Client, name string) (person, error) {
	user, found, err := client.UserByUsername(ctx, name)
	if err == nil && !found && strings.Contains(name, "@") {
		user, found, err = client.UserByEmail(ctx, name)
	}
	if err != nil {
		return person{}, fmt.Errorf("find user: %w", err)
	}
	return person{user: user, found: found}, nil
}
