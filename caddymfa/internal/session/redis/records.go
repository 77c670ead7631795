package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// farthest is how far ahead a deadline may lie: ten years.
const farthest = 10 * 365 * 24 * time.Hour

// remembered is how long this process remembers that it could not tell Redis to
// delete a record of another kind than session: longer than these live.
const remembered = 24 * time.Hour

// Load implements [session.Store]. A session may be as old as
// [Config.CacheFor].
//
// A record that the vault refuses is an error and not absent.
func (s *Store) Load(ctx context.Context, key session.Key) (session.Record, bool, error) {
	if !key.Kind.Valid() {
		return session.Record{}, false, errKind
	}
	now := s.now()
	if key.Kind == session.KindSession && s.gone.has(key, now) {
		return session.Record{}, false, nil
	}
	value, found, err := s.newest(ctx, key, now)
	if err != nil || !found {
		return session.Record{}, false, err
	}
	r, err := s.open(ctx, key, value)
	if err != nil || !s.living(key, r) {
		return session.Record{}, false, err
	}
	return r, true, nil
}

// newest returns what lies under key. A session comes from the copy in this
// process, unless that copy is older than what this process wrote.
func (s *Store) newest(ctx context.Context, key session.Key, now time.Time) (stored, bool, error) {
	name := s.name(key)
	if key.Kind == session.KindSession {
		value, found, err := s.readCached(ctx, name, now)
		if m, wrote := s.fresh.get(key, now); err != nil || !wrote || m.version == value.version() {
			return value, found, err
		}
	}
	return s.read(ctx, name)
}

// living tells whether r exists: Redis' clock is not the judge of that, and
// neither is what Redis holds of records that this process deleted.
func (s *Store) living(key session.Key, r session.Record) bool {
	now := s.now()
	return now.Before(r.Expires) && !s.hidden(key, r, now)
}

// hidden tells whether this process deleted r. A session's key is never used
// again. Another's is: where nobody knows whether Redis did delete, the record
// that is found first is taken for the one that should not be.
func (s *Store) hidden(key session.Key, r session.Record, now time.Time) bool {
	m, deleted := s.gone.get(key, now)
	if deleted && m.version == 0 && key.Kind != session.KindSession {
		m.version = r.Version
		s.gone.put(key, r.Version, r.Expires)
	}
	return deleted && (key.Kind == session.KindSession || m.version == r.Version)
}

// Add implements [session.Store].
func (s *Store) Add(ctx context.Context, key session.Key, value string, expires time.Time, groups ...session.Group) (bool, error) {
	left, err := s.check(key, value, expires)
	if err != nil {
		return false, err
	}
	if len(groups) > session.MaxGroups {
		return false, errGroups
	}
	sealed, version, err := s.seal(ctx, key, value, expires)
	if err != nil {
		return false, err
	}
	// Groups first: no record may live that its groups do not know.
	if err := s.join(ctx, key, expires, groups); err != nil {
		return false, err
	}
	sealed = string(front(groups)) + sealed
	reply, err := s.run(ctx, s.scripts.add, s.name(key), sealed, milliseconds(left))
	if err != nil {
		return false, err
	}
	added, err := s.added(ctx, key, reply, sealed, left)
	if added {
		s.gone.drop(key)
		s.wrote(key, version)
	}
	return added, err
}

// added reads what the script said. A record that was in the way may be over by
// our clocks though not by Redis'; then it is replaced.
func (s *Store) added(ctx context.Context, key session.Key, reply rueidis.RedisMessage, value string, left time.Duration) (bool, error) {
	if reply.IsInt64() {
		return verdict(reply)
	}
	held, err := reply.AsBytes()
	if err != nil {
		return false, errReply
	}
	r, err := s.open(ctx, key, split(held))
	if err != nil || s.now().Before(r.Expires) {
		return false, err
	}
	reply, err = s.run(ctx, s.scripts.add, s.name(key), value, milliseconds(left), string(held))
	if err != nil {
		return false, err
	}
	if !reply.IsInt64() { // somebody else was quicker
		return false, nil
	}
	return verdict(reply)
}

// Update implements [session.Store]. If expires is later than old.Expires, the
// record's groups learn it first, which takes another read.
func (s *Store) Update(ctx context.Context, key session.Key, old session.Record, value string, expires time.Time) (bool, error) {
	left, err := s.check(key, value, expires)
	if err != nil {
		return false, err
	}
	if key.Kind == session.KindSession && s.gone.has(key, s.now()) {
		return false, nil
	}
	if expires.After(old.Expires) {
		if err := s.rejoin(ctx, key, expires); err != nil {
			return false, err
		}
	}
	sealed, version, err := s.seal(ctx, key, value, expires)
	if err != nil {
		return false, err
	}
	reply, err := s.run(ctx, s.scripts.update, s.name(key), versionText(old.Version), sealed, milliseconds(left))
	if err != nil {
		return false, err
	}
	updated, err := verdict(reply)
	if updated {
		s.wrote(key, version)
	}
	return updated, err
}

// Touch implements [session.Store].
func (s *Store) Touch(ctx context.Context, key session.Key, old session.Record, value string) (bool, error) {
	return s.Update(ctx, key, old, value, old.Expires)
}

// Delete implements [session.Store]. Other nodes that watch hear of a session
// in a moment; those that hold a copy of it lose that as soon. This process
// remembers.
func (s *Store) Delete(ctx context.Context, key session.Key) error {
	if !key.Kind.Valid() {
		return errKind
	}
	channel, message := "", ""
	if key.Kind == session.KindSession {
		channel, message = s.channel(), s.origin+string(key.Sum[:])
		s.bury(key)
	}
	reply, err := s.run(ctx, s.scripts.remove, s.name(key), channel, message)
	if err != nil {
		if key.Kind != session.KindSession {
			s.gone.put(key, 0, s.now().Add(remembered))
		}
		return err
	}
	s.tidy(ctx, key, reply)
	return nil
}

// bury has this process never find a session again, and tells those who watch.
func (s *Store) bury(key session.Key) {
	s.gone.put(key, 0, s.now().Add(farthest))
	s.news.tell(key)
}

// tidy takes what was deleted out of its groups. If that fails, they keep a
// member without a record until its deadline.
func (s *Store) tidy(ctx context.Context, key session.Key, held rueidis.RedisMessage) {
	bytes, err := held.AsBytes()
	if err != nil || len(bytes) == 0 || isCounter(bytes) {
		return
	}
	value := split(bytes)
	if r, err := s.config.Vault.Open(ctx, key, value.sealed); err == nil {
		s.leave(ctx, key, r.Expires, value.memberOf())
	}
}

// wrote notes that this process's copy of a session is out of date until it
// has version.
func (s *Store) wrote(key session.Key, version uint64) {
	if key.Kind == session.KindSession && s.config.CacheFor > 0 {
		s.fresh.put(key, version, s.now().Add(s.config.CacheFor))
	}
}

// check returns how long a record is to live, and refuses what a caller must
// not ask for.
func (s *Store) check(key session.Key, value string, expires time.Time) (time.Duration, error) {
	left := expires.Sub(s.now())
	switch {
	case !key.Kind.Valid():
		return 0, errKind
	case left <= 0 || left > farthest:
		return 0, errDeadline
	case len(value) > session.MaxValue:
		return 0, errTooLong
	}
	return left, nil
}

// milliseconds writes d for Redis, to which 0 would be an error.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 1), 10)
}
