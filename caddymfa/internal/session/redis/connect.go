package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// After a failure Redis is given a rest, longer each time, in which everybody
// is told of the failure at once. Then one caller tries again.
const (
	firstRest = 250 * time.Millisecond
	lastRest  = 2 * time.Second
)

// link is the client of rueidis: made at first use, rested when Redis does not
// answer, made anew when it answers as a replica.
//
// rueidis dials again by itself when a connection breaks, in whatever command
// comes next. Without rests, every request would wait for its own dial.
type link struct {
	option  rueidis.ClientOption
	timeout time.Duration
	log     func(string, error)

	// ready is the client while all is well, for those who come along.
	ready atomic.Pointer[rueidis.Client]

	mu      sync.Mutex
	client  rueidis.Client // nil: there is none yet
	dropped chan struct{}  // closed when client is given up
	renewed time.Time      // when that was done last because of a read-only server
	dialing chan struct{}  // closed when the dial under way has ended; nil: none is
	failure error          // what went wrong last; nil: nothing
	until   time.Time      // when the rest ends
	rest    time.Duration  // how long the last one was; zero: Redis has answered since
	probing bool           // somebody tries although failure is set
	closed  bool

	uncached bool      // that there is no client-side caching was logged; for dial alone
	told     time.Time // when a cluster's failure was logged last

	used chan struct{} // closed at first use
	once sync.Once
}

func newLink(config Config) *link {
	return &link{
		option: config.option(), timeout: config.Timeout, log: config.Log,
		used: make(chan struct{}),
	}
}

// use returns the client, connecting if there is none.
func (l *link) use(ctx context.Context) (rueidis.Client, error) {
	if client := l.ready.Load(); client != nil {
		return *client, nil
	}
	l.once.Do(func() { close(l.used) })
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	for {
		client, dialing, err := l.look()
		if dialing == nil {
			return client, err
		}
		select {
		case <-dialing:
		case <-ctx.Done():
			return nil, describe(ctx.Err())
		}
	}
}

// unwell returns the client if there is one and all is not well. It is good for
// what it has cached.
func (l *link) unwell() rueidis.Client {
	if l.ready.Load() != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

// look returns the client or the error of the moment, or what to wait for.
func (l *link) look() (rueidis.Client, chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, nil, errClosed
	case l.failure != nil && (l.dialing != nil || time.Now().Before(l.until)):
		return nil, nil, l.failure
	case l.client != nil:
		l.probing = l.failure != nil
		l.until = time.Now().Add(2 * l.timeout) // for the others; the probe ends before
		return l.client, nil, nil
	case l.dialing == nil:
		l.dialing = make(chan struct{})
		go l.dial(l.dialing)
	}
	return nil, l.dialing, nil
}

// dial makes the client and lets those who wait go on.
func (l *link) dial(done chan struct{}) {
	client, err := l.open()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(done)
	l.dialing = nil
	switch {
	case l.closed && err == nil:
		go client.Close()
	case err != nil:
		l.failed(describe(err))
	default:
		l.client, l.dropped = client, make(chan struct{})
		l.healed()
	}
}

// open connects, without client-side caching if Redis has none for us.
func (l *link) open() (rueidis.Client, error) {
	client, err := connect(l.option)
	if errors.Is(err, rueidis.ErrNoCache) {
		if !l.uncached {
			l.uncached = true
			l.log("redis does no client-side caching for us: every request asks it", withoutCache(err))
		}
		option := l.option
		option.DisableCache = true
		client, err = connect(option)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if info, err := client.Do(ctx, client.B().Info().Build()).ToString(); err == nil && readInfo(info).Evicts {
		l.log("redis drops sessions, used codes and limits when its memory is full: set maxmemory-policy noeviction", nil)
	}
	return client, nil
}

// connect makes a client that is known to work.
func connect(option rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(option)
	if err == nil {
		err = accept(client, option)
	}
	if err != nil && client != nil {
		go client.Close()
	}
	if rueidis.IsRedisNil(err) { // SENTINEL GET-MASTER-ADDR-BY-NAME
		err = errors.New("the Sentinel does not know this master")
	}
	return client, err
}

// accept checks what rueidis does not. Reading with CLIENT CACHING refused it
// would keep what Redis never takes back.
func accept(client rueidis.Client, option rueidis.ClientOption) error {
	cluster := !option.ForceSingleClient && option.Sentinel.MasterSet == ""
	if cluster && client.Mode() != rueidis.ClientModeCluster {
		return errors.New("is no cluster")
	}
	if option.DisableCache {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	err := client.Do(ctx, client.B().ClientCaching().Yes().Build()).Error()
	if _, replied := rueidis.IsRedisErr(err); replied {
		return fmt.Errorf("%w\n%w", err, rueidis.ErrNoCache)
	}
	return err
}

// judge draws conclusions from how an operation with client ended, and returns
// its error in our words. A nil reply is no error.
func (l *link) judge(client rueidis.Client, err error) error {
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	_, replied := rueidis.IsRedisErr(err)
	answered := err == nil || replied && !turnedAway(err)
	if !answered || readOnly(err) || l.ready.Load() == nil {
		l.learn(client, err, answered)
	}
	if err == nil {
		return nil
	}
	return describe(err)
}

func (l *link) learn(client rueidis.Client, err error, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case client != l.client: // of yesterday
	case readOnly(err):
		l.renew()
	case answered:
		l.healed()
	default:
		l.failed(describe(err))
	}
}

// healed notes that Redis answers. The caller holds mu.
func (l *link) healed() {
	if l.failure != nil {
		l.log("redis is back", nil)
	}
	l.failure, l.rest, l.probing = nil, 0, false
	client := l.client
	l.ready.Store(&client)
}

// failed begins a rest, unless one has begun already. The caller holds mu.
//
// In a cluster the other nodes may be well, so nobody rests but those who dial.
func (l *link) failed(why error) {
	now := time.Now()
	if l.client != nil && l.client.Mode() == rueidis.ClientModeCluster {
		if now.Sub(l.told) > time.Minute {
			l.told = now
			l.log("a node of the redis cluster cannot be used", why)
		}
		return
	}
	if l.failure != nil && now.Before(l.until) && !l.probing {
		return
	}
	if l.failure == nil {
		l.log("redis cannot be used", why)
	}
	l.rest = min(max(2*l.rest, firstRest), lastRest)
	l.failure, l.until, l.probing = why, now.Add(l.rest), false
	l.ready.Store(nil)
}

// renew gives up a client whose server answers as a replica: its address may
// lead to another server by now. The caller holds mu.
func (l *link) renew() {
	if time.Since(l.renewed) < lastRest {
		return
	}
	l.renewed = time.Now()
	l.drop()
}

func (l *link) drop() {
	if l.client == nil {
		return
	}
	go l.client.Close() // which may take a second
	close(l.dropped)
	l.client = nil
	l.ready.Store(nil)
}

// givenUp returns a channel that is closed when client is given up.
func (l *link) givenUp(client rueidis.Client) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if client != l.client {
		return closedChannel()
	}
	return l.dropped
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.drop()
}
