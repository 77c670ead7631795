package redis

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// Defaults and bounds of [Config].
const (
	DefaultPrefix   = "mfa:"
	DefaultCacheFor = 3 * time.Second
	MaxCacheFor     = 5 * time.Second
	DefaultTimeout  = 500 * time.Millisecond

	maxTimeout = 10 * time.Second
	maxPrefix  = 64
)

// Config says where Redis is and how it is used.
type Config struct {
	// Addresses are host:port of the server, of nodes of the cluster, or of
	// the Sentinels. At least one; exactly one if neither Master nor Cluster
	// is set.
	Addresses []string

	Master  string // name of the master that Sentinels watch; "": no Sentinel
	Cluster bool   // the addresses are nodes of a cluster

	Username, Password                 string // "": none
	SentinelUsername, SentinelPassword string // at the Sentinels; "": none

	// TLS encrypts the connections, those to Sentinels too. Nil: plain.
	// Without a ServerName in it certificates must have the address's host.
	TLS *tls.Config

	DB int // number of the database; a cluster has 0 alone

	// Prefix begins the name of every key and of the channel: letters, digits
	// and any of :._-{} with at most 64 bytes. Default: [DefaultPrefix].
	Prefix string

	// CacheFor is how long a session that was read may be used without asking
	// again: the longest that a revocation can take to arrive when Redis or
	// the network hangs. Below zero every read asks. Default:
	// [DefaultCacheFor]; at most [MaxCacheFor].
	CacheFor time.Duration

	// Timeout bounds one operation, or about that; a list takes several.
	// Default: [DefaultTimeout]; at most 10 s.
	Timeout time.Duration

	// Vault seals what is stored. Required for every use of the store.
	Vault *vault.Vault

	// Log is told what an operator should hear: that Redis is lost or back,
	// does no client-side caching, may evict keys, or holds a record that was
	// refused. Err may be nil. Nil: nobody is told.
	Log func(message string, err error)

	// Refused is told of every record that the vault refuses. Nil: nobody.
	Refused func(err error)
}

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, DefaultPrefix)
	c.CacheFor = cmp.Or(c.CacheFor, DefaultCacheFor)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	if c.Log == nil {
		c.Log = func(string, error) {}
	}
	return c
}

// check refuses a config that could not work. Its errors show no password.
func (c Config) check() error {
	if len(c.Addresses) == 0 {
		return errors.New("redis: no address")
	}
	for _, address := range c.Addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return fmt.Errorf("redis: address %q is not host:port", address)
		}
	}
	switch {
	case c.Master != "" && c.Cluster:
		return errors.New("redis: Sentinel and cluster exclude each other")
	case len(c.Addresses) > 1 && c.Master == "" && !c.Cluster:
		return errors.New("redis: several addresses need a Sentinel master or cluster")
	case c.Cluster && c.DB != 0:
		return errors.New("redis: a cluster has database 0 alone")
	case c.DB < 0:
		return fmt.Errorf("redis: database %d is below 0", c.DB)
	case c.Username != "" && c.Password == "" || c.SentinelUsername != "" && c.SentinelPassword == "":
		return errors.New("redis: username without a password")
	case c.Master == "" && c.SentinelPassword != "":
		return errors.New("redis: password for Sentinels without the name of a master")
	case len(c.Prefix) > maxPrefix || strings.Trim(c.Prefix, prefixLetters) != "":
		return fmt.Errorf("redis: prefix %q is longer than %d bytes or has other letters than a-z, A-Z, 0-9 and :._-{}", c.Prefix, maxPrefix)
	case c.CacheFor > MaxCacheFor:
		return fmt.Errorf("redis: sessions cannot be cached for %v, at most %v", c.CacheFor, MaxCacheFor)
	case c.Timeout < 0 || c.Timeout > maxTimeout:
		return fmt.Errorf("redis: timeout %v is not between 0 and %v", c.Timeout, maxTimeout)
	}
	return nil
}

// prefixLetters have no meaning in a pattern of SCAN.
const prefixLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-{}"

// A connection that does not answer a ping for answerTime, after silence of
// pingEvery, is given up, and what it had cached with it.
const (
	dialTime   = time.Second
	pingEvery  = time.Second
	answerTime = 2 * time.Second
)

// option returns rueidis' settings. Where they differ from its defaults:
func (c Config) option() rueidis.ClientOption {
	dialer := net.Dialer{Timeout: dialTime, KeepAlive: pingEvery}
	return rueidis.ClientOption{
		InitAddress: c.Addresses, Username: c.Username, Password: c.Password,
		TLSConfig: c.TLS, SelectDB: c.DB, ClientName: "caddymfa",
		Dialer: dialer, ConnWriteTimeout: answerTime,

		// A standalone address must not be guessed to be a cluster.
		ForceSingleClient: !c.Cluster && c.Master == "",
		// A missed +switch-master must not bind us to a demoted master for ever.
		Sentinel: rueidis.SentinelOption{
			MasterSet: c.Master, Username: c.SentinelUsername, Password: c.SentinelPassword,
			Dialer: dialer, TLSConfig: c.TLS, TopologyRefreshInterval: 2 * time.Second,
		},
		ClusterOption: rueidis.ClusterOption{ShardsRefreshInterval: 10 * time.Second, MaxMovedRedirections: 5},

		// One connection to each node: records are small, Redis answers in
		// order, and 4 connections would have 4 caches.
		PipelineMultiplex:  -1,
		ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		// About 35,000 sessions that were used within CacheFor.
		CacheSizeEachConn: 32 << 20,
		// Room for what a frozen server leaves unanswered within Timeout: a
		// full ring would hold callers for longer than that.
		RingScaleEachConn: 12,
		// Without it a command that times out closes the connection.
		AlwaysPipelining: true,

		DisableCache: c.CacheFor < 0,
		// It would repeat reads alone, never scripts or writes, but until the
		// caller's patience ends, and then the answer is "timeout" and not
		// "LOADING". Reads are repeated once, by us.
		DisableRetry: true,
		// CLIENT SETINFO is news to Redis 7.2 and one more permission.
		ClientSetInfo: rueidis.DisableClientSetInfo,
	}
}
