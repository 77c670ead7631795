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
	fetch   func(credential) (accessToken, error)
	flights singleflight.Group

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
	question := strconv.FormatUint(credential.generation, 10) + " " + doubted
	flight := s.flights.DoChan(question, func() (any, error) { return s.refresh(credential, doubted) })
	select {
	case result := <-flight:
		value, _ := result.Val.(string)
		return value, result.Err
	case <-ctx.Done():
		return "", lost(ctx, "access token", answer{}, ctx.Err())
	}
}

// refresh fetches an access token unless the question has been settled. It
// runs on a goroutine of its own, where a panic would end the process.
func (s *accessTokens) refresh(credential credential, doubted string) (value string, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, err = "", &Error{Op: "access token", Message: classUnsendable, Err: fmt.Errorf("panic: %T", p)}
		}
	}()
	if value, settled, err := s.settled(credential, doubted); settled {
		return value, err
	}
	fetched, err := s.fetch(credential)
	s.keep(credential, doubted, fetched, err)
	return fetched.value, err
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
