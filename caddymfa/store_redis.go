package caddymfa

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
)

func init() {
	caddy.RegisterModule(RedisStore{})
}

// RedisStore keeps sessions, challenges and counters in Redis or Valkey, so
// that several nodes share them. Every value is sealed with a key from Caddy's
// storage, which the nodes have to share as well: whoever can write to Redis
// can neither make a session nor move one.
//
// The nodes hold what they read for a short time and are told by Redis when it
// changes, so that a request of a verified user waits for no network. If Redis
// cannot be reached nobody is verified; nothing falls back to memory.
//
// In the Caddyfile:
//
//	store redis <host:port...> {
//		username <name>
//		password <value>
//		database <number>
//		prefix   <text>
//		tls {
//			ca          <file>
//			server_name <name>
//		}
//		sentinel <master> {
//			username <name>
//			password <value>
//		}
//		cluster
//		cache    <duration>|off
//		timeout  <duration>
//	}
type RedisStore struct {
	// Addresses are where Redis listens, as host:port: one, or several nodes
	// of a cluster, or the Sentinels. Placeholders are filled in.
	// Default: 127.0.0.1:6379.
	Addresses []string `json:"addresses,omitempty"`

	// Username and Password log in (Redis ACL). Placeholders {env.*} and
	// {file.*} are filled in when the config is loaded. Default: none.
	Username string `json:"username,omitempty"`

	// Password of the user, or of Redis where there is no user.
	Password string `json:"password,omitempty"`

	// Database is the number of the database. Cluster has only 0. Default: 0.
	Database int `json:"database,omitempty"`

	// Prefix begins the name of every key. Default: "mfa:".
	Prefix string `json:"prefix,omitempty"`

	// TLS encrypts the connection. Left out, it is plain, which is warned of
	// unless every address is a loopback address.
	TLS *RedisTLS `json:"tls,omitempty"`

	// Sentinel finds the master. Addresses are those of the Sentinels then.
	Sentinel *RedisSentinel `json:"sentinel,omitempty"`

	// Cluster says that the addresses are nodes of a Redis Cluster.
	// Default: false.
	Cluster bool `json:"cluster,omitempty"`

	// Cache is how long a session that was read may be used without asking
	// Redis again. A revocation usually arrives within milliseconds; this
	// bounds it when Redis is frozen or cut off. At most 5s; below zero asks
	// Redis with every request. Default: 3s.
	Cache caddy.Duration `json:"cache,omitempty"`

	// Timeout bounds one operation. Default: 500ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	log      *zap.Logger
	resolved redis.Config // with placeholders filled in
}

// RedisTLS says how the connection is encrypted. Verification cannot be turned
// off.
type RedisTLS struct {
	// CA is a PEM file with the roots that the certificate must lead to.
	// Default: the system's.
	CA string `json:"ca,omitempty"`

	// ServerName is the name that the certificate must have. Default: the
	// host of the address.
	ServerName string `json:"server_name,omitempty"`
}

// RedisSentinel names a master that Sentinels watch.
type RedisSentinel struct {
	// Master is the name of the master. Required.
	Master string `json:"master,omitempty"`

	// Username and Password log in at the Sentinels. Default: none.
	Username string `json:"username,omitempty"`

	// Password of the user at the Sentinels. Default: none.
	Password string `json:"password,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (RedisStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "mfa.stores.redis",
		New: func() caddy.Module { return new(RedisStore) },
	}
}
