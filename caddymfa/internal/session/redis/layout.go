package redis

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// Under a record's name lies, in this order:
//
//	1 byte        number of its groups, at most session.MaxGroups
//	n × 8 bytes   the groups
//	the rest      the record as the vault sealed it
//
// The groups are not sealed, because the update script hands them on; the sets
// of their members, which Redis has to know in any case, tell as much. Scripts
// know where a sealed record has its version, without opening anything.
const (
	groupBytes   = len(session.Group{})
	versionAt    = 5
	versionBytes = 8
)

// stored is what lies under a name, cut into its parts.
type stored struct {
	groups []byte
	sealed []byte
}

// split cuts value. What is too short or has too many groups is left for the
// vault to refuse.
func split(value []byte) stored {
	if len(value) == 0 || int(value[0]) > session.MaxGroups || len(value) < 1+int(value[0])*groupBytes {
		return stored{sealed: value}
	}
	front := 1 + int(value[0])*groupBytes
	return stored{groups: value[1:front], sealed: value[front:]}
}

// version returns the version of the sealed record; of what is none, 0.
func (v stored) version() uint64 {
	if len(v.sealed) < versionAt+versionBytes {
		return 0
	}
	return binary.BigEndian.Uint64(v.sealed[versionAt:])
}

// memberOf returns the groups.
func (v stored) memberOf() []session.Group {
	var groups []session.Group
	for g := v.groups; len(g) > 0; g = g[groupBytes:] {
		groups = append(groups, session.Group(g[:groupBytes]))
	}
	return groups
}

// front returns what lies before the sealed record.
func front(groups []session.Group) []byte {
	b := []byte{byte(len(groups))}
	for _, g := range groups {
		b = append(b, g[:]...)
	}
	return b
}

// isCounter tells digits from a record, which never begins with one.
func isCounter(value []byte) bool { return len(value) > 0 && '0' <= value[0] && value[0] <= '9' }

// open returns the record in value, which lay under key. It tells of what the
// vault refuses, and judges no deadline.
func (s *Store) open(ctx context.Context, key session.Key, value stored) (session.Record, error) {
	if isCounter(value.sealed) {
		return session.Record{}, errCounter
	}
	r, err := s.config.Vault.Open(ctx, key, value.sealed)
	if err == nil {
		return r, nil
	}
	err = fmt.Errorf("redis: %w", err)
	if isAny(err, vault.ErrForged, vault.ErrSchema, vault.ErrUnknownKey) {
		s.refuse(err)
	}
	return session.Record{}, err
}

// seal returns value as it goes to Redis behind its groups, and its version.
func (s *Store) seal(ctx context.Context, key session.Key, value string, expires time.Time) (string, uint64, error) {
	sealed, version, err := s.config.Vault.Seal(ctx, key, session.Record{Value: value, Expires: expires})
	if err != nil {
		return "", 0, fmt.Errorf("redis: %w", err)
	}
	return string(sealed), version, nil
}

// name returns what key is called in Redis. Its end is the key's sum in hex, as
// handles of sessions are.
func (s *Store) name(key session.Key) string {
	var buffer [256]byte
	b := append(buffer[:0], s.config.Prefix...)
	b = strconv.AppendUint(b, uint64(key.Kind), 10)
	b = append(b, ':')
	return string(hex.AppendEncode(b, key.Sum[:]))
}

// groupName returns what the set of a group's members is called.
func (s *Store) groupName(g session.Group) string {
	return s.config.Prefix + "g:" + hex.EncodeToString(g[:])
}

// channel is where deletions of sessions are told.
func (s *Store) channel() string { return s.config.Prefix + "deleted" }

// versionText is a version as it lies in a sealed record.
func versionText(version uint64) string {
	return string(binary.BigEndian.AppendUint64(nil, version))
}
