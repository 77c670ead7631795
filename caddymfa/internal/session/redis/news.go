package redis

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// News of deletions travel over a channel of Redis: who deleted, and the
// session's sum. Each is published by the script that deletes. A subscription hears from then on alone, so whenever one begins or
// breaks, watchers are told that news may have been missed.
const (
	originBytes = 16
	sumBytes    = len(session.Key{}.Sum)

	checkEvery = 2 * time.Second // is the node that we listen to still one of ours?
	retryPause = 250 * time.Millisecond
)

// news are those who watch for deletions, and the subscription that lasts while
// there are any. The zero value is ready to use.
type news struct {
	mu     sync.RWMutex
	last   int
	told   map[int]func(session.Key)
	cancel context.CancelFunc // ends the subscription; nil: there is none
	ended  sync.WaitGroup
	closed bool
}

// Watch implements [session.Store]. It does not connect: the subscription
// begins once the store was used for something else, before which nobody can
// depend on a session in it.
func (s *Store) Watch(told func(session.Key)) (stop func()) {
	n := &s.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told == nil {
		n.told = make(map[int]func(session.Key))
	}
	n.last++
	own := n.last
	n.told[own] = told
	if n.cancel == nil && !n.closed {
		ctx, cancel := context.WithCancel(context.Background())
		n.cancel = cancel
		n.ended.Go(func() { s.listen(ctx) })
	}
	return func() { n.stop(own) }
}

func (n *news) stop(own int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.told, own)
	if len(n.told) == 0 && n.cancel != nil {
		n.cancel()
		n.cancel = nil
	}
}

func (n *news) tell(key session.Key) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, told := range n.told {
		told(key)
	}
}

func (n *news) close() {
	n.mu.Lock()
	n.closed = true
	if n.cancel != nil {
		n.cancel()
		n.cancel = nil
	}
	n.mu.Unlock()
	n.ended.Wait()
}

// listen keeps a subscription until ctx ends.
func (s *Store) listen(ctx context.Context) {
	select {
	case <-s.link.used:
	case <-ctx.Done():
	}
	for deaf := false; ctx.Err() == nil; {
		pause, err := retryPause, s.follow(ctx)
		if err != nil {
			pause = checkEvery
			if !deaf {
				s.config.Log("redis tells of no deletions: streams of sessions that another node deletes go on", err)
			}
		}
		deaf = err != nil
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// follow listens to one node until the connection breaks or should be another.
// In a cluster each node hears what is published at any. An error means that
// Redis does not let us subscribe.
func (s *Store) follow(ctx context.Context) error {
	client, err := s.link.use(ctx)
	if err != nil {
		return nil // of which the link has told
	}
	address, node := anyNode(client)
	if node == nil {
		return nil
	}
	connection, _ := node.Dedicate()
	defer connection.Close()
	broken := connection.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: s.hear})
	limited, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	err = connection.Do(limited, connection.B().Subscribe().Channel(s.channel()).Build()).Error()
	if ctx.Err() != nil {
		return nil
	}
	_, refused := rueidis.IsRedisErr(err)
	switch err = s.link.judge(client, err); {
	case refused:
		return err
	case err == nil:
		s.news.tell(session.Key{})
		s.wait(ctx, client, address, broken)
		s.news.tell(session.Key{})
	}
	return nil
}

func anyNode(client rueidis.Client) (string, rueidis.Client) {
	for address, node := range client.Nodes() {
		return address, node
	}
	return "", nil
}

// wait returns when there is a reason not to listen to the node any longer.
func (s *Store) wait(ctx context.Context, client rueidis.Client, address string, broken <-chan error) {
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	dropped := s.link.givenUp(client)
	for {
		select {
		case <-ctx.Done():
			return
		case <-broken:
			return
		case <-dropped:
			return
		case <-check.C:
			if _, ours := client.Nodes()[address]; !ours {
				return
			}
		}
	}
}

// hear takes in one message. What we deleted ourselves was told already.
func (s *Store) hear(m rueidis.PubSubMessage) {
	if len(m.Message) != originBytes+sumBytes || m.Message[:originBytes] == s.origin {
		return
	}
	key := session.Key{Kind: session.KindSession}
	copy(key.Sum[:], m.Message[originBytes:])
	s.bury(key)
}
