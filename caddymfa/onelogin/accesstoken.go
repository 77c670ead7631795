package onelogin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// settleTime is how long what the token endpoint said stays true. Within it a
// 401 does not make us ask again, however many calls meet one.
const settleTime = 3 * time.Second

// accessTokens holds the one access token that all calls share. However many
// callers want one, at most one fetch per credential is under way.
type accessTokens struct {
	fetch   func(context.Context, credential) (accessToken, error)
	reload  func(context.Context) (clientID, clientSecret string, err error) // nil: never
	within  func() (context.Context, context.CancelFunc)                     // the time for one flight
	flights singleflight.Group

	// reloading is held while reload is asked. It guards reloadedAt.
	reloading  sync.Mutex
	reloadedAt time.Time

	// mu guards what follows. It is not held while an access token is fetched.
	mu          sync.Mutex
	credential  credential
	held        accessToken
	recheckedAt time.Time // when a doubted token last came back, and so was alive
	failure     error     // of the last fetch; nil after a good one
	failedAt    time.Time
}

// setCredential replaces the credential and, if that changes it, forgets all
// that was learnt with the old one.
func (s *accessTokens) setCredential(clientID, clientSecret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credential.clientID == clientID && s.credential.clientSecret == clientSecret {
		return
	}
	s.credential = credential{s.credential.generation + 1, clientID, clientSecret}
	s.held, s.recheckedAt, s.failure = accessToken{}, time.Time{}, nil
}

// current returns the access token that is alive. Doubted is "", or one that
// met a 401: then OneLogin is asked which one it has, unless that was done
// moments ago, and if doubted itself comes back it is alive.
//
// It waits at most as long as ctx lasts. A fetch under way goes on for those
// who still wait for it.
func (s *accessTokens) current(ctx context.Context, doubted string) (string, error) {
	s.mu.Lock()
	held, credential := s.held, s.credential
	s.mu.Unlock()
	if held.usable(time.Now()) && held.value != doubted {
		return held.value, nil
	}
	flight := s.flights.DoChan(flightName(credential, doubted), func() (any, error) { return s.refresh(credential, doubted) })
	select {
	case result := <-flight:
		value, _ := result.Val.(string)
		return value, result.Err
	case <-ctx.Done():
		return "", lost(ctx, "access token", answer{}, ctx.Err())
	}
}

// flightName names what a flight finds out.
func flightName(credential credential, doubted string) string {
	return strconv.FormatUint(credential.generation, 10) + " " + doubted
}

// refresh fetches an access token unless the question has been settled. If the
// credential is refused and there is another by now, that one is used. It runs
// on a goroutine of its own, where a panic would end the process.
func (s *accessTokens) refresh(credential credential, doubted string) (value string, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, err = "", &Error{Op: "access token", Message: classUnsendable, Err: fmt.Errorf("panic: %T", p)}
		}
	}()
	if value, settled, err := s.settled(credential, doubted); settled {
		return value, err
	}
	ctx, cancel := s.within()
	defer cancel()
	fetched, err := s.fetch(ctx, credential)
	if final(err) {
		if next, found := s.successor(ctx, credential); found {
			shared, err, _ := s.flights.Do(flightName(next, doubted), func() (any, error) { return s.refresh(next, doubted) })
			value, _ = shared.(string)
			return value, err
		}
	}
	s.keep(credential, doubted, fetched, err)
	return fetched.value, err
}

// successor returns the credential that has replaced a refused one: one that
// was set in the meantime, or that reload finds now. Its generation is higher,
// so that flights wait for later ones only.
func (s *accessTokens) successor(ctx context.Context, refused credential) (next credential, found bool) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	next = s.present()
	if next.generation != refused.generation {
		return next, true
	}
	if s.reload == nil || time.Since(s.reloadedAt) < settleTime {
		return next, false
	}
	defer func() { s.reloadedAt = time.Now() }()
	clientID, clientSecret, err := s.reload(ctx)
	if err != nil || checkCredential(clientID, clientSecret) != nil {
		return next, false
	}
	s.setCredential(clientID, clientSecret)
	next = s.present()
	return next, next.generation != refused.generation
}

func (s *accessTokens) present() credential {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credential
}

// settled returns what earlier fetches tell, if that will do. A failed fetch
// counts for a moment if it was a refusal of the credential or if a 401 asks
// again; in other cases the first call after an outage shall get through.
func (s *accessTokens) settled(credential credential, doubted string) (value string, settled bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	forced := doubted != ""
	switch {
	case credential.generation != s.credential.generation:
		return "", false, nil
	case s.held.usable(now) && s.held.value != doubted:
		return s.held.value, true, nil
	case s.failure != nil:
		return "", now.Sub(s.failedAt) < settleTime && (forced || final(s.failure)), s.failure
	default:
		return doubted, forced && s.held.usable(now) && now.Sub(s.recheckedAt) < settleTime, nil
	}
}

func (s *accessTokens) keep(credential credential, doubted string, fetched accessToken, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if credential.generation != s.credential.generation {
		return
	}
	now := time.Now()
	if err == nil && fetched.value == doubted {
		s.recheckedAt = now // it is alive; another one that is doubted may be dead
	}
	if s.failure = err; err != nil {
		s.failedAt = now
		return
	}
	s.held = fetched
}

// final reports whether the token endpoint refused the credential, so that
// asking again changes nothing.
func final(err error) bool {
	refusal, ok := errors.AsType[*Error](err)
	return ok && refusal.StatusCode >= 400 && !busy(refusal.StatusCode) && refusal.StatusCode != http.StatusRequestTimeout
}
