package sessiontest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/sessiontest"
)

// The tests of two clients are tried on a store that is a client of itself.
func TestSuiteWithTwoClients(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, test func(*testing.T, sessiontest.Env)) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New(memory.Config{})
			test(t, sessiontest.Env{Store: store, Second: store, Advance: time.Sleep})
		})
	})
}
