package session

import "time"

// Skew is how far a stamp may lie in the future, because another node's clock
// runs ahead, before it is taken for wrong.
const Skew = 60 * time.Second

// Session is what a cookie points to: a user who has proved themselves for a
// site. Times are kept to the millisecond and returned in UTC.
type Session struct {
	User   string // as the site's first login names the user; 1 to 256 bytes
	UserID string // OneLogin's user id; at most 64 bytes
	Site   string // the relying party the session is good for; 1 to 256 bytes
	Factor string // the factor that was proved; at most 32 bytes

	// Node and Browser tell people which session this is in a list; nothing is
	// decided by them. Either may be empty.
	Node    string // the Caddy node that made the session; at most 64 bytes
	Browser string // what it was made in, in words such as "Firefox on Linux"; at most 64 bytes

	AuthTime time.Time // when the user last proved it
	Created  time.Time // when the session began: its lifetime counts from here
	Seen     time.Time // last use, at the resolution of [Sessions.Touch]: idle counts from here
}

// UserGroup is the group of all sessions of the user whom a site's first login
// calls user, at whatever site.
func UserGroup(user string) Group { return NewGroup("user", user) }

// UserIDGroup is the group of all sessions of the user with this OneLogin id.
func UserIDGroup(userID string) Group { return NewGroup("user id", userID) }

// groups returns the groups that s belongs to. Those without an id do not
// belong together.
func (s Session) groups() []Group {
	if s.UserID == "" {
		return []Group{UserGroup(s.User)}
	}
	return []Group{UserGroup(s.User), UserIDGroup(s.UserID)}
}

// Alive reports whether the session may still be used at now: less than idle
// has passed since it was seen and less than lifetime since it was created. It
// judges by the session's own stamps, whatever deadline the store kept.
//
// A stamp more than [Skew] ahead of now is not believed, and the session is
// not alive. A limit of zero or less allows nothing. Alive does not judge
// whether the proof is fresh or strong enough for a route.
func (s Session) Alive(now time.Time, idle, lifetime time.Duration) bool {
	horizon := now.Add(Skew)
	if s.AuthTime.After(horizon) || s.Created.After(horizon) || s.Seen.After(horizon) {
		return false
	}
	return within(s.Seen, idle, now) && within(s.Created, lifetime, now)
}

// within reports whether less than limit has passed since the stamp. A stamp
// slightly ahead counts as now, so that skew lends nobody any time.
func within(stamp time.Time, limit time.Duration, now time.Time) bool {
	return limit > 0 && now.Sub(stamp) < limit
}
