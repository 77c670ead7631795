package redis

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

const (
	minCount = 100 // names that Redis looks at in one step
	maxSteps = 32  // steps of one call, since most names may be somebody else's
)

// place is where a scan goes on: a cursor of Redis on one of the masters in
// order of their addresses. Print tells whether they are the same as when the
// scan began; another server's cursor would skip records.
type place struct {
	node   int
	cursor uint64
	print  uint32
}

func (p place) String() string { return fmt.Sprintf("%d.%d.%08x", p.node, p.cursor, p.print) }

func readPlace(cursor string) (place, error) {
	var p place
	if _, err := fmt.Sscanf(cursor, "%d.%d.%x", &p.node, &p.cursor, &p.print); err != nil || p.String() != cursor {
		return place{}, errCursor
	}
	return p, nil
}

// Scan implements [session.Store]. If the masters change on the way, it is an
// error. Of records that the vault refuses the same is true as for Members.
func (s *Store) Scan(ctx context.Context, kind session.Kind, cursor string, limit int) ([]session.Entry, string, error) {
	if !kind.Valid() {
		return nil, "", errKind
	}
	nodes, print, err := s.masters(ctx)
	if err != nil {
		return nil, "", err
	}
	at := place{print: print}
	if cursor != "" {
		if at, err = readPlace(cursor); err != nil {
			return nil, "", err
		}
	}
	if at.print != print || at.node < 0 || at.node >= len(nodes) {
		return nil, "", errMoved
	}
	keys, err := s.names(ctx, nodes, &at, kind, limit)
	if err != nil {
		return nil, "", err
	}
	page, err := s.entries(ctx, keys, func([]session.Group) bool { return true })
	if err != nil || at.node == len(nodes) {
		return page, "", err
	}
	return page, at.String(), nil
}

// names moves at forward until it has about limit keys of a kind.
func (s *Store) names(ctx context.Context, nodes []rueidis.Client, at *place, kind session.Kind, limit int) ([]session.Key, error) {
	var keys []session.Key
	front := s.name(session.Key{Kind: kind})
	front = front[:len(front)-hex.EncodedLen(len(session.Key{}.Sum))]
	for step := 0; step < maxSteps && at.node < len(nodes) && (step == 0 || len(keys) < limit); step++ {
		reply, err := s.do(ctx, func(ctx context.Context, _ rueidis.Client) rueidis.RedisResult {
			node := nodes[at.node]
			return node.Do(ctx, node.B().Scan().Cursor(at.cursor).Match(front+"*").Count(int64(max(limit, minCount))).Build())
		})
		if err != nil {
			return nil, err
		}
		found, err := reply.AsScanEntry()
		if err != nil {
			return nil, errReply
		}
		for _, name := range found.Elements {
			if key, ok := readName(front, kind, name); ok {
				keys = append(keys, key)
			}
		}
		if at.cursor = found.Cursor; at.cursor == 0 {
			at.node++
		}
	}
	return keys, nil
}

func readName(front string, kind session.Kind, name string) (session.Key, bool) {
	key := session.Key{Kind: kind}
	sum, err := hex.DecodeString(strings.TrimPrefix(name, front))
	if err != nil || len(sum) != len(key.Sum) {
		return key, false
	}
	copy(key.Sum[:], sum)
	return key, true
}

// masters returns the masters in order of their addresses, and a print of them.
func (s *Store) masters(ctx context.Context) ([]rueidis.Client, uint32, error) {
	client, err := s.link.use(ctx)
	if err != nil {
		return nil, 0, err
	}
	all := client.Nodes()
	var addresses []string
	for address, node := range all {
		if len(all) > 1 {
			role, err := s.do(ctx, func(ctx context.Context, _ rueidis.Client) rueidis.RedisResult {
				return node.Do(ctx, node.B().Role().Build())
			})
			if err != nil {
				return nil, 0, err
			}
			if !isMaster(role) {
				continue
			}
		}
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	var nodes []rueidis.Client
	for _, address := range addresses {
		nodes = append(nodes, all[address])
	}
	return nodes, crc32.ChecksumIEEE([]byte(strings.Join(addresses, " "))), nil
}

func isMaster(role rueidis.RedisMessage) bool {
	parts, err := role.ToArray()
	if err != nil || len(parts) == 0 {
		return false
	}
	name, _ := parts[0].ToString()
	return name == "master"
}
