package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// An Update is decided while the record lives, and written when it no longer
// does.
func TestRecordThatExpiresWhileItIsWrittenStaysExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := New(Config{}), session.NewKey(session.KindSession, "one")
		s.Add(t.Context(), key, "old", time.Now().Add(time.Minute))
		sh, _ := s.shard(key)
		old := sh.get(key, time.Now())
		next := sh.newRecord(key, "", "new", time.Now().Add(time.Hour))
		time.Sleep(time.Minute)
		if finished := sh.finish(key, old, next); finished {
			t.Error("finish = true, want false")
		}
		if r, found, _ := s.Load(t.Context(), key); found {
			t.Errorf("Load = %v, want nothing", r)
		}
	})
}
