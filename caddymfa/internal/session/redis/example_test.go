package redis_test

import (
	"context"
	"crypto/tls"
	"log"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/redis"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/vault"
)

// A store behind Sentinel. New does not connect; Start does, and says why if it
// cannot, but the store goes on trying whatever it says.
func ExampleNew() {
	store, err := redis.New(redis.Config{
		Addresses: []string{"sentinel-1.internal:26379", "sentinel-2.internal:26379"},
		Master:    "mfa",
		Username:  "caddymfa",
		Password:  "from a file",
		TLS:       &tls.Config{MinVersion: tls.VersionTLS12},
		Vault:     vault.New(storageKeys),
		Log:       func(message string, err error) { log.Println(message, err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.Start(context.Background()); err != nil {
		log.Println(err)
	}
}

func storageKeys(context.Context) ([][32]byte, error) { return [][32]byte{{1}}, nil }
